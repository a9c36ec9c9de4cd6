# SPDX-License-Identifier: GPL-3.0-or-later
"""Armatures: read into the engine's terms, and keyed."""
