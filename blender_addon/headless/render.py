# SPDX-License-Identifier: GPL-3.0-or-later
"""A small studio for two characters, and a contact sheet of moments of their take.

Cycles on the CPU draws it: Workbench and EEVEE need OpenGL, which servers often lack (and then end the
whole process). Few samples and Cycles' own denoiser keep it to a second or two a picture.
"""
# bpy's stubs know base classes alone (no Light.energy), and take some properties for methods.
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false, reportOptionalMemberAccess=false

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import bpy
import numpy as np
from mathutils import Matrix

from intermoe_engine.atomic import replacing

LENS_MM, SENSOR_MM = 50.0, 36.0
_ELEVATION = np.radians(11.0)
_LABEL_PLACE = Matrix.Translation((-0.93 * SENSOR_MM / LENS_MM / 2, -0.92 * SENSOR_MM / LENS_MM / 2, -1.0))
_LABEL_SIZE, _LABEL_LETTERS = 0.055, 24  # of a picture's width 0.72; more letters are smaller
_JPEG_QUALITY = 82
_MARGIN = 0.27  # metres around bone heads: the skull above its bone, the hand beyond the wrist


def add_studio(scene: bpy.types.Scene, people: Sequence[np.ndarray]) -> bpy.types.Object:
    """Camera, sun, sky and a checkered floor around two people; returns the camera.

    people: bone heads (T, N, 3) of each, in Blender's world. The camera stands still, sees the pair from the
    side, and holds both over the whole take.
    """
    points = np.concatenate([heads.reshape(-1, 3) for heads in people])
    camera_data = bpy.data.cameras.new("Studio camera")
    camera_data.lens, camera_data.sensor_width = LENS_MM, SENSOR_MM
    camera = bpy.data.objects.new("Studio camera", camera_data)
    axes = view_axes(people)
    camera.matrix_world = Matrix(camera_matrix(points, axes).tolist())
    scene.collection.objects.link(camera)
    scene.camera = camera

    sun_data = bpy.data.lights.new("Studio sun", "SUN")
    sun_data.energy, sun_data.angle = 3.4, 0.12
    sun = bpy.data.objects.new("Studio sun", sun_data)
    forward = axes[:, 2] * (1, 1, 0)
    forward /= np.linalg.norm(forward)
    light = forward * 0.55 - axes[:, 0] * 0.6 + np.array([0.0, 0.0, 1.15])  # from behind the left shoulder
    sun.matrix_world = Matrix(_looking_along(-light).tolist()).to_4x4()
    scene.collection.objects.link(sun)

    scene.collection.objects.link(_floor(points.mean(axis=0)))
    world = bpy.data.worlds.new("Studio sky")
    if world.node_tree is None:
        world.use_nodes = True
    background = next(node for node in world.node_tree.nodes if node.type == "BACKGROUND")
    background.inputs["Color"].default_value = (0.80, 0.86, 0.93, 1.0)
    background.inputs["Strength"].default_value = 0.75
    scene.world = world
    return camera


def view_axes(people: Sequence[np.ndarray]) -> np.ndarray:
    """Camera axes (3, 3) as columns (right, up, back), across the line between the people where it can be."""
    between = (people[0].mean(axis=1) - people[1].mean(axis=1))[:, :2]
    # the line has no direction (the pair turns), so average doubled angles
    angle = 2 * np.arctan2(between[:, 1], between[:, 0])
    weight = np.linalg.norm(between, axis=-1)
    line = 0.5 * np.arctan2((weight * np.sin(angle)).sum(), (weight * np.cos(angle)).sum())
    right = np.array([np.cos(line), np.sin(line), 0.0])
    return level_axes(right if right[0] >= 0 else -right)


def level_axes(right: np.ndarray) -> np.ndarray:
    """Camera axes (3, 3) as columns (right, up, back) of a camera that looks down a little; right (3,): a
    level direction of length 1."""
    flat_back = np.cross(right, np.array([0.0, 0.0, 1.0]))
    back = flat_back * np.cos(_ELEVATION) + np.array([0.0, 0.0, np.sin(_ELEVATION)])
    return np.stack([right, np.cross(back, right), back], axis=1)


def camera_matrix(points: np.ndarray, axes: np.ndarray, margin: float = _MARGIN) -> np.ndarray:
    """(4, 4) of the nearest studio camera with these axes that sees all points (M, 3)."""
    matrix = np.eye(4)
    matrix[:3, :3] = axes
    matrix[:3, 3] = camera_position(points, axes, SENSOR_MM / LENS_MM / 2, margin)
    return matrix


