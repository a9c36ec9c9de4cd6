# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m training.gallery --bundle B.zip -o DIR`: a contact sheet for each interaction of a bundle.

Each is generated from a sentence that was never trained on (where one is set aside), put on both mannequins,
and shown at 8 moments. `index.jpg` has a strip for each; `gallery.md` names the sentences, `gallery.json` the
seconds.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from blender_addon.headless.console import Console, run_and_leave
from intermoe_engine.atomic import replacing
from intermoe_engine.bundle import Bundle
from intermoe_engine.generate import Engine, GenerateRequest
from intermoe_engine.take import Take

from .pages import Sheet, draw_index, strip_of, write_page
from .phrasings import Phrasing, phrasings

MOMENTS, SHEET_COLUMNS = 8, 4


def main(arguments: Sequence[str]) -> int:
    """Make the gallery; returns the exit status. Raises what run_and_leave turns into one line."""
    args = _parser().parse_args(arguments)
    console = Console()
    bundle = Bundle.open(args.bundle)
    wanted = phrasings(bundle.card, args.only, args.seed)
    engine = Engine(bundle, args.device)
    args.output.mkdir(parents=True, exist_ok=True)
    sheets = []
    for phrasing in wanted:
        start, worked = time.perf_counter(), time.process_time()
        request = GenerateRequest(phrasing.prompt, phrasing.seconds, args.seed, args.steps)
        take = engine.generate(request)[0]
        generated = time.perf_counter()
        sheets.append(_sheet(phrasing, take, args.output, args.size, generated - start))
        spent = sheets[-1].seconds
        spent["processor"] = round(time.process_time() - worked, 1)
        told = ", ".join(f"{part} {seconds:.1f} s" for part, seconds in spent.items())
        console.say(f"{phrasing.name:<22} {told}")
    draw_index(args.output / "index.jpg", sheets)
    command = shlex.join(["python", "-m", "training.gallery", *arguments])
    write_page(args.output / "gallery.md", sheets, f"What {bundle.card.name} makes of new sentences", command)
    rows = [
        {**vars(sheet.phrasing), "file": sheet.file, "seed": args.seed, "time": sheet.seconds}
        for sheet in sheets
    ]
    with replacing(args.output / "gallery.json") as temporary:
        temporary.write_text(
            json.dumps({"bundle": bundle.sha256, "sheets": rows}, indent=1), encoding="utf-8"
        )
    console.say(f"{len(sheets)} sheets in {args.output}")
    return 0


def _sheet(phrasing: Phrasing, take: Take, folder: Path, size: int, generating: float) -> Sheet:
    """One take on both mannequins, rendered at its moments and written to NAME.jpg."""
    from blender_addon.headless import pair as pairs
    from blender_addon.headless import render
    from blender_addon.mannequins.characters import add_mannequin
    from blender_addon.mannequins.kinds import KINDS
    from blender_addon.space import to_blender

    start = time.perf_counter()
    scene = pairs.new_scene(take.fps)
    first, second = KINDS
    pair = pairs.key_pair(take, (add_mannequin(first), add_mannequin(second)), phrasing.name)
    keyed = time.perf_counter()
    render.add_studio(scene, [to_blender(motion.heads_world) for motion in pair.result.actors])
    frames = render.moments(pairs.START_FRAME, pair.frame_end, MOMENTS)
    shots = [render.Shot(frame, f"{(frame - frames[0]) / take.fps:.1f} s") for frame in frames]
    pictures = render.pictures(scene, shots, size)
    file = f"{phrasing.name}.jpg"
    render.save_sheet(pictures, folder / file, SHEET_COLUMNS)
    seconds = {
        "generate": round(generating, 1),
        "retarget": round(keyed - start, 1),
        "render": round(time.perf_counter() - keyed, 1),
    }
    return Sheet(phrasing, file, strip_of(pictures), seconds)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="gallery", description="A contact sheet for each interaction that a bundle knows."
    )
    parser.add_argument("--bundle", metavar="PATH", help="model bundle (default: the packaged starter)")
    parser.add_argument(
        "--only", nargs="+", default=[], metavar="NAME", help="these interactions (default: all)"
    )
    parser.add_argument("--seed", type=int, default=1, help="of the motions and of the words")
    parser.add_argument("--steps", type=int, metavar="N", help="sampling steps (default: the bundle's)")
    parser.add_argument("--size", type=int, default=224, metavar="PX", help="of each picture")
    parser.add_argument("--device", choices=("auto", "cuda", "cpu"), default="auto")
    parser.add_argument("-o", "--output", type=Path, default=Path("out/gallery"), metavar="DIR")
    return parser


if __name__ == "__main__":
    run_and_leave("gallery", main, sys.argv[1:])
