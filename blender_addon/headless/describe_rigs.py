# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m blender_addon.headless.describe_rigs`: rigs as plain numbers, one JSON file each.

With `intermoe bench retarget --rigs DIR` the rigs of users can then be measured without Blender.
"""
# bpy's stubs know base classes alone (no Light.energy), and take some properties for methods.
# pyright: reportAttributeAccessIssue=false, reportOptionalMemberAccess=false, reportReturnType=false
# pyright: reportOperatorIssue=false

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import bpy

from intermoe_engine.atomic import replacing
from intermoe_engine.formats.mpfb_rig import read_mpfb_rig
from intermoe_engine.retarget import RigDescription, map_bones

from ..mannequins.characters import add_mannequin
from ..mannequins.kinds import KINDS
from ..rigs.reading import read_rig
from ..rigs.skin import with_girths
from .console import Console, run_and_leave
from .pair import new_scene
from .rig_files import add_rig


def main(arguments: Sequence[str]) -> int:
    """Run the command; returns the exit status. Raises what run_and_leave turns into one line."""
    args = _parser().parse_args(arguments)
    console = Console()
    args.output.mkdir(parents=True, exist_ok=True)
    for name, describe in _wanted(args):
        description = describe()
        path = args.output / f"{name}.json"
        with replacing(path) as temporary:
            temporary.write_text(json.dumps(description.to_dict()) + "\n", encoding="utf-8")
        console.say(f"{path}: {len(description.bone_names)} bones, {len(description.girths)} parts measured")
    return 0


def _wanted(args: argparse.Namespace) -> Iterator[tuple[str, Callable[[], RigDescription]]]:
    """Names of the rigs, and what reads each."""
    for file in args.files:
        name = Path(file).stem.removeprefix("rig.")
        if file.endswith(".json"):
            yield f"mpfb_{name}", lambda file=file: read_mpfb_rig(file)
        else:
            yield name, lambda file=file: _measured(lambda: add_rig(file))
    if args.mannequins:
        for kind in KINDS:
            yield kind, lambda kind=kind: _measured(lambda: add_mannequin(kind))
    if args.rigify:
        yield "rigify_metarig", lambda: _measured(_metarig)
        yield "rigify_generated", lambda: _measured(_generated_rigify)


def _measured(add: Callable[[], bpy.types.Object]) -> RigDescription:
    """A rig alone in a new scene, as thick as its meshes are."""
    new_scene(30.0)
    rig = add()
    bpy.context.view_layer.update()
    description = read_rig(rig)
    return with_girths(rig, description, map_bones(description))


def _metarig() -> bpy.types.Object:
    """Rigify's human metarig. RuntimeError where this Blender has no Rigify."""
    import addon_utils  # found on Blender's own path alone, which importing bpy sets

    if addon_utils.enable("rigify", default_set=True) is None:
        raise RuntimeError("this Blender has no Rigify; leave out --rigify")
    bpy.ops.object.armature_human_metarig_add()
    return bpy.context.object


def _generated_rigify() -> bpy.types.Object:
    """The control rig that Rigify makes of its human metarig."""
    _metarig()
    bpy.ops.pose.rigify_generate()
    return next(item for item in bpy.data.objects if item.type == "ARMATURE" and "rig_id" in item.data)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="describe_rigs", description="Write the rest pose and thickness of rigs as JSON, one file each."
    )
    parser.add_argument("output", metavar="DIR", type=Path, help="folder for the files")
    parser.add_argument(
        "files", metavar="FILE", nargs="*", help=".blend, .fbx, .glb, .gltf, or MPFB's rig.*.json"
    )
    parser.add_argument("--mannequins", action="store_true", help="the extension's own two as well")
    parser.add_argument(
        "--rigify", action="store_true", help="Rigify's human, metarig and generated, as well"
    )
    return parser


if __name__ == "__main__":
    run_and_leave("describe_rigs", main, sys.argv[1:])
