# SPDX-License-Identifier: GPL-3.0-or-later
"""The causal skeleton-temporal VAE: motion (B, T, F) <-> latents (B, T/4, 7, C).

One pass over the whole sequence. It equals the published 4-frame chunks with cached context,
because every convolution is padded on the past side only and the decoder doubles time inside
each latent frame's own chunk.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .config import FRAMES_PER_LATENT, ModelConfig
from .skeleton_graph import JOINTS, PARTS, SMPL_BODY, BodyGraph

CONTACT_JOINTS = (7, 10, 8, 11)  # in the order of the feature vector's contact flags
JOINT_FEATURES = 13  # position 3, rotation 6, velocity 3, contact 1 (unused by most joints)
LEVELS = 2
START_LOG_VARIANCE = -5.0


INTERX_FEATURES, INTERX_JOINT_FEATURES = 660, 12  # Inter-X: position 3, velocity 3, rotation 6 of 55 joints


def split_joints(motion: Tensor) -> Tensor:
    """Motion features (B, T, 262 or 268) -> per-joint (B, T, 22, 13), zero where a joint has no entry.

    Inter-X's (B, T, 660) are joints already: (B, T, 55, 12).
    """
    batch, frames, features = motion.shape
    if features == INTERX_FEATURES:
        return motion.unflatten(-1, (-1, INTERX_JOINT_FEATURES))
    positions = motion[..., 0:66].reshape(batch, frames, JOINTS, 3)
    velocities = motion[..., 66:132].reshape(batch, frames, JOINTS, 3)
    root = motion[..., 262:268] if features == 268 else torch.zeros_like(motion[..., 0:6])
    rotations = torch.cat([root, motion[..., 132:258]], dim=-1).reshape(batch, frames, JOINTS, 6)
    columns = [torch.zeros_like(motion[..., 0])] * JOINTS
    for index, joint in enumerate(CONTACT_JOINTS):
        columns[joint] = motion[..., 258 + index]
    contacts = torch.stack(columns, dim=-1).unsqueeze(-1)
    return torch.cat([positions, rotations, velocities, contacts], dim=-1)


def merge_joints(joints: Tensor, features: int) -> Tensor:
    """Per-joint numbers -> motion features (B, T, 262, 268 or 660): the inverse of `split_joints`."""
    if features == INTERX_FEATURES:
        return joints.flatten(2)
    rotations = joints[..., 3:9]
    contacts = torch.stack([joints[:, :, joint, 12] for joint in CONTACT_JOINTS], dim=-1)
    pieces = [
        joints[..., 0:3].flatten(2),
        joints[..., 9:12].flatten(2),
        rotations[:, :, 1:].flatten(2),
        contacts,
    ]
    if features == 268:
        pieces.append(rotations[:, :, 0])
    return torch.cat(pieces, dim=-1)


class JointMLPs(nn.Module):
    """One small MLP (Linear, SiLU, Linear) per joint, evaluated for all joints at once."""

    def __init__(self, inputs: Sequence[int], hidden: int, outputs: Sequence[int]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Sequential(nn.Linear(i, hidden), nn.SiLU(), nn.Linear(hidden, o))
            for i, o in zip(inputs, outputs, strict=True)
        )
        self.max_inputs, self.hidden, self.max_outputs = max(inputs), hidden, max(outputs)

    def _stacked(self, index: int, rows: int, columns: int) -> tuple[Tensor, Tensor]:
        """Weights (J, columns, rows) and biases (J, 1, rows) of one linear layer, zero-padded."""
        linears = [getattr(layer, str(index)) for layer in self.layers]
        weights = [F.pad(m.weight, (0, columns - m.in_features, 0, rows - m.out_features)).T for m in linears]
        biases = [F.pad(m.bias, (0, rows - m.out_features)) for m in linears]
        return torch.stack(weights), torch.stack(biases).unsqueeze(1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, J, inputs) -> (B, T, J, outputs)."""
        batch, frames, joints, _ = x.shape
        w1, b1 = self._stacked(0, self.hidden, self.max_inputs)
        w2, b2 = self._stacked(2, self.max_outputs, self.hidden)
        y = x.permute(2, 0, 1, 3).reshape(joints, -1, self.max_inputs)
        y = torch.baddbmm(b2, F.silu(torch.baddbmm(b1, y, w1)), w2)
        return y.reshape(joints, batch, frames, self.max_outputs).permute(1, 2, 0, 3)


