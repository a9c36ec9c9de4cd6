# SPDX-License-Identifier: GPL-3.0-or-later
"""Our own two characters, built by script: shape, mesh, bones and skinning."""

from .characters import KINDS, Kind, add_mannequin

__all__ = ["KINDS", "Kind", "add_mannequin"]
