# SPDX-License-Identifier: GPL-3.0-or-later
"""CLIP's text tower: against OpenAI's own network, out of each kind of file, and as a graph."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import load_file, save_file  # noqa: E402
from torch import Tensor, nn  # noqa: E402

from export import parity  # noqa: E402
from export.clip_text import ClipSentenceEncoder, clip_text_graph  # noqa: E402
from export.external_weights import ExternalWeights  # noqa: E402
from export.random_bundle import random_model  # noqa: E402
from export.random_release import SMALL, random_clip, write_transformers_folder  # noqa: E402
from tests.training.clip_reference import reference_module  # noqa: E402
from training.text.clip_tower import ClipText, ClipTextConfig  # noqa: E402
from training.text.clip_weights import load_clip  # noqa: E402
from training.weights import WeightsError  # noqa: E402

CONFIG = ClipTextConfig(vocabulary=600, width=128, layers=3)
END = CONFIG.vocabulary - 1


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    return random_clip(CONFIG, seed=4)


@pytest.fixture(scope="module")
def tower(state: dict[str, Tensor]) -> ClipText:
    return ClipText.from_state(state)


def sentences(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Ids as the tokenizer gives them, and the mask: words, end of text, zeros."""
    draw = np.random.default_rng(seed)
    lengths = draw.integers(2, 78, (count, 1))
    place = np.arange(77)
    ids = np.where(place < lengths - 1, draw.integers(1, END, (count, 77)), 0)
    ids[place == lengths - 1] = END
    return ids, (place < lengths).astype(np.int64)


@torch.no_grad()
def test_states_are_those_of_openais_network(tower: ClipText, state: dict[str, Tensor]) -> None:
    causal = torch.full((77, 77), -torch.inf).triu(1)
    reference = reference_module("model").Transformer(CONFIG.width, CONFIG.layers, CONFIG.heads, causal)
    prefix = "transformer."
    reference.load_state_dict({k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)})
    ids = torch.from_numpy(sentences(4)[0])
    x = state["token_embedding.weight"][ids] + state["positional_embedding"]
    x = reference(x.transpose(0, 1)).transpose(0, 1)
    weight, bias = state["ln_final.weight"], state["ln_final.bias"]
    expected = nn.functional.layer_norm(x, (CONFIG.width,), weight, bias)
    torch.testing.assert_close(tower(ids), expected, atol=2e-5, rtol=0)


def test_every_kind_of_file_gives_the_same_tower(
    state: dict[str, Tensor], tower: ClipText, tmp_path: Path
) -> None:
    vision = {"visual.conv1.weight": torch.ones(2), "visual.positional_embedding": torch.ones(577, 4)}
    other = {"text_projection": torch.ones(2, 2), "logit_scale": torch.tensor(4.6)}
    # OpenAI publishes a TorchScript archive in half precision.
    openai = nn.Module()
    for key, value in {**state, **vision, **other}.items():
        *path, leaf = key.split(".")
        owner = openai
        for name in path:
            if name not in dict(owner.named_children()):
                owner.add_module(name, nn.Module())
            owner = owner.get_submodule(name)
        owner.register_parameter(leaf, nn.Parameter(value.half()))
    torch.jit.save(torch.jit.script(openai), str(tmp_path / "ViT-L-14-336px.pt"))
    carried = {f"model.{k.replace('transformer.', 'clip_transformer.', 1)}": v for k, v in state.items()}
    torch.save({"state_dict": {**carried, "model.clip_ln.weight": torch.ones(3)}}, tmp_path / "denoiser.ckpt")
    write_transformers_folder(tmp_path / "folder", state)
    (tmp_path / "bin").mkdir()
    torch.save(load_file(tmp_path / "folder" / "model.safetensors"), tmp_path / "bin" / "pytorch_model.bin")

    for name in ("ViT-L-14-336px.pt", "denoiser.ckpt", "folder", "folder/model.safetensors", "bin"):
        got = load_clip(tmp_path / name).state_dict()
        assert got.keys() == tower.state_dict().keys()
        for key, value in tower.state_dict().items():
            assert got[key].dtype == torch.float32 and torch.equal(got[key], value), (name, key)


