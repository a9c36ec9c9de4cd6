# SPDX-License-Identifier: GPL-3.0-or-later
"""Operators: each asks a plain function to do its work and reports the outcome."""

from . import (
    bone_presets,
    bones,
    casting,
    engine,
    export,
    generate,
    prompts,
    rest_preview,
    scene_range,
    takes,
    touches,
)

MODULES = (
    generate,
    casting,
    prompts,
    export,
    engine,
    scene_range,
    takes,
    bones,
    bone_presets,
    rest_preview,
    touches,
)


def register() -> None:
    for module in MODULES:
        module.register()


def unregister() -> None:
    for module in reversed(MODULES):
        module.unregister()
