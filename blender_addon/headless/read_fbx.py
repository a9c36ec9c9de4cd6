# SPDX-License-Identifier: GPL-3.0-or-later
"""Run in a Blender process of its own: OUT.npz FPS FILE.fbx... writes where the bones are, frame by frame.

A script, not a module: it imports nothing of the add-on, so that any Blender can run it, and it reads the
file as a stranger would. Numbers are in Blender's world axes.
"""
# bpy's stubs know base classes alone (no Light.energy), and take some properties for methods.
# pyright: reportAttributeAccessIssue=false

import contextlib
import os
import shutil
import sys
import traceback

import bpy
import numpy as np


def armature_heads(rig, fps):
    """Bone heads (T, N, 3) in world space from the first key of `rig` to the last, sampled at `fps`."""
    scene = bpy.context.scene
    action = rig.animation_data.action if rig.animation_data else None
    start, end = action.frame_range if action else (scene.frame_current, scene.frame_current)
    step = scene.render.fps / scene.render.fps_base / fps
    frames = start + step * np.arange(round((end - start) / step) + 1)
    bones = rig.pose.bones
    heads = np.empty((len(frames), len(bones), 3), dtype=np.float32)
    for i, frame in enumerate(frames):  # only Blender's own evaluation is evidence here
        whole = int(np.floor(frame + 1e-6))
        scene.frame_set(whole, subframe=float(np.clip(frame - whole, 0.0, 0.999999)))
        evaluated = rig.evaluated_get(bpy.context.evaluated_depsgraph_get())
        evaluated.pose.bones.foreach_get("head", flat := np.empty(len(bones) * 3, dtype=np.float32))
        world = np.array(evaluated.matrix_world)
        heads[i] = flat.reshape(-1, 3) @ world[:3, :3].T + world[:3, 3]
    return [bone.name for bone in bones], heads


def read(path, fps):
    """The armatures of one file in an empty scene: [(name, bone names, heads)]."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    whole = round(fps) or 1
    bpy.context.scene.render.fps, bpy.context.scene.render.fps_base = whole, whole / fps
    if bpy.app.version >= (4, 5, 0):
        bpy.ops.wm.fbx_import(filepath=path)
    else:
        bpy.ops.import_scene.fbx(filepath=path)
    for mesh in [item for item in bpy.data.objects if item.type == "MESH"]:
        bpy.data.objects.remove(mesh)  # skin has no say in where bones are, and costs time each frame
    rigs = [item for item in bpy.data.objects if item.type == "ARMATURE"]
    return [(rig.name, *armature_heads(rig, fps)) for rig in rigs]


def main(arguments):
    output, fps, *paths = arguments
    arrays = {}
    with contextlib.redirect_stdout(sys.stderr):
        for i, path in enumerate(paths):
            found = read(path, float(fps))
            arrays[f"{i}.armatures"] = np.array([name for name, _, _ in found], dtype=str)
            for j, (_, bones, heads) in enumerate(found):
                arrays[f"{i}.{j}.bones"] = np.array(bones, dtype=str)
                arrays[f"{i}.{j}.heads"] = heads
    np.savez(output, **arrays)


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
