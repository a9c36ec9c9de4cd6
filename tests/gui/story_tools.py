# SPDX-License-Identifier: GPL-3.0-or-later
"""What a story needs to drive a real Blender window and to write down what it saw."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import bpy

TAB = "InterMoE"
# Seconds. The whole window may stand still for longer than our own code holds it: without a graphics card,
# drawing two skinned characters takes a second or more.
LONGEST_FREEZE = 4.0
LONGEST_HOLD = 0.5
MANNEQUINS_HOLD = 1.5  # an operator that the user waits for; 0.2 s where nothing else runs
PATIENCE = 120.0


class Story:
    """The checks, the screenshots and the pulse that notices a frozen window."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self.checks: list[dict] = []
        self.facts: dict = {"blender": bpy.app.version_string, "python": sys.version.split()[0]}
        self.finished = False
        self.error = ""
        self._beat = time.monotonic()
        self._freeze = 0.0

    def check(self, name: str, ok: bool, detail: object = "") -> None:
        self.checks.append({"name": name, "ok": bool(ok), "detail": str(detail)})
        self.save()

    def save(self) -> None:
        report = {"finished": self.finished, "error": self.error, "facts": self.facts, "checks": self.checks}
        (self.out / "checks.json").write_text(json.dumps(report, indent=1))

    def pulse(self) -> float:
        now = time.monotonic()
        self._freeze = max(self._freeze, now - self._beat)
        self._beat = now
        return 0.05

    def longest_freeze(self) -> float:
        """Seconds of the longest gap between two pulses since this was last asked."""
        freeze, self._freeze = self._freeze, 0.0
        return freeze

    def shot(self, name: str) -> None:
        """The 3D view with its sidebar, and the sidebar alone, as PNG."""
        whole = self.out / "window.png"
        subprocess.run(["import", "-window", "root", str(whole)], check=True)
        for part, file in zip(sidebar(), (f"{name}.png", f"{name}_sidebar.png"), strict=True):
            top = window().height - part.y - part.height
            crop = f"{part.width}x{part.height}+{part.x}+{top}"
            subprocess.run(
                ["convert", str(whole), "-crop", crop, "+repage", str(self.out / file)], check=True
            )
        self._beat = time.monotonic()  # the wait for the screenshot is ours, not the extension's


def play(tell: Callable[[Story], Iterator[float]], out: Path) -> None:
    """Let a story run on Blender's timers: each `yield N` hands control back for N seconds. Then quit."""
    bpy.context.preferences.view.show_splash = False
    bpy.context.preferences.view.ui_scale = 1.15
    story = Story(out)
    steps = tell(story)

    def advance() -> float | None:
        try:
            return next(steps)
        except StopIteration:
            story.finished = True
        except Exception:
            story.error = traceback.format_exc()
        story.save()
        bpy.ops.wm.quit_blender()
        return None

    bpy.app.timers.register(story.pulse, persistent=True)
    bpy.app.timers.register(advance, first_interval=2.0, persistent=True)


def window() -> bpy.types.Window:
    return bpy.context.window_manager.windows[0]


def sidebar() -> tuple[bpy.types.Area, bpy.types.Region]:
    area = next(area for area in window().screen.areas if area.type == "VIEW_3D")
    return area, next(region for region in area.regions if region.type == "UI")


def in_view():
    area = next(area for area in window().screen.areas if area.type == "VIEW_3D")
    region = next(region for region in area.regions if region.type == "WINDOW")
    return bpy.context.temp_override(window=window(), area=area, region=region)


def addon(name: str):
    return importlib.import_module(f"bl_ext.user_default.intermoe.{name}")


def unfold(panel: type) -> None:
    """Show a panel that is closed at first. Blender remembers what is folded by the panel's name, and
    nothing but the mouse changes that, so it comes back under another name."""
    bpy.utils.unregister_class(panel)
    panel.bl_options, panel.bl_idname = set(), f"{panel.bl_idname}_open"
    bpy.utils.register_class(panel)


def fold(panel: type) -> None:
    """Undo `unfold`."""
    bpy.utils.unregister_class(panel)
    panel.bl_options, panel.bl_idname = {"DEFAULT_CLOSED"}, panel.bl_idname.removesuffix("_open")
    bpy.utils.register_class(panel)


def wait(condition, limit: float = PATIENCE) -> Iterator[float]:
    end = time.monotonic() + limit
    while not condition() and time.monotonic() < end:
        yield 0.1


def timed(owner: object, name: str, seconds: list[float]) -> None:
    """Note how long each call of a function takes, without the time in which the machine ran others."""
    inner = getattr(owner, name)

    def outer(*arguments):
        began, waited = time.monotonic(), queued()
        try:
            return inner(*arguments)
        finally:
            seconds.append(time.monotonic() - began - (queued() - waited))

    setattr(owner, name, outer)


def queued() -> float:
    """Seconds that this thread has been ready to run and was not let; 0 where Linux does not tell."""
    try:
        return int(Path("/proc/thread-self/schedstat").read_text().split()[1]) / 1e9
    except (OSError, IndexError, ValueError):
        return 0.0


def crowd() -> float:
    """How many times more work the machine has than it can do at once; 1 where it is idle."""
    return max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


def hips(names: list[str], frame: int) -> list:
    bpy.context.scene.frame_set(frame)
    depsgraph = bpy.context.evaluated_depsgraph_get()
    found = []
    for name in names:
        rig = bpy.data.objects[name].evaluated_get(depsgraph)
        root = next(bone for bone in rig.pose.bones if "hips" in bone.name.lower() or bone.name == "spine")
        found.append(rig.matrix_world @ root.head)
    return found


def distance(a, b) -> float:
    return (a - b).length
