# SPDX-License-Identifier: GPL-3.0-or-later
"""A small writer of ONNX graphs, with the usual layers and reduced weight storage.

The graphs are written out rather than traced: batch and time stay truly dynamic, weights are laid out for
inference (fused experts, folded statistics), a graph takes well under a second, and the result holds standard
operators alone. `parity` proves each one against the torch module that it was written from.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, get_args

import numpy as np
import onnx
from numpy.typing import ArrayLike
from onnx import TensorProto, helper, numpy_helper

from export.external_weights import ExternalWeights

Precision = Literal["fp32", "fp16-storage", "int8-storage"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)

OPSET = 18
IR_VERSION = 9  # the newest that every ONNX Runtime with opset 18 reads
PRODUCER = "intermoe-blender"

_SMALLEST_REDUCED = 1024  # numbers; smaller tensors are kept whole, they weigh nothing
_TYPES = {"float": TensorProto.FLOAT, "int64": TensorProto.INT64, "bool": TensorProto.BOOL}


class GraphBuilder:
    """Collects nodes and weights; values are named by strings, as in ONNX itself.

    precision: how large weights are stored. All arithmetic is float32: "fp16-storage" and "int8-storage" put
    the conversion into the graph, on constants, so that a runtime folds it away while loading. int8 is
    symmetric with one scale per output channel (per row for embeddings). external: where large weights go
    instead of into the graph; they are on the disk as soon as they are added.
    """

    def __init__(
        self, name: str, precision: Precision = "fp32", external: ExternalWeights | None = None
    ) -> None:
        if precision not in PRECISIONS:
            raise ValueError(f"unknown precision {precision!r}; choose one of {', '.join(PRECISIONS)}")
        self.name, self.precision, self._external = name, precision, external
        self._nodes: list[onnx.NodeProto] = []
        self._weights: list[onnx.TensorProto] = []
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []
        self._constants: dict[tuple[str, tuple[int, ...], bytes], str] = {}
        self._count = 0

    # ---- values
    def _fresh(self, hint: str) -> str:
        self._count += 1
        return f"{hint.lower()}_{self._count}"

    def input(self, name: str, kind: str, shape: Sequence[int | str]) -> str:
        """A graph input; `kind` is float, int64 or bool, and texts in `shape` name dynamic sizes."""
        self._inputs.append(helper.make_tensor_value_info(name, _TYPES[kind], list(shape)))
        return name

    def output(self, value: str, name: str, shape: Sequence[int | str]) -> None:
        """Declare a float32 value to be the graph output `name`."""
        self._nodes.append(helper.make_node("Identity", [value], [name], name=f"output_{name}"))
        self._outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape)))

    def op(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Append an operator with one output and return that output's name."""
        return self.ops(kind, 1, *inputs, **attributes)[0]

    def ops(self, kind: str, outputs: int, *inputs: str, **attributes: Any) -> list[str]:
        """Append an operator with several outputs."""
        names = [self._fresh(kind) for _ in range(outputs)]
        self._nodes.append(helper.make_node(kind, list(inputs), names, name=names[0], **attributes))
        return names

    def constant(self, values: ArrayLike, dtype: type = np.float32) -> str:
        """A small constant, shared where equal."""
        array = np.ascontiguousarray(values, dtype=dtype).reshape(np.shape(values))
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._constants:
            self._constants[key] = self._store(array, "constant")
        return self._constants[key]

    def _store(self, array: np.ndarray, hint: str) -> str:
        name = self._fresh(hint)
        tensor = self._external.store(array, name) if self._external else None
        if tensor is None:
            tensor = numpy_helper.from_array(np.ascontiguousarray(array), name)
        self._weights.append(tensor)
        return name

    def weight(self, values: np.ndarray, channel_axis: int = -1, exact: bool = False) -> str:
        """A weight as a float32 value.

        channel_axis: the axis whose entries have scales of their own in int8; so has each matrix of a stack.
        exact: store float32 at any precision, for numbers that decide between alternatives.
        """
        values = np.asarray(values, dtype=np.float32)
        if exact or self.precision == "fp32" or values.ndim < 2 or values.size < _SMALLEST_REDUCED:
            return self._store(values, "weight")
        if self.precision == "fp16-storage":
            return self.cast(self._store(to_fp16(values), "weight"), "float")
        axis = channel_axis % values.ndim
        # A stack (J, in, out) is scaled per matrix and column; a kernel (out, in, ...) per output.
        summed = tuple(range(1, values.ndim)) if axis == 0 else (values.ndim - 2,)
        integers, scale = to_int8(values, summed)
        return self.op(
            "Mul", self.cast(self._store(integers, "weight"), "float"), self._store(scale, "scale")
        )

    def build(self) -> onnx.ModelProto:
        """The model, checked; with external weights, `onnx.checker` can only do so once it is on the disk."""
        graph = helper.make_graph(self._nodes, self.name, self._inputs, self._outputs, self._weights)
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name=PRODUCER
        )
        model.ir_version = IR_VERSION
        if self._external is None:
            onnx.checker.check_model(model)
        return model

    # ---- shorthands
    def cast(self, x: str, kind: str) -> str:
        return self.op("Cast", x, to=_TYPES[kind])

    def reshape(self, x: str, shape: Sequence[int]) -> str:
        """0 keeps the size at that place, -1 is what is left over."""
        return self.op("Reshape", x, self.constant(shape, np.int64))

    def transpose(self, x: str, *order: int) -> str:
        return self.op("Transpose", x, perm=list(order))

    def unsqueeze(self, x: str, *axes: int) -> str:
        return self.op("Unsqueeze", x, self.constant(axes, np.int64))

    def split(self, x: str, parts: int, axis: int = -1) -> list[str]:
        """Equal parts along an axis."""
        return self.ops("Split", parts, x, axis=axis, num_outputs=parts)

    # ---- layers
    def linear(self, x: str, weight: np.ndarray, bias: np.ndarray | None, exact: bool = False) -> str:
        """x (..., in) with torch's weight (out, in) and bias (out,) -> (..., out)."""
        y = self.op("MatMul", x, self.weight(np.asarray(weight).T, exact=exact))
        return y if bias is None else self.op("Add", y, self.weight(bias))

    def layer_norm(
        self, x: str, width: int, eps: float, scale: ArrayLike = 1.0, shift: ArrayLike = 0.0
    ) -> str:
        """Over the last axis, which has `width` numbers."""
        gamma, beta = (
            self.constant(np.broadcast_to(np.asarray(v, np.float32), (width,))) for v in (scale, shift)
        )
        return self.op("LayerNormalization", x, gamma, beta, axis=-1, epsilon=eps)

    def silu(self, x: str) -> str:
        return self.op("Mul", x, self.op("Sigmoid", x))

    def gelu(self, x: str) -> str:
        """The exact GELU, in the form that runtimes recognise and fuse."""
        erf = self.op("Erf", self.op("Div", x, self.constant(np.sqrt(2.0))))
        return self.op("Mul", self.op("Mul", x, self.op("Add", erf, self.constant(1.0))), self.constant(0.5))

    def embedding(self, table: np.ndarray, ids: str) -> str:
        """Rows of `table` (V, W) at `ids` (...) -> (..., W). Only the rows asked for are widened."""
        table = np.asarray(table, dtype=np.float32)
        if self.precision == "fp32":
            return self.op("Gather", self._store(table, "table"), ids, axis=0)
        if self.precision == "fp16-storage":
            return self.cast(self.op("Gather", self._store(to_fp16(table), "table"), ids, axis=0), "float")
        integers, scale = to_int8(table, (1,))
        rows = self.cast(self.op("Gather", self._store(integers, "table"), ids, axis=0), "float")
        return self.op("Mul", rows, self.op("Gather", self._store(scale, "scale"), ids, axis=0))

    def visibility(self, mask: str) -> str:
        """What to add to attention scores for a bool mask: 0 where True, a very low number elsewhere."""
        # Finite, so that a row without anything visible gives numbers instead of NaN.
        return self.op("Where", mask, self.constant(0.0), self.constant(-1e9))

    def attention(
        self, query: str, key: str, value: str, heads: int, width: int, bias: str, lead: int = 1
    ) -> str:
        """Multi-head attention before the output projection.

        query (..., T, width), already divided by sqrt(width / heads); key and value (..., S, width); `bias`
        broadcasts to the scores (..., heads, T, S); `lead` is the number of axes before time.
        """
        split = [0] * (lead + 1) + [heads, width // heads]
        axes = list(range(lead))
        t, h, w = lead, lead + 1, lead + 2
        q = self.transpose(self.reshape(query, split), *axes, h, t, w)
        k = self.transpose(self.reshape(key, split), *axes, h, w, t)
        v = self.transpose(self.reshape(value, split), *axes, h, t, w)
        weights = self.op("Softmax", self.op("Add", self.op("MatMul", q, k), bias), axis=-1)
        mixed = self.transpose(self.op("MatMul", weights, v), *axes, h, t, w)
        return self.reshape(mixed, [0] * (lead + 1) + [width])


def to_fp16(values: np.ndarray) -> np.ndarray:
    """Half precision. Raises ValueError where a number does not fit."""
    if np.abs(values).max(initial=0.0) > np.finfo(np.float16).max:
        raise ValueError("a weight exceeds the range of fp16; export with precision fp32")
    return values.astype(np.float16)


def to_int8(values: np.ndarray, summed_axes: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Symmetric int8 and the float32 scale (ones where `summed_axes` were): values = integers * scale."""
    peak = np.abs(values).max(axis=summed_axes, keepdims=True)
    scale = np.where(peak > 0, peak / 127.0, 1.0).astype(np.float32)
    return np.clip(np.rint(values / scale), -127, 127).astype(np.int8), scale
