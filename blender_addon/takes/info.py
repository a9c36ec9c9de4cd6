# SPDX-License-Identifier: GPL-3.0-or-later
"""The last take in words: frames, distance between the people, scale."""
# Properties and operators of an extension exist at run time only; the stubs of bpy cannot know them.
# pyright: reportAttributeAccessIssue=false

from __future__ import annotations

import bpy


def rows(take: bpy.types.PropertyGroup) -> list[tuple[str, str]]:
    """Name and value of each line that the panel shows."""
    lines = [
        ("Frames", f"{take.frame_start} – {take.frame_end}"),
    ]
    if take.distance_median > 0:
        lines.append(("Hip distance", f"{take.distance_median:.2f} m, least {take.distance_min:.2f} m"))
    lines.append(("Pair scale", f"{take.pair_scale:.3f}"))
    return lines


def is_of_other_request(take: bpy.types.PropertyGroup, settings: bpy.types.PropertyGroup) -> bool:
    """Whether the panel shows another sentence or seed by now."""
    return (take.prompt, take.seed) != (settings.prompt.strip(), settings.seed)


def outside_scene_range(take: bpy.types.PropertyGroup, scene: bpy.types.Scene) -> bool:
    """Whether the scene's frame range cuts the take off."""
    return take.frame_start < scene.frame_start or take.frame_end > scene.frame_end


def fit_scene_range(take: bpy.types.PropertyGroup, scene: bpy.types.Scene) -> None:
    """Widen the scene's frame range to hold the take; it is never made shorter."""
    scene.frame_start = min(scene.frame_start, take.frame_start)
    scene.frame_end = max(scene.frame_end, take.frame_end)
