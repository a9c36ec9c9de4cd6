# SPDX-License-Identifier: GPL-3.0-or-later
"""The authors' InterHuman release, read from its files: two checkpoints, config.yaml and the statistics."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from torch import Tensor

from export.bundle_writer import ExportError
from training.model import InterMoE, load_official_state
from training.weights import read_tensors

STATISTICS = ("global_mean.npy", "global_std.npy")

_VAE_PARTS = ("vae.", "motion_enc.", "motion_dec.", "conv_enc.", "conv_dec.", "dist.")


@dataclass(frozen=True)
class SamplingFacts:
    """What no weight tells: attention heads of the denoiser, DDIM steps, guidance."""

    heads: int
    steps: int
    guidance: float


@dataclass(frozen=True)
class OfficialRelease:
    """The model in evaluation mode, the features' statistics (262,), and what the user should know."""

    model: InterMoE
    mean: np.ndarray
    std: np.ndarray
    sampling: SamplingFacts
    notes: list[str] = field(default_factory=list)


def load_release(denoiser: Path, vae: Path, config: Path, stats: Path) -> OfficialRelease:
    """Read and check every file. The weights stay mapped from the disk.

    Raises ExportError or WeightsError, naming whatever is missing, misshapen or unknown.
    """
    facts = read_sampling_facts(config)
    mean, std = read_statistics(stats)
    notes: list[str] = []
    state = _merged(read_tensors(denoiser), read_tensors(vae), notes)
    try:
        model = load_official_state(state, heads=facts.heads)
    except ValueError as error:
        raise ExportError(f"{denoiser.name} and {vae.name}: {error}") from error
    return OfficialRelease(model.requires_grad_(False), mean, std, facts, notes)


def _merged(denoiser: dict[str, Tensor], vae: dict[str, Tensor], notes: list[str]) -> dict[str, Tensor]:
    """One state without prefixes. A VAE inside the denoiser's file was trained with it and goes first."""
    own = {_plain(key): value for key, value in denoiser.items()}
    separate = {
        key if key.startswith("vae.") else f"vae.{key}": value
        for key, value in ((_plain(key), value) for key, value in vae.items())
        if key.startswith(_VAE_PARTS)
    }
    if not separate:
        raise ExportError(
            "the file given with --vae holds no VAE (motion_enc.*, conv_enc.*, ...); give vae.ckpt"
        )
    both = sorted(own.keys() & separate.keys())
    differing = [
        key
        for key in both
        if own[key].shape != separate[key].shape or not torch.equal(own[key].float(), separate[key].float())
    ]
    if differing:
        notes.append(
            f"the denoiser's file carries another VAE ({len(differing)} of {len(both)} tensors differ, the "
            f"first is {differing[0]}); it is used, as in the authors' own inference"
        )
    return {**separate, **own}


def _plain(key: str) -> str:
    return key.removeprefix("model.")


def read_sampling_facts(path: Path) -> SamplingFacts:
    """NUM_HEADS, STRATEGY (ddim50) and CFG_WEIGHT from config.yaml; the schedule must be the one that is
    known.

    Raises ExportError.
    """
    try:
        with path.open("rb") as file:
            document = yaml.safe_load(file)
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise ExportError(
            f"{path} cannot be read as YAML ({reason}); give the release's config.yaml"
        ) from error
    values = _section(document)
    if values is None:
        raise ExportError(f"{path} has no NUM_HEADS; give the config.yaml beside the denoiser's checkpoint")
    heads = values["NUM_HEADS"]
    strategy = str(values.get("STRATEGY", values.get("SAMPLING_STRATEGY", "ddim50")))
    found = re.fullmatch(r"ddim(\d+)", strategy)
    guidance = values.get("CFG_WEIGHT", 3.5)
    expected = {"DIFFUSION_STEPS": 1000, "BETA_SCHEDULER": "cosine"}
    other = [f"{k} {values[k]}" for k, v in expected.items() if values.get(k, v) != v]
    if not found or not 1 <= int(found[1]) <= 1000:
        other.append(f"STRATEGY {strategy}")
    if other:
        raise ExportError(
            f"{path} asks for {', '.join(other)}; only 1000 cosine steps and ddim1 to ddim1000 are known"
        )
    assert found is not None
    if not _is_number(heads, 1, 1024) or heads != int(heads) or not _is_number(guidance, 0, 100):
        raise ExportError(f"{path}: NUM_HEADS and CFG_WEIGHT must be numbers; give the release's config.yaml")
    return SamplingFacts(int(heads), int(found[1]), float(guidance))


def _section(document: Any) -> dict[str, Any] | None:
    """The mapping with NUM_HEADS: the whole document or one of its sections (`model`)."""
    sections = [document, *document.values()] if isinstance(document, dict) else []
    return next((s for s in sections if isinstance(s, dict) and "NUM_HEADS" in s), None)


def _is_number(value: Any, low: float, high: float) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and low <= value <= high


def read_statistics(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """global_mean.npy and global_std.npy of `folder`, float32. Raises ExportError."""
    arrays = []
    for name in STATISTICS:
        try:
            arrays.append(np.load(folder / name, allow_pickle=False).astype(np.float32).reshape(-1))
        except (OSError, EOFError, ValueError) as error:
            raise ExportError(
                f"{folder / name} cannot be read ({error}); give the folder with the release's "
                f"{' and '.join(STATISTICS)}"
            ) from error
    return arrays[0], arrays[1]
