# SPDX-License-Identifier: GPL-3.0-or-later
"""Large weights in a file of their own beside the graph, as ONNX external data.

Needed above protobuf's limit of 2 GB, and useful well below it: the runtime maps the file instead of parsing
and copying it, and the writer never holds more than one tensor.
"""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

import numpy as np
import onnx
from onnx import TensorProto, helper

SUFFIX = ".data"
"""`NAME.onnx` keeps its weights in `NAME.onnx.data`; the engine looks for exactly that name."""

_SMALLEST = 1 << 16  # bytes; smaller tensors stay in the graph
_ALIGNMENT = 1 << 16  # what Windows maps at; Linux and macOS need a divisor of it


class ExternalWeights:
    """Writes the tensors of one graph behind each other; for a `with` statement."""

    def __init__(self, graph_path: Path) -> None:
        """graph_path: where the graph itself will lie. Raises OSError."""
        self.path = graph_path.with_name(graph_path.name + SUFFIX)
        self._file = self.path.open("wb")

    def __enter__(self) -> ExternalWeights:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def store(self, array: np.ndarray, name: str) -> onnx.TensorProto | None:
        """The tensor that points to `array` in the file, or None where it is better kept in the graph."""
        if array.nbytes < _SMALLEST:
            return None
        offset = -(-self._file.tell() // _ALIGNMENT) * _ALIGNMENT
        self._file.seek(offset)
        self._file.write(np.ascontiguousarray(array).data.cast("B"))
        tensor = TensorProto(
            name=name,
            data_type=helper.np_dtype_to_tensor_dtype(array.dtype),
            dims=array.shape,
            data_location=TensorProto.EXTERNAL,
        )
        for key, value in (("location", self.path.name), ("offset", offset), ("length", array.nbytes)):
            tensor.external_data.add(key=key, value=str(value))
        return tensor
