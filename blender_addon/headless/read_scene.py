# SPDX-License-Identifier: GPL-3.0-or-later
"""Run in a Blender process of its own: OUT.npz FPS FILE… [--clip=CLIP…] writes the clips of files' armatures.

A script, not a module: it imports nothing of the project, so that any Blender can run it, and it reads a
file as a stranger would. Numbers are in Blender's world axes (z up, metres). For armature i of file f:
`f.i.name`, `f.i.bones` (N,), `f.i.parents` (N,), `f.i.deform` (N,), `f.i.clips` (C,) and `f.i.playing`, the
clip that the armature plays when the file is opened (-1: none); for its clip j `f.i.j.rest` (N, 4, 4),
`f.i.j.lengths` (N,) (the rest pose placed where the armature is in the first frame) and `f.i.j.pose`
(T, N, 4, 4). FILE is .glb, .gltf or .fbx. CLIP is an action's name, with or without what comes before a "|",
or ARMATURE/ACTION; without any, every clip is written.
"""
# bpy's stubs know base classes alone (no Light.energy), and take some properties for methods.
# pyright: reportAttributeAccessIssue=false

import argparse
import contextlib
import os
import re
import shutil
import sys
import traceback

import bpy
import numpy as np

BONE = re.compile(r'pose\.bones\["((?:[^"\\]|\\.)*)"\]')


