# SPDX-License-Identifier: GPL-3.0-or-later
"""Bundles against the checkpoints that they were made of, from the sentence to the joints.

    python -m export.compare_official --denoiser F --vae F --config F --stats DIR --clip F --bundle B ...

Torch runs the checkpoints and ONNX Runtime the bundles, from the same noise through every sampling step. An
expert takes a frame or leaves it, so a rounding error that tips a decision shows as a jump: what is left
after all steps is the honest figure, and the parity of single graphs in the bundle's card is not.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from export.clip_text import ClipSentenceEncoder
from export.official_bundle import OfficialFiles
from export.official_release import load_release
from intermoe_engine.bundle import Bundle
from intermoe_engine.cli.import_official import add_source_arguments
from intermoe_engine.errors import EngineError
from intermoe_engine.runtime.noise import latent_noise
from intermoe_engine.runtime.sampler import cosine_alphas_cumprod, sample_ddim
from intermoe_engine.runtime.session import load_graph
from intermoe_engine.runtime.text import TextEncoder, unconditional
from training.model import GaussianDiffusion, TextHead
from training.model.config import FRAMES_PER_LATENT
from training.text.clip_tokenizer import clip_tokenizer, find_merges, read_merges
from training.text.clip_weights import load_clip

_JOINT_NUMBERS = 66  # at the beginning of the features


@dataclass(frozen=True)
class Comparison:
    """Largest difference of the sentence vector and of the latents; joint distances in millimetres."""

    precision: str
    frames: int
    steps: int
    text_error: float
    latent_error: float
    mean_joint_mm: float
    largest_joint_mm: float
    torch_seconds: float
    bundle_seconds: float


def compare_bundles(
    files: OfficialFiles,
    bundles: Sequence[Bundle],
    prompt: str = "Two people bow to each other.",
    frames: int = 210,
    seed: int = 0,
    steps: int | None = None,
) -> list[Comparison]:
    """Sample `frames` frames of `prompt` in torch, and with each bundle of these files.

    Raises ExportError, WeightsError, BundleError, EngineError.
    """
    release = load_release(files.denoiser, files.vae, files.config, files.stats)
    model, config = release.model, release.model.config
    steps, guidance = steps or release.sampling.steps, release.sampling.guidance
    noise = latent_noise(seed, -(-frames // FRAMES_PER_LATENT), 2 * config.latent_width)[None]
    text = np.zeros((1, config.text_width), np.float32)
    if files.clip is not None:
        text = _reference_text(files, model.text_head, prompt)
    began = time.perf_counter()
    latents = GaussianDiffusion().sample(
        model.denoiser, torch.from_numpy(noise), torch.from_numpy(text), None, steps, guidance
    )
    torch_seconds = time.perf_counter() - began
    with torch.inference_mode():
        motion = model.vae.decode(torch.from_numpy(_people(latents.numpy(), config.vae_channels)))
    joints = _joints(motion.numpy() * release.std + release.mean)

    results = []
    for bundle in bundles:
        began = time.perf_counter()
        got_text, got = _sample(bundle, prompt, noise, steps, guidance)
        seconds = time.perf_counter() - began
        decoder = load_graph("vae_decoder.onnx", bundle.model("vae_decoder.onnx"), "cpu")
        features = decoder.run(latents=_people(got, config.vae_channels))
        statistics = bundle.statistics()
        distances = np.linalg.norm(_joints(features * statistics.std + statistics.mean) - joints, axis=-1)
        results.append(
            Comparison(
                precision=str(bundle.card.provenance.get("precision", "")),
                frames=frames,
                steps=steps,
                text_error=float(np.abs(got_text - text).max()),
                latent_error=float(np.abs(got - latents.numpy()).max()),
                mean_joint_mm=1000.0 * float(distances.mean()),
                largest_joint_mm=1000.0 * float(distances.max()),
                torch_seconds=torch_seconds,
                bundle_seconds=seconds,
            )
        )
    return results


def _sample(
    bundle: Bundle, prompt: str, noise: np.ndarray, steps: int, guidance: float
) -> tuple[np.ndarray, np.ndarray]:
    """The bundle's sentence vector (1, E) and its clean latents (1, T, 2D)."""
    card = bundle.card
    text = unconditional(card.text).text[None]
    if card.text.encoder:
        graph = load_graph("text_encoder.onnx", bundle.model("text_encoder.onnx"), "cpu")
        text = TextEncoder(bundle.read("tokenizer.json"), graph, card.text).encode(prompt).text[None]
    denoiser = load_graph("denoiser.onnx", bundle.model("denoiser.onnx"), "cpu")

    def call(latents: np.ndarray, timesteps: np.ndarray, text: np.ndarray, mask: np.ndarray) -> np.ndarray:
        return denoiser.run(latents=latents, timesteps=timesteps, text=text, mask=mask)

    alphas = cosine_alphas_cumprod(card.diffusion.steps)
    return text, sample_ddim(call, noise, text, count=steps, guidance=guidance, alphas_cumprod=alphas)


def _people(latents: np.ndarray, channels: int) -> np.ndarray:
    """(1, T, 2D) -> (2, T, P, C), as the decoder takes them."""
    return latents[0].reshape(latents.shape[1], 2, -1, channels).swapaxes(0, 1).copy()


def _reference_text(files: OfficialFiles, head: TextHead, prompt: str) -> np.ndarray:
    assert files.clip is not None
    encoder = ClipSentenceEncoder(load_clip(files.clip), head).eval()
    encoding = clip_tokenizer(read_merges(find_merges(files.clip, files.clip_merges))).encode(prompt)
    with torch.inference_mode():
        return encoder(torch.tensor([encoding.ids]), torch.tensor([encoding.attention_mask])).numpy()


def _joints(features: np.ndarray) -> np.ndarray:
    return features[..., :_JOINT_NUMBERS].reshape(*features.shape[:-1], -1, 3)


def main(arguments: list[str] | None = None) -> int:
    """Print the comparisons as JSON. Exit status: 0, or 1 when a file cannot be used."""
    parser = argparse.ArgumentParser(
        prog="python -m export.compare_official", description="Bundles against their checkpoints."
    )
    add_source_arguments(parser)
    parser.add_argument("--bundle", required=True, type=Path, nargs="+", metavar="B")
    parser.add_argument("--prompt", default="Two people bow to each other.")
    parser.add_argument(
        "--frames", type=int, default=210, help="frames of motion (default 210, seven seconds)"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, help="sampling steps (default: the release's)")
    options = parser.parse_args(arguments)
    files = OfficialFiles(
        options.denoiser, options.vae, options.config, options.stats, options.clip, options.clip_merges
    )
    try:
        bundles = [Bundle.open(path) for path in options.bundle]
        results = compare_bundles(files, bundles, options.prompt, options.frames, options.seed, options.steps)
    except EngineError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(json.dumps([asdict(result) for result in results], indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
