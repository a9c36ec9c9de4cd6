# SPDX-License-Identifier: GPL-3.0-or-later
"""What the worker can do: each method takes a job and gives back a JSON object."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..bundle import Bundle, BundleError
from ..errors import Cancelled, DeviceError, EngineError, RequestError, os_error_text
from ..generate import Engine, GenerateRequest
from ..retarget.errors import RigError
from ..take import Take, TakeError
from .protocol import Code

if TYPE_CHECKING:
    from .server import RunningJob

Method = Callable[["RunningJob"], dict[str, Any]]


class EngineCache:
    """The engine that was used last, kept loaded until another bundle or device is asked for."""

    def __init__(self) -> None:
        self._key: tuple[Any, ...] | None = None
        self._engine: Engine | None = None

    @property
    def loaded(self) -> Engine | None:
        """The engine in memory, if any."""
        return self._engine

    def get(self, path: str | None, device: str) -> Engine:
        """An engine for the bundle at `path` (None: the default). Raises BundleError, EngineError."""
        stamp = _stamp(path)
        if self._engine is not None and stamp is not None and self._key == (stamp, device):
            return self._engine
        bundle = Bundle.open(path)
        if (
            self._engine is None
            or self._key is None
            or self._key[1] != device
            or (self._engine.bundle.sha256 != bundle.sha256)
        ):
            # Two sets of weights at once would be the peak of memory: let the old one go first.
            self._engine = None
            self._engine = Engine(bundle, device)
        self._key = (stamp, device)
        return self._engine


_engines = EngineCache()


def generate(job: RunningJob) -> dict[str, Any]:
    """params: prompt, folder (where takes are written), and optionally duration, seed, steps, guidance,
    variations, cleanup, keep_apart, bundle (path), device.

    Result: takes (paths), device, bundle {id, sha256}, warnings.
    """
    params = job.request.params
    folder = _folder(params)
    request = GenerateRequest(
        prompt=_typed(params, "prompt", str, ""),
        duration=_number(params, "duration", None),
        seed=_typed(params, "seed", int, GenerateRequest.seed),
        steps=_typed(params, "steps", int, None),
        guidance=_number(params, "guidance", None),
        variations=_typed(params, "variations", int, 1),
        cleanup=_typed(params, "cleanup", bool, True),
        keep_apart=_typed(params, "keep_apart", bool, True),
    )
    job.report("loading", 0, 1)
    engine = _engines.get(_typed(params, "bundle", str, None), _typed(params, "device", str, "auto"))
    job.check()
    takes = engine.generate(request, job.report, job.is_cancelled)
    with _new_files(folder, [f"take-{take.seed}" for take in takes]) as paths:
        for take, path in zip(takes, paths, strict=True):
            take.save(path)
    return {
        "takes": [str(path) for path in paths],
        "device": engine.device,
        "bundle": {"id": engine.bundle.card.id, "sha256": engine.bundle.sha256},
        "warnings": takes[0].meta["warnings"],
    }


def retarget(job: RunningJob) -> dict[str, Any]:
    """params: take (path), rig_a, rig_b (RigDescription as a dict), folder, and optionally mapping_a,
    mapping_b, settings, fps (of the scene).

    Result: actor_a, actor_b (npz paths of RigMotion), report, contacts (`ContactList.to_dict`), pair_scale.
    """
    from ..retarget import BoneMapping, RetargetSettings, RigDescription, retarget_pair

    params = job.request.params
    folder = _folder(params)
    job.report("retargeting", 0, 1)
    take = Take.load(_typed(params, "take", str, ""))
    fps = _number(params, "fps", None)
    if fps is not None:
        if not 0 < fps <= 1000:
            raise RequestError("the frame rate must be above 0 and at most 1000")
        take = take.resampled(fps)
    rigs = [RigDescription.from_dict(_typed(params, name, dict, {})) for name in ("rig_a", "rig_b")]
    mappings = [
        BoneMapping.from_dict(params[name]) if params.get(name) is not None else None
        for name in ("mapping_a", "mapping_b")
    ]
    settings = RetargetSettings.from_dict(_typed(params, "settings", dict, {}))
    job.check()
    pair = retarget_pair(take, rigs[0], rigs[1], mappings[0], mappings[1], settings)
    job.check()
    with _new_files(folder, ["rig-motion-a", "rig-motion-b"]) as paths:
        for motion, path in zip(pair.actors, paths, strict=True):
            motion.save(path)
    job.report("retargeting", 1, 1)
    return {
        "actor_a": str(paths[0]),
        "actor_b": str(paths[1]),
        "report": pair.report,
        "contacts": pair.contacts.to_dict(),
        "pair_scale": float(pair.pair_scale),
    }


def status(job: RunningJob) -> dict[str, Any]:
    """Versions, the process, and what is loaded."""
    from ..health import versions

    engine = _engines.loaded
    loaded = None
    if engine is not None:
        loaded = {
            "id": engine.bundle.card.id,
            "sha256": engine.bundle.sha256,
            "path": str(engine.bundle.path),
            "device": engine.device,
        }
    return {"pid": os.getpid(), "versions": versions(), "loaded": loaded}


def doctor(job: RunningJob) -> dict[str, Any]:
    """params: bundle (path), device. Result: every check of `intermoe doctor`."""
    from ..health import examine

    params = job.request.params
    checks = []
    for check in examine(_typed(params, "bundle", str, None), _typed(params, "device", str, "auto")):
        job.check()
        checks.append(check.to_dict())
    return {"checks": checks}


METHODS: dict[str, Method] = {
    "generate": generate,
    "retarget": retarget,
    "status": status,
    "doctor": doctor,
}


def describe_error(error: Exception) -> tuple[str, str, str]:
    """Code, message and hint of an exception. Messages of known errors already say what to do."""
    message = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, Cancelled):
        return Code.CANCELLED, "cancelled", ""
    if isinstance(error, BundleError):
        return Code.BUNDLE, message, "choose another bundle in the preferences"
    if isinstance(error, DeviceError):
        return Code.DEVICE, message, "choose the device auto or cpu"
    if isinstance(error, (RequestError, TakeError, RigError)):
        return Code.BAD_INPUT, message, ""
    if isinstance(error, EngineError):
        return Code.ENGINE, message, ""
    if isinstance(error, OSError):
        hint = "check that the disk is not full and the folder can be written"
        return Code.ENGINE, os_error_text(error), hint
    return Code.INTERNAL, f"{type(error).__name__}: {message}", "see the engine's log"


def _typed(params: dict[str, Any], name: str, kind: type | tuple[type, ...], default: Any) -> Any:
    """A parameter of the right type, `default` where it is absent or null. Raises RequestError."""
    value = params.get(name)
    if value is None:
        return default
    kinds = kind if isinstance(kind, tuple) else (kind,)
    # True is an int to Python, but not to whoever fills in a form.
    if not isinstance(value, kind) or (isinstance(value, bool) and bool not in kinds):
        raise RequestError(
            f"{name} must be {' or '.join(k.__name__ for k in kinds)}, not {type(value).__name__}"
        )
    return value


def _number(params: dict[str, Any], name: str, default: Any) -> Any:
    value = _typed(params, name, (int, float), default)
    try:
        return value if value is None else float(value)
    except OverflowError:
        raise RequestError(f"{name} is too large a number") from None


def _folder(params: dict[str, Any]) -> Path:
    folder = Path(_typed(params, "folder", str, ""))
    if not folder.is_absolute() or not folder.is_dir():
        raise RequestError("folder must be an existing folder, given in full")
    return folder


@contextmanager
def _new_files(folder: Path, prefixes: list[str]) -> Iterator[list[Path]]:
    """Paths for the block to write; none of the files stays if it raises."""
    paths = [folder / f"{prefix}-{uuid.uuid4().hex[:12]}.npz" for prefix in prefixes]
    try:
        yield paths
    except BaseException:
        for path in paths:
            path.unlink(missing_ok=True)
        raise


def _stamp(path: str | None) -> tuple[Any, ...] | None:
    """What changes when the bundle at `path` is replaced, without reading it; None if that is unknown."""
    from ..bundle import default_bundle_path

    try:
        file = Path(path).expanduser() if path is not None else default_bundle_path()
        info = file.stat() if file.is_file() else (file / "bundle.json").stat()
    except (OSError, ValueError, RuntimeError):  # a NUL in the path, "~" of nobody
        return None
    return str(file), info.st_mtime_ns, info.st_size
