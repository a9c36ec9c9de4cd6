# SPDX-License-Identifier: GPL-3.0-or-later
"""Is everything there that generating needs, and does it work? Used by `intermoe doctor` and the worker."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import platform
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from . import __version__
from .bundle import Bundle, BundleError, default_bundle_path
from .errors import EngineError
from .generate import MIN_DURATION, Engine, GenerateRequest
from .paths import user_cache_folder, writable_cache_folder
from .runtime.session import import_onnxruntime

_PACKAGES = ("numpy", "onnxruntime", "onnxruntime-gpu", "tokenizers")
OK, NOTE, FAILED = "ok", "note", "failed"


@dataclass(frozen=True)
class Check:
    """One thing looked at: `state` is "ok", "note" (works without) or "failed"."""

    name: str
    state: str
    detail: str

    def to_dict(self) -> dict[str, str]:
        """Plain texts, for the worker's answer."""
        return asdict(self)


def versions() -> dict[str, str]:
    """The versions of this engine, Python, the platform and the packages that are installed."""
    found = {"intermoe": __version__, "python": platform.python_version(), "platform": platform.platform()}
    for package in _PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def examine(bundle_path: str | None = None, device: str = "auto") -> Iterator[Check]:
    """Every check, one after another, so that a caller can show them as they come."""
    yield from _packages()
    yield _cache()
    yield _blender()
    yield from _generation(bundle_path, device)


def _packages() -> Iterator[Check]:
    found = versions()
    yield Check("python", OK, f"{found['python']} on {found['platform']} ({sys.executable})")
    yield Check("intermoe", OK, found["intermoe"])
    for package in ("numpy", "tokenizers"):
        if package in found:
            yield Check(package, OK, found[package])
        else:
            yield Check(package, FAILED, 'not installed; run: pip install "intermoe-blender[cpu]"')
    runtimes = [name for name in ("onnxruntime", "onnxruntime-gpu") if name in found]
    if len(runtimes) == 2:
        yield Check(
            "onnxruntime",
            FAILED,
            "onnxruntime and onnxruntime-gpu break each other; uninstall both, then install one",
        )
        return
    try:
        runtime = import_onnxruntime()
    except EngineError as error:
        yield Check("onnxruntime", FAILED, str(error))
        return
    offered = ", ".join(runtime.get_available_providers())
    yield Check("onnxruntime", OK, f"{runtime.__version__}, built with {offered}")


def _cache() -> Check:
    wanted = user_cache_folder()
    used = writable_cache_folder()
    if used == wanted:
        return Check("cache folder", OK, str(used))
    used.rmdir()
    return Check("cache folder", NOTE, f"{wanted} cannot be written; logs go to {tempfile.gettempdir()}")


def _blender() -> Check:
    if importlib.util.find_spec("bpy") is None:
        return Check(
            "blender module",
            NOTE,
            'no bpy (only for "intermoe retarget"): pip install "intermoe-blender[blender]"',
        )
    try:
        return Check("blender module", OK, f"bpy {importlib.metadata.version('bpy')}")
    except importlib.metadata.PackageNotFoundError:
        return Check("blender module", OK, "bpy of this Blender")


def _generation(bundle_path: str | None, device: str) -> Iterator[Check]:
    try:
        bundle = Bundle.open(bundle_path)
    except BundleError as error:
        yield Check("bundle", FAILED, str(error))
        return
    where: Any = bundle_path or default_bundle_path()
    yield Check("bundle", OK, f"{bundle.card.name} ({bundle.card.id}), {bundle.size / 1e6:.1f} MB, {where}")
    try:
        engine = Engine(bundle, device)
        yield Check("device", OK, f"{engine.device} (of the session; {device} was asked for)")
        prompt = bundle.card.example_prompts[0] if bundle.card.example_prompts else "two people dance"
        take = engine.generate(GenerateRequest(prompt, duration=MIN_DURATION, steps=2))[0]
        seconds = take.meta["seconds"]
        yield Check(
            "generation", OK, f"two steps in {seconds['sampling']:.2f} s, motion in {seconds['motion']:.2f} s"
        )
    except EngineError as error:
        yield Check("generation", FAILED, str(error))