def test_other_towers_are_refused_by_name(state: dict[str, Tensor], tmp_path: Path) -> None:
    path = tmp_path / "clip.pt"

    def save(**changes: Tensor | None) -> None:
        changed = {**state, **{key.replace("__", "."): value for key, value in changes.items()}}
        torch.save({key: value for key, value in changed.items() if value is not None}, path)

    save(ln_final__weight=None, transformer__resblocks__1__ln_1__bias=torch.ones(5))
    with pytest.raises(
        WeightsError, match=r"missing 1: ln_final\.weight; misshapen 1: .*1\.ln_1\.bias is \(5,\)"
    ):
        load_clip(path)
    save(transformer__resblocks__1__odd=torch.ones(5))
    with pytest.raises(WeightsError, match=r"unexpected 1: transformer\.resblocks\.1\.odd"):
        load_clip(path)
    save(token_embedding__weight=None)
    with pytest.raises(WeightsError, match=r"lacks token_embedding\.weight"):
        load_clip(path)
    save(visual__positional_embedding=torch.ones(257, 4))
    with pytest.raises(WeightsError, match="336px"):
        load_clip(path)
    folder = tmp_path / "folder"
    write_transformers_folder(folder, state)
    (folder / "config.json").write_text('{"text_config": {"hidden_act": "gelu"}}')
    with pytest.raises(WeightsError, match="activation gelu"):
        load_clip(folder)
    with pytest.raises(WeightsError, match="holds neither"):
        load_clip(tmp_path)
    # One of three projections lost: the layer cannot be put together.
    (folder / "config.json").unlink()
    weights = load_file(folder / "model.safetensors")
    del weights["text_model.encoder.layers.0.self_attn.k_proj.weight"]
    save_file(weights, folder / "model.safetensors")
    with pytest.raises(WeightsError, match=r"missing 1: transformer\.resblocks\.0\.attn\.in_proj_weight"):
        load_clip(folder)


@pytest.fixture(scope="module")
def encoder() -> ClipSentenceEncoder:
    tower = ClipText.from_state(random_clip(ClipTextConfig(vocabulary=600, width=64, layers=2), seed=6))
    return ClipSentenceEncoder(tower, random_model(SMALL).text_head).eval().requires_grad_(False)


@pytest.mark.parametrize("external", [False, True])
def test_graph_agrees(encoder: ClipSentenceEncoder, tmp_path: Path, external: bool) -> None:
    tokens = [sentences(1), sentences(5, seed=1)]
    if external:
        path = tmp_path / "text_encoder.onnx"
        with ExternalWeights(path) as weights:
            path.write_bytes(clip_text_graph(encoder, external=weights).SerializeToString())
        assert path.stat().st_size < weights.path.stat().st_size
        result = parity.check_text_encoder(path, encoder, tokens, "fp32")
    else:
        result = parity.check_text_encoder(clip_text_graph(encoder), encoder, tokens, "fp32")
    assert 0 < result.max_abs_error < 1e-4
    half = parity.check_text_encoder(
        clip_text_graph(encoder, "fp16-storage"), encoder, tokens, "fp16-storage"
    )
    assert half.cosine is not None and half.cosine > 0.9999


def test_what_fills_the_line_does_not_matter_but_its_zeros_do(encoder: ClipSentenceEncoder) -> None:
    session = ort.InferenceSession(clip_text_graph(encoder).SerializeToString())

    def run(ids: np.ndarray, mask: np.ndarray) -> np.ndarray:
        return np.asarray(session.run(None, {"input_ids": ids, "attention_mask": mask})[0])

    ids = np.zeros((1, 77), np.int64)
    ids[0, :5] = (1, 20, 30, 40, END)
    mask = (np.arange(77) < 5).astype(np.int64)[None]
    expected = run(ids, mask)
    np.testing.assert_array_equal(run(np.where(mask == 1, ids, END), mask), expected)
    # The authors' text head sees CLIP's states of the padding, so other padding is another sentence.
    assert np.abs(run(np.where(mask == 1, ids, 7), np.ones_like(mask)) - expected).max() > 1e-3


def test_a_head_of_another_width_is_refused(tower: ClipText) -> None:
    with pytest.raises(ValueError, match="64 wide but this CLIP gives 128"):
        ClipSentenceEncoder(tower, random_model(SMALL).text_head)
