# SPDX-License-Identifier: GPL-3.0-or-later
"""The denoiser: attention and experts against second implementations, padding, symmetry, capacity."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from training.fit.experts import settle_biases
from training.model import Denoiser, InterMoE, ModelConfig
from training.model.attention import MultiheadAttention
from training.model.moe import LEAST_BIAS, TemporalSelectiveMoE

SMALL = ModelConfig(
    vae_channels=4, denoiser_width=32, denoiser_blocks=2, heads=4, experts=4, expert_width=24, text_width=16
)


def _randomised(module: nn.Module, seed: int = 0) -> nn.Module:
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * parameter.shape[-1] ** -0.5)
    return module


@pytest.fixture
def denoiser() -> Denoiser:
    model = Denoiser(SMALL)
    _randomised(model)
    return model.eval()


def _inputs(batch: int = 3, frames: int = 10) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return (
        torch.randn(batch, frames, 2 * SMALL.latent_width, generator=generator),
        torch.tensor([5, 400, 999])[:batch],
        torch.randn(batch, SMALL.text_width, generator=generator),
    )


@torch.no_grad()
@pytest.mark.parametrize("cross", [False, True])
def test_attention_equals_torch(cross: bool) -> None:
    ours = MultiheadAttention(32, 4, 0.0, add_zero_attn=True).eval()
    theirs = nn.MultiheadAttention(32, 4, batch_first=True, add_zero_attn=True).eval()
    _randomised(ours)
    theirs.load_state_dict(ours.state_dict())
    query, memory = torch.randn(2, 6, 32), torch.randn(2, 6, 32)
    valid = torch.tensor([[True] * 6, [True] * 2 + [False] * 4])
    keys = memory if cross else query
    expected, _ = theirs(query, keys, keys, key_padding_mask=~valid)
    torch.testing.assert_close(ours(query, memory if cross else None, valid), expected, atol=1e-5, rtol=0)


@torch.no_grad()
def test_moe_equals_its_definition() -> None:
    moe = TemporalSelectiveMoE(16, 8, 4)
    _randomised(moe)
    moe.aux_bias.copy_(torch.tensor([[-0.5], [-0.3], [-0.9], [-2.0]]))  # the last one takes nothing
    x, condition = torch.randn(2, 5, 16), torch.randn(2, 16)
    out = moe.eval()(x, condition)
    normed = moe.norm(x, condition)
    for sample in range(2):
        for frame in range(5):
            logits = moe.gate_weight @ x[sample, frame] + moe.text_gate_weight @ condition[sample]
            gates = logits.exp() / logits.exp().sum()
            expected = torch.zeros(16)
            for e, expert in enumerate(moe.experts):
                if 1 / (1 + (-logits[e]).exp()) + moe.aux_bias[e, 0] > 0:
                    expected += gates[e] * expert(normed[sample, frame])
            torch.testing.assert_close(out[sample, frame], expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("training", [False, True])
def test_sparse_and_dense_experts_agree(training: bool) -> None:
    config = ModelConfig.from_dict(SMALL.to_dict() | {"dropout": 0.0})
    sparse = Denoiser(config).train(training)
    _randomised(sparse)
    dense = copy.deepcopy(sparse)
    dense.use_dense_experts()
    mask = torch.ones(3, 10, dtype=torch.bool)
    mask[1, 6:] = False
    results = []
    for model in (sparse, dense):
        out = model(*_inputs(), mask)
        out.square().mean().backward()
        results.append((out.detach(), {name: p.grad for name, p in model.named_parameters()}))
    torch.testing.assert_close(results[0][0], results[1][0], atol=1e-5, rtol=0)
    for name, gradient in results[0][1].items():
        torch.testing.assert_close(gradient, results[1][1][name], atol=1e-5, rtol=1e-4, msg=name)


@torch.no_grad()
def test_padding_and_batch_do_not_change_the_result(denoiser: Denoiser) -> None:
    latents, timesteps, text = _inputs()
    mask = torch.ones(3, 10, dtype=torch.bool)
    mask[:, 7:] = False
    alone = denoiser(latents[1:2, :7], timesteps[1:2], text[1:2])
    padded = denoiser(latents, timesteps, text, mask)[1:2, :7]
    torch.testing.assert_close(padded, alone, atol=1e-5, rtol=0)
    noisy = torch.where(mask.unsqueeze(-1), latents, 100.0)
    torch.testing.assert_close(denoiser(noisy, timesteps, text, mask)[1:2, :7], alone, atol=1e-5, rtol=0)


@torch.no_grad()
def test_mask_per_person_counts_each_persons_frames(denoiser: Denoiser) -> None:
    latents, timesteps, text = _inputs()
    mask = torch.ones(3, 10, 2)
    torch.testing.assert_close(denoiser(latents, timesteps, text, mask), denoiser(latents, timesteps, text))
    mask[:, 6:, 1] = 0  # B's tail is unknown: what stands there must not reach A
    changed = latents.clone()
    changed[:, 6:, SMALL.latent_width :] = 7.0
    a = slice(0, SMALL.latent_width)
    torch.testing.assert_close(
        denoiser(latents, timesteps, text, mask)[..., a],
        denoiser(changed, timesteps, text, mask)[..., a],
        atol=1e-5,
        rtol=0,
    )


@torch.no_grad()
def test_swapping_the_people_swaps_the_result(denoiser: Denoiser) -> None:
    latents, timesteps, text = _inputs()

    def swap(x: Tensor) -> Tensor:
        return x.roll(SMALL.latent_width, dims=-1)

    torch.testing.assert_close(
        denoiser(swap(latents), timesteps, text), swap(denoiser(latents, timesteps, text)), atol=1e-5, rtol=0
    )


def test_capacity_bias_follows_the_load_of_the_whole_batch() -> None:
    moe = TemporalSelectiveMoE(16, 8, 4, capacity=1.0, bias_start=-0.5, bias_step=0.001).train()
    x, condition = torch.randn(2, 8, 16), torch.randn(2, 16)
    valid = torch.ones(2, 8, dtype=torch.bool)
    valid[1, 5:] = False
    with torch.no_grad():
        moe.aux_bias.copy_(torch.tensor([[1.0], [-0.98], [-0.5], [-0.5]]))  # takes all, none, some, some
        _, takes = moe.route(x, condition)
    before = moe.aux_bias.clone()
    loads = (takes & valid.unsqueeze(-1)).sum(dim=(0, 1))
    assert loads[0] == 13 and loads[1] == 0
    for part in range(2):  # two accumulated parts of one batch
        moe(x[part : part + 1], condition[part : part + 1], valid[part : part + 1])
    assert torch.equal(moe.aux_bias, before)
    moe.update_capacity_bias()
    expected = before - 0.001 * torch.sign(loads - 13 / 4).unsqueeze(1)
    torch.testing.assert_close(moe.aux_bias, expected)
    moe.update_capacity_bias()  # nothing was seen since
    torch.testing.assert_close(moe.aux_bias, expected)


def test_evaluation_leaves_the_capacity_bias_alone(denoiser: Denoiser) -> None:
    before = [moe.aux_bias.clone() for moe in denoiser.moe_layers()]
    denoiser(*_inputs())
    denoiser.update_capacity_bias()
    assert all(torch.equal(moe.aux_bias, old) for moe, old in zip(denoiser.moe_layers(), before, strict=True))


def test_capacity_update_balances_the_experts() -> None:
    torch.manual_seed(0)
    moe = TemporalSelectiveMoE(16, 8, 4, bias_step=0.01).train()
    _randomised(moe)
    x, condition = torch.randn(16, 32, 16), torch.randn(16, 16)
    for _ in range(150):
        moe(x, condition)
        moe.update_capacity_bias()
    loads = moe.route(x, condition)[1].sum(dim=(0, 1)) / (16 * 32 / 4)
    assert ((loads - 1).abs() < 0.25).all(), loads


def test_no_bias_runs_away_from_a_saturated_router() -> None:
    moe = TemporalSelectiveMoE(16, 8, 4, bias_step=0.1).train()
    with torch.no_grad():
        moe.gate_weight.fill_(10.0)
    x, condition = torch.ones(2, 8, 16), torch.zeros(2, 16)
    for _ in range(30):
        moe(x, condition)
        moe.update_capacity_bias()
    assert (moe.aux_bias == LEAST_BIAS).all()
    assert moe.route(x, condition)[1].all(), "a frame that every expert is sure of must find one"


def test_settled_biases_give_each_expert_its_share_of_real_frames(denoiser: Denoiser) -> None:
    latents, timesteps, text = _inputs(frames=40)
    mask = torch.arange(40) < torch.tensor([40, 25, 10])[:, None]
    layers = denoiser.moe_layers()
    for moe in layers:
        moe.aux_bias.fill_(-0.999)  # nearly nothing passes
    taken: list[Tensor] = []

    def count(moe: TemporalSelectiveMoE, args: tuple) -> None:
        taken.append(moe.route(args[0], args[1])[1][args[2]].float().mean(dim=0))

    shares = settle_biases(layers, lambda: denoiser(latents, timesteps, text, mask))
    assert shares.shape == (2, 4) and not any(moe._forward_pre_hooks for moe in layers)
    hooks = [moe.register_forward_pre_hook(count) for moe in layers]
    denoiser(latents, timesteps, text, mask)
    for hook in hooks:
        hook.remove()
    torch.testing.assert_close(torch.stack(taken), shares)
    torch.testing.assert_close(shares, torch.full((2, 4), 0.25), atol=0.02, rtol=0)


def test_exported_graph_keeps_batch_and_time_free(denoiser: Denoiser) -> None:
    batch, frames = torch.export.Dim("batch"), torch.export.Dim("frames", max=SMALL.max_positions)
    shapes = ({0: batch, 1: frames}, {0: batch}, {0: batch}, {0: batch, 1: frames})
    mask = torch.ones(3, 10, dtype=torch.bool)
    program = torch.export.export(denoiser, (*_inputs(), mask), dynamic_shapes=shapes)
    inputs = _inputs(2, 17)
    mask = torch.ones(2, 17, dtype=torch.bool)
    mask[0, 6:] = False
    with torch.no_grad():
        torch.testing.assert_close(
            program.module()(*inputs, mask), denoiser(*inputs, mask), atol=1e-5, rtol=0
        )


def test_official_size_and_starter_size() -> None:
    with torch.device("meta"):
        official, starter = InterMoE(ModelConfig.official()), InterMoE(ModelConfig.starter())
    parameters = sum(p.numel() for p in official.denoiser.parameters())
    assert round(parameters / 1e6) == 229
    assert official.state_dict()["denoiser.net.blocks.7.ffn.experts.7.up_proj.weight"].shape == (1024, 768)
    assert official.state_dict()["clipTransEncoder.layers.1.linear1.weight"].shape == (2048, 768)
    assert sum(p.numel() for p in starter.parameters()) < 25e6


def test_text_head_is_shared_not_doubled() -> None:
    model = InterMoE(SMALL)
    assert not any(key.startswith("text_head") for key in model.state_dict())
    twin = copy.deepcopy(model)
    with torch.no_grad():
        twin.clip_ln.bias.add_(3.0)
    hidden, end = torch.randn(2, 5, 16), torch.tensor([1, 4])
    model.eval()
    twin.eval()
    assert not twin.text_head.training
    torch.testing.assert_close(twin.text_head(hidden, end), model.text_head(hidden, end) + 3.0)


@torch.no_grad()
def test_text_head_ignores_padding_when_told() -> None:
    model = InterMoE(SMALL).eval()
    hidden, end = torch.randn(2, 5, 16), torch.tensor([2, 2])
    padding = torch.tensor([[False] * 3 + [True] * 2] * 2)
    torch.testing.assert_close(model.text_head(hidden, end, padding), model.text_head(hidden[:, :3], end))


def test_person_embedding_tells_a_from_b() -> None:
    """As published, exchanging two people exchanges the answers; with the embedding it does not."""
    torch.manual_seed(0)
    for told in (False, True):
        config = ModelConfig(
            denoiser_width=16, denoiser_blocks=1, experts=2, expert_width=8, vae_channels=4,
            text_width=16, text_head_ff=16, dropout=0.0, person_embedding=told,
        )  # fmt: skip
        denoiser = Denoiser(config).eval()
        torch.nn.init.normal_(denoiser.net.out.linear.weight)
        if told:
            torch.nn.init.normal_(denoiser.net.person_embed)
        latents, steps, text = torch.randn(2, 6, 56), torch.tensor([5, 700]), torch.randn(2, 16)
        swapped = torch.cat(latents.chunk(2, dim=-1)[::-1], dim=-1)
        with torch.no_grad():
            answer, other = denoiser(latents, steps, text), denoiser(swapped, steps, text)
        exchanged = torch.cat(other.chunk(2, dim=-1)[::-1], dim=-1)
        assert torch.allclose(answer, exchanged, atol=1e-5) is not told
