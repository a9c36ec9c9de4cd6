# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be wrong with a rig, a mapping or the settings of a retarget."""

from __future__ import annotations

from ..errors import EngineError


class RigError(EngineError):
    """A rig or its bone mapping cannot be used; the message says what to change."""
