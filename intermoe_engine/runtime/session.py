# SPDX-License-Identifier: GPL-3.0-or-later
"""ONNX Runtime sessions on the device that was asked for, and the truth about which one it is."""

from __future__ import annotations

import os
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from ..errors import DeviceError, EngineError

DEVICES = ("auto", "cuda", "cpu")
_CUDA = "CUDAExecutionProvider"
_CPU = "CPUExecutionProvider"
_SEVERITY_FATAL = 4


@dataclass
class Graph:
    """One ONNX graph that is ready to run."""

    name: str
    session: Any
    device: str

    def run(self, **inputs: np.ndarray) -> np.ndarray:
        """The graph's first output for its named inputs. Raises EngineError."""
        return next(iter(self.outputs(**inputs).values()))

    def outputs(self, **inputs: np.ndarray) -> dict[str, np.ndarray]:
        """All outputs by name, in the graph's order. Raises EngineError."""
        names = [entry.name for entry in self.session.get_outputs()]
        try:
            return dict(zip(names, self.session.run(names, inputs), strict=True))
        except Exception as error:  # ONNX Runtime raises classes of its own that share no public base
            raise EngineError(f"{self.name} failed on {self.device}: {_first_line(error)}") from error

    def input_shape(self, name: str) -> tuple[int | str | None, ...]:
        """The declared shape of an input; names stand for dynamic sizes. Raises EngineError."""
        for entry in self.session.get_inputs():
            if entry.name == name:
                return tuple(entry.shape)
        raise EngineError(f"{self.name} has no input called {name}; the bundle was not made for this engine")


def load_graph(name: str, model: bytes | str, device: str) -> Graph:
    """A session for the ONNX graph `model` (bytes, or a path for graphs with external weights).

    device: "cpu", "cuda", or "auto" (CUDA where a session really gets it, the CPU otherwise). What
    `get_available_providers()` lists says nothing about a GPU being there, so the created session is
    asked. Raises DeviceError when "cuda" cannot be had, EngineError when the graph cannot be loaded.
    """
    if device not in DEVICES:
        raise DeviceError(f"unknown device {device!r}; choose one of {', '.join(DEVICES)}")
    ort = import_onnxruntime()
    if device in ("auto", "cuda"):
        session = _cuda_session(ort, model)
        if session is not None:
            return Graph(name, session, "cuda")
        if device == "cuda":
            raise DeviceError(_why_no_cuda(ort))
    try:
        session = ort.InferenceSession(model, _options(ort), providers=[_CPU])
    except Exception as error:
        raise EngineError(
            f"{name} cannot be loaded ({_first_line(error)}); download the bundle again"
        ) from error
    return Graph(name, session, "cpu")


def import_onnxruntime() -> ModuleType:
    """The onnxruntime module, imported at first use. Raises EngineError with the remedy."""
    try:
        import onnxruntime
    except Exception as error:  # a wheel of another platform raises ImportError or OSError
        raise EngineError(
            f"ONNX Runtime cannot be imported ({_first_line(error)}); "
            'install it with: pip install "intermoe-blender[cpu]"'
        ) from error
    return onnxruntime


def thread_count() -> int:
    """Threads for one graph: `INTERMOE_THREADS`, else the processors that this process may use, at most 16.

    A container or a task manager often allows fewer processors than the machine has.
    """
    override = os.environ.get("INTERMOE_THREADS", "")
    if override.isdigit() and int(override) > 0:
        return int(override)
    affinity = getattr(os, "sched_getaffinity", None)
    return min(len(affinity(0)) if affinity else os.cpu_count() or 1, 16)


def _options(ort: ModuleType) -> Any:
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.intra_op_num_threads = thread_count()
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return options


def _cuda_session(ort: ModuleType, model: bytes | str) -> Any | None:
    if _CUDA not in ort.get_available_providers():
        return None
    preload = getattr(ort, "preload_dlls", None)
    options = _options(ort)
    # A missing driver is an expected answer here, not something to print.
    options.log_severity_level = _SEVERITY_FATAL
    # TF32 would round to 10 bits and move the motion away from the one the CPU gives for the seed.
    providers = [(_CUDA, {"use_tf32": "0"}), _CPU]
    try:
        if preload is not None:
            preload()
        session = ort.InferenceSession(model, options, providers=providers)
    except Exception:
        return None
    return session if session.get_providers()[0] == _CUDA else None


def _why_no_cuda(ort: ModuleType) -> str:
    if _CUDA not in ort.get_available_providers():
        return (
            "this ONNX Runtime has no CUDA support; replace it with onnxruntime-gpu "
            '(pip install "intermoe-blender[cuda]") or choose the device cpu'
        )
    return (
        "ONNX Runtime found no usable CUDA device; check the NVIDIA driver and that CUDA and cuDNN match "
        "onnxruntime-gpu, or choose the device cpu"
    )


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
