# SPDX-License-Identifier: GPL-3.0-or-later
"""Touches of a take as rows: what the engine found, edits, markers, and the way back into the take's file."""

from __future__ import annotations

from pathlib import Path

import pytest

bpy = pytest.importorskip("bpy")

from blender_addon.takes import touch_markers, touch_rows  # noqa: E402
from blender_addon.ui import touch_panel  # noqa: E402
from intermoe_engine.retarget.touch import Contact, ContactList, SurfacePoint, saved_contacts  # noqa: E402
from intermoe_engine.take import Take  # noqa: E402
from tests.blender.paper import drawn  # noqa: E402
from tests.blender.synthetic import swaying_take  # noqa: E402

pytestmark = pytest.mark.usefixtures("extension")

PLACE = SurfacePoint(0.25, (0.0, 0.6, 0.8))
FOUND = ContactList.of(
    [
        Contact("A", "r_hand", "B", "l_hand", 0.5, 1.25, 0.8, PLACE, None, 0.01),
        Contact("B", "l_hand", "A", "chest", 2.0, 3.0),
        Contact("A", "l_foot", "floor", "floor", 0.0, 1.0),
    ]
)
REPORT = {
    "touch": {
        "contacts": [
            {
                "first": "A",
                "first_part": "r_hand",
                "second": "B",
                "second_part": "l_hand",
                "start": 0.5,
                "end": 1.25,
                "gap_error_mm": 4.0,
            }
        ]
    }
}


@pytest.fixture
def take(tmp_path: Path):
    """The scene's note of a take that starts at frame 11 of a scene of 24 frames a second."""
    bpy.ops.wm.read_homefile(use_empty=True)
    scene = bpy.context.scene
    scene.render.fps = 24
    info = scene.intermoe_take
    info.path = str(swaying_take(120, 30.0).save(tmp_path / "take.npz"))
    info.frame_start, info.frame_end = 11, 106
    touch_rows.fill(info, FOUND, REPORT)
    return info


def test_rows_say_the_same_as_the_engine(take) -> None:
    assert [row.label for row in take.touches] == ["Hand R – Hand L", "Chest – Hand L"]
    assert [(row.first_frame, row.last_frame) for row in take.touches] == [(23, 41), (59, 83)]
    assert take.touches[0].gap == 4.0 and take.touches[1].gap == -1.0
    assert touch_rows.contacts_of(take) == FOUND, "floor contacts and exact places included"
    assert not touch_rows.edited(take)


def test_edits_change_what_was_edited_alone(take) -> None:
    first, second = take.touches
    first.first_frame = 47  # behind its end: the end makes way
    assert (first.first_frame, first.last_frame) == (47, 48)
    second.part_b = "r_forearm"
    second.strength = 0.5
    assert touch_rows.edited(take)
    hands, arm = touch_rows.contacts_of(take).between_people()
    assert (hands.start, hands.first_place, hands.gap) == (1.5, PLACE, 0.01)
    assert (arm.first, arm.first_part, arm.second_part, arm.strength) == ("B", "r_forearm", "chest", 0.5)
    first.part_a = "l_hand"
    assert touch_rows.contacts_of(take).between_people()[0].first_place is None, "it was on the other hand"


def test_they_are_kept_with_the_take_and_found_anew_when_asked(take) -> None:
    path = Path(take.path)
    take.touches[0].last_frame = 47
    touch_rows.keep(take, path)
    assert saved_contacts(Take.load(path)) == touch_rows.contacts_of(take)
    written = path.stat().st_mtime_ns
    touch_rows.keep(take, path)
    assert path.stat().st_mtime_ns == written, "the same rows are not written twice"
    touch_rows.forget(take, path)
    assert saved_contacts(Take.load(path)) is None and not take.touches
    touch_rows.keep(take, path)
    assert saved_contacts(Take.load(path)) is None


def test_add_and_remove(take) -> None:
    bpy.context.scene.frame_set(35)
    bpy.ops.intermoe.add_touch()
    assert take.active_touch == 2
    added = take.touches[2]
    assert (added.first_frame, added.last_frame) == (35, 47)
    take.active_touch = 0
    bpy.ops.intermoe.remove_touch()
    assert [row.label for row in take.touches] == ["Chest – Hand L", "Hand R – Hand L"]
    take.active_touch = 0
    bpy.ops.intermoe.go_to_touch()
    assert bpy.context.scene.frame_current == 59


def test_markers_come_go_and_can_be_moved(take) -> None:
    scene = bpy.context.scene
    scene.timeline_markers.new("mine", frame=5)
    bpy.ops.intermoe.touch_markers()
    frames = {marker.name: marker.frame for marker in scene.timeline_markers}
    assert frames["Touch 1: Hand R – Hand L"] == 23 and frames["Touch 2 ends"] == 83
    assert touch_markers.read(scene) == 0
    scene.timeline_markers["Touch 2 ends"].frame = 95
    scene.timeline_markers["Touch 1: Hand R – Hand L"].frame = 29
    bpy.ops.intermoe.read_touch_markers()
    assert [(row.first_frame, row.last_frame) for row in take.touches] == [(29, 41), (59, 95)]
    bpy.ops.intermoe.touch_markers()
    assert [marker.name for marker in scene.timeline_markers] == ["mine"]


def test_the_panel(take) -> None:
    text = drawn(touch_panel.INTERMOE_PT_touch)
    assert "Hand R – Hand L" in text and "23 – 41" in text
    assert "Off by 0.4 cm" in text and "fit again" not in text
    take.touches[1].strength = 0.0
    assert "fit again" in drawn(touch_panel.INTERMOE_PT_touch)
    take.touches.clear()
    assert "do not touch" in drawn(touch_panel.INTERMOE_PT_touch)
    take.path = ""
    assert "Who Leads" in drawn(touch_panel.INTERMOE_PT_touch)
    assert not bpy.ops.intermoe.add_touch.poll()


def test_feet_are_rows_of_their_own(take) -> None:
    """Found, locked, let go, and part of what the next fit goes by."""
    scene = bpy.context.scene
    assert [(row.label, row.first_frame, row.last_frame) for row in take.stands] == [("A  Foot L", 11, 35)]
    scene.intermoe.touch_shown = "FEET"
    assert "A  Foot L" in drawn(touch_panel.INTERMOE_PT_touch)
    assert not touch_rows.edited(take)
    take.stands[0].held = False
    assert touch_rows.edited(take)
    assert [c.strength for c in touch_rows.contacts_of(take) if c.on_floor] == [0.0]
    scene.frame_set(50)
    bpy.ops.intermoe.add_stand()
    row = take.stands[take.active_stand]
    row.actor, row.foot, row.last_frame = "B", "r_foot", 62
    expected = Contact("B", "r_foot", "floor", "floor", 39 / 24, 51 / 24)
    added = next(c for c in touch_rows.contacts_of(take) if c.first_part == "r_foot")
    assert (added.first, added.second) == ("B", "floor")
    assert (added.start, added.end) == pytest.approx((expected.start, expected.end), abs=1e-5)
    touch_rows.keep(take, Path(take.path))
    assert saved_contacts(Take.load(take.path)) == touch_rows.contacts_of(take)
    bpy.ops.intermoe.remove_stand()
    bpy.ops.intermoe.remove_stand()
    assert not take.stands and not bpy.ops.intermoe.remove_stand.poll()