def camera_position(
    points: np.ndarray, axes: np.ndarray, half_width: float, margin: float = _MARGIN
) -> np.ndarray:
    """Where the nearest camera with these axes stands that sees all points (M, 3) and metres of margin.

    half_width: half the picture over the focal length, for width and height. In camera axes a point at x is
    in the picture when |x - cx| <= half_width (cz - z), which bounds cx + half_width cz and its mirror: two
    lines that cross at the answer, in width and in height; the farther of both depths holds everything.
    """
    local = points @ axes
    centre = np.zeros(3)
    depths = []
    for axis in (0, 1):
        low = (-local[:, axis] + half_width * local[:, 2]).max() + margin
        high = (local[:, axis] + half_width * local[:, 2]).max() + margin
        depths.append((low + high) / (2 * half_width))
        centre[axis] = (high - low) / 2
    centre[2] = max(depths)
    return axes @ centre


@dataclass(frozen=True)
class Shot:
    """One picture: a frame of the scene, the text in its corner, and where the camera is ((4, 4); None: where
    it was)."""

    frame: int
    text: str
    camera: np.ndarray | None = None


def contact_sheet(
    scene: bpy.types.Scene,
    path: str | Path,
    frames: Sequence[int],
    columns: int = 4,
    size: int = 480,
    samples: int = 3,
) -> Path:
    """Render the scene at `frames` and put the pictures, each with its time, on one sheet (PNG).

    Times count from the first frame given. Needs a camera in the scene. The scene's render settings are left
    as the sheet needed them. Raises OSError, RuntimeError.
    """
    fps = scene.render.fps / scene.render.fps_base
    shots = [Shot(frame, f"{(frame - frames[0]) / fps:.2f} s") for frame in frames]
    return save_sheet(pictures(scene, shots, size, samples), path, columns)


def pictures(scene: bpy.types.Scene, shots: Sequence[Shot], size: int, samples: int = 3) -> list[np.ndarray]:
    """A picture (size, size, 4) of each shot, bottom row first, values 0..1 as a file stores them.

    Needs a camera in the scene. The scene's render settings and its camera are left as the last picture
    needed them. Raises OSError, RuntimeError.
    """
    _settings(scene, size, samples)
    label = _time_label(scene.camera)
    scene.collection.objects.link(label)
    taken = []
    try:
        with tempfile.TemporaryDirectory(prefix="intermoe-frames-") as folder:
            for i, shot in enumerate(shots):
                label.data.body = shot.text
                label.data.size = _LABEL_SIZE * min(1.0, _LABEL_LETTERS / max(len(shot.text), 1))
                if shot.camera is not None:
                    scene.camera.matrix_world = Matrix(shot.camera.tolist())
                    label.matrix_world = scene.camera.matrix_world @ _LABEL_PLACE
                scene.frame_set(shot.frame)
                scene.render.filepath = str(Path(folder) / f"{i}.png")
                bpy.ops.render.render(write_still=True)
                taken.append(_pixels(scene.render.filepath))
    finally:
        bpy.data.objects.remove(label)
    return taken


