# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m blender_addon.headless.skins`: takes on pairs of characters, as sheets from two angles."""
# bpy's stubs know base classes alone (no Light.energy), and take some properties for methods.
# pyright: reportAttributeAccessIssue=false

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from intermoe_engine.bench.takes import SCRIPTED, salsa, shared_folder
from intermoe_engine.errors import EngineError
from intermoe_engine.retarget import PairRetarget
from intermoe_engine.take import Take

from .console import Console, run_and_leave

TAKES = ("handshake", "hug", "salsa")
PAIRS = (
    ("slate", "terra*0.75"),
    ("{rigs}/kenney/human-kenney.glb*0.4", "{rigs}/mesh2motion/human-male.glb"),
    ("rigify", "{rigs}/mesh2motion/human-female.glb"),
)
"""Three very different pairs: an adult and a child, a cartoon with a large head and short arms and a man of
anatomical build, a control rig and a woman."""
_TURNS = (0.0, 65.0)
"""Degrees about the vertical of the two views; the first looks across the line between the people."""
_AROUND = 0.4
"""Seconds before and after a touch that are shown too."""
_MARGIN = 0.06


def main(arguments: Sequence[str]) -> int:
    """Run the command; returns the exit status. Raises what run_and_leave turns into one line."""
    args = _parser().parse_args(arguments)
    takes = {name: _take(name) for name in args.take or TAKES}
    pairs = [tuple(pair) for pair in args.pair or _default_pairs()]
    console = Console()
    from .casting import check
    from .render import save_sheet

    for name in (name for pair in pairs for name in pair):
        check(name)
    args.output.mkdir(parents=True, exist_ok=True)
    taken: dict[str, list[np.ndarray]] = {name: [] for name in takes}
    for a, b in pairs:
        title = f"{_title(a)} and {_title(b)}"
        with console.stage(title, title):
            for name, rows in _pair_pictures((a, b), takes, args.columns, args.size).items():
                taken[name] += rows
    for name, rows in taken.items():
        path = args.output / f"{name.replace(' ', '_')}.{args.format}"
        console.say(str(save_sheet(rows, path, args.columns)))
    return 0


def touched_moments(result: PairRetarget, take: Take, count: int) -> list[int]:
    """`count` frames from 0 on, spread evenly over the time in which the people touch and a little around;
    over the whole take where they never do."""
    times = np.arange(take.frames) / take.fps
    near = np.zeros(take.frames, dtype=bool)
    for contact in result.contacts.between_people():
        near |= (times >= contact.start - _AROUND) & (times <= contact.end + _AROUND)
    frames = np.flatnonzero(near) if near.any() else np.arange(take.frames)
    return [int(frames[i]) for i in np.linspace(0, len(frames) - 1, count).round().astype(int)]


def _pair_pictures(
    names: tuple[str, str], takes: dict[str, Take], columns: int, size: int
) -> dict[str, list[np.ndarray]]:
    """Pictures of each take: a row of moments for each view."""
    import bpy

    from ..space import to_blender
    from . import pair as pairs
    from . import render
    from .casting import add_character

    scene = pairs.new_scene(next(iter(takes.values())).fps)
    rigs = (add_character(names[0]), add_character(names[1]))
    skins = [[item for item in scene.objects if _is_skin_of(item, rig)] for rig in rigs]
    for item in scene.objects:
        if item.type == "MESH" and not any(item in skin for skin in skins):
            item.hide_render = True  # props of the file, shapes of controls
    out: dict[str, list[np.ndarray]] = {}
    studio: list[bpy.types.Object] = []
    for name, take in takes.items():
        pair = pairs.key_pair(take, rigs, name)
        people = [to_blender(motion.heads_world) for motion in pair.result.actors]
        way = to_blender(np.subtract(*(actor.joint_positions[:, 0] for actor in take.actors[::-1])))
        for item in studio:
            bpy.data.objects.remove(item)
        before = set(scene.objects)
        render.add_studio(scene, people)
        studio = [item for item in scene.objects if item not in before]
        rows: list[list[render.Shot]] = [[] for _ in _TURNS]
        for i, index in enumerate(touched_moments(pair.result, take, columns)):
            scene.frame_set(pairs.START_FRAME + index)
            points = np.concatenate([_surface(item) for skin in skins for item in skin])
            text = f"{_title(names[0])} + {_title(names[1])}" if i == 0 else f"{index / take.fps:.2f} s"
            for row, turn in zip(rows, _TURNS, strict=True):
                axes = render.level_axes(_turned(way[index], turn))
                camera = render.camera_matrix(points, axes, _MARGIN)
                row.append(render.Shot(pairs.START_FRAME + index, text, camera))
        out[name] = render.pictures(scene, [shot for row in rows for shot in row], size)
    return out


def _turned(way: np.ndarray, turn: float) -> np.ndarray:
    """A direction (3,) made level and turned by degrees about the vertical."""
    angle = np.arctan2(way[1], way[0]) + np.radians(turn)
    return np.array([np.cos(angle), np.sin(angle), 0.0])


def _is_skin_of(item, rig) -> bool:
    by_modifier = any(m.type == "ARMATURE" and m.object == rig for m in item.modifiers)
    return item.type == "MESH" and (by_modifier or (item.parent == rig and item.parent_type == "BONE"))


def _surface(item) -> np.ndarray:
    """Points (V, 3) of a mesh in the world, as its modifiers leave it in this frame."""
    import bpy

    evaluated = item.evaluated_get(bpy.context.evaluated_depsgraph_get())
    points = np.empty(3 * len(evaluated.data.vertices), dtype=np.float32)
    evaluated.data.vertices.foreach_get("co", points)
    matrix = np.array(evaluated.matrix_world)
    return points.reshape(-1, 3) @ matrix[:3, :3].T + matrix[:3, 3]


def _take(name: str) -> Take:
    if name in SCRIPTED:
        return SCRIPTED[name]().take
    if name == "salsa":
        found = salsa(("03",))
        if not found:
            raise EngineError(
                "captured salsa needs INTERMOE_SHARED, the folder whose data/cmu_pairs holds the captures, "
                "and the training extra; or choose takes with --take"
            )
        return found[0]
    return Take.load(Path(name))


def _default_pairs() -> list[tuple[str, str]]:
    rigs = shared_folder() / "rigs"
    if not rigs.is_dir():
        raise EngineError("name characters with --pair A B, or set INTERMOE_SHARED to a folder with rigs/")
    return [(a.format(rigs=rigs), b.format(rigs=rigs)) for a, b in PAIRS]


def _title(name: str) -> str:
    """What a character is called on the sheet."""
    stem, star, size = name.rpartition("*")
    return f"{Path(stem).stem} x {size}" if star else Path(name).stem


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="intermoe bench skins")
    parser.add_argument("-o", "--output", required=True, type=Path)
    parser.add_argument("--take", action="append")
    parser.add_argument("--pair", action="append", nargs=2)
    parser.add_argument("--columns", type=int, default=4)
    parser.add_argument("--size", type=int, default=300)
    parser.add_argument("--format", choices=("jpg", "png"), default="jpg")
    return parser


if __name__ == "__main__":
    run_and_leave("intermoe bench skins", main, sys.argv[1:])
