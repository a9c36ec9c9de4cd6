# SPDX-License-Identifier: GPL-3.0-or-later
"""`intermoe import-official`: the authors' InterHuman release becomes a bundle."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..errors import EngineError


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add `import-official`."""
    parser = subparsers.add_parser(
        "import-official",
        help="the authors' release to a bundle",
        description="Turn the authors' InterHuman release into a bundle. Nothing in its files is executed.",
    )
    add_source_arguments(parser)
    parser.add_argument(
        "-o", "--output", required=True, type=Path, metavar="BUNDLE", help="a new folder, or a .zip"
    )
    parser.add_argument(
        "--precision",
        choices=("fp32", "fp16"),
        default="fp32",
        help="how weights are stored (default: fp32); arithmetic is fp32 in any case",
    )
    parser.set_defaults(run=run)


def add_source_arguments(parser: argparse.ArgumentParser) -> None:
    """Where the files of the release are."""
    parser.add_argument("--denoiser", required=True, type=Path, metavar="F.ckpt", help="model/denoiser.ckpt")
    parser.add_argument("--vae", required=True, type=Path, metavar="F.ckpt", help="model/vae.ckpt")
    parser.add_argument(
        "--config", required=True, type=Path, metavar="F.yaml", help="config.yaml beside them"
    )
    parser.add_argument(
        "--stats",
        required=True,
        type=Path,
        metavar="DIR",
        help="folder of global_mean.npy and global_std.npy",
    )
    text = parser.add_mutually_exclusive_group(required=True)
    text.add_argument(
        "--clip",
        type=Path,
        metavar="F",
        help="CLIP ViT-L/14@336px: OpenAI's .pt, a Transformers folder, or a checkpoint that carries it",
    )
    text.add_argument(
        "--without-text", action="store_true", help="no text encoder: motions do not follow a sentence"
    )
    parser.add_argument(
        "--clip-merges",
        type=Path,
        metavar="F",
        help="bpe_simple_vocab_16e6.txt.gz, merges.txt or tokenizer.json, where it is not found by itself",
    )


def run(args: argparse.Namespace) -> int:
    """Import and write. Returns the exit status."""
    try:
        from export.official_bundle import OfficialFiles, import_official
    except ImportError as error:
        raise EngineError(
            f'{error.name or error} is not installed; run: pip install "intermoe-blender[cpu,train]"'
        ) from error
    files = OfficialFiles(args.denoiser, args.vae, args.config, args.stats, args.clip, args.clip_merges)
    print(import_official(files, args.output, args.precision, log=print))
    return 0
