# SPDX-License-Identifier: GPL-3.0-or-later
"""glTF binaries with skeletons and clips, written number by number: no Blender had a hand in them."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from tests.training.loaders.known_people import FileSkeleton

Character = tuple[str, dict[str, FileSkeleton]]
"""A name and its clips; all clips have the same bones and rest pose."""


def write_glb(path: Path, characters: list[Character], fps: float, seed: int = 0) -> None:
    """One skin a character, each bone with random axes of its own; one animation a clip name.

    Clips of one name become one animation that moves all characters who have it.
    """
    rng = np.random.default_rng(seed)
    nodes: list[dict] = []
    skins: list[dict] = []
    animations: dict[str, dict] = {}
    data, views, accessors = bytearray(), [], []

    def accessor(values: np.ndarray, kind: str) -> int:
        values = np.ascontiguousarray(values, dtype=np.float32)
        views.append({"buffer": 0, "byteOffset": len(data), "byteLength": values.nbytes})
        data.extend(values.tobytes())
        entry = {"bufferView": len(views) - 1, "componentType": 5126, "count": len(values), "type": kind}
        if kind == "SCALAR":
            entry |= {"min": [float(values.min())], "max": [float(values.max())]}
        accessors.append(entry)
        return len(accessors) - 1

    roots = []
    for name, clips in characters:
        first = next(iter(clips.values()))
        bones = Rotation.random(len(first.names), random_state=rng).as_matrix()
        base = len(nodes)
        nodes.extend({"name": bone} for bone in first.names)
        bind = np.tile(np.eye(4), (len(bones), 1, 1))
        bind[:, :3, :3], bind[:, :3, 3] = bones, first.heads
        for n, parent in enumerate(first.parents):
            above = bones[parent] if parent >= 0 else np.eye(3)
            start = first.heads[parent] if parent >= 0 else np.zeros(3)
            nodes[base + n] |= {
                "translation": (above.T @ (first.heads[n] - start)).tolist(),
                "rotation": Rotation.from_matrix(above.T @ bones[n]).as_quat().tolist(),
            }
            if parent >= 0:
                nodes[base + parent].setdefault("children", []).append(base + n)
        inverse = np.swapaxes(np.linalg.inv(bind), -1, -2).reshape(-1, 16)
        joints = list(range(base, base + len(bones)))
        matrices = accessor(inverse, "MAT4")
        skins.append({"name": name, "joints": joints, "skeleton": base, "inverseBindMatrices": matrices})
        nodes.append({"name": name, "children": [base]})
        roots.append(len(nodes) - 1)
        for clip_name, clip in clips.items():
            times = accessor(np.arange(len(clip.positions)) / fps, "SCALAR")
            animation = animations.setdefault(clip_name, {"name": clip_name, "samplers": [], "channels": []})

            def track(node: int, what: str, values: np.ndarray, kind: str, into=animation, at=times) -> None:
                into["samplers"].append({"input": at, "output": accessor(values, kind)})
                target = {"node": node, "path": what}
                into["channels"].append({"sampler": len(into["samplers"]) - 1, "target": target})

            posed = clip.turns @ bones
            for n, parent in enumerate(clip.parents):
                above = np.swapaxes(posed[:, parent], -1, -2) if parent >= 0 else np.eye(3)[None]
                quaternions = Rotation.from_matrix(above @ posed[:, n]).as_quat()
                track(base + n, "rotation", quaternions, "VEC4")
            track(base, "translation", clip.positions[:, 0], "VEC3")

    document = {
        "asset": {"version": "2.0"},
        "scene": 0,
        "scenes": [{"nodes": roots}],
        "nodes": nodes,
        "skins": skins,
        "animations": list(animations.values()),
        "accessors": accessors,
        "bufferViews": views,
        "buffers": [{"byteLength": len(data)}],
    }
    text = json.dumps(document).encode()
    text += b" " * (-len(text) % 4)
    data.extend(b"\0" * (-len(data) % 4))
    total = 12 + 8 + len(text) + 8 + len(data)
    path.write_bytes(
        struct.pack("<4sII", b"glTF", 2, total)
        + struct.pack("<I4s", len(text), b"JSON")
        + text
        + struct.pack("<I4s", len(data), b"BIN\0")
        + bytes(data)
    )
