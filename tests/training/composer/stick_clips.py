# SPDX-License-Identifier: GPL-3.0-or-later
"""Single clips made of numbers: a person who stands, one with feet apart, one who walks on the spot."""

from __future__ import annotations

import numpy as np

from intermoe_engine.rotations import quat_from_axis_angle
from intermoe_engine.skeleton import SMPL22
from training.composer.feet import FootGoals, on_feet
from training.composer.figure import Figure, J
from training.composer.library import Library
from training.composer.segment import Segment

FPS = 30.0
PACE = 1.0
FRAMES = 31
HEIGHT = 0.02 - float(SMPL22.offsets[[1, 4, 7, 10], 1].sum())
"""Metres of the pelvis over the floor of somebody who stands upright with flat feet."""
Z = np.array([0.0, 0.0, 1.0])


def standing(apart: float = 0.0, name: str = "stand") -> Segment:
    """Arms down, each leg turned out by `apart` radians, breathing by a centimetre; a loop of a second."""
    t = np.linspace(0.0, 2 * np.pi, FRAMES)
    rotations = np.zeros((FRAMES, 22, 4))
    rotations[..., 0] = 1.0
    for side, sign in (("l", 1.0), ("r", -1.0)):
        rotations[:, J[f"{side}_shoulder"]] = quat_from_axis_angle(Z, np.array(-1.35 * sign))
        rotations[:, J[f"{side}_hip"]] = quat_from_axis_angle(Z, np.array(apart * sign))
        rotations[:, J[f"{side}_ankle"]] = quat_from_axis_angle(Z, np.array(-apart * sign))
    rotations[:, J["spine2"]] = quat_from_axis_angle(np.array([1.0, 0.0, 0.0]), 0.08 * np.sin(t))
    leg = SMPL22.offsets[[J["l_knee"], J["l_ankle"]]].sum(axis=0)
    fall = -leg[1] * (1 - np.cos(apart)) - leg[0] * np.sin(apart)
    pelvis = np.tile([0.0, HEIGHT - fall, 0.0], (FRAMES, 1))
    stands = np.ones((FRAMES, 2), dtype=bool)
    return Segment(name, FPS, rotations, pelvis, np.zeros((FRAMES, 3)), stands, 0.0, True)


def walking() -> Segment:
    """Steps of half a second on the spot: led at PACE, the feet stand still."""
    still = standing()
    part = (np.linspace(0.0, 1.0, FRAMES)[:, None] + [0.0, 0.5]) % 1.0
    stands = part < 0.6
    along = np.where(stands, 0.3 - part, -0.3 + 0.6 * (1 - np.cos(np.pi * (part - 0.6) / 0.4)) / 2)
    lift = np.where(stands, 0.0, 0.1 * np.sin(np.pi * (part - 0.6) / 0.4))
    ankle = np.zeros((FRAMES, 2, 3))
    ankle[..., 0], ankle[..., 1], ankle[..., 2] = [0.09, -0.09], 0.08 + lift, PACE * along
    flat = np.zeros((FRAMES, 2, 4))
    flat[..., 0] = 1.0
    low = still.pelvis - [0.0, 0.05, 0.0]
    figure = Figure(FPS, low, still.rotations, still.base, stands.astype(float))
    figure = on_feet(figure, FootGoals(ankle, flat, stands))
    return Segment("walk", FPS, figure.local, figure.root, still.base, stands, PACE, True)


def library() -> Library:
    """The three, and a group of the two that stand."""
    clips = (standing(), standing(0.16, "wide"), walking())
    return Library({clip.name: clip for clip in clips}, {"standing": ("stand",)})