def save_sheet(taken: Sequence[np.ndarray], path: str | Path, columns: int) -> Path:
    """Square pictures of one size, row by row, as one file: JPEG where the path ends so, else PNG.
    Raises OSError."""
    size, gap = taken[0].shape[0], 4
    rows = -(-len(taken) // columns)
    sheet = np.ones((rows * (size + gap) - gap, columns * (size + gap) - gap, 4), dtype=np.float32)
    for i, picture in enumerate(taken):
        row, column = divmod(i, columns)
        top = sheet.shape[0] - row * (size + gap)  # Blender's pictures start at the bottom
        left = column * (size + gap)
        sheet[top - size : top, left : left + size] = picture
    with replacing(Path(path)) as temporary:
        _save(sheet, temporary, "JPEG" if Path(path).suffix.lower() in (".jpg", ".jpeg") else "PNG")
    return Path(path)


def moments(frame_start: int, frame_end: int, count: int = 8) -> list[int]:
    """`count` frames spread evenly over the take, ends included."""
    return [int(round(f)) for f in np.linspace(frame_start, frame_end, count)]


def _settings(scene: bpy.types.Scene, size: int, samples: int) -> None:
    render, cycles = scene.render, scene.cycles
    render.engine = "CYCLES"
    render.resolution_x = render.resolution_y = size
    render.resolution_percentage = 100
    render.image_settings.file_format = "PNG"
    render.image_settings.color_mode = "RGBA"
    render.use_persistent_data = True
    cycles.device = "CPU"
    cycles.samples = samples
    cycles.use_adaptive_sampling = False
    cycles.max_bounces, cycles.diffuse_bounces, cycles.glossy_bounces = 2, 1, 1
    cycles.use_denoising = True
    cycles.denoiser = "OPENIMAGEDENOISE"
    cycles.denoising_prefilter = "NONE"
    if hasattr(cycles, "denoising_quality"):
        cycles.denoising_quality = "FAST"
    scene.view_settings.look = "AgX - Medium High Contrast"


def _looking_along(direction: np.ndarray) -> np.ndarray:
    """Axes (3, 3) whose -z points along `direction`."""
    back = -direction / np.linalg.norm(direction)
    right = np.cross(np.array([0.0, 0.0, 1.0]), back)
    right /= np.linalg.norm(right)
    return np.stack([right, np.cross(back, right), back], axis=1)


def _floor(centre: np.ndarray, half: float = 30.0) -> bpy.types.Object:
    """A wide plane at z = 0 with tiles of half a metre, so that steps and travel can be read."""
    mesh = bpy.data.meshes.new("Studio floor")
    corners = [(-half, -half, 0), (half, -half, 0), (half, half, 0), (-half, half, 0)]
    mesh.from_pydata(corners, [], [(0, 1, 2, 3)])
    floor = bpy.data.objects.new("Studio floor", mesh)
    floor.location = (round(float(centre[0])), round(float(centre[1])), 0.0)
    material = bpy.data.materials.new("Studio floor")
    if material.node_tree is None:
        material.use_nodes = True
    nodes, links = material.node_tree.nodes, material.node_tree.links
    shader = next(node for node in nodes if node.type == "BSDF_PRINCIPLED")
    shader.inputs["Roughness"].default_value = 0.75
    where, tiles = nodes.new("ShaderNodeTexCoord"), nodes.new("ShaderNodeTexChecker")
    tiles.inputs["Scale"].default_value = 2.0
    tiles.inputs["Color1"].default_value = (0.62, 0.64, 0.67, 1.0)
    tiles.inputs["Color2"].default_value = (0.50, 0.525, 0.56, 1.0)
    links.new(where.outputs["Object"], tiles.inputs["Vector"])
    links.new(tiles.outputs["Color"], shader.inputs["Base Color"])
    mesh.materials.append(material)
    return floor


def _time_label(camera: bpy.types.Object) -> bpy.types.Object:
    """A text in the lower left corner of the camera's view, with a colour that no light changes."""
    font = bpy.data.curves.new("Time", "FONT")
    material = bpy.data.materials.new("Time")
    if material.node_tree is None:
        material.use_nodes = True
    nodes, links = material.node_tree.nodes, material.node_tree.links
    glow = nodes.new("ShaderNodeEmission")
    glow.inputs["Color"].default_value = (0.03, 0.035, 0.045, 1.0)
    output = next(node for node in nodes if node.type == "OUTPUT_MATERIAL")
    links.new(glow.outputs["Emission"], output.inputs["Surface"])
    font.materials.append(material)
    label = bpy.data.objects.new("Time", font)
    label.visible_shadow = False
    label.matrix_world = camera.matrix_world @ _LABEL_PLACE
    return label


def _pixels(path: str) -> np.ndarray:
    """(H, W, 4) values 0..1 as stored, bottom row first."""
    image = bpy.data.images.load(path, check_existing=False)
    try:
        values = np.empty(image.size[0] * image.size[1] * 4, dtype=np.float32)
        image.pixels.foreach_get(values)
        return values.reshape(image.size[1], image.size[0], 4)
    finally:
        bpy.data.images.remove(image)


def _save(values: np.ndarray, path: Path, kind: str) -> None:
    image = bpy.data.images.new("Contact sheet", values.shape[1], values.shape[0], alpha=False)
    try:
        image.pixels.foreach_set(np.ascontiguousarray(values, dtype=np.float32).ravel())
        image.file_format = kind
        image.save(filepath=str(path), quality=_JPEG_QUALITY if kind == "JPEG" else 0)
    finally:
        bpy.data.images.remove(image)
