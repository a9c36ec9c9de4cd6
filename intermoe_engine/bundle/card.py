# SPDX-License-Identifier: GPL-3.0-or-later
"""`bundle.json`, read into checked dataclasses."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..skeleton import Skeleton
from .errors import BundleError
from .fields import CARD_NAME, Fields
from .interactions import KnownInteraction, read_interactions

SCHEMA = 1
TEXT_FILES = ("text_encoder.onnx", "tokenizer.json")
REQUIRED_FILES = (
    "denoiser.onnx",
    "vae_encoder.onnx",
    "vae_decoder.onnx",
    "stats.npz",
)
FEATURE_LAYOUTS = ("interhuman", "interhuman+root", "interx")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class FileRecord:
    """What `bundle.json` promises about one file."""

    sha256: str
    bytes: int


@dataclass(frozen=True)
class FrameLimits:
    """Motion lengths in frames: from `min` to `max`, generated in multiples of `multiple`."""

    min: int
    max: int
    multiple: int


@dataclass(frozen=True)
class LatentShape:
    """One latent frame holds `persons` x `groups` x `channels` numbers for `downsample` motion frames."""

    persons: int
    groups: int
    channels: int
    downsample: int

    @property
    def per_person(self) -> int:
        """Numbers of one person in one latent frame (D)."""
        return self.groups * self.channels

    @property
    def width(self) -> int:
        """Numbers of all persons in one latent frame (2D)."""
        return self.persons * self.per_person


@dataclass(frozen=True)
class TextLimits:
    """`max_tokens` ids go into the text encoder; `width` numbers (E) come out.

    encoder: False for a bundle without text encoder and tokenizer. The denoiser then gets zeros, as for the
    unconditional half of guidance, and the sentence has no influence.
    """

    max_tokens: int
    width: int
    tokenizer: str
    pad_to_max_tokens: bool
    encoder: bool = True


@dataclass(frozen=True)
class DiffusionSettings:
    """How the denoiser was trained and how it is sampled by default."""

    steps: int
    schedule: str
    prediction: str
    sampler: str
    default_steps: int
    default_guidance: float


@dataclass(frozen=True)
class BundleCard:
    """Everything that `bundle.json` says. `raw` is the whole document, free parts included.

    interactions: what the model knows; empty where the bundle does not list it, as older ones do not.
    """

    schema: int
    id: str
    name: str
    skeleton: Skeleton
    feature_layout: str
    fps: float
    frames: FrameLimits
    latent: LatentShape
    text: TextLimits
    diffusion: DiffusionSettings
    licence: str
    provenance: Mapping[str, Any]
    example_prompts: tuple[str, ...]
    interactions: tuple[KnownInteraction, ...]
    files: Mapping[str, FileRecord]
    raw: Mapping[str, Any]

    @property
    def min_duration(self) -> float:
        """The shortest motion in seconds."""
        return self.frames.min / self.fps

    @property
    def max_duration(self) -> float:
        """The longest motion in seconds."""
        return self.frames.max / self.fps

    @classmethod
    def from_json(cls, data: bytes) -> BundleCard:
        """Parse and check `bundle.json`.

        Raises BundleError, in this order: not JSON, a newer schema, then any field that is missing
        or out of its range, so that a newer bundle is named as such and not as a broken one.
        """
        try:
            document = json.loads(data.decode("utf-8"))
        except (UnicodeDecodeError, ValueError, RecursionError) as error:
            raise BundleError(f"{CARD_NAME} is not valid JSON; download the bundle again") from error
        if not isinstance(document, dict):
            raise BundleError(f"{CARD_NAME} must hold one JSON object; download the bundle again")
        top = Fields(document, "")
        schema = top.integer("schema", 1)
        if schema > SCHEMA:
            raise BundleError(
                f"the bundle has schema {schema}, this version reads up to {SCHEMA}; update InterMoE"
            )
        layout = top.choice("feature_layout", FEATURE_LAYOUTS)
        text = _text(top.table("text"))
        return cls(
            schema=schema,
            id=top.text("id"),
            name=top.text("name"),
            skeleton=_skeleton(top.table("skeleton")),
            feature_layout=layout,
            fps=top.number("fps", 1.0, 1000.0),
            frames=_frames(top.table("frames")),
            latent=_latent(top.table("latent")),
            text=text,
            diffusion=_diffusion(top.table("diffusion")),
            licence=top.text("licence"),
            provenance=top.table("provenance").values,
            example_prompts=tuple(top.strings("example_prompts")),
            interactions=read_interactions(top),
            files=_files(top.table("files"), (*REQUIRED_FILES, *(TEXT_FILES if text.encoder else ()))),
            raw=document,
        )


def _skeleton(fields: Fields) -> Skeleton:
    names = fields.strings("names")
    count = len(names)
    try:
        parents = np.asarray(fields.values.get("parents"), dtype=np.int64)
        offsets = np.asarray(fields.values.get("offsets"), dtype=np.float64)
        mirror = np.asarray(fields.values.get("mirror"), dtype=np.int64)
    except (TypeError, ValueError, OverflowError) as error:
        raise fields.fail("parents, offsets and mirror", "lists of numbers") from error
    if count == 0 or parents.shape != (count,) or offsets.shape != (count, 3) or mirror.shape != (count,):
        raise fields.fail("parents, offsets and mirror", f"given for all {count} joints")
    # A parent always comes before its child: the kinematics and the exporters rely on it.
    if parents[0] != -1 or np.any(parents[1:] < 0) or np.any(parents >= np.arange(count)):
        raise fields.fail("parents", "-1 for the root and an earlier joint for every other")
    if not np.array_equal(np.sort(mirror), np.arange(count)) or not np.isfinite(offsets).all():
        raise fields.fail("mirror and offsets", "a permutation of the joints and finite numbers")
    return Skeleton(names=tuple(names), parents=parents, offsets=offsets, mirror=mirror)


def _frames(fields: Fields) -> FrameLimits:
    limits = FrameLimits(fields.integer("min", 1), fields.integer("max", 1), fields.integer("multiple", 1))
    if limits.min > limits.max or limits.max < limits.multiple:
        raise fields.fail("min", "at most max, and multiple at most max")
    return limits


def _latent(fields: Fields) -> LatentShape:
    return LatentShape(
        persons=fields.integer("persons", 2, 2),
        groups=fields.integer("groups", 1),
        channels=fields.integer("channels", 1),
        downsample=fields.integer("downsample", 1),
    )


def _text(fields: Fields) -> TextLimits:
    return TextLimits(
        max_tokens=fields.integer("max_tokens", 1),
        width=fields.integer("width", 1),
        tokenizer=fields.text("tokenizer"),
        pad_to_max_tokens=bool(fields.values.get("pad_to_max_tokens", False)),
        encoder=fields.values.get("encoder") is not False,
    )


def _diffusion(fields: Fields) -> DiffusionSettings:
    settings = DiffusionSettings(
        steps=fields.integer("steps", 1, 100_000),
        schedule=fields.choice("schedule", ("cosine",)),
        prediction=fields.choice("prediction", ("x0",)),
        sampler=fields.choice("sampler", ("ddim",)),
        default_steps=fields.integer("default_steps", 1),
        default_guidance=fields.number("default_guidance", 0.0, 100.0),
    )
    if settings.default_steps > settings.steps:
        raise fields.fail("default_steps", f"at most {settings.steps}")
    return settings


def _files(fields: Fields, required: tuple[str, ...]) -> dict[str, FileRecord]:
    records: dict[str, FileRecord] = {}
    for name in fields.values:
        check_relative_name(name)
        entry = fields.table(name)
        sha256 = entry.text("sha256").lower()
        if not _SHA256.fullmatch(sha256):
            raise entry.fail("sha256", "64 hexadecimal digits")
        records[name] = FileRecord(sha256=sha256, bytes=entry.integer("bytes", 0))
    missing = [name for name in required if name not in records]
    if missing:
        raise BundleError(f"{CARD_NAME} does not list {', '.join(missing)}; download the bundle again")
    return records


def check_relative_name(name: str) -> None:
    """Raise BundleError unless `name` is a plain path below the bundle, on every platform."""
    parts = name.split("/")
    if (
        name.startswith("/")
        or "\\" in name
        or ":" in name
        or "\0" in name
        or any(p in ("", ".", "..") for p in parts)
    ):
        raise BundleError(f"the bundle names a path outside its folder ({name!r}) and is not safe to open")
