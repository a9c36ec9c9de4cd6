# SPDX-License-Identifier: GPL-3.0-or-later
"""What else moves the bones of a rig: the constraints by which its bones follow one another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from .errors import RigError


@dataclass(frozen=True)
class Switch:
    """A custom property of a pose bone that turns constraints on and off: its value for either."""

    bone: str
    property: str
    off: float
    on: float


@dataclass(frozen=True)
class RigConstraint:
    """One constraint of a pose bone on another bone of its armature.

    bone, name: where it lies. kind: Blender's type ("IK", "COPY_ROTATION" …). target: the bone that is
    followed; pole: an IK constraint's pole target, or "". pole_angle: radians. chain_length: bones that an
    IK constraint moves; stretches: whether it may change their lengths. switch: what drives its influence,
    None where nothing does. is_driven: something does that is not understood, so that keys on the influence
    have no effect.
    """

    bone: str
    name: str
    kind: str
    target: str
    pole: str = ""
    pole_angle: float = 0.0
    chain_length: int = 0
    stretches: bool = False
    switch: Switch | None = None
    is_driven: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON, without what has its default."""
        values = asdict(self)
        return {f.name: values[f.name] for f in fields(self) if values[f.name] != f.default}

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> RigConstraint:
        """The inverse of to_dict. Raises RigError."""
        try:
            switch = data.get("switch")
            return RigConstraint(**{**data, "switch": None if switch is None else Switch(**switch)})
        except (AttributeError, TypeError) as error:
            raise RigError(
                f"A constraint of the rig cannot be read ({error}); read the rig again."
            ) from error
