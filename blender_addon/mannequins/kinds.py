# SPDX-License-Identifier: GPL-3.0-or-later
"""The two mannequins that there are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .shape import Build


@dataclass(frozen=True)
class Kind:
    """One mannequin: label for menus, build, bones and the linear RGB colours of shell, joints and visor."""

    label: str
    build: Build
    rig: str
    shell: tuple[float, float, float]
    joint: tuple[float, float, float]
    visor: tuple[float, float, float]


KINDS: Mapping[str, Kind] = {
    "terra": Kind(
        "Terra (1.60 m, Mixamo names, T-pose)",
        Build(
            height=1.60, arm_drop=0.0, shoulder=0.101, hip=0.054, chest=0.94, waist=0.93, limb=0.94, head=1.09
        ),
        "mixamo",
        (0.62, 0.19, 0.085),
        (0.10, 0.045, 0.035),
        (0.012, 0.010, 0.012),
    ),
    "slate": Kind(
        "Slate (1.90 m, Rigify names, A-pose)",
        Build(
            height=1.90,
            arm_drop=42.0,
            shoulder=0.118,
            hip=0.054,
            chest=1.16,
            waist=1.04,
            limb=1.06,
            head=1.02,
        ),
        "rigify",
        (0.105, 0.215, 0.36),
        (0.030, 0.040, 0.060),
        (0.010, 0.011, 0.014),
    ),
}
"""terra: 1.60 m, Mixamo bone names, T-pose. slate: 1.90 m, broader, Rigify metarig names, A-pose."""
