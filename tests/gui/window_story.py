# SPDX-License-Identifier: GPL-3.0-or-later
"""What an animator does with the extension, step by step, inside a Blender window (see run_window_test.py).

Each `yield N` hands control back to Blender for N seconds, so that it draws and its timers run.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import bpy

sys.path.insert(0, str(Path(__file__).parent))  # Blender runs this file as a script
from story_tools import (
    LONGEST_FREEZE,
    LONGEST_HOLD,
    MANNEQUINS_HOLD,
    TAB,
    Story,
    addon,
    crowd,
    distance,
    fold,
    hips,
    in_view,
    play,
    sidebar,
    timed,
    unfold,
    wait,
)


def tell(story: Story, bundle: str) -> Iterator[float]:
    session = addon("engine.session").current()
    scene = bpy.context.scene
    settings = scene.intermoe
    if bundle:
        bpy.context.preferences.addons["bl_ext.user_default.intermoe"].preferences.bundle = bundle
    yield 3.0
    area = sidebar()[0]
    area.spaces.active.show_region_ui = True
    yield 2.0
    sidebar()[1].active_panel_category = TAB
    yield 1.5
    story.check("the tab is open", sidebar()[1].active_panel_category == TAB)
    story.check("without characters Generate is greyed out", not bpy.ops.intermoe.generate.poll())
    story.shot("panel_empty")

    with in_view():
        for item in list(bpy.data.objects):
            bpy.data.objects.remove(item)
        began = time.monotonic()
        bpy.ops.intermoe.add_mannequins("EXEC_DEFAULT", True)
        story.facts["mannequin_seconds"] = round(time.monotonic() - began, 2)
    story.check(
        "mannequins come at once",
        story.facts["mannequin_seconds"] < MANNEQUINS_HOLD * crowd(),
        f"{story.facts['mannequin_seconds']} s",
    )
    with in_view():
        bpy.ops.view3d.view_all(center=False)
    yield 2.0
    cast = (settings.actor_a, settings.actor_b)
    story.check("mannequins are cast", all(cast) and cast[0] != cast[1], [rig and rig.name for rig in cast])
    fps, end = scene.render.fps, scene.frame_end
    names = [rig.name for rig in cast]
    settings.duration, settings.seed = 4.0, 9
    with in_view():
        bpy.ops.ed.undo_push(message="Set Up")
        sidebar()[1].tag_redraw()
    yield 1.0
    story.shot("panel_before")
    yield from bones(story)

    # First press: cancelled on the way.
    settings.recommended = False
    settings.steps = 400
    with in_view():
        bpy.ops.intermoe.generate()
    yield from wait(lambda: session.job.fraction > 0.08 or not session.job.phase.running)
    story.check(
        "progress is under way before Cancel", session.job.phase.running, f"{session.job.fraction:.0%}"
    )
    yield 0.3
    story.shot("panel_cancelling")
    began = time.monotonic()
    with in_view():
        bpy.ops.intermoe.cancel()
    cancelled = time.monotonic() - began
    story.check(
        "Cancel takes effect at once", not session.job.phase.running and cancelled < 0.5, f"{cancelled:.3f} s"
    )
    story.check("Cancel leaves no action behind", not bpy.data.actions)
    yield 1.0

    # Second press: to the end.
    holds: list[float] = []
    timed(session, "step", holds)
    timed(addon("takes.writer"), "write", holds)
    settings.steps = 100
    story.longest_freeze()
    with in_view():
        bpy.ops.intermoe.generate()
    began = time.monotonic()
    yield from wait(lambda: session.job.fraction > 0.35 or not session.job.phase.running)
    story.check(
        "progress is shown", 0.35 < session.job.fraction < 1 and session.job.phase.running, session.job.stage
    )
    yield 0.3
    bpy.data.objects[names[0]].location.x += 0.01  # the animator goes on working
    story.shot("panel_during")
    yield from wait(lambda: not session.job.phase.running)
    story.facts["generate_seconds"] = round(time.monotonic() - began, 2)
    freeze = story.longest_freeze()
    busy = crowd()
    story.check(
        "the window never froze",
        freeze < LONGEST_FREEZE * busy,
        f"longest gap {freeze:.2f} s, {busy:.1f} times the work that the machine can do",
    )
    story.check(
        "our own code never held it for long", max(holds) < LONGEST_HOLD, f"longest {max(holds):.2f} s"
    )
    story.check("the take is done", session.job.phase.name == "DONE", session.message)
    yield 1.5
    driven = [bpy.data.objects[name].animation_data for name in names]
    story.check("both characters are keyed", all(data and data.action for data in driven))
    story.check("the scene's settings are untouched", (scene.render.fps, scene.frame_end) == (fps, end))
    take = scene.intermoe_take
    wanted = round(settings.duration * fps)
    got = take.frame_end - take.frame_start + 1
    story.check("the take has the scene's frame rate", abs(got - wanted) <= 2, f"{got} frames for {wanted}")
    before, after = hips(names, take.frame_start), hips(names, take.frame_end)
    story.check("the characters move", all(distance(a, b) > 0.01 for a, b in zip(before, after, strict=True)))
    story.facts["hip_distance_m"] = [round(distance(*before), 3), round(distance(*after), 3)]
    with in_view():
        bpy.ops.view3d.view_all(center=False)
        scene.frame_set((take.frame_start + take.frame_end) // 2)
    yield 2.0
    story.shot("panel_after")
    yield from touches(story)

    with in_view():
        bpy.ops.ed.undo()
    yield 1.0
    scene = bpy.context.scene
    left = [
        getattr(bpy.data.objects[name].animation_data, "action", None)
        for name in names
        if name in bpy.data.objects
    ]
    story.check("one undo takes the whole take back", len(left) == 2 and not any(left), left)
    story.check("the take's note is gone too", not scene.intermoe_take.exists)
    with in_view():
        bpy.ops.ed.redo()
    yield 1.0
    driven = [bpy.data.objects[name].animation_data for name in names]
    story.check("redo brings it back", all(data and data.action for data in driven))

    # Edit mode keeps its own undo history: the take waits until it is left.
    with in_view():
        bpy.context.view_layer.objects.active = bpy.data.objects[names[0]]
        bpy.ops.object.mode_set(mode="EDIT")
        bpy.ops.intermoe.apply_take()
    yield from wait(lambda: session.job.phase.name not in {"GENERATING", "RETARGETING"})
    yield 1.0
    story.check(
        "a take waits while a mode with its own undo is on",
        session.job.phase.name == "READY",
        session.message,
    )
    story.shot("panel_waiting")
    with in_view():
        bpy.ops.object.mode_set(mode="OBJECT")
    yield from wait(lambda: not session.job.phase.running, 10)
    story.check("and is placed when it is left", session.job.phase.name == "DONE", session.message)

    # Killed engine: a sentence, and the next press works.
    settings = bpy.context.scene.intermoe
    settings.steps = 1000
    with in_view():
        bpy.ops.intermoe.generate()
    yield from wait(lambda: session.job.fraction > 0.1 or not session.job.phase.running)
    os.kill(session.worker_pid, signal.SIGKILL)
    yield from wait(lambda: not session.job.phase.running, 20)
    story.check("a dead engine is noticed", session.failed and session.message, session.message)
    yield 0.5
    story.shot("panel_error")
    settings.steps = 100
    with in_view():
        bpy.ops.intermoe.generate()
    yield from wait(lambda: not session.job.phase.running)
    story.check("the next Generate restarts the engine", session.job.phase.name == "DONE", session.message)

    settings = bpy.context.scene.intermoe
    settings.export_folder = str(story.out)
    began = time.monotonic()
    problem = ""
    try:
        with in_view():
            bpy.ops.intermoe.export_fbx()
    except RuntimeError as error:
        problem = str(error)
    story.facts["export_seconds"] = round(time.monotonic() - began, 2)
    files = sorted(path.name for path in story.out.glob("*.fbx"))
    story.check("two FBX files are written", not problem and len(files) == 2, problem or files)
    yield 1.0
    story.shot("panel_exported")

    # The preferences, with the engine's own account of its health.
    bpy.ops.intermoe.check_engine()
    yield from wait(lambda: not session.busy)
    bpy.ops.preferences.addon_show(module="bl_ext.user_default.intermoe")
    yield 2.5
    report = "\n".join(line.text for line in session.check_report if line.state != "failed")
    story.check("the engine is in health", "generation: two steps" in report, report)
    subprocess.run(["import", "-window", "root", str(story.out / "preferences.png")], check=True)

    # Another file is opened in the middle of a take.
    with in_view():
        bpy.ops.intermoe.generate()
    yield 0.5
    bpy.ops.wm.read_homefile(app_template="")
    yield from wait(lambda: not session.busy)
    story.check("opening another file ends the take with a sentence", session.failed, session.message)


def bones(story: Story) -> Iterator[float]:
    """The Bones panel: a row is emptied, the check says so, and the bones are found again."""
    settings = bpy.context.scene.intermoe
    unfold(addon("ui.bones_panel").INTERMOE_PT_bones)
    settings.bones_of = "A"
    with in_view():
        bpy.ops.intermoe.check_rig()
        sidebar()[1].tag_redraw()
    yield 1.5
    story.shot("panel_bones")
    view = sidebar()[0].spaces.active.region_3d
    seen = view.view_perspective, view.view_rotation.copy(), view.view_location.copy(), view.view_distance
    partner = settings.actor_b
    family = [partner, *partner.children_recursive]
    for item in family:  # out of the picture
        item.hide_set(True)
    with in_view():
        bpy.ops.intermoe.rest_preview("EXEC_DEFAULT", True)
        bpy.ops.view3d.view_axis(type="FRONT")
        bpy.ops.view3d.view_all(center=False)
    view.view_distance *= 1.7  # the figures stand beside the character, and the sidebar covers a part
    view.view_location.x += 0.35
    yield 2.0
    story.shot("panel_rest")
    rest = addon("ui.rest_preview")
    story.check("rest poses are drawn", [figure.label for figure in rest.drawn()].count("Rest pose") == 1)
    with in_view():
        bpy.ops.intermoe.rest_preview("EXEC_DEFAULT", True)
    story.check("and go without a trace", not rest.drawn())
    for item in family:
        item.hide_set(False)
    view.view_perspective, view.view_rotation, view.view_location, view.view_distance = seen
    table = settings.bones_a
    table.active = next(i for i, row in enumerate(table.rows) if row.joint == "l_elbow")
    with in_view():
        bpy.ops.intermoe.clear_bone("EXEC_DEFAULT", True)
        bpy.ops.intermoe.check_rig()
        sidebar()[1].tag_redraw()
    yield 1.0
    story.shot("panel_bones_missing")
    story.check("a needed row that is empty is told", table.rows[table.active].state == "missing")
    with in_view():
        bpy.ops.intermoe.generate()
    session = addon("engine.session").current()
    story.check("and stops Generate with a sentence", session.failed, session.message)
    with in_view():
        bpy.ops.intermoe.find_bones("EXEC_DEFAULT", True)
        bpy.ops.intermoe.check_rig()
    story.check("found again", not table.kept and table.count("missing") == 0)
    fold(addon("ui.bones_panel").INTERMOE_PT_bones)
    session.say("")
    yield 0.5


def touches(story: Story) -> Iterator[float]:
    """The Touch panel: what the engine found, one touch more, and its markers."""
    take = bpy.context.scene.intermoe_take
    unfold(addon("ui.touch_panel").INTERMOE_PT_touch)
    found = len(take.touches)
    with in_view():
        sidebar()[1].tag_redraw()
    yield 1.0
    story.shot("panel_touch")
    settings = bpy.context.scene.intermoe
    settings.touch_shown = "FEET"
    with in_view():
        sidebar()[1].tag_redraw()
    yield 1.0
    story.shot("panel_feet")
    settings.touch_shown = "BODIES"
    with in_view():
        bpy.ops.intermoe.add_touch("EXEC_DEFAULT", True)
        bpy.ops.intermoe.touch_markers("EXEC_DEFAULT", True)
        sidebar()[1].tag_redraw()
    yield 1.0
    story.shot("panel_touch_edited")
    markers = len(bpy.context.scene.timeline_markers)
    story.check(
        "a touch more, two markers each", markers == 2 * (found + 1), f"{found} found, {markers} markers"
    )
    with in_view():
        bpy.ops.ed.undo()
        bpy.ops.ed.undo()
    yield 0.5
    take = bpy.context.scene.intermoe_take
    story.check(
        "undo takes marker and touch back",
        len(take.touches) == found and not bpy.context.scene.timeline_markers,
    )
    fold(addon("ui.touch_panel").INTERMOE_PT_touch)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--bundle", default="")
    options = parser.parse_args(sys.argv[sys.argv.index("--") + 1 :])
    play(lambda story: tell(story, options.bundle), options.out)


main()
