# SPDX-License-Identifier: GPL-3.0-or-later
"""`intermoe retarget`: a take onto two rigs, through Blender's Python module in a process of its own."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..errors import EngineError
from .blender_process import run_in_blender

_MODULE = "blender_addon.headless.retarget"


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add `retarget`."""
    parser = subparsers.add_parser(
        "retarget",
        help="a take onto two rigs: FBX files, one scene, a report",
        description="Put a take onto two rigs (.blend, .fbx, .glb, .gltf). Needs the extra 'blender'.",
    )
    parser.add_argument("take", metavar="TAKE", type=Path, help="take file (.npz)")
    parser.add_argument("--rig-a", required=True, metavar="FILE", type=Path, help="rig of person A")
    parser.add_argument("--rig-b", required=True, metavar="FILE", type=Path, help="rig of person B")
    parser.add_argument(
        "-o", "--output", required=True, metavar="DIR", type=Path, help="folder for the files"
    )
    parser.add_argument("--report", metavar="FILE", type=Path, help="where to write the report (JSON)")
    parser.add_argument(
        "--fps", type=float, metavar="F", help="frame rate of the files (default: the take's)"
    )
    for role in ("a", "b"):
        parser.add_argument(
            f"--map-{role}",
            metavar="FILE",
            type=Path,
            help=f"bone map (JSON) of person {role.upper()} (default: the one kept on the rig, else found)",
        )
    parser.add_argument(
        "--leads",
        choices=("share", "A", "B"),
        help="who keeps the pose where one has to give way to stay in touch (default: share)",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Check the take, then hand over to Blender's module. Returns its exit status."""
    from ..take import Take

    Take.load(args.take)
    for rig in (args.rig_a, args.rig_b):
        file, colon, _ = str(rig).rpartition(":")  # FILE:NAME picks one armature of several
        if not rig.is_file() and not (colon and Path(file).is_file()):
            raise EngineError(f"there is no rig file at {rig}; give a .blend, .fbx, .glb or .gltf file")
    command = [str(args.take), "--rig-a", str(args.rig_a), "--rig-b", str(args.rig_b)]
    command += ["-o", str(args.output)]
    if args.report is not None:
        command += ["--report", str(args.report)]
    if args.fps is not None:
        command += ["--fps", str(args.fps)]
    for option in ("map_a", "map_b", "leads"):
        if (value := getattr(args, option)) is not None:
            command += [f"--{option.replace('_', '-')}", str(value)]
    return run_in_blender(_MODULE, command, "retargeting")