def load(path, fps):
    """The file in an empty scene that runs at `fps`, without meshes (they have no say in where bones are)."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    whole = max(1, round(fps))
    scene.render.fps, scene.render.fps_base = whole, whole / fps
    if path.lower().endswith(".fbx"):
        if hasattr(bpy.ops.wm, "fbx_import") and bpy.app.version >= (4, 5, 0):
            bpy.ops.wm.fbx_import(filepath=path)
        else:
            bpy.ops.import_scene.fbx(filepath=path)
    else:
        bpy.ops.import_scene.gltf(filepath=path)
    for mesh in [item for item in bpy.data.objects if item.type == "MESH"]:
        bpy.data.objects.remove(mesh)


def curves(action, slot):
    """The F-curves of an action, those of one slot where actions have slots."""
    if slot is None:
        return list(getattr(action, "fcurves", ()))
    bags = [strip.channelbag(slot) for layer in action.layers for strip in layer.strips]
    return [curve for bag in bags if bag is not None for curve in bag.fcurves]


def moved_bones(action, slot):
    """Names of the bones that an action has curves for."""
    return {m[1] for curve in curves(action, slot) if (m := BONE.match(curve.data_path))}


def own_actions(rig):
    """The actions that a file gives to this armature: the active one and those of its NLA strips."""
    data = rig.animation_data
    if data is None:
        return set()
    strips = {strip.action for track in data.nla_tracks for strip in track.strips if strip.action}
    return strips | ({data.action} if data.action else set())


def slot_for(action, rig):
    """The slot of an action that is meant for this armature; None before Blender had slots."""
    slots = [s for s in getattr(action, "slots", ()) if s.target_id_type in ("OBJECT", "UNSPECIFIED")]
    named = [slot for slot in slots if slot.name_display == rig.name]
    return next(iter(named + slots), None)


def clips_of(rig, rigs):
    """(action, slot) of every clip of an armature; an action that no armature owns goes by its bones."""
    owned = {item: own_actions(item) for item in rigs}
    bones = {bone.name for bone in rig.data.bones}
    found = []
    for action in bpy.data.actions:
        owners = [item for item in rigs if action in owned[item]]
        if owners and rig not in owners:
            continue
        slot = slot_for(action, rig)
        moved = moved_bones(action, slot)
        if moved and len(moved & bones) >= 0.5 * len(moved):
            found.append((action, slot))
    return found


def wanted(rig, action, asked):
    """Whether a clip is among those asked for."""
    names = {action.name, action.name.rpartition("|")[2]}
    return not asked or not asked.isdisjoint(names | {f"{rig.name}/{name}" for name in names})


def matrices(bones, name):
    """A matrix of each bone (N, 4, 4)."""
    flat = np.empty(len(bones) * 16, dtype=np.float32)
    bones.foreach_get(name, flat)
    return flat.reshape(-1, 4, 4).transpose(0, 2, 1)  # Blender hands matrices over column by column


def sample(rig, action, slot, fps):
    """(rest (N, 4, 4), lengths (N,), pose (T, N, 4, 4)) of one clip in world space."""
    scene = bpy.context.scene
    data = rig.animation_data or rig.animation_data_create()
    data.use_nla = False
    data.action = action
    if slot is not None:
        data.action_slot = slot
    start, end = action.frame_range
    step = scene.render.fps / scene.render.fps_base / fps
    # Times of keys come out of a file in single precision.
    frames = start + step * np.arange(int(np.floor((end - start) / step + 1e-2)) + 1)
    pose = np.empty((len(frames), len(rig.data.bones), 4, 4), dtype=np.float32)
    first = np.eye(4)
    for bone in rig.pose.bones:  # what the last clip left behind in channels that this one has no curves for
        bone.matrix_basis.identity()
    for i, frame in enumerate(frames):  # constraints and drivers: only Blender's own evaluation tells
        whole = int(np.floor(frame + 1e-6))
        scene.frame_set(whole, subframe=float(np.clip(frame - whole, 0.0, 0.999999)))
        evaluated = rig.evaluated_get(bpy.context.evaluated_depsgraph_get())
        world = np.array(evaluated.matrix_world)
        first = world if i == 0 else first
        pose[i] = world @ matrices(evaluated.pose.bones, "matrix")
    lengths = np.empty(len(rig.data.bones), dtype=np.float32)
    rig.data.bones.foreach_get("length", lengths)
    scale = np.cbrt(abs(np.linalg.det(first[:3, :3])))
    return first @ matrices(rig.data.bones, "matrix_local"), lengths * scale, pose


def read(path, fps, asked):
    """The arrays of one file, by name."""
    load(path, fps)
    arrays = {}
    rigs = [item for item in bpy.data.objects if item.type == "ARMATURE"]
    for i, rig in enumerate(rigs):
        assert isinstance(rig.data, bpy.types.Armature)
        bones = rig.data.bones
        index = {bone.name: n for n, bone in enumerate(bones)}
        active = rig.animation_data.action if rig.animation_data else None
        clips = [clip for clip in clips_of(rig, rigs) if wanted(rig, clip[0], asked)]
        actions = [action for action, _ in clips]
        arrays[f"{i}.name"] = np.array(rig.name)
        arrays[f"{i}.bones"] = np.array(list(index), dtype=str)
        arrays[f"{i}.parents"] = np.array([index[b.parent.name] if b.parent else -1 for b in bones])
        arrays[f"{i}.deform"] = np.array([bone.use_deform for bone in bones])
        arrays[f"{i}.clips"] = np.array([action.name for action in actions], dtype=str)
        arrays[f"{i}.playing"] = np.array(actions.index(active) if active in actions else -1)
        for j, (action, slot) in enumerate(clips):
            values = zip(("rest", "lengths", "pose"), sample(rig, action, slot, fps), strict=True)
            arrays |= {f"{i}.{j}.{name}": value for name, value in values}
    return arrays


def main(arguments):
    parser = argparse.ArgumentParser()
    parser.add_argument("output")
    parser.add_argument("fps", type=float)
    parser.add_argument("files", nargs="+")
    parser.add_argument("--clip", action="append", default=[])
    options = parser.parse_args(arguments)
    arrays = {}
    with contextlib.redirect_stdout(sys.stderr):
        for f, path in enumerate(options.files):
            found = read(path, options.fps, set(options.clip))
            arrays |= {f"{f}.{name}": value for name, value in found.items()}
    np.savez(options.output, **arrays)


if __name__ == "__main__":
    status = 0
    try:
        main(sys.argv[sys.argv.index("--") + 1 :] if "--" in sys.argv else sys.argv[1:])
    except Exception:
        traceback.print_exc()
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    shutil.rmtree(bpy.app.tempdir, ignore_errors=True)
    os._exit(status)  # some builds of Blender as a module never come back from their own exit
