# SPDX-License-Identifier: GPL-3.0-or-later
"""Characters that nobody here made, one after the other, in a Blender window: each is cast beside a
mannequin, mapped by itself, and fitted to one take; then Blender's own pose is measured and photographed.

Rigs come from a folder of .glb, .gltf and MPFB's rig.*.json files; a generated Rigify rig is always among
them. The take is a file, else the scripted embrace of the benchmark.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Iterator
from math import radians
from pathlib import Path

import addon_utils
import bpy
from mathutils import Quaternion, Vector

sys.path.insert(0, str(Path(__file__).parent))  # Blender runs this file as a script
from story_tools import Story, addon, in_view, play, sidebar, wait, window

FK_LIMIT_MM, IK_LIMIT_MM = 1.0, 5.0
NEEDED = (
    "pelvis", "spine", "head",
    *(f"{s}_{j}" for s in "lr" for j in ("hip", "knee", "ankle", "shoulder", "elbow", "wrist")),
)  # fmt: skip
FRONT = Quaternion((1.0, 0.0, 0.0), radians(82.0))
VIEWS = {f"{turn}": Quaternion((0.0, 0.0, 1.0), radians(turn)) @ FRONT for turn in (0.0, 55.0)}
MOMENTS = (0.1, 0.35, 0.6, 0.85)
RIGIFY = "rigify"


def tell(story: Story, rigs: list[str], take: str) -> Iterator[float]:
    session = addon("engine.session").current()
    yield 3.0
    area = sidebar()[0]
    area.spaces.active.show_region_ui = False
    overlay = area.spaces.active.overlay
    overlay.show_outline_selected = overlay.show_cursor = overlay.show_text = overlay.show_extras = False
    motions: list = []
    writer = addon("takes.writer")
    inner = writer.write

    def write(request, files):
        from intermoe_engine.retarget import RigMotion

        motions[:] = [RigMotion.load(path) for path in files.actors]
        return inner(request, files)

    writer.write = write
    for source in rigs:
        name = name_of(source)
        rig = stage(source)
        if rig is None:
            story.facts[name] = "not to be had in this Blender"
            continue
        modes = ("fk", "ik") if source == RIGIFY else ("fk",)
        settings = bpy.context.scene.intermoe
        table = settings.bones_a
        filled = {row.joint for row in table.rows if row.bone}
        lacking = [joint for joint in NEEDED if joint not in filled]
        story.check(f"{name}: mapped by itself", not lacking and not table.kept, lacking or table.preset)
        for mode in modes:
            settings.limbs_a = mode
            note = bpy.context.scene.intermoe_take
            note.path, note.prompt = take, "fixed take"
            with in_view():
                bpy.ops.intermoe.apply_take()
            yield from wait(lambda: not session.job.phase.running)
            story.check(
                f"{name} {mode}: the take is on it", session.job.phase.name == "DONE", session.message
            )
            if session.job.phase.name != "DONE":
                continue
            limit = FK_LIMIT_MM if mode == "fk" else IK_LIMIT_MM
            error, bone = pose_error(rig, motions[0])
            story.check(
                f"{name} {mode}: Blender's pose is the solver's", error < limit, f"{error:.3f} mm at {bone}"
            )
            yield from photograph(story, rig, f"{name}_{mode}")


def name_of(source: str) -> str:
    """What a rig is called in checks and pictures, and by --only."""
    return Path(source).stem.removeprefix("rig.")


def stage(source: str) -> bpy.types.Object | None:
    """An empty scene with the rig as A and a mannequin as B; None where Rigify cannot be had."""
    with in_view():
        if bpy.context.mode != "OBJECT":
            bpy.ops.object.mode_set(mode="OBJECT")
        for item in list(bpy.data.objects):
            bpy.data.objects.remove(item)
        settings = bpy.context.scene.intermoe
        bpy.ops.intermoe.add_mannequins("EXEC_DEFAULT", True)
        spare = settings.actor_a
        for item in [*spare.children_recursive, spare]:
            bpy.data.objects.remove(item)
        rig = generated_rigify() if source == RIGIFY else imported(Path(source))
        if rig is not None:
            settings.actor_a = rig
        bpy.context.scene.frame_start, bpy.context.scene.frame_end = 1, 250
    return rig


def imported(path: Path) -> bpy.types.Object:
    """The character of a file, at the origin."""
    before = set(bpy.data.objects)
    if path.suffix == ".json":
        return from_definition(path)
    bpy.ops.import_scene.gltf(filepath=str(path), bone_heuristic="TEMPERANCE")
    new = [item for item in bpy.data.objects if item not in before]
    rig = next(item for item in new if item.type == "ARMATURE")
    rig.animation_data_clear()
    for bone in rig.pose.bones:
        bone.matrix_basis.identity()
    for item in new:  # the importer's helpers and the file's props are no part of the character
        is_skin = item.parent_type == "BONE" or any(m.type == "ARMATURE" for m in item.modifiers)
        if item.type == "MESH" and not is_skin:
            item.hide_set(True)
    return rig


def from_definition(path: Path) -> bpy.types.Object:
    """An armature from one of MPFB's rig definitions."""
    from mathutils import Matrix

    from intermoe_engine.formats.mpfb_rig import read_mpfb_rig

    description = read_mpfb_rig(path)
    data = bpy.data.armatures.new(path.stem)
    rig = bpy.data.objects.new(path.stem, data)
    bpy.context.scene.collection.objects.link(rig)
    bpy.context.view_layer.objects.active = rig
    bpy.ops.object.mode_set(mode="EDIT")
    for i, name in enumerate(description.bone_names):
        bone = data.edit_bones.new(name)
        bone.length = description.lengths[i]
        bone.matrix = Matrix(description.rest_matrices[i].tolist())
    for i, parent in enumerate(description.parents):
        if parent >= 0:
            data.edit_bones[i].parent = data.edit_bones[int(parent)]
            data.edit_bones[i].use_connect = bool(description.connected[i])
        data.edit_bones[i].use_inherit_rotation = bool(description.inherit_rotation[i])
        data.edit_bones[i].use_local_location = bool(description.use_local_location[i])
    bpy.ops.object.mode_set(mode="OBJECT")
    return rig


