# SPDX-License-Identifier: GPL-3.0-or-later
"""Every size of the InterMoE model, in one place."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .skeleton_graph import PARTS, SMPL_BODY, SMPLX_BODY, BodyGraph

# Numbers per person and frame. "interhuman+root" appends the root's global rotation (6D); "interx" has 55
# joints with 12 numbers each.
FEATURE_SIZES = {"interhuman": 262, "interhuman+root": 268, "interx": 660}

FRAMES_PER_LATENT = 4

PREDICTIONS = ("x0", "residual")
ROUTINGS = ("expert", "token", "all")
ROUTERS = ("both", "motion", "text")


@dataclass(frozen=True)
class ModelConfig:
    """Sizes of the VAE, the denoiser and the text head.

    The defaults are the official InterHuman configuration (229 M parameters in the denoiser).
    prediction: what the denoiser's network puts out: "x0", clean latents, as published, or "residual", what
    the best linear filter of the noisy latents leaves (`LinearFilter`), for short trainings.
    person_embedding: a learned vector tells A from B. Without it, as published, the network treats both
    alike, and which of them plays which role is left to chance.
    routing: "expert": experts choose frames, as published; for comparisons, which have no export, "token":
    each frame goes to the round(capacity) experts that suit it most, or "all": a dense feed-forward, one
    expert for every frame. router: what the choice is made from, "both" as published, "motion" or "text"
    alone.
    """

    feature_layout: str = "interhuman"
    vae_channels: int = 64
    denoiser_width: int = 768
    denoiser_blocks: int = 8
    heads: int = 8
    experts: int = 8
    expert_width: int = 1024
    text_width: int = 768
    text_head_layers: int = 2
    text_head_ff: int = 2048
    text_head_heads: int = 8
    dropout: float = 0.1
    capacity: float = 1.0
    aux_bias_start: float = -0.5
    aux_bias_step: float = 0.001
    max_positions: int = 5000
    prediction: str = "x0"
    person_embedding: bool = False
    routing: str = "expert"
    router: str = "both"

    def __post_init__(self) -> None:
        if self.feature_layout not in FEATURE_SIZES:
            known = ", ".join(repr(name) for name in FEATURE_SIZES)
            raise ValueError(f"feature_layout is {self.feature_layout!r}; use one of {known}")
        if self.prediction not in PREDICTIONS:
            raise ValueError(f"prediction is {self.prediction!r}; use {' or '.join(map(repr, PREDICTIONS))}")
        if self.routing not in ROUTINGS:
            raise ValueError(f"routing is {self.routing!r}; use one of {', '.join(map(repr, ROUTINGS))}")
        if self.router not in ROUTERS:
            raise ValueError(f"router is {self.router!r}; use one of {', '.join(map(repr, ROUTERS))}")
        if self.routing == "all" and self.experts != 1:
            raise ValueError('routing "all" is a dense feed-forward; set experts to 1')
        if self.routing == "token" and not 1 <= round(self.capacity) <= self.experts:
            raise ValueError(
                f'routing "token" needs a capacity from 1 to {self.experts}, not {self.capacity:g}'
            )
        for width, heads in (("denoiser_width", "heads"), ("text_width", "text_head_heads")):
            if getattr(self, width) % getattr(self, heads):
                raise ValueError(
                    f"{width} {getattr(self, width)} cannot be split over {getattr(self, heads)} heads;"
                    f" choose {heads} so that it divides {width}"
                )
        if self.denoiser_width % 2:
            raise ValueError(f"denoiser_width {self.denoiser_width} must be even for the position table")
        if not 0.0 <= self.dropout < 1.0:
            raise ValueError(f"dropout {self.dropout} must lie in [0, 1)")

    @property
    def features(self) -> int:
        """Numbers per person and frame of the motion (262, 268 or 660)."""
        return FEATURE_SIZES[self.feature_layout]

    @property
    def body(self) -> BodyGraph:
        """The joints and body parts that the VAE convolves over."""
        return SMPLX_BODY if self.feature_layout == "interx" else SMPL_BODY

    @property
    def joints(self) -> int:
        """Joints of the body (22 or 55)."""
        return self.body.joints

    @property
    def parts(self) -> int:
        """Body-part groups of a latent frame (7)."""
        return PARTS

    @property
    def latent_width(self) -> int:
        """Latent numbers per person and latent frame: groups x channels (448 officially)."""
        return PARTS * self.vae_channels

    @classmethod
    def official(cls) -> ModelConfig:
        """The configuration of the released InterHuman checkpoint."""
        return cls()

    @classmethod
    def starter(cls) -> ModelConfig:
        """A compact model for a small sentence encoder of width 384, such as MiniLM-L6."""
        return cls(
            feature_layout="interhuman+root",
            vae_channels=32,
            denoiser_width=256,
            denoiser_blocks=6,
            expert_width=384,
            text_width=384,
            text_head_ff=768,
        )

    def to_dict(self) -> dict[str, Any]:
        """A plain dict that JSON can hold; `from_dict` is its inverse."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ModelConfig:
        """Rebuild a configuration. Raises ValueError when a name is unknown."""
        unknown = sorted(set(values) - {field.name for field in dataclasses.fields(cls)})
        if unknown:
            raise ValueError(f"model configuration has unknown entries: {', '.join(unknown)}; remove them")
        return cls(**values)
