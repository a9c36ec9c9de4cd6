# SPDX-License-Identifier: GPL-3.0-or-later
"""Properties of the VAE: causal, one pass, reversible feature split."""

from __future__ import annotations

import pytest
import torch

from training.model import InterMoE, ModelConfig, MotionVAE
from training.model.vae import SkeletonUnpool, merge_joints, split_joints


@pytest.fixture(scope="module", params=["interhuman", "interhuman+root"])
def vae(request: pytest.FixtureRequest) -> MotionVAE:
    torch.manual_seed(0)
    return MotionVAE(ModelConfig(feature_layout=request.param, vae_channels=8)).eval()


@torch.no_grad()
@pytest.mark.parametrize("frame", [0, 9, 18, 31])
def test_latents_do_not_see_the_future(vae: MotionVAE, frame: int) -> None:
    motion = torch.randn(1, 32, vae.features)
    changed = motion.clone()
    changed[:, frame] += 1.0
    difference = (vae.encode(changed) - vae.encode(motion)).abs().amax(dim=(0, 2, 3))
    assert difference[: frame // 4].eq(0).all()
    assert difference[frame // 4] > 1e-4


@torch.no_grad()
@pytest.mark.parametrize("latent_frame", [0, 3, 7])
def test_motion_does_not_see_future_latents(vae: MotionVAE, latent_frame: int) -> None:
    latents = torch.randn(1, 8, 7, 8)
    changed = latents.clone()
    changed[:, latent_frame] += 1.0
    difference = (vae.decode(changed) - vae.decode(latents)).abs().amax(dim=(0, 2))
    assert difference[: 4 * latent_frame].eq(0).all()
    assert difference[4 * latent_frame] > 1e-4


@torch.no_grad()
def test_a_longer_sequence_begins_as_the_shorter_one(vae: MotionVAE) -> None:
    motion = torch.randn(2, 40, vae.features)
    torch.testing.assert_close(vae.encode(motion)[:, :3], vae.encode(motion[:, :12]), atol=1e-5, rtol=0)
    latents = torch.randn(2, 10, 7, 8)
    torch.testing.assert_close(vae.decode(latents)[:, :12], vae.decode(latents[:, :3]), atol=1e-5, rtol=0)


def test_time_doubling_is_interpolation_inside_each_chunk() -> None:
    x = torch.randn(2, 6, 12, 5)
    expected = [
        torch.nn.functional.interpolate(
            chunk.permute(0, 2, 3, 1).flatten(1, 2), scale_factor=2, mode="linear"
        )
        for chunk in x.split(2, dim=1)
    ]
    spread = torch.cat(expected, dim=-1).unflatten(1, (12, 5)).permute(0, 3, 1, 2)
    unpool = SkeletonUnpool(level=0, chunk=2)
    torch.testing.assert_close(unpool(x), torch.matmul(unpool.skeleton_unpool, spread))


@pytest.mark.parametrize("features", [262, 268])
def test_feature_split_is_reversible(features: int) -> None:
    motion = torch.randn(2, 4, features)
    assert torch.equal(merge_joints(split_joints(motion), features), motion)


def test_root_rotation_sits_in_the_root_joint_and_is_zero_without_one() -> None:
    motion = torch.randn(1, 2, 268)
    assert torch.equal(split_joints(motion)[:, :, 0, 3:9], motion[..., 262:])
    assert split_joints(motion[..., :262])[:, :, 0, 3:9].eq(0).all()


@torch.no_grad()
def test_latent_statistics_standardise_and_survive_saving(vae: MotionVAE) -> None:
    config = ModelConfig(feature_layout="interhuman+root", vae_channels=8, denoiser_width=16, heads=2)
    config = ModelConfig.from_dict(
        config.to_dict() | {"denoiser_blocks": 1, "text_width": 16, "text_head_ff": 16, "expert_width": 8}
    )
    model = InterMoE(config).eval()
    motion = torch.randn(3, 16, 268)
    raw, _ = model.vae.encode_distribution(motion)
    model.vae.latent_mean.copy_(raw.mean(dim=(0, 1)))
    model.vae.latent_std.copy_(raw.std(dim=(0, 1)))
    latents = model.vae.encode(motion)
    torch.testing.assert_close(latents.mean(dim=(0, 1)), torch.zeros(7, 8), atol=1e-4, rtol=0)
    torch.testing.assert_close(latents.std(dim=(0, 1)), torch.ones(7, 8), atol=1e-4, rtol=0)
    torch.testing.assert_close(model.vae.decode(latents), model.vae.decode_raw(raw), atol=1e-5, rtol=0)
    again = InterMoE(config).eval()
    again.load_state_dict(model.state_dict())
    assert torch.equal(again.vae.encode(motion), latents)
    without = {k: v for k, v in model.state_dict().items() if "latent_" not in k}
    InterMoE(config).load_state_dict(without)  # official files have no such statistics


def test_odd_lengths_and_widths_are_refused(vae: MotionVAE) -> None:
    with pytest.raises(ValueError, match="multiple of 4"):
        vae.encode(torch.zeros(1, 30, vae.features))
    with pytest.raises(ValueError, match=str(vae.features)):
        vae.encode(torch.zeros(1, 32, 100))