class GraphConv(nn.Module):
    """The weights of linear1(x) + A linear2(x), A being the row-normalised adjacency."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.linear1 = nn.Linear(channels, channels)
        self.linear2 = nn.Linear(channels, channels)

    def gather(self, x: Tensor, neighbours: Tensor) -> Tensor:
        """A linear2(x) for x (B, T, J, C) and A (J, J)."""
        return torch.matmul(neighbours, self.linear2(x))


class SkeletonTemporalConv(nn.Module):
    """Graph convolution over the skeleton plus a 3x3 causal convolution over (time, joint)."""

    neighbours: Tensor

    def __init__(self, channels: int, level: int, body: BodyGraph = SMPL_BODY) -> None:
        super().__init__()
        graph = body.adjacency(level)
        self.register_buffer("neighbours", graph / (graph.sum(1, keepdim=True) + 1e-6), persistent=False)
        self.graph_conv = GraphConv(channels)
        self.temp_conv = nn.Conv2d(channels, channels, 3)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, J, C) -> (B, T, J, C)."""
        # linear1 looks at the same frame and joint: it is the convolution's tap there, and joins it.
        itself = self.graph_conv.linear1
        kernel = self.temp_conv.weight + F.pad(itself.weight[:, :, None, None], (1, 1, 2, 0))
        bias = None if self.temp_conv.bias is None else self.temp_conv.bias + itself.bias
        # Padding both ends of time and dropping the last two frames is the causal convolution, and faster
        # than padding the past by hand. The permuted view has channels last, as the convolution likes best.
        y = F.conv2d(x.permute(0, 3, 1, 2), kernel, bias, padding=(2, 1))[:, :, : x.shape[1]]
        return y.permute(0, 2, 3, 1) + self.graph_conv.gather(x, self.neighbours)


class ResidualBlock(nn.Module):
    """SiLU, conv, SiLU, conv, dropout, plus identity. The two norms of the layout are identities."""

    def __init__(self, channels: int, level: int, dropout: float, body: BodyGraph = SMPL_BODY) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Identity(),
            nn.SiLU(),
            SkeletonTemporalConv(channels, level, body),
            nn.Identity(),
            nn.SiLU(),
            SkeletonTemporalConv(channels, level, body),
            nn.Dropout(dropout),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


