# SPDX-License-Identifier: GPL-3.0-or-later
"""Official weights through the ONNX graphs, against numbers that the published InterMoE code computed."""

from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np
import onnx
import pytest

torch = pytest.importorskip("torch")

import onnxruntime as ort  # noqa: E402

from export.denoiser_graph import EXPERT_FORMS, ExpertForm, denoiser_graph  # noqa: E402
from export.vae_graphs import vae_decoder_graph, vae_encoder_graph  # noqa: E402
from intermoe_engine.runtime.sampler import cosine_alphas_cumprod, sample_ddim  # noqa: E402
from training.model import InterMoE, load_official_state  # noqa: E402

COMPAT = Path(__file__).parents[1] / "training" / "compat"
HEADS = 4  # of the tiny case


@pytest.fixture(scope="module")
def model() -> InterMoE:
    state = runpy.run_path(str(COMPAT / "make_state_dict.py"))["make_state_dict"](COMPAT / "tiny.json")
    return load_official_state(state, heads=HEADS)


@pytest.fixture(scope="module")
def numbers() -> dict[str, np.ndarray]:
    with np.load(COMPAT / "tiny.npz") as archive:
        return {key: archive[key] for key in archive}


def session(graph: onnx.ModelProto) -> ort.InferenceSession:
    return ort.InferenceSession(graph.SerializeToString())


def test_vae(model: InterMoE, numbers: dict[str, np.ndarray]) -> None:
    latents = session(vae_encoder_graph(model.vae)).run(None, {"motion": numbers["motion"]})[0]
    np.testing.assert_allclose(np.asarray(latents), numbers["latent_mean"], atol=1e-4)
    motion = session(vae_decoder_graph(model.vae)).run(None, {"latents": numbers["latent_mean"]})[0]
    np.testing.assert_allclose(np.asarray(motion), numbers["decoded"], atol=1e-4)


@pytest.mark.parametrize("form", EXPERT_FORMS)
def test_denoiser_and_sampling(model: InterMoE, numbers: dict[str, np.ndarray], form: ExpertForm) -> None:
    graph = session(denoiser_graph(model.denoiser, experts=form))
    real = numbers["mask"][..., 0] > 0
    inputs = {
        "latents": numbers["x_t"],
        "timesteps": numbers["timesteps"].astype(np.int64),
        "text": numbers["cond"],
    }
    got = np.asarray(graph.run(None, {**inputs, "mask": real})[0])
    np.testing.assert_allclose(got, numbers["denoised"], atol=1e-4)

    def call(latents: np.ndarray, timesteps: np.ndarray, text: np.ndarray, _: np.ndarray) -> np.ndarray:
        mask = np.concatenate([real, real])  # the case has padding, which the engine's sampler never makes
        return np.asarray(
            graph.run(None, {"latents": latents, "timesteps": timesteps, "text": text, "mask": mask})[0]
        )

    alphas = cosine_alphas_cumprod(1000)
    got = sample_ddim(call, numbers["noise"], numbers["cond"], count=50, guidance=3.5, alphas_cumprod=alphas)
    np.testing.assert_allclose(got, numbers["sampled"], atol=1e-3)
