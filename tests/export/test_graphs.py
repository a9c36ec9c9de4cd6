# SPDX-License-Identifier: GPL-3.0-or-later
"""The ONNX graphs against torch, on shapes that no graph was made for."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

torch = pytest.importorskip("torch")

import onnxruntime as ort  # noqa: E402

from export import parity  # noqa: E402
from export.denoiser_graph import EXPERT_FORMS, ExpertForm, denoiser_graph  # noqa: E402
from export.graph_builder import PRECISIONS, GraphBuilder, Precision, to_fp16, to_int8  # noqa: E402
from export.random_bundle import TINY, random_model  # noqa: E402
from export.text_encoder import SentenceEncoder, random_sentence_encoder, text_encoder_graph  # noqa: E402
from export.vae_graphs import vae_decoder_graph, vae_encoder_graph  # noqa: E402
from training.model import InterMoE, ModelConfig  # noqa: E402
from training.text.minilm import MiniLM, MiniLMConfig  # noqa: E402


@pytest.fixture(scope="module", params=["interhuman", "interhuman+root", "interx"])
def model(request: pytest.FixtureRequest) -> InterMoE:
    return random_model(ModelConfig.from_dict({**TINY.to_dict(), "feature_layout": request.param}))


def run(graph: onnx.ModelProto, **inputs: np.ndarray) -> np.ndarray:
    return np.asarray(ort.InferenceSession(graph.SerializeToString()).run(None, inputs)[0])


def test_vae_graphs_agree(model: InterMoE) -> None:
    for graph, check in (
        (vae_encoder_graph(model.vae), parity.check_vae_encoder),
        (vae_decoder_graph(model.vae), parity.check_vae_decoder),
    ):
        result = check(graph, model.vae, "fp32")
        assert 0 < result.max_abs_error < 1e-4


@pytest.mark.parametrize("form", EXPERT_FORMS)
def test_denoiser_graph_agrees(model: InterMoE, form: ExpertForm) -> None:
    result = parity.check_denoiser(denoiser_graph(model.denoiser, experts=form), model.denoiser, "fp32")
    assert 0 < result.max_abs_error < 1e-4


@pytest.mark.parametrize("form", EXPERT_FORMS)
@pytest.mark.parametrize("bias", [-2.0, 1.0])
def test_denoiser_graph_with_idle_or_crowded_experts(form: ExpertForm, bias: float) -> None:
    model = random_model(seed=5)
    for moe in model.denoiser.moe_layers():
        moe.aux_bias.fill_(bias)  # nobody takes a frame, or everybody takes all
    result = parity.check_denoiser(denoiser_graph(model.denoiser, experts=form), model.denoiser, "fp32")
    assert 0 < result.max_abs_error < 1e-4


def test_denoiser_graph_with_its_linear_filter() -> None:
    changes = {"prediction": "residual", "person_embedding": True}
    model = random_model(ModelConfig.from_dict({**TINY.to_dict(), **changes}), seed=6)
    assert model.denoiser.filter is not None
    walk = torch.randn(2, 8, 64, model.denoiser.filter.basis.shape[0]).cumsum(dim=2)
    model.denoiser.filter.fit(walk / walk.std() + torch.tensor([1.0, -1.0])[:, None, None, None])
    model.denoiser.filter.gain.copy_(torch.linspace(1.0, 1.5, 1000))
    assert model.denoiser.net.person_embed is not None
    model.denoiser.net.person_embed.data.normal_()
    result = parity.check_denoiser(denoiser_graph(model.denoiser), model.denoiser, "fp32")
    assert 0 < result.max_abs_error < 1e-4


def test_samples_of_a_batch_do_not_touch_each_other() -> None:
    model = random_model()
    graph = denoiser_graph(model.denoiser)
    draw = np.random.default_rng(0)
    inputs = {
        "latents": draw.standard_normal((3, 6, 2 * TINY.latent_width)).astype(np.float32),
        "timesteps": np.array([0, 500, 999]),
        "text": draw.standard_normal((3, TINY.text_width)).astype(np.float32),
        "mask": np.arange(6) < np.array([[6], [4], [2]]),
    }
    together = run(graph, **inputs)
    for row, frames in enumerate((6, 4, 2)):
        alone = {
            k: v[row : row + 1, :frames] if k in ("latents", "mask") else v[row : row + 1]
            for k, v in inputs.items()
        }
        np.testing.assert_allclose(run(graph, **alone)[0], together[row, :frames], atol=1e-5)


def test_swapping_the_people_swaps_the_answer() -> None:
    model = random_model()
    graph = denoiser_graph(model.denoiser)
    latents = np.random.default_rng(1).standard_normal((1, 5, 2, TINY.latent_width)).astype(np.float32)
    other = {
        "timesteps": np.array([321]),
        "text": np.ones((1, TINY.text_width), np.float32),
        "mask": np.ones((1, 5), bool),
    }
    straight = run(graph, latents=latents.reshape(1, 5, -1), **other).reshape(latents.shape)
    swapped = run(graph, latents=latents[:, :, ::-1].reshape(1, 5, -1), **other).reshape(latents.shape)
    np.testing.assert_allclose(swapped[:, :, ::-1], straight, atol=1e-5)


def test_text_encoder_graph_agrees_and_ignores_padding() -> None:
    encoder = random_sentence_encoder(random_model().text_head, vocabulary=500)
    graph = text_encoder_graph(encoder, max_tokens=20)
    draw = np.random.default_rng(2)
    tokens = []
    for batch, width in ((1, 2), (3, 11), (2, 20)):
        lengths = draw.integers(1, width + 1, (batch, 1))
        tokens.append((draw.integers(0, 500, (batch, width)), (np.arange(width) < lengths).astype(np.int64)))
    assert parity.check_text_encoder(graph, encoder, tokens, "fp32").max_abs_error < 1e-4

    ids, mask = draw.integers(0, 500, (1, 5)), np.ones((1, 5), np.int64)
    padded_ids, padded_mask = (
        np.pad(a, ((0, 0), (0, 4)), constant_values=v) for a, v in ((ids, 7), (mask, 0))
    )
    short = run(graph, input_ids=ids, attention_mask=mask)
    long = run(graph, input_ids=padded_ids, attention_mask=padded_mask)
    np.testing.assert_allclose(short, long, atol=1e-5)


def test_text_encoder_graph_compares_whole_sentences() -> None:
    encoder = random_sentence_encoder(random_model().text_head, vocabulary=500)
    graph = text_encoder_graph(encoder, max_tokens=20)
    draw = np.random.default_rng(3)
    ids, mask = draw.integers(0, 500, (3, 9)), (np.arange(9) < [[9], [4], [1]]).astype(np.int64)
    session = ort.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    (found,) = session.run(["sentence"], {"input_ids": ids, "attention_mask": mask})
    with torch.no_grad():
        states = encoder.minilm(torch.from_numpy(ids), torch.from_numpy(mask)).numpy()
    mean = np.stack([states[k, : mask[k].sum()].mean(axis=0) for k in range(3)])
    np.testing.assert_allclose(found, mean / np.linalg.norm(mean, axis=1, keepdims=True), atol=1e-5)


def test_text_head_of_another_width_is_refused() -> None:
    with pytest.raises(ValueError, match="32 wide"):
        SentenceEncoder(MiniLM(MiniLMConfig(vocabulary=10, layers=1)), random_model().text_head)


def test_inputs_and_outputs_are_named_and_dynamic(model: InterMoE) -> None:
    features, latent, text = model.config.features, model.config.latent_width, model.config.text_width
    encoder = random_sentence_encoder(model.text_head, vocabulary=50)
    expected = {
        "denoiser": (
            {"latents": ("B", "T", 2 * latent), "timesteps": ("B",), "text": ("B", text), "mask": ("B", "T")},
            {"clean_latents": ("B", "T", 2 * latent)},
        ),
        "vae_encoder": ({"motion": ("B", "4*T", features)}, {"latents": ("B", "T", 7, 8)}),
        "vae_decoder": ({"latents": ("B", "T", 7, 8)}, {"motion": ("B", "4*T", features)}),
        "text_encoder": (
            {"input_ids": ("B", "N"), "attention_mask": ("B", "N")},
            {"text": ("B", text), "sentence": ("B", text)},
        ),
    }
    for graph in (
        denoiser_graph(model.denoiser),
        vae_encoder_graph(model.vae),
        vae_decoder_graph(model.vae),
        text_encoder_graph(encoder),
    ):
        signature = tuple(
            {v.name: tuple(d.dim_param or d.dim_value for d in v.type.tensor_type.shape.dim) for v in values}
            for values in (graph.graph.input, graph.graph.output)
        )
        assert signature == expected[graph.graph.name]
        assert {node.domain for node in graph.graph.node} == {""}  # standard operators alone


@pytest.mark.parametrize("precision", PRECISIONS)
def test_reduced_weights_shrink_the_graph_and_stay_close(precision: Precision) -> None:
    config = ModelConfig.from_dict({**TINY.to_dict(), "denoiser_width": 128, "expert_width": 64})
    denoiser = random_model(config).denoiser
    graph = denoiser_graph(denoiser, precision)
    share = graph.ByteSize() / denoiser_graph(denoiser).ByteSize()
    assert share < {"fp32": 1.001, "fp16-storage": 0.6, "int8-storage": 0.38}[precision]
    sparse = parity.check_denoiser(graph, denoiser, precision)
    dense = parity.check_denoiser(denoiser_graph(denoiser, precision, "dense"), denoiser, precision)
    limit = {"fp32": 1e-5, "fp16-storage": 2e-3, "int8-storage": 0.05}[precision]
    assert sparse.relative_error < limit and dense.relative_error < limit


def test_int8_rounds_by_at_most_half_a_step() -> None:
    values = np.random.default_rng(3).standard_normal((4, 9, 5)).astype(np.float32)
    values[2, :, 3] = 0.0
    integers, scale = to_int8(values, (1,))
    assert integers.dtype == np.int8 and scale.shape == (4, 1, 5)
    assert (np.abs(integers * scale - values) <= scale * 0.5001).all()
    np.testing.assert_allclose(np.abs(integers * scale).max(1), np.abs(values).max(1), rtol=1e-6)


def test_numbers_beyond_half_precision_are_refused() -> None:
    with pytest.raises(ValueError, match="fp32"):
        to_fp16(np.array([1.0, 7e4], np.float32))


def test_unknown_precision_is_refused() -> None:
    with pytest.raises(ValueError, match="int8-storage"):
        GraphBuilder("x", "int4")  # pyright: ignore[reportArgumentType]


def test_parity_fails_on_a_graph_of_other_weights(model: InterMoE) -> None:
    other = random_model(model.config, seed=9)
    with pytest.raises(parity.ParityError, match="vae_decoder.*differs from torch"):
        parity.check_vae_decoder(vae_decoder_graph(other.vae), model.vae, "fp32")
    with pytest.raises(parity.ParityError, match="denoiser.*higher precision"):
        parity.check_denoiser(denoiser_graph(other.denoiser, "fp16-storage"), model.denoiser, "fp16-storage")
