# SPDX-License-Identifier: GPL-3.0-or-later
"""The zip: what is in it, that Blender accepts it, and that it works once installed, with its own wheels."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from blender_addon import build
from blender_addon.mannequins import mesh_cache
from blender_addon.mannequins.kinds import KINDS

bpy = pytest.importorskip("bpy")

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
INSTALLED = Path(__file__).with_name("installed_extension.py")


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The zip with the wheels of this Python alone, so that at most 30 MB are downloaded, once."""
    cache = build.ROOT / ".cache" / "wheels"
    try:
        return build.build_extension(
            tmp_path_factory.mktemp("dist"), cache, (PYTHON,), build.STARTER.is_file()
        )
    except build.BuildError as error:
        if "could not download" in str(error):
            pytest.skip(str(error))
        raise


def test_the_engine_wheel_is_whole_and_installs_where_pip_puts_it(tmp_path: Path) -> None:
    wheel = build.write_engine_wheel(tmp_path, with_starter=False)
    site = tmp_path / "site"
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
        "--target",
        str(site),
    ]
    # pip checks every file against RECORD.
    subprocess.run([*command, str(wheel)], check=True)
    modules = {path.relative_to(site).as_posix() for path in site.rglob("*.py")}
    source = {path.relative_to(build.ROOT).as_posix() for path in build.ENGINE.rglob("*.py")}
    assert source == {name for name in modules if name.startswith("intermoe_engine/")}
    assert not [name for name in modules if name.startswith(("blender_addon", "training", "export"))]


def test_same_sources_give_the_same_wheel(tmp_path: Path) -> None:
    first = build.write_engine_wheel(tmp_path, with_starter=False).read_bytes()
    assert build.write_engine_wheel(tmp_path, with_starter=False).read_bytes() == first


def test_the_engine_imports_nothing_that_is_not_carried() -> None:
    """Every import statement of the engine, those inside functions included."""
    carried = {"intermoe_engine", "numpy", *build.RUNTIME}
    foreign = set()
    for path in build.ENGINE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [node.module or ""]
            tops = {name.partition(".")[0] for name in names}
            # What the extension lacks: commands and benchmarks say so, the pair solver goes on without.
            bench = {"training", "matplotlib", "scipy"}
            offered = {"cli": {"training", "export"}, "bench": bench, "touch": {"scipy"}}
            allowed = carried | offered.get(path.parent.name, set())
            foreign |= {(path.name, top) for top in tops - allowed - sys.stdlib_module_names}
    assert not foreign


def test_contents(archive: Path) -> None:
    with zipfile.ZipFile(archive) as opened:
        names = set(opened.namelist())
        manifest = tomllib.loads(opened.read("blender_manifest.toml").decode())
    assert {"__init__.py", "blender_manifest.toml", "LICENSE", "operators/generate.py"} <= names
    assert not [name for name in names if "__pycache__" in name or name.endswith("build.py")]
    meshes = {f"mannequins/meshes/{mesh_cache.file_name(kind.build)}" for kind in KINDS.values()}
    assert meshes <= names, "a user waits for no mesh to be built"
    listed = {name.removeprefix("./") for name in manifest["wheels"]}
    assert listed == {name for name in names if name.endswith(".whl")}
    packages = {name.split("/")[-1].split("-")[0] for name in listed}
    assert packages == {"intermoe_engine", *build.RUNTIME}
    assert set(manifest["permissions"]) == {"files"}, "no network is asked for"


def test_blender_accepts_it(archive: Path) -> None:
    tool = Path(bpy.utils.system_resource("SCRIPTS"), "addons_core", "bl_pkg", "cli", "blender_ext.py")
    command = [sys.executable, str(tool), "validate", str(archive)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_installed_it_generates_with_what_it_carries(
    archive: Path, some_bundle: Path, tmp_path: Path
) -> None:
    """A fresh profile, the zip installed as a user does, the project itself out of reach."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    environment |= {"BLENDER_USER_RESOURCES": str(tmp_path / "profile"), "INTERMOE_BUNDLE": str(some_bundle)}
    command = [sys.executable, "-P", str(INSTALLED), str(archive), str(tmp_path / "report.json")]
    result = subprocess.run(
        command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=180, check=False
    )
    assert (tmp_path / "report.json").is_file(), result.stdout + result.stderr
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["error"] == "" and report["actions"] == 2
    assert str(tmp_path / "profile") in report["engine"], "the engine in use is the one of the wheel"
    assert str(tmp_path / "profile") in report["onnxruntime"]
    assert str(tmp_path / "profile") in report["take"], "takes lie in Blender's folder for the extension"
    assert report["unregistered"]
