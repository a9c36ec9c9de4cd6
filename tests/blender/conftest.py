# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the Blender tests."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from intermoe_engine.bundle import default_bundle_path


@pytest.fixture(scope="session")
def some_bundle(request: pytest.FixtureRequest) -> Path:
    """Any bundle that works: the packaged starter, else a tiny one of random weights (which needs torch)."""
    path = default_bundle_path()
    return path if path.exists() else request.getfixturevalue("tiny_bundle")


@pytest.fixture(scope="module")
def extension(tmp_path_factory: pytest.TempPathFactory, some_bundle: Path) -> Iterator[None]:
    """The extension registered, with some bundle and a user folder of its own."""
    import blender_addon

    patch = pytest.MonkeyPatch()
    patch.setenv("INTERMOE_CACHE", str(tmp_path_factory.mktemp("cache")))
    patch.setenv("INTERMOE_BUNDLE", str(some_bundle))
    blender_addon.register()
    yield
    blender_addon.unregister()
    patch.undo()


@pytest.fixture(scope="session")
def mannequin_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A .blend with both mannequins, Terra and Slate, at the origin."""
    import bpy

    from blender_addon.mannequins.characters import add_mannequin
    from blender_addon.mannequins.kinds import KINDS

    bpy.ops.wm.read_homefile(use_empty=True)
    for kind in KINDS:
        add_mannequin(kind)
    path = tmp_path_factory.mktemp("rigs") / "mannequins.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(path), copy=True)
    return path


@pytest.fixture(scope="session")
def rigify_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A .blend with Rigify's generated rig of a human, called "generated"."""
    import bpy

    addon_utils = pytest.importorskip("addon_utils")
    bpy.ops.wm.read_factory_settings(use_empty=True)
    if addon_utils.enable("rigify", default_set=True) is None:
        pytest.skip("this Blender has no Rigify")
    bpy.ops.object.armature_basic_human_metarig_add()
    metarig = bpy.context.object
    try:
        bpy.ops.pose.rigify_generate()
    except RuntimeError as error:
        pytest.skip(f"Rigify does not generate in this Blender: {error}")
    generated = next(o for o in bpy.data.objects if o.type == "ARMATURE" and o is not metarig)
    generated.name = "generated"
    path = tmp_path_factory.mktemp("rigify") / "rig.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(path), copy=True)
    return path


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    session.config.stash[_STATUS] = int(exitstatus)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """Some builds of Blender as a module never come back from their own exit, so the end is made here."""
    bpy = sys.modules.get("bpy")
    if bpy is None or _STATUS not in config.stash:
        return
    sys.stdout.flush()
    sys.stderr.flush()
    shutil.rmtree(bpy.app.tempdir, ignore_errors=True)
    os._exit(config.stash[_STATUS])


_STATUS = pytest.StashKey[int]()
