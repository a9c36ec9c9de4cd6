# SPDX-License-Identifier: GPL-3.0-or-later
"""Every exported graph against the torch module that it was written from, on the bytes that ship.

float32 graphs agree within 1e-4 absolute. Graphs with reduced weights are held to a relative error (root mean
square of the difference over that of the reference), and the text vector to a cosine; what was measured goes
into the bundle's card. Shapes vary over the cases: nothing is fixed to one batch or duration.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import torch
from torch import Tensor, nn

from export.graph_builder import Precision
from intermoe_engine.errors import EngineError
from training.model.config import FRAMES_PER_LATENT
from training.model.denoiser import Denoiser
from training.model.skeleton_graph import PARTS
from training.model.vae import MotionVAE

FLOAT_TOLERANCE = 1e-4
"""Largest absolute difference of a float32 graph."""
RELATIVE_TOLERANCE: dict[Precision, float] = {"fp16-storage": 0.01, "int8-storage": 0.1}
"""Largest relative root-mean-square difference of a graph with reduced weights."""
LEAST_COSINE = 0.99
"""Smallest cosine between a reduced and a float32 sentence vector."""
CASES = ((1, 1), (1, 2), (3, 5), (2, 17), (2, 75))
"""(batch, latent frames): from the shortest motion there is to the longest that InterHuman uses."""

_TIE = 2e-6
_ATTEMPTS = 30


class ParityError(EngineError):
    """A graph does not say what its torch module says; nothing is written."""


@dataclass(frozen=True)
class ParityResult:
    """What was measured on one graph. `cosine` is the smallest one, for sentence vectors alone."""

    graph: str
    precision: str
    cases: list[tuple[int, int]]
    max_abs_error: float
    relative_error: float
    tolerance: str
    cosine: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """For the bundle's card."""
        values = {key: value for key, value in asdict(self).items() if value is not None}
        return {
            k: float(f"{v:.3g}") if isinstance(v, float) and k != "cosine" else v for k, v in values.items()
        }


# A graph in memory, or the path of one whose weights lie beside it.
Model = onnx.ModelProto | Path
Inputs = dict[str, Tensor]
Reference = Callable[..., Tensor]


def compare(
    model: Model,
    reference: Reference,
    cases: Sequence[Inputs],
    precision: Precision,
    cosine: bool = False,
    tolerance: float = FLOAT_TOLERANCE,
) -> ParityResult:
    """Run graph and torch on the same inputs. Raises ParityError where they disagree.

    tolerance: largest absolute difference of a float32 graph.
    """
    if isinstance(model, Path):
        name, source = model.stem, str(model)
    else:
        name, source = model.graph.name, model.SerializeToString()
    session = ort.InferenceSession(source, _options(), providers=["CPUExecutionProvider"])
    largest, squared, power, least_cosine = 0.0, 0.0, 0.0, 1.0
    shapes: list[tuple[int, int]] = []
    for inputs in cases:
        with torch.inference_mode():
            expected = reference(**inputs).numpy()
        got = np.asarray(session.run(None, {key: value.numpy() for key, value in inputs.items()})[0])
        first = next(iter(inputs.values()))
        shapes.append((first.shape[0], first.shape[1]))
        if got.shape != expected.shape or not np.isfinite(got).all():
            raise ParityError(
                f"{name} gives {got.shape} where torch gives {expected.shape}, or numbers that are not "
                f"finite, on inputs of batch and length {shapes[-1]}; its graph writer does not fit the model"
            )
        difference = (got - expected).astype(np.float64)
        largest = max(largest, float(np.abs(difference).max()))
        squared += float((difference**2).sum())
        power += float((expected.astype(np.float64) ** 2).sum())
        if cosine:
            lengths = np.linalg.norm(got, axis=-1) * np.linalg.norm(expected, axis=-1)
            least_cosine = min(least_cosine, float(((got * expected).sum(-1) / lengths).min()))
    relative = float(np.sqrt(squared / max(power, 1e-30)))
    if precision == "fp32":
        allowed, fits = f"max_abs_error <= {tolerance:g}", largest <= tolerance
    elif cosine:
        allowed, fits = f"cosine >= {LEAST_COSINE:g}", least_cosine >= LEAST_COSINE
    else:
        bound = RELATIVE_TOLERANCE[precision]
        allowed, fits = f"relative_error <= {bound:g}", relative <= bound
    result = ParityResult(
        name, precision, shapes, largest, relative, allowed, round(least_cosine, 6) if cosine else None
    )
    if not fits:
        hint = (
            "its graph writer does not fit the model"
            if precision == "fp32"
            else "export it with a higher precision"
        )
        raise ParityError(
            f"{name} ({precision}) differs from torch: largest error {largest:.3g}, relative {relative:.3g}"
            + (f", smallest cosine {least_cosine:.4f}" if cosine else "")
            + f", allowed is {allowed}; {hint}"
        )
    return result


