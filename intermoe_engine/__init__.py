# SPDX-License-Identifier: GPL-3.0-or-later
"""InterMoE at animation time: text to the motion of two people, without torch and without bpy."""

__version__ = "0.1.0"
