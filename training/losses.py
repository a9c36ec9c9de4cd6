# SPDX-License-Identifier: GPL-3.0-or-later
"""What a decoded motion is held to, beyond the plain difference of features."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from .batches.statistics import Statistics
from .layouts import MotionLayout

FEET = [7, 10, 8, 11]


@dataclass(frozen=True)
class VAEWeights:
    """Weights of the terms. reconstruction … kl are the published ones, the others are ours.

    root, joints, forward, slide and motion are in metres (and metres a frame), hence their size.
    """

    reconstruction: float = 1.0
    position: float = 0.5
    velocity: float = 0.5
    rotation: float = 0.5
    kl: float = 0.02
    root: float = 10.0
    joints: float = 10.0
    forward: float = 10.0
    slide: float = 10.0
    motion: float = 0.0


def vae_losses(
    motion: Tensor,
    decoded: Tensor,
    mean: Tensor,
    log_variance: Tensor,
    stats: Statistics,
    offsets: Tensor,
    weights: VAEWeights,
    layout: MotionLayout,
) -> dict[str, Tensor]:
    """Every term and their weighted sum under "loss".

    Args:
        motion: normalised stored features (B, T, stored).
        decoded: what the VAE made of their first `size` numbers, (B, T, size).
        mean, log_variance: (B, T/4, P, C).
        offsets: rest offsets (J, 3) or (B, J, 3) in metres.

    root: position of the root joint. joints: positions relative to it. forward: the joints that the decoded
    rotations give, so that angles and positions tell one story; where the model has no root rotation they
    are posed from the true one. slide: speed of feet that are planted. motion: steps of every posed joint.
    """
    decoded = decoded.float()
    made_all = torch.cat([decoded, motion[..., layout.size :]], dim=-1)
    true, made = stats.denormalise(motion), stats.denormalise(made_all)
    true_joints, made_joints = layout.joint_positions(true), layout.joint_positions(made)
    true_root, made_root = true_joints[..., :1, :], made_joints[..., :1, :]
    forward = layout.posed(made, offsets.unsqueeze(-3))
    missed = (torch.diff(forward + made_root, dim=1) - torch.diff(true_joints, dim=1)).norm(dim=-1)
    planted = layout.planted(true).float()

    def difference(columns) -> Tensor:
        columns = columns[columns < layout.size].reshape(-1)
        return F.smooth_l1_loss(decoded[..., columns], motion[..., columns])

    rotation = difference(layout.sixd[1:])
    if layout.sixd[0, 0] < layout.size:
        rotation = rotation + difference(layout.sixd[0])
    terms = {
        "reconstruction": F.smooth_l1_loss(decoded, motion[..., : layout.size]),
        "position": difference(layout.positions),
        "velocity": difference(layout.velocities),
        "rotation": rotation,
        "kl": 0.5 * (mean.square() + log_variance.exp() - 1.0 - log_variance).mean(),
        "root": (made_root - true_root).norm(dim=-1).mean(),
        "joints": (made_joints - made_root - true_joints + true_root).norm(dim=-1).mean(),
        "forward": (forward - true_joints + true_root).norm(dim=-1).mean(),
        "slide": (missed[..., FEET] * planted[:, :-1]).mean(),
        "motion": missed.mean(),
    }
    terms["loss"] = torch.stack([getattr(weights, k) * v for k, v in terms.items()]).sum()
    with torch.no_grad():
        terms["metres"] = (forward + made_root - true_joints).norm(dim=-1).mean()
    return terms