def check_vae_encoder(
    model: Model, vae: MotionVAE, precision: Precision, tolerance: float = FLOAT_TOLERANCE
) -> ParityResult:
    """On normalised noise motion of the shapes of CASES."""
    draw = torch.Generator().manual_seed(1)
    cases = [
        {"motion": torch.randn(b, FRAMES_PER_LATENT * t, vae.features, generator=draw)} for b, t in CASES
    ]
    return compare(model, lambda motion: vae.encode(motion), cases, precision, tolerance=tolerance)


def check_vae_decoder(
    model: Model, vae: MotionVAE, precision: Precision, tolerance: float = FLOAT_TOLERANCE
) -> ParityResult:
    """On standard normal latents of the shapes of CASES."""
    draw = torch.Generator().manual_seed(2)
    channels = vae.latent_mean.shape[1]
    cases = [{"latents": torch.randn(b, t, PARTS, channels, generator=draw)} for b, t in CASES]
    return compare(model, lambda latents: vae.decode(latents), cases, precision, tolerance=tolerance)


def check_denoiser(
    model: Model,
    denoiser: Denoiser,
    precision: Precision,
    shapes: Sequence[tuple[int, int]] = CASES,
    tolerance: float = FLOAT_TOLERANCE,
) -> ParityResult:
    """On noise at random steps, with text vectors and with zeros, with and without padding."""
    draw = torch.Generator().manual_seed(3)
    latent, text = denoiser.net.motion_embed.in_features, denoiser.net.text_embed.in_features

    def inputs(batch: int, frames: int) -> Inputs:
        values = {
            "latents": torch.randn(batch, frames, 2 * latent, generator=draw),
            "timesteps": torch.randint(0, 1000, (batch,), generator=draw),
            "text": torch.randn(batch, text, generator=draw),
            "mask": torch.ones(batch, frames, dtype=torch.bool),
        }
        values["text"][-1] *= float(batch == 1)  # the unconditional prediction
        values["mask"][0, frames // 2 + 1 :] = False
        return values

    cases = []
    for batch, frames in shapes:
        case = inputs(batch, frames)
        for _ in range(_ATTEMPTS):
            if not _has_routing_ties(denoiser, case):
                break
            case = inputs(batch, frames)
        cases.append(case)
    return compare(model, denoiser, cases, precision, tolerance=tolerance)


def check_text_encoder(
    model: Model,
    encoder: nn.Module,
    tokens: Sequence[tuple[np.ndarray, np.ndarray]],
    precision: Precision,
    tolerance: float = FLOAT_TOLERANCE,
) -> ParityResult:
    """On batches of (input_ids, attention_mask), each (B, N) int64."""
    cases = [
        {"input_ids": torch.from_numpy(ids), "attention_mask": torch.from_numpy(mask)} for ids, mask in tokens
    ]
    return compare(model, encoder, cases, precision, cosine=True, tolerance=tolerance)


def _has_routing_ties(denoiser: Denoiser, inputs: Inputs) -> bool:
    """Whether any expert is so undecided about a frame that float32 rounding could decide for it.

    Taking a frame is a jump in the output, so such inputs cannot tell a right graph from a wrong one.
    """
    tied = False

    def look(module: torch.nn.Module, arguments: tuple[Tensor, ...]) -> None:
        nonlocal tied
        moe = next(layer for layer in layers if layer is module)
        bias = moe.aux_bias.clone()
        moe.aux_bias += _TIE
        more = moe.route(arguments[0], arguments[1])[1]
        moe.aux_bias -= 2 * _TIE
        less = moe.route(arguments[0], arguments[1])[1]
        moe.aux_bias.copy_(bias)
        tied = tied or bool((more != less).any())

    layers = denoiser.moe_layers()
    hooks = [layer.register_forward_pre_hook(look) for layer in layers]
    try:
        with torch.no_grad():
            denoiser(**inputs)
    finally:
        for hook in hooks:
            hook.remove()
    return tied


def _options() -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 2
    options.log_severity_level = 3
    return options
