# SPDX-License-Identifier: GPL-3.0-or-later
"""Run by test_extension_zip in a process of its own: installs the zip, makes a take, writes what it saw."""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from pathlib import Path

# The virtual environment's own packages come last, so that the extension's are the ones that are found.
import bpy

archive, report_path = sys.argv[1:]
report: dict = {"error": "", "unregistered": False}
bpy.ops.extensions.package_install_files(filepath=archive, repo="user_default", enable_on_install=True)
local = str(Path(bpy.utils.user_resource("EXTENSIONS"), ".local"))
sys.path.sort(key=lambda folder: not folder.startswith(local))

package = "bl_ext.user_default.intermoe"
python = importlib.import_module(f"{package}.engine.python")
session = importlib.import_module(f"{package}.engine.session").current()
folders = python.package_folders(("intermoe_engine", "onnxruntime"))
report["engine"] = folders[0]
report["onnxruntime"] = folders[-1]

settings = bpy.context.scene.intermoe
bpy.ops.intermoe.add_mannequins()
settings.duration, settings.recommended, settings.steps = 1.0, False, 4
bpy.ops.intermoe.generate()
end = time.monotonic() + 100
while session.busy and time.monotonic() < end:
    if session.step():
        bpy.ops.intermoe.write_take()
    time.sleep(0.02)
report["error"] = session.message if session.failed or session.busy else ""
report["actions"] = len(bpy.data.actions)
report["take"] = bpy.context.scene.intermoe_take.path
bpy.ops.preferences.addon_disable(module=package)
report["unregistered"] = not hasattr(bpy.types.Scene, "intermoe") and session.worker_pid is None
Path(report_path).write_text(json.dumps(report))
sys.stdout.flush()
os._exit(0)  # bpy 4.5 may hang at exit
