# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m blender_addon.headless.demo`: a sentence becomes two animated characters."""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from intermoe_engine import __version__
from intermoe_engine.take import Take
from intermoe_engine.worker.client import WorkerClient

from .console import Console, run_and_leave

PROMPT = "Two people shake hands."


def main(arguments: Sequence[str]) -> int:
    """Run the demo; returns the exit status. Raises what run_and_leave turns into one line."""
    args = _parser().parse_args(arguments)
    began = time.perf_counter()
    console = Console()
    console.say(f"“{args.prompt}”, seed {args.seed}")
    with WorkerClient() as client:
        # The engine loads and samples in its own process while Blender starts and models here.
        start = time.perf_counter()
        job = client.request("generate", _request(args), console.progress)
        with console.stage("characters", "two characters built"):
            from ..mannequins.characters import add_mannequin
            from ..mannequins.kinds import KINDS
            from ..space import to_blender
            from . import pair as pairs
            from . import render

            scene = pairs.new_scene(30.0)
            first, second = KINDS
            rigs = (add_mannequin(first), add_mannequin(second))
        answer = job.wait(600.0)
        take = Take.load(answer["takes"][0])
    seconds = take.meta.get("seconds", {})
    console.seconds["engine"] = round(time.perf_counter() - start, 3)
    title = f"{take.frames} frames generated on the {answer['device']}"
    console.say(f"{title:<44} {console.seconds['engine']:6.1f} s")

    with pairs.all_or_nothing(args.output) as folder:
        take.save(folder / "take.npz")
        with console.stage("retarget", "retargeted and keyed"):
            scene.render.fps, scene.render.fps_base = round(take.fps), round(take.fps) / take.fps
            pair = pairs.key_pair(take, rigs, "demo")
        with console.stage("export", "two FBX files written"):
            files = pairs.export_pair(pair, folder)
        with ThreadPoolExecutor(1) as background:
            reading = background.submit(pairs.check_pair, pair, files)
            people = [to_blender(motion.heads_world) for motion in pair.result.actors]
            render.add_studio(scene, people)
            with console.stage("scene", "scene.blend saved"):
                pairs.save_scene(folder / "scene.blend")
            with console.stage("preview", "preview drawn"):
                frames = render.moments(pairs.START_FRAME, pair.frame_end)
                render.contact_sheet(scene, folder / "preview.png", frames, size=args.preview_size)
            with console.stage("check", "FBX files read back (beside the preview)"):
                checks = reading.result()
        console.seconds["total"] = round(time.perf_counter() - began, 3)
        report = _report(args, take, answer, pair.result.report, console.seconds, seconds)
        report["distance"] = pairs.distances(take, pair.result.pair_scale)
        report["fbx"] = dict(zip(pairs.ACTOR_FILES, checks, strict=True))
        text = json.dumps(report, indent=2, ensure_ascii=False)
        (folder / "report.json").write_text(text + "\n", encoding="utf-8")
    worst = max(check["max_error_mm"] for check in checks)
    distance = report["distance"]
    console.say(
        f"hips {distance['hips_min_m']:.2f} m apart at least, {distance['hips_median_m']:.2f} m as a rule"
    )
    console.say(f"FBX files off by {worst:.3f} mm at most")
    console.say(f"{args.output} is ready after {console.seconds['total']:.1f} s")
    if worst >= pairs.TOLERANCE_MM:
        raise RuntimeError(f"the FBX files are {worst:.2f} mm off: see {args.output / 'report.json'}")
    return 0


def _request(args: argparse.Namespace) -> dict[str, Any]:
    return {
        "prompt": args.prompt,
        "seed": args.seed,
        "duration": args.duration,
        "device": args.device,
        "bundle": args.bundle,
    }


def _report(
    args: argparse.Namespace,
    take: Take,
    answer: dict[str, Any],
    retarget: dict[str, Any],
    seconds: dict[str, float],
    engine_seconds: dict[str, float],
) -> dict[str, Any]:
    return {
        "prompt": args.prompt,
        "seed": args.seed,
        "frames": take.frames,
        "fps": take.fps,
        "device": answer["device"],
        "bundle": answer["bundle"],
        "warnings": answer["warnings"],
        "seconds": seconds,
        "seconds_in_engine": engine_seconds,
        "foot_slide_mm_s": _by_role(retarget, "foot_slide_mm_s"),
        "foot_slide_in_take_mm_s": _by_role(retarget, "foot_slide_source_mm_s"),
        "cleanup": take.meta.get("cleanup"),
        "retarget": retarget,
        "versions": {"intermoe": __version__, "python": platform.python_version(), "blender": _blender()},
    }


def _by_role(retarget: dict[str, Any], figure: str) -> dict[str, float | None]:
    return {role: actor[figure] for role, actor in zip("AB", retarget["actors"], strict=True)}


def _blender() -> str:
    import bpy

    return bpy.app.version_string


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="demo", description="A sentence becomes two animated characters, two FBX files and a preview."
    )
    parser.add_argument("--prompt", default=PROMPT, help="what the two people do")
    parser.add_argument("--seed", type=int, default=4, help="one seed is one motion")
    parser.add_argument("--duration", type=float, default=4.0, metavar="S", help="seconds")
    parser.add_argument("--device", choices=("auto", "cuda", "cpu"), default="auto")
    parser.add_argument("--bundle", metavar="PATH", help="model bundle (default: the packaged starter)")
    parser.add_argument("--preview-size", type=int, default=480, metavar="PX", help="of each picture")
    parser.add_argument("-o", "--output", type=Path, default=Path("out/demo"), metavar="DIR")
    return parser


if __name__ == "__main__":
    run_and_leave("demo", main, sys.argv[1:])
