# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m training.ablation --data CACHE --vae RUN -o DIR`: what each part of the experts is good for.

Every variant is a small denoiser trained by the recipe's own code on the same latents, sentences, steps and
random numbers. `table.md` and `table.json` hold held-out errors with the right sentence, with none and with
another's, at three noise levels; `experts.png` shows which expert takes which frames.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import shutil
import statistics
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from intermoe_engine.atomic import replacing
from intermoe_engine.errors import EngineError

from .denoiser_stage import train_denoiser
from .expert_plots import draw_experts
from .fit.trainer import Devices
from .model import InterMoE
from .model.config import ModelConfig
from .recipe import Recipe, RecipeError, find_recipe, load_recipe
from .workspace import COARSE_VAE, DENOISER, VAE, Workspace

SMALL: Mapping[str, Any] = {
    "denoiser_width": 96,
    "denoiser_blocks": 3,
    "heads": 4,
    "experts": 8,
    "expert_width": 96,
}
FIXED = "fixed capacity"
VARIANTS: Mapping[str, Mapping[str, Any]] = {
    "full": {},
    "dense": {"routing": "all", "experts": 1},
    "token choice": {"routing": "token"},
    "router without text": {"router": "motion"},
    "router without motion": {"router": "text"},
    FIXED: {},
    "4 experts": {"experts": 4},
    "16 experts": {"experts": 16},
}
"""Changes of the model. A dense layer is as wide as the experts that one frame goes to, at capacity 1."""
LEVELS = (100, 500, 900)
_SHARED = ("stats.npz", COARSE_VAE, VAE)


def variant_recipe(recipe: Recipe, name: str, steps: int, batch: int) -> Recipe:
    """The recipe of a variant: small, `steps` steps in one cycle at the first cycle's rate."""
    model = dataclasses.replace(recipe.model, **{**SMALL, **VARIANTS[name]})
    denoiser = dataclasses.replace(
        recipe.denoiser,
        steps=(steps,),
        epochs=(),
        learning_rates=recipe.denoiser.learning_rates[:1],
        warm_up=max(1, steps // 20),
        batch=batch,
        claim_steps=min(recipe.denoiser.claim_steps, steps // 10),
        capacity_bias_step=0.0 if name == FIXED else recipe.denoiser.capacity_bias_step,
    )
    trainer = dataclasses.replace(recipe.trainer, save=0, strip=0, score=0, log=max(1, min(50, steps // 4)))
    return dataclasses.replace(recipe, model=model, denoiser=denoiser, trainer=trainer)


def parameters(config: ModelConfig) -> dict[str, int]:
    """Parameters of the denoiser: all, and those at work on one frame."""
    denoiser = InterMoE(config).denoiser
    total = sum(p.numel() for p in denoiser.parameters())
    idle = 0.0
    for layer in denoiser.moe_layers():
        expert = sum(p.numel() for p in layer.experts[0].parameters())
        idle += (len(layer.experts) - layer.active_experts()) * expert
    return {"parameters": total, "active": round(total - idle)}


def train_variant(recipe: Recipe, data: Path, vae_run: Path, output: Path, name: str) -> dict[str, Any]:
    """Train one variant, unless that was done before, and return its row of the table."""
    run = output / name.replace(" ", "_")
    run.mkdir(parents=True, exist_ok=True)
    shared = output / "work"
    if not shared.exists():  # features, latents and sentences of the VAE's run are not made again
        if (vae_run / "work").is_dir():
            shutil.copytree(vae_run / "work", shared, copy_function=os.link)
        shared.mkdir(exist_ok=True)
    if not (run / "work").exists():
        (run / "work").symlink_to(shared.resolve(), target_is_directory=True)
    for file in _SHARED:
        if (vae_run / file).is_file() and not (run / file).is_file():
            shutil.copy2(vae_run / file, run / file)
    space = Workspace(recipe, data, run, Devices(1, 1, "auto"))
    train_denoiser(space)
    log = (run / "denoiser-1-log.jsonl").read_text(encoding="utf-8").splitlines()
    seconds = statistics.median(json.loads(line)["seconds_per_step"] for line in log)
    scores = space.read_json("denoiser-scores.json")["held_out"]
    return {"variant": name, **parameters(recipe.model), "seconds_per_step": seconds, "errors": scores}


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows as a Markdown table; errors as right / none / another's sentence."""
    head = ["variant", "active parameters", "all", "s per step", *(f"step {level}" for level in LEVELS)]
    lines = ["| " + " | ".join(head) + " |", "| " + " | ".join("---" for _ in head) + " |"]
    for row in rows:
        errors = [
            " / ".join(f"{row['errors'][f'{text}@{level}']:.4f}" for text in ("text", "none", "wrong"))
            for level in LEVELS
        ]
        sizes = [f"{row['active'] / 1e3:.0f} k", f"{row['parameters'] / 1e3:.0f} k"]
        lines.append(
            "| " + " | ".join([row["variant"], *sizes, f"{row['seconds_per_step']:.3f}", *errors]) + " |"
        )
    return "\n".join(lines) + "\n"


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit status."""
    args = _parser().parse_args(argv)
    try:
        recipe = load_recipe(find_recipe(args.config))
        if not any((args.vae / file).is_file() for file in (COARSE_VAE, VAE)):
            raise RecipeError(
                f"{args.vae} holds no trained VAE; run `intermoe train vae -o {args.vae}` first"
            )
        rows = []
        for name in args.only or VARIANTS:
            small = variant_recipe(recipe, name, args.steps, args.batch)
            rows.append(train_variant(small, args.data, args.vae, args.output, name))
            budget = {"steps": args.steps, "batch": args.batch, "model": dict(SMALL)}
            with replacing(args.output / "table.json") as temporary:
                temporary.write_text(json.dumps({**budget, "rows": rows}, indent=1), encoding="utf-8")
            with replacing(args.output / "table.md") as temporary:
                temporary.write_text(table(rows), encoding="utf-8")
        full = args.output / "full"
        if (full / DENOISER).is_file():
            small = variant_recipe(recipe, "full", args.steps, args.batch)
            space = Workspace(small, args.data, full, Devices(1, 1, "auto"))
            draw_experts(space, args.output / "experts.png")
    except (EngineError, OSError) as error:
        print(f"ablation: {error}", file=sys.stderr)
        return 1
    print(table(rows), end="")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m training.ablation", description="Variants of the experts, trained alike and compared."
    )
    parser.add_argument("--data", type=Path, required=True, metavar="CACHE")
    parser.add_argument("--vae", type=Path, required=True, metavar="RUN", help="run with a trained VAE")
    parser.add_argument("--config", default="starter", help="recipe (default: starter)")
    parser.add_argument("--steps", type=int, default=1000, metavar="N", help="of each variant (default 1000)")
    parser.add_argument("--batch", type=int, default=8, metavar="B", help="pairs a step (default 8)")
    parser.add_argument("--only", nargs="+", choices=tuple(VARIANTS), metavar="NAME", help="these variants")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR")
    return parser


if __name__ == "__main__":
    sys.exit(main())
