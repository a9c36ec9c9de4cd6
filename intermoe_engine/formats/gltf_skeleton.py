# SPDX-License-Identifier: GPL-3.0-or-later
"""The skeleton of a glTF 2.0 file as a RigDescription: joints, parents and bind pose, no mesh.

Source: Khronos glTF 2.0 specification, sections 3.5 (scenes and nodes), 3.7.3 (skins), 4 (GLB).
"""

from __future__ import annotations

import base64
import json
import struct
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np

from ..retarget.errors import RigError
from ..retarget.rig import RigDescription
from ..rotations import quat_to_matrix


def read_gltf_skeleton(path: str | Path) -> RigDescription:
    """The first skin's joints, or all nodes where nothing is skinned; canonical space is glTF's own.

    A joint has a head and axes but no tail: `lengths` is the distance to its nearest child, or to its
    parent for a leaf. Raises RigError where the file holds no skeleton that can be read.
    """
    path = Path(path)
    try:
        document, binary = _load(path)
        nodes = document["nodes"]
        skins = document.get("skins", [])
        joints = list(skins[0]["joints"]) if skins else list(range(len(nodes)))
        above = {child: i for i, node in enumerate(nodes) for child in node.get("children", ())}
        world = _world_matrices(nodes, above)[joints]
        if skins and "inverseBindMatrices" in skins[0]:
            inverse = _accessor(document, binary, path, skins[0]["inverseBindMatrices"])
            # Column-major in the file. The bind pose is what the mesh was modelled in.
            world = np.linalg.inv(inverse.reshape(-1, 4, 4).transpose(0, 2, 1).astype(float))
        number = {joint: k for k, joint in enumerate(joints)}
        parents = np.array([_parent_joint(joint, above, number) for joint in joints])
        names = [str(nodes[j].get("name", f"joint {j}")) for j in joints]
    except (OSError, KeyError, IndexError, TypeError, ValueError, struct.error) as error:
        raise RigError(
            f"'{path.name}' holds no skeleton that can be read ({error}); export it again."
        ) from error
    return RigDescription(path.stem, names, parents, world, bone_lengths(world[:, :3, 3], parents))


def bone_lengths(heads: np.ndarray, parents: np.ndarray) -> np.ndarray:
    """Lengths (N,) of bones known by their heads (N, 3): to the nearest child, or to the parent."""
    lengths = np.full(len(heads), np.inf)
    below = np.flatnonzero(parents >= 0)
    steps = np.linalg.norm(heads[below] - heads[parents[below]], axis=-1)
    np.minimum.at(lengths, parents[below], np.where(steps > 1e-9, steps, np.inf))
    leaves = below[~np.isfinite(lengths[below])]
    lengths[leaves] = np.linalg.norm(heads[leaves] - heads[parents[leaves]], axis=-1)
    return np.where(np.isfinite(lengths), lengths, 1.0)


def _load(path: Path) -> tuple[dict[str, Any], bytes]:
    """The JSON document and, for a GLB, its binary chunk."""
    data = path.read_bytes()
    if data[:4] != b"glTF":
        return json.loads(data), b""
    chunks: dict[bytes, bytes] = {}
    at = 12
    while at + 8 <= len(data):
        length, kind = struct.unpack_from("<I4s", data, at)
        chunks.setdefault(kind, data[at + 8 : at + 8 + length])
        at += 8 + length
    return json.loads(chunks[b"JSON"]), chunks.get(b"BIN\0", b"")


def _accessor(document: dict[str, Any], binary: bytes, path: Path, index: int) -> np.ndarray:
    """A float MAT4 accessor (N, 16)."""
    accessor = document["accessors"][index]
    if accessor["type"] != "MAT4" or accessor["componentType"] != 5126:
        raise ValueError("bind matrices are no 4 by 4 floats")
    view = document["bufferViews"][accessor["bufferView"]]
    uri = document["buffers"][view["buffer"]].get("uri")
    if uri is None:
        data = binary
    elif uri.startswith("data:"):
        data = base64.b64decode(uri.partition(",")[2])
    else:
        data = (path.parent / unquote(uri)).read_bytes()
    start = view.get("byteOffset", 0) + accessor.get("byteOffset", 0)
    return np.frombuffer(data, "<f4", 16 * accessor["count"], start).reshape(-1, 16)


def _world_matrices(nodes: list[dict[str, Any]], above: dict[int, int]) -> np.ndarray:
    local = np.stack([_local_matrix(node) for node in nodes])
    world = local.copy()
    for i in range(len(nodes)):
        parent = above.get(i)
        while parent is not None:
            world[i] = local[parent] @ world[i]
            parent = above.get(parent)
    return world


def _local_matrix(node: dict[str, Any]) -> np.ndarray:
    if "matrix" in node:
        return np.array(node["matrix"], dtype=float).reshape(4, 4).T
    out = np.eye(4)
    x, y, z, w = node.get("rotation", (0.0, 0.0, 0.0, 1.0))
    out[:3, :3] = quat_to_matrix(np.array([w, x, y, z])) * np.array(node.get("scale", (1.0, 1.0, 1.0)))
    out[:3, 3] = node.get("translation", (0.0, 0.0, 0.0))
    return out


def _parent_joint(joint: int, above: dict[int, int], number: dict[int, int]) -> int:
    parent = above.get(joint)
    while parent is not None and parent not in number:
        parent = above.get(parent)
    return -1 if parent is None else number[parent]