def generated_rigify() -> bpy.types.Object | None:
    try:
        addon_utils.enable("rigify", default_set=True)
        bpy.ops.object.armature_human_metarig_add()
        metarig = bpy.context.object
        bpy.ops.pose.rigify_generate()
    except (RuntimeError, AttributeError):
        return None
    rig = next(
        item
        for item in bpy.data.objects
        if item.type == "ARMATURE" and item != metarig and any("DEF-" in b.name for b in item.data.bones)
    )
    bpy.data.objects.remove(metarig)
    bpy.ops.object.mode_set(mode="OBJECT")
    for collection in rig.data.collections_all:
        collection.is_visible = collection.name == "DEF"
    return rig


def pose_error(rig: bpy.types.Object, motion) -> tuple[float, str]:
    """Largest distance in mm between evaluated heads of bones that move skin and the solver's, over moments
    of the take, and the bone's name."""
    space = addon("space")
    take = bpy.context.scene.intermoe_take
    worst, where = 0.0, ""
    has_constraints = any(bone.constraints for bone in rig.pose.bones)
    for share in MOMENTS:
        index = round(share * (take.frame_end - take.frame_start))
        bpy.context.scene.frame_set(take.frame_start + index)
        evaluated = rig.evaluated_get(bpy.context.evaluated_depsgraph_get())
        for i, bone in enumerate(evaluated.pose.bones):
            if has_constraints and not rig.data.bones[i].use_deform:
                continue
            found = evaluated.matrix_world @ bone.head
            distance = (found - Vector(space.to_blender(motion.heads_world[index, i]))).length * 1000
            if distance > worst:
                worst, where = distance, bone.name
    return worst, where


def photograph(story: Story, rig: bpy.types.Object, name: str) -> Iterator[float]:
    """Moments of the take from the front and the side, as one contact sheet."""
    scene, take = bpy.context.scene, bpy.context.scene.intermoe_take
    has_mesh = any(m.type == "ARMATURE" and m.object == rig for o in bpy.data.objects for m in o.modifiers)
    rig.show_in_front = not has_mesh
    rig.data.display_type = "OCTAHEDRAL" if not has_mesh else "STICK"
    area = sidebar()[0]
    area.spaces.active.overlay.show_bones = not has_mesh
    view = area.spaces.active.region_3d
    pictures = []
    partner = scene.intermoe.actor_b
    for view_name, turn in VIEWS.items():
        for share in MOMENTS:
            scene.frame_set(round(take.frame_start + share * (take.frame_end - take.frame_start)))
            heads = [
                o.matrix_world @ b.head for o in (rig, partner) for b in o.pose.bones if b.bone.use_deform
            ]
            low = Vector(min(p[k] for p in heads) for k in range(3))
            high = Vector(max(p[k] for p in heads) for k in range(3))
            view.view_perspective, view.view_rotation = "ORTHO", turn
            view.view_location = (low + high) / 2
            view.view_distance = 1.35 * max(high - low)
            area.tag_redraw()
            yield 0.6
            picture = story.out / f"{name}_{view_name}_{share}.png"
            whole = story.out / "window.png"
            subprocess.run(["import", "-window", "root", str(whole)], check=True)
            side = min(area.width, area.height)
            left = area.x + (area.width - side) // 2
            top = window().height - area.y - area.height
            crop = f"{side}x{side}+{left}+{top}"
            subprocess.run(
                ["convert", str(whole), "-crop", crop, "+repage", "-resize", "380x380", str(picture)],
                check=True,
            )
            pictures.append(str(picture))
    rows = [pictures[k : k + len(MOMENTS)] for k in range(0, len(pictures), len(MOMENTS))]
    appended = [part for row in rows for part in ("(", *row, "+append", ")")]
    subprocess.run(["convert", *appended, "-append", str(story.out / f"sheet_{name}.png")], check=True)
    for picture in pictures:
        Path(picture).unlink()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--rigs", type=Path, required=True)
    parser.add_argument("--take", type=Path)
    parser.add_argument("--only", nargs="+", default=[])
    options = parser.parse_args(sys.argv[sys.argv.index("--") + 1 :])
    kinds = ("*.glb", "*.gltf", "rig.*.json")
    found = sorted(str(path) for kind in kinds for path in options.rigs.rglob(kind))
    rigs = [source for source in [*found, RIGIFY] if not options.only or name_of(source) in options.only]
    if not rigs:
        raise SystemExit(f"no such rig; there are {', '.join(map(name_of, [*found, RIGIFY]))}")
    take = options.take
    if take is None:
        from intermoe_engine.bench.takes import hug

        take = options.out / "take.npz"
        hug().take.save(take)
    play(lambda story: tell(story, rigs, str(take)), options.out)


main()
