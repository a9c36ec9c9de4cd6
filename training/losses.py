# SPDX-License-Identifier: GPL-3.0-or-later
"""What a decoded motion is held to, beyond the plain difference of features."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from .data.sequences import Statistics
from .kinematics import posed_joints


@dataclass(frozen=True)
class VAEWeights:
    """Weights of the terms. reconstruction … kl are the published ones, the others are ours.

    root, joints, forward and slide are in metres (and metres a frame), hence their size.
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


def vae_losses(
    motion: Tensor,
    decoded: Tensor,
    mean: Tensor,
    log_variance: Tensor,
    stats: Statistics,
    offsets: Tensor,
    weights: VAEWeights,
) -> dict[str, Tensor]:
    """Every term and their weighted sum under "loss".

    motion, decoded: normalised features (B, T, 268); mean, log_variance: (B, T/4, P, C); offsets (22, 3).

    root: position of the pelvis. joints: positions relative to it. forward: the joints that the decoded
    rotations give, so that angles and positions tell one story. slide: speed of feet that are planted.
    """
    true, made = stats.denormalise(motion), stats.denormalise(decoded)
    true_joints, made_joints = (f[..., 0:66].unflatten(-1, (22, 3)) for f in (true, made))
    relative = true_joints - true_joints[..., :1, :]
    forward = posed_joints(made, offsets)
    feet = [7, 10, 8, 11]
    global_feet = forward[..., feet, :] + made_joints[..., :1, :]
    planted = (true[..., 258:262] > 0.5).float()
    steps = torch.diff(global_feet, dim=1)
    true_steps = torch.diff(true_joints[..., feet, :], dim=1)
    terms = {
        "reconstruction": F.smooth_l1_loss(decoded, motion),
        "position": F.smooth_l1_loss(decoded[..., 0:66], motion[..., 0:66]),
        "velocity": F.smooth_l1_loss(decoded[..., 66:132], motion[..., 66:132]),
        "rotation": F.smooth_l1_loss(decoded[..., 132:258], motion[..., 132:258])
        + F.smooth_l1_loss(decoded[..., 262:268], motion[..., 262:268]),
        "kl": 0.5 * (mean.square() + log_variance.exp() - 1.0 - log_variance).mean(),
        "root": (made_joints[..., 0, :] - true_joints[..., 0, :]).norm(dim=-1).mean(),
        "joints": (made_joints - made_joints[..., :1, :] - relative).norm(dim=-1).mean(),
        "forward": (forward - relative).norm(dim=-1).mean(),
        "slide": ((steps - true_steps).norm(dim=-1) * planted[:, :-1]).mean(),
    }
    terms["loss"] = torch.stack([getattr(weights, k) * v for k, v in terms.items()]).sum()
    with torch.no_grad():
        placed = forward + made_joints[..., :1, :]
        terms["metres"] = (placed - true_joints).norm(dim=-1).mean()
    return terms
