# SPDX-License-Identifier: GPL-3.0-or-later
"""Installs the extension's zip into a fresh profile and drives it in a real Blender window.

    python3 tests/gui/run_window_test.py --zip dist/intermoe-0.1.0-linux-x64.zip --out out/gui
    python3 tests/gui/run_window_test.py --zip … --out out/rigs --rigs FOLDER [--only NAME …]

The first is a day in the life of an animator; the second puts one take on every rig of a folder, and leaves a
contact sheet of each.

Needs Blender 4.2 or newer, Xvfb and ImageMagick; standard library only, so that it also runs with
the Python of a bare system. Exit status 0 when every check in OUT/checks.json holds.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

STORY, RIGS_STORY = (Path(__file__).with_name(f"{name}_story.py") for name in ("window", "rigs"))
SIZE = (1600, 1000)
IMAGES = (
    "panel_before.png",
    "panel_during.png",
    "panel_after.png",
    "panel_bones.png",
    "panel_touch.png",
    "panel_feet.png",
    "panel_rest.png",
)


def run(blender: str, archive: Path, out: Path, script: Path, arguments: list[str], limit: float) -> int:
    """Install the archive, play the story `script`, and say what its checks found."""
    out.mkdir(parents=True, exist_ok=True)
    for left in out.glob("*.fbx"):  # of a run before, or it would count as this one's
        left.unlink()
    checks = out / "checks.json"
    checks.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(prefix="intermoe-gui-") as profile:
        environment = {**os.environ, "BLENDER_USER_RESOURCES": profile, "LIBGL_ALWAYS_SOFTWARE": "1"}
        environment |= {"INTERMOE_CACHE": str(Path(profile, "cache")), "HOME": profile}
        for command in (
            ["validate", str(archive)],
            ["install-file", "-r", "user_default", "-e", str(archive)],
        ):
            subprocess.run([blender, "--command", "extension", *command], env=environment, check=True)
        display = f":{random.randrange(100, 900)}"
        screen = f"{SIZE[0]}x{SIZE[1]}x24"
        xvfb = subprocess.Popen(
            ["Xvfb", display, "-screen", "0", screen, "+extension", "GLX", "-nolisten", "tcp"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            time.sleep(1.0)
            environment["DISPLAY"] = display
            story = ["--out", str(out), *arguments]
            window = ["-p", "0", "0", str(SIZE[0]), str(SIZE[1]), *_backend(blender)]
            log = out / "blender.log"
            with log.open("w") as file:
                subprocess.run(
                    [blender, *window, "--python", str(script), "--", *story],
                    check=False,
                    env=environment,
                    stdout=file,
                    stderr=subprocess.STDOUT,
                    timeout=limit,
                )
        except subprocess.TimeoutExpired:
            print(f"Blender did not finish within {limit:.0f} s; see {out / 'blender.log'}", file=sys.stderr)
        finally:
            xvfb.terminate()
            xvfb.wait()
    return _verdict(checks)


def _backend(blender: str) -> list[str]:
    """Vulkan is the default from 5.2 on, and a software screen has none."""
    text = subprocess.run([blender, "--version"], check=False, capture_output=True, text=True).stdout.split()
    version = tuple(int(part) for part in text[1].split(".")[:2])
    return ["--gpu-backend", "opengl"] if version >= (4, 5) else []


def _verdict(checks: Path) -> int:
    if not checks.is_file():
        print(f"no {checks}: the story broke off; see blender.log", file=sys.stderr)
        return 1
    report = json.loads(checks.read_text())
    for check in report["checks"]:
        print("ok  " if check["ok"] else "FAIL", check["name"], check["detail"])
    finished = report["finished"]
    print("story finished" if finished else f"story broke off: {report['error']}")
    return 0 if finished and all(check["ok"] for check in report["checks"]) else 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--zip", type=Path, required=True, dest="archive")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--blender", default=shutil.which("blender") or "blender")
    parser.add_argument("--bundle", type=Path, help="another bundle than the one in the zip")
    parser.add_argument(
        "--images", type=Path, help="folder for the documentation's screenshots, if all is well"
    )
    parser.add_argument("--limit", type=float, default=900.0, help="seconds for the whole story")
    parser.add_argument("--rigs", type=Path, help="folder of rigs (.glb, .gltf, MPFB's rig.*.json) to try")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="only these rigs, or `rigify`")
    parser.add_argument("--take", type=Path, help="the take to try them with (default: a scripted embrace)")
    options = parser.parse_args()
    given = ("rigs", "take") if options.rigs else ("bundle",)
    paths = {name: getattr(options, name) for name in given if getattr(options, name)}
    arguments = [part for name, path in paths.items() for part in (f"--{name}", str(path.resolve()))]
    if options.rigs and options.only:
        arguments += ["--only", *options.only]
    script = RIGS_STORY if options.rigs else STORY
    archive, out = options.archive.resolve(), options.out.resolve()
    status = run(options.blender, archive, out, script, arguments, options.limit)
    if options.images and status == 0 and not options.rigs:
        options.images.mkdir(parents=True, exist_ok=True)
        for name in IMAGES:
            shutil.copyfile(options.out / name, options.images / name)
    return status


if __name__ == "__main__":
    sys.exit(main())
