# SPDX-License-Identifier: GPL-3.0-or-later
"""Example sentences of the bundle's card, in the panel."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

bpy = pytest.importorskip("bpy")

import blender_addon  # noqa: E402
from blender_addon.engine import bundle_card  # noqa: E402
from blender_addon.operators.prompts import example_items  # noqa: E402
from blender_addon.ui import panels  # noqa: E402
from intermoe_engine.bundle import Bundle  # noqa: E402
from tests.blender.paper import drawn  # noqa: E402


@pytest.fixture(scope="module", autouse=True)
def panel() -> Iterator[None]:
    blender_addon.register()
    yield
    blender_addon.unregister()


def test_an_example_fills_in_sentence_and_duration(
    some_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "bundle"
    folder.mkdir()
    document = dict(Bundle.open(some_bundle).card.raw)
    longest = document["frames"]["max"] / document["fps"]
    settings = bpy.context.scene.intermoe
    settings.duration = 1.0
    document["interactions"] = [
        {"name": "fist_bump", "prompt": "two people bump fists", "seconds": 3.4},
        {"name": "marathon", "prompt": "two people run for hours", "seconds": 3600},
    ]
    (folder / "bundle.json").write_text(json.dumps(document))
    monkeypatch.setenv("INTERMOE_BUNDLE", str(folder))
    card = bundle_card.current(bpy.context)
    assert card is not None
    listed = example_items(card.examples)
    assert listed[0] == (
        "0", "Fist bump: two people bump fists", "“two people bump fists”. Usually takes 3.4 s"
    )  # fmt: skip
    assert "Examples" in drawn(*panels.CLASSES)
    bpy.ops.intermoe.choose_example(example="0")
    assert settings.prompt == "two people bump fists" and settings.duration == pytest.approx(3.4)
    bpy.ops.intermoe.choose_example(example="1")
    assert settings.duration == pytest.approx(longest), "no longer than the bundle can"

    del document["interactions"]  # an older bundle: its example sentences, and the duration stays
    (folder / "bundle.json").write_text(json.dumps({**document, "example_prompts": ["they dance"]}))
    os.utime(folder / "bundle.json", ns=(1, 1))
    bpy.ops.intermoe.choose_example(example="0")
    assert settings.prompt == "they dance" and settings.duration == pytest.approx(longest)
    (folder / "bundle.json").write_text(json.dumps({**document, "example_prompts": []}))
    assert not bpy.ops.intermoe.choose_example.poll()
