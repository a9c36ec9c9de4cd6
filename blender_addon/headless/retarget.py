# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m blender_addon.headless.retarget`: a take onto the rigs of two files, without a window."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from intermoe_engine.atomic import replacing
from intermoe_engine.retarget import BoneMapping, RetargetSettings
from intermoe_engine.retarget.settings import LEADERS
from intermoe_engine.take import Take

from .console import Console, run_and_leave


def main(arguments: Sequence[str]) -> int:
    """Run the command; returns the exit status. Raises what run_and_leave turns into one line."""
    args = _parser().parse_args(arguments)
    take = Take.load(args.take)  # before Blender starts, so that a wrong file is told at once
    if args.fps is not None and not 1.0 <= args.fps <= 1000.0:
        raise ValueError("--fps must be from 1 to 1000")
    take = take if args.fps is None else take.resampled(args.fps)
    if args.output.exists() and not args.output.is_dir():
        raise ValueError(f"{args.output} is a file; give a folder with -o")

    settings = RetargetSettings(leads=args.leads)
    maps = [None if path is None else BoneMapping.load(path) for path in (args.map_a, args.map_b)]

    console = Console()
    from . import pair as pairs
    from .rig_files import add_rig, split_name

    for text in (args.rig_a, args.rig_b):
        split_name(text)
    with console.stage("rigs", "rigs read"):
        pairs.new_scene(take.fps)
        rigs = (add_rig(args.rig_a), add_rig(args.rig_b))
    with console.stage("retarget", f"{take.frames} frames retargeted and keyed"):
        pair = pairs.key_pair(take, rigs, args.take.stem, settings, (maps[0], maps[1]))
    with pairs.all_or_nothing(args.output) as folder:
        with console.stage("export", "FBX files and scene written"):
            files = pairs.export_pair(pair, folder)
            pairs.save_scene(folder / "scene.blend")
        with console.stage("check", "FBX files read back"):
            checks = pairs.check_pair(pair, files)
    report = {
        "take": str(args.take),
        "prompt": take.prompt,
        "seed": take.seed,
        "fps": take.fps,
        "frames": take.frames,
        "rigs": [args.rig_a, args.rig_b],
        "retarget": pair.result.report,
        "distance": pairs.distances(take, pair.result.pair_scale),
        "fbx": dict(zip(pairs.ACTOR_FILES, checks, strict=True)),
        "seconds": console.seconds,
    }
    target = args.report or args.output / "report.json"
    with replacing(target) as temporary:
        temporary.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    for name, check in report["fbx"].items():
        console.say(
            f"{args.output / name}: {check['bones']} bones, off by {check['max_error_mm']:.3f} mm at most"
        )
        if not check["within_1_mm"]:
            console.say(
                f"  warning: {check['worst_bone']} is not where it was meant to be; a constraint moves it"
            )
    for actor in pair.result.report["actors"]:
        for warning in actor["warnings"]:
            console.say(f"  warning: {warning}")
    console.say(f"{args.output / 'scene.blend'}, {target}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="intermoe retarget",
        description="Put a take onto two rigs: two FBX files, one scene, a report.",
    )
    kinds = ".blend, .fbx, .glb or .gltf; FILE.blend:NAME picks one armature of several"
    parser.add_argument("take", metavar="TAKE.npz", type=Path)
    parser.add_argument("--rig-a", required=True, metavar="FILE", help=f"rig of person A: {kinds}")
    parser.add_argument(
        "--rig-b", required=True, metavar="FILE", help="rig of person B; may be the same file"
    )
    parser.add_argument(
        "-o", "--output", required=True, metavar="DIR", type=Path, help="folder for the files"
    )
    parser.add_argument("--report", metavar="FILE.json", type=Path, help="default: DIR/report.json")
    parser.add_argument(
        "--fps", type=float, metavar="F", help="frame rate of the files (default: the take's)"
    )
    for role in "ab":
        parser.add_argument(
            f"--map-{role}",
            metavar="FILE.json",
            type=Path,
            help=f"bone map of {role.upper()}, as the extension exports it (default: the rig's own)",
        )
    parser.add_argument(
        "--leads", choices=LEADERS, default="share", help="who keeps the pose where one has to give way"
    )
    return parser


if __name__ == "__main__":
    run_and_leave("intermoe retarget", main, sys.argv[1:])
