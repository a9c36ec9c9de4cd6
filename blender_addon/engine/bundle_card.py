# SPDX-License-Identifier: GPL-3.0-or-later
"""What the panel needs to know of the bundle, read once for each file and remembered.

Only `bundle.json` is read here. Its files are verified by the engine, off the main thread.
"""
# Properties and operators of an extension exist at run time only; the stubs of bpy cannot know them.
# pyright: reportAttributeAccessIssue=false

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import bpy

from intermoe_engine.bundle.bundle import default_bundle_path
from intermoe_engine.bundle.card import BundleCard
from intermoe_engine.bundle.errors import BundleError
from intermoe_engine.bundle.store import open_store, read_card

from .settings import engine_settings


@dataclass(frozen=True)
class Example:
    """A sentence to begin with. title: what it asks for; seconds: how long that usually takes; both may be
    unknown, "" and None."""

    title: str
    prompt: str
    seconds: float | None


@dataclass(frozen=True)
class CardSummary:
    """The part of a bundle's card that is shown. Durations in seconds.

    examples: one for each interaction that the bundle knows, or its example sentences where it lists none.
    """

    name: str
    min_duration: float
    max_duration: float
    default_steps: int
    default_guidance: float
    examples: tuple[Example, ...]


def path(context: bpy.types.Context) -> Path:
    """The bundle that the preferences name, else the starter."""
    chosen = engine_settings(context).bundle
    return Path(chosen).expanduser() if chosen else default_bundle_path()


def current(context: bpy.types.Context) -> CardSummary | None:
    """The card of the bundle in use; None when it cannot be read (`problem` says why)."""
    return _cached(context)[0]


def problem(context: bpy.types.Context) -> str:
    """Why the bundle cannot be used, in one sentence; empty when it can."""
    return _cached(context)[1]


def engine_line(context: bpy.types.Context, device: str) -> str:
    """The small print of the panel: bundle, and the device once a session has told it."""
    card = current(context)
    name = card.name if card else "no bundle"
    return f"{name} · {device.upper()}" if device else name


def _cached(context: bpy.types.Context) -> tuple[CardSummary | None, str]:
    where = path(context)
    card = where / "bundle.json" if where.is_dir() else where
    try:
        changed = card.stat().st_mtime_ns
    except OSError:
        changed = 0
    return _read(str(where), changed)


@lru_cache(maxsize=4)
def _read(where: str, _changed: int) -> tuple[CardSummary | None, str]:
    if not Path(where).exists():
        return None, f"There is no bundle at {where}: choose one in the extension's preferences"
    try:
        card = BundleCard.from_json(read_card(open_store(Path(where))))
    except (BundleError, OSError) as error:
        return None, f"The bundle cannot be used: {error}"
    summary = CardSummary(
        card.name,
        card.min_duration,
        card.max_duration,
        card.diffusion.default_steps,
        card.diffusion.default_guidance,
        _examples(card),
    )
    return summary, ""


def _examples(card: BundleCard) -> tuple[Example, ...]:
    if card.interactions:
        return tuple(Example(known.title, known.prompt, known.seconds) for known in card.interactions)
    return tuple(Example("", prompt, None) for prompt in card.example_prompts)