class SkeletonPool(nn.Module):
    """Average joints into parts, then frames in pairs."""

    skeleton_pool: Tensor

    def __init__(self, level: int, body: BodyGraph = SMPL_BODY) -> None:
        super().__init__()
        self.register_buffer("skeleton_pool", body.pool_matrix(level), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, J, C) -> (B, T/2, parts, C)."""
        halved = F.avg_pool2d(x.permute(0, 3, 1, 2), (2, 1)).permute(0, 2, 3, 1)
        return torch.matmul(self.skeleton_pool, halved)


class SkeletonUnpool(nn.Module):
    """Spread parts over joints and double time inside each latent frame's chunk."""

    skeleton_unpool: Tensor

    def __init__(self, level: int, chunk: int, body: BodyGraph = SMPL_BODY) -> None:
        super().__init__()
        self.register_buffer("skeleton_unpool", body.unpool_matrix(level), persistent=False)
        self.chunk = chunk  # frames that one latent frame has become by now: 1 or 2

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, parts, C) -> (B, 2T, J, C)."""
        x = torch.matmul(self.skeleton_unpool, x)
        if self.chunk == 1:
            return torch.stack([x, x], dim=2).flatten(1, 2)
        # Linear interpolation (half-pixel centres, clamped) that never looks past its chunk.
        a, b = x.unflatten(1, (-1, 2)).unbind(2)
        return torch.stack([a, 0.75 * a + 0.25 * b, 0.25 * a + 0.75 * b, b], dim=2).flatten(1, 2)


class ConvStack(nn.Module):
    """The levels of the encoder or decoder, under the layout's name `layers`."""

    def __init__(self, levels: Sequence[nn.Module]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(levels)

    def forward(self, x: Tensor) -> Tensor:
        for level in self.layers:
            x = level(x)
        return x


class PartLinear(nn.Module):
    """C -> 2C with its own weight per body part: mean and log-variance."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        bound = channels**-0.5
        self.weight = nn.Parameter(torch.empty(PARTS, channels, 2 * channels).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.zeros(PARTS, 2 * channels))
        with torch.no_grad():  # little noise at first: a tenth of the signal, or training starts blind
            self.weight[..., channels:] *= 0.1
            self.bias[..., channels:] = START_LOG_VARIANCE

    def forward(self, x: Tensor) -> Tensor:
        return torch.matmul(x.unsqueeze(-2), self.weight).squeeze(-2) + self.bias


def _keep_statistics_when_absent(
    module: nn.Module, state: dict[str, Tensor], prefix: str, *_: object
) -> None:
    """Official files have no latent statistics; loading them leaves those of the module."""
    for name in ("latent_mean", "latent_std"):
        state.setdefault(prefix + name, module.get_buffer(name))


class MotionVAE(nn.Module):
    """Causal VAE of one person's motion.

    Motion is normalised features (B, T, F) at 30 fps, T a multiple of 4; latents are (B, T/4, 7, C).
    `latent_mean` and `latent_std` (7, C) standardise the latents for diffusion; they are 0 and 1
    unless training sets them, and official files, which have none, leave them so.
    """

    latent_mean: Tensor
    latent_std: Tensor

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        c, dropout, body = config.vae_channels, config.dropout, config.body
        self.features, joints = config.features, config.joints
        if self.features == INTERX_FEATURES:
            sizes = [INTERX_JOINT_FEATURES] * joints
        else:
            sizes = [JOINT_FEATURES - (joint not in CONTACT_JOINTS) for joint in range(joints)]
        self.motion_enc = JointMLPs(sizes, c, [c] * joints)
        self.motion_dec = JointMLPs([c] * joints, c, sizes)
        self.conv_enc = ConvStack(
            [
                nn.Sequential(
                    ResidualBlock(c, level, dropout, body),
                    ResidualBlock(c, level, dropout, body),
                    SkeletonPool(level, body),
                )
                for level in range(LEVELS)
            ]
        )
        self.conv_dec = ConvStack(
            [
                nn.Sequential(
                    SkeletonUnpool(level, LEVELS - level, body),
                    ResidualBlock(c, level, dropout, body),
                    ResidualBlock(c, level, dropout, body),
                )
                for level in reversed(range(LEVELS))
            ]
        )
        self.dist = PartLinear(c)
        self.register_buffer("latent_mean", torch.zeros(PARTS, c))
        self.register_buffer("latent_std", torch.ones(PARTS, c))
        self.register_load_state_dict_pre_hook(_keep_statistics_when_absent)

    def _check(self, motion: Tensor) -> None:
        if torch.compiler.is_compiling():
            return
        if motion.dim() != 3 or motion.shape[-1] != self.features:
            raise ValueError(f"motion has shape {tuple(motion.shape)}; give (batch, frames, {self.features})")
        if motion.shape[1] == 0 or motion.shape[1] % FRAMES_PER_LATENT:
            raise ValueError(f"motion has {motion.shape[1]} frames; pad or cut it to a multiple of 4")

    def encode_distribution(self, motion: Tensor) -> tuple[Tensor, Tensor]:
        """Motion (B, T, F) -> mean and log-variance, each (B, T/4, 7, C), not standardised."""
        self._check(motion)
        mean, logvar = self.dist(self.conv_enc(self.motion_enc(split_joints(motion)))).chunk(2, dim=-1)
        return mean, logvar

    def decode_raw(self, latents: Tensor) -> Tensor:
        """Latents as `encode_distribution` gives them (B, T/4, 7, C) -> motion (B, T, F)."""
        return merge_joints(self.motion_dec(self.conv_dec(latents)), self.features)

    def encode(self, motion: Tensor) -> Tensor:
        """Motion (B, T, F) -> standardised mean latents (B, T/4, 7, C)."""
        return (self.encode_distribution(motion)[0] - self.latent_mean) / self.latent_std

    def decode(self, latents: Tensor) -> Tensor:
        """Standardised latents (B, T/4, 7, C) -> motion (B, T, F)."""
        return self.decode_raw(latents * self.latent_std + self.latent_mean)

    def forward(self, motion: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Reconstruction (B, T, F) from a drawn latent, with mean and log-variance, for training."""
        mean, logvar = self.encode_distribution(motion)
        return self.decode_raw(mean + torch.exp(0.5 * logvar) * torch.randn_like(mean)), mean, logvar
