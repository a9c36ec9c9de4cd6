# SPDX-License-Identifier: GPL-3.0-or-later
"""`intermoe bundle verify|inspect`: is a bundle whole, and what is in it?"""

from __future__ import annotations

import argparse
import json
import sys


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add `bundle` with its two actions."""
    parser = subparsers.add_parser("bundle", help="check or describe a model bundle")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    verify = actions.add_parser("verify", help="check every file against its sum and load every graph")
    inspect = actions.add_parser("inspect", help="what the bundle knows, its licence and its scores")
    inspect.add_argument("--json", action="store_true", help="print bundle.json as it is")
    for action, function in ((verify, _verify), (inspect, _inspect)):
        action.add_argument(
            "path", metavar="PATH", nargs="?", help="folder or .zip (default: the default one)"
        )
        action.set_defaults(run=function)


def _verify(args: argparse.Namespace) -> int:
    from ..bundle import Bundle
    from ..generate import Engine
    from ..runtime.session import load_graph

    bundle = Bundle.open(args.path)
    Engine(bundle, "cpu")
    load_graph("vae_encoder.onnx", bundle.model("vae_encoder.onnx"), "cpu")
    size = f"{len(bundle.card.files)} files, {bundle.size / 1e6:.1f} MB"
    print(f"{bundle.path}: whole; {size}, sha256 {bundle.sha256}")
    return 0


def _inspect(args: argparse.Namespace) -> int:
    from ..bundle import Bundle

    bundle = Bundle.open(args.path)
    card = bundle.card
    if args.json:
        json.dump(card.raw, sys.stdout, indent=2, ensure_ascii=False)
        print()
        return 0
    latent, diffusion = card.latent, card.diffusion
    rows = [
        ("name", f"{card.name} ({card.id})"),
        ("licence", card.licence),
        ("motion", f"{card.feature_layout}, {len(card.skeleton.names)} joints, {card.fps:g} frames/s"),
        ("length", f"{card.min_duration:.2f} to {card.max_duration:.2f} s"),
        (
            "latents",
            f"{latent.groups} groups x {latent.channels} channels for {latent.downsample} frames a person",
        ),
        (
            "text",
            f"{card.text.max_tokens} tokens to {card.text.width} numbers ({card.text.tokenizer})"
            if card.text.encoder
            else "no text encoder: motions do not follow the sentence",
        ),
        (
            "sampling",
            f"{diffusion.sampler}, {diffusion.default_steps} of {diffusion.steps} steps, "
            f"guidance {diffusion.default_guidance:g}",
        ),
        ("sha256", bundle.sha256),
    ]
    rows += [(f"file {name}", f"{record.bytes / 1e6:.2f} MB") for name, record in sorted(card.files.items())]
    rows += [("example", prompt) for prompt in card.example_prompts[:5]]
    rows += [
        (f"knows {known.title}", f"{known.seconds:.1f} s  {known.prompt}") for known in card.interactions
    ]
    rows += [(key, _short(value)) for key, value in card.provenance.items()]
    width = max(len(key) for key, _ in rows)
    for key, value in rows:
        print(f"{key:<{width}}  {value}")
    return 0


def _short(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
