# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds the extension's zip: `python -m blender_addon.build -o dist/`. Needs neither Blender nor a network
once the wheels lie in the cache.

One zip serves every supported Blender: it carries a wheel for each Python, and Blender unpacks those that
fit (bl_pkg's `_extensions_wheel_filter_for_this_system`, the same in 4.2 LTS, 4.3 and 5.2).
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import os
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from pathlib import Path

from intermoe_engine import __version__ as ENGINE_VERSION

from .mannequins import mesh_cache
from .mannequins.kinds import KINDS

ROOT = Path(__file__).resolve().parent.parent
ADDON = ROOT / "blender_addon"
ENGINE = ROOT / "intermoe_engine"
STARTER = ENGINE / "bundles" / "starter.zip"

# What the engine imports while it runs, besides numpy, which is Blender's own. ONNX Runtime's wheel also
# names flatbuffers, protobuf and packaging: its tools use them, an inference session never does.
RUNTIME = {"onnxruntime": "1.32.0", "tokenizers": "0.23.3"}
# CPython of Blender's own builds 4.2 to 5.1, of 5.2 (and Debian's 4.3), and of Debian's 5.2.
PYTHONS = ("3.11", "3.13", "3.14")
# Oldest first; Blender 4.2 itself needs glibc 2.28.
PLATFORMS = ("manylinux2014_x86_64", "manylinux_2_27_x86_64", "manylinux_2_28_x86_64")

_LEFT_OUT = {"build.py"}
# A fixed time makes the same sources give the same bytes.
_TIMESTAMP = (2020, 1, 1, 0, 0, 0)


class BuildError(RuntimeError):
    """The zip cannot be built; the message says what to do."""


def build_extension(
    output: Path, cache: Path, pythons: tuple[str, ...] = PYTHONS, with_starter: bool = True
) -> Path:
    """Write `intermoe-VERSION-linux-x64.zip` into the folder `output` and return its path.

    cache: folder that keeps the downloaded wheels. Raises BuildError.
    """
    if with_starter and not STARTER.is_file():
        raise BuildError(
            f"{STARTER.relative_to(ROOT)} is missing: train and export the starter, or pass --without-starter"
        )
    output.mkdir(parents=True, exist_ok=True)
    cache.mkdir(parents=True, exist_ok=True)
    wheels = [write_engine_wheel(cache, with_starter), *runtime_wheels(cache, pythons)]
    manifest = manifest_with_wheels([wheel.name for wheel in wheels])
    version = tomllib.loads(manifest)["version"]
    target = output / f"intermoe-{version}-linux-x64.zip"
    temporary = target.with_suffix(".zip.tmp")
    with zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
        _add(archive, "blender_manifest.toml", manifest.encode())
        _add(archive, "LICENSE", _licence())
        for path in sorted(ADDON.rglob("*")):
            relative = path.relative_to(ADDON)
            if path.suffix in {".py", ".json", ".tsv"} and relative.as_posix() not in _LEFT_OUT:
                _add(archive, relative.as_posix(), path.read_bytes())
        for name, data in mannequin_meshes().items():
            _add(archive, f"mannequins/{mesh_cache.PACKAGED.name}/{name}", data, zipfile.ZIP_STORED)
        for wheel in wheels:
            _add(archive, f"wheels/{wheel.name}", wheel.read_bytes(), zipfile.ZIP_STORED)
    os.replace(temporary, target)
    return target


def mannequin_meshes() -> dict[str, bytes]:
    """The meshes of the mannequins, by file name: built here so that no user waits for it."""
    meshes = {}
    with tempfile.TemporaryDirectory() as folder:
        for kind in KINDS.values():
            path = Path(folder, mesh_cache.file_name(kind.build))
            mesh_cache.save(mesh_cache.mesh_of(kind.build), path)
            meshes[path.name] = path.read_bytes()
    return meshes


def manifest_with_wheels(names: list[str]) -> str:
    """The manifest's text, listing these wheels."""
    text = (ADDON / "blender_manifest.toml").read_text(encoding="utf-8")
    lines = "".join(f'  "./wheels/{name}",\n' for name in names)
    if text.count("wheels = []") != 1:
        raise BuildError("blender_manifest.toml must hold the line 'wheels = []' once")
    return text.replace("wheels = []", f"wheels = [\n{lines}]")


def runtime_wheels(cache: Path, pythons: tuple[str, ...]) -> list[Path]:
    """The wheels of RUNTIME for each Python, downloaded where the cache lacks them. Raises BuildError."""
    found = {}
    for python in pythons:
        tag = "cp" + python.replace(".", "")
        for name, version in RUNTIME.items():
            pattern = [f"{name}-{version}-{tag}-{tag}-*x86_64.whl", f"{name}-{version}-cp3*-abi3-*x86_64.whl"]
            matches = [path for glob in pattern for path in sorted(cache.glob(glob))]
            if not matches:
                _download(name, version, python, cache)
                matches = [path for glob in pattern for path in sorted(cache.glob(glob))]
            if not matches:
                raise BuildError(f"pip found no wheel of {name} {version} for Python {python} on Linux x64")
            found[matches[0].name] = matches[0]
    return list(found.values())


def _download(name: str, version: str, python: str, cache: Path) -> None:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    command += ["--python-version", python, "--dest", str(cache)]
    for platform in PLATFORMS:
        command += ["--platform", platform]
    result = subprocess.run([*command, f"{name}=={version}"], check=False, capture_output=True, text=True)
    if result.returncode:
        reason = (result.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise BuildError(f"pip could not download {name} {version} for Python {python}: {reason}")


def write_engine_wheel(folder: Path, with_starter: bool = True) -> Path:
    """A wheel of `intermoe_engine` alone. The project's own wheel also holds the training code."""
    name = f"intermoe_engine-{ENGINE_VERSION}"
    info = f"{name}.dist-info"
    target = folder / f"{name}-py3-none-any.whl"
    files = {
        path.relative_to(ROOT).as_posix(): path.read_bytes()
        for path in sorted(ENGINE.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts and (with_starter or path != STARTER)
    }
    files[f"{info}/METADATA"] = (
        f"Metadata-Version: 2.1\nName: intermoe-engine\nVersion: {ENGINE_VERSION}\n"
        "Summary: InterMoE at animation time\nLicense: GPL-3.0-or-later\n"
    ).encode()
    files[f"{info}/WHEEL"] = (
        b"Wheel-Version: 1.0\nGenerator: blender_addon.build\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    )
    record = "".join(f"{path},sha256={_digest(data)},{len(data)}\n" for path, data in files.items())
    files[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()
    temporary = target.with_suffix(".whl.tmp")
    with zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, data in files.items():
            stored = zipfile.ZIP_STORED if path.endswith(".zip") else zipfile.ZIP_DEFLATED
            _add(archive, path, data, stored)
    os.replace(temporary, target)
    return target


def _licence() -> bytes:
    path = ROOT / "LICENSE"
    if not path.is_file():
        raise BuildError("LICENSE is missing from the project's folder: restore it")
    return path.read_bytes()


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


def _add(archive: zipfile.ZipFile, name: str, data: bytes, compression: int = zipfile.ZIP_DEFLATED) -> None:
    entry = zipfile.ZipInfo(name, _TIMESTAMP)
    entry.external_attr = 0o644 << 16
    archive.writestr(entry, data, compression)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m blender_addon.build", description="Build the extension's zip."
    )
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "dist", help="folder for the zip")
    parser.add_argument(
        "--cache", type=Path, default=ROOT / ".cache" / "wheels", help="folder of downloaded wheels"
    )
    parser.add_argument(
        "--python", nargs="+", default=list(PYTHONS), metavar="X.Y", help="Pythons to carry wheels for"
    )
    parser.add_argument("--without-starter", action="store_true", help="leave the starter bundle out")
    options = parser.parse_args(arguments)
    try:
        target = build_extension(
            options.output, options.cache, tuple(options.python), not options.without_starter
        )
    except (BuildError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{target} ({target.stat().st_size / 1e6:.0f} MB)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
