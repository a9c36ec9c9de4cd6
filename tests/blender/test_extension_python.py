# SPDX-License-Identifier: GPL-3.0-or-later
"""Which Python the engine is started with."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from blender_addon.engine import python as engine_python


def test_blenders_own_python_is_found_and_has_this_version() -> None:
    program = engine_python.blender_python()
    code = "import sys; print(sys.version_info[:2])"
    said = subprocess.run([program, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.strip() == str(sys.version_info[:2])


def test_it_is_found_where_sys_executable_is_blender(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Some builds put Blender itself there, which must never be started as an engine."""
    blender = tmp_path / "blender"
    blender.write_text("#!/bin/sh\n")
    blender.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(blender))
    assert Path(engine_python.blender_python()).name.startswith("python")


def test_no_python_at_all_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "executable", "")
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    monkeypatch.setattr(engine_python.sysconfig, "get_config_var", lambda _: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(engine_python.EnginePythonError, match="set Engine Python"):
        engine_python.blender_python()


def test_a_chosen_python_keeps_its_own_packages() -> None:
    chosen = engine_python.engine_python(sys.executable)
    assert chosen.paths == () and ("PYTHONPATH", None) in chosen.environment


def test_a_chosen_file_that_is_no_program_is_told(tmp_path: Path) -> None:
    with pytest.raises(engine_python.EnginePythonError, match="correct Engine Python"):
        engine_python.engine_python(str(tmp_path / "python"))


def test_the_engine_folder_comes_first() -> None:
    folders = engine_python.package_folders(("intermoe_engine", "numpy", "no_such_package"))
    assert Path(folders[0], "intermoe_engine", "__init__.py").is_file()
    assert len(folders) == len(set(folders))
