# SPDX-License-Identifier: GPL-3.0-or-later
"""Retargeting: a take of two people onto two rigs of any proportions. Numpy only, canonical space."""

from __future__ import annotations

from .errors import RigError
from .mapping import REQUIRED, SLOTS, BoneMapping, MappingRow, find_bones, map_bones, slot_label
from .motion import RigMotion
from .rig import RigDescription
from .rig_kinematics import RigKinematics, RigPose
from .settings import RetargetSettings
from .solve import PairRetarget, retarget_pair

__all__ = [
    "REQUIRED",
    "SLOTS",
    "BoneMapping",
    "MappingRow",
    "PairRetarget",
    "RetargetSettings",
    "RigDescription",
    "RigError",
    "RigKinematics",
    "RigMotion",
    "RigPose",
    "find_bones",
    "map_bones",
    "retarget_pair",
    "slot_label",
]
