# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine: one sentence in, takes of two people out."""

from __future__ import annotations

import math
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from . import __version__
from .bundle import Bundle, BundleError
from .errors import Cancelled, EngineError, RequestError
from .interx import INTERX, bodies_from_interx
from .measures import bone_drift
from .reconstruction import actor_from_features, canonical_pair
from .representation import LAYOUTS as SMPL_LAYOUTS
from .representation import DecodedMotion, FeatureLayout, motion_from_features
from .runtime.familiar import KnownSentences
from .runtime.noise import MAX_SEED, latent_noise
from .runtime.sampler import cosine_alphas_cumprod, sample_ddim
from .runtime.session import Graph, import_onnxruntime, load_graph
from .runtime.text import EncodedText, TextEncoder, clean_prompt, unconditional
from .skeleton import SMPL22
from .take import ActorMotion, Take

MIN_DURATION = 0.5
DEFAULT_DURATION = 5.0
"""Seconds where nobody says how long, and the prompt asks for nothing whose usual length the bundle gives."""
MAX_VARIATIONS = 64
MAX_GUIDANCE = 30.0
LAYOUTS = {**SMPL_LAYOUTS, INTERX.name: INTERX}
"""What models may speak, by its name in a bundle's card."""
# Motions denoised in one batch; guidance doubles the rows.
_BATCH = 8

# Called with (stage, done, total); stages are "text", "sampling" and "decoding".
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class GenerateRequest:
    """What to generate.

    prompt: one sentence about both people. duration: seconds; None: as long as what the prompt asks for
    usually takes, where the bundle tells, else DEFAULT_DURATION, within the bundle's limits.
    seed: 0 .. 2^63 - 1; variation k is what the seed `seed + k` gives alone. steps, guidance: None for the
    bundle's own. cleanup: smoothing, floor and foot lock. keep_apart: bodies that pass through each other are
    parted, as part of the cleanup.
    """

    prompt: str
    duration: float | None = None
    seed: int = 0
    steps: int | None = None
    guidance: float | None = None
    variations: int = 1
    cleanup: bool = True
    keep_apart: bool = True


class Engine:
    """The graphs of one bundle on one device, loaded once and used for any number of requests."""

    def __init__(self, bundle: Bundle, device: str = "auto") -> None:
        """device: "auto", "cuda" or "cpu". Raises BundleError, DeviceError, EngineError."""
        card = bundle.card
        if card.feature_layout not in LAYOUTS:
            raise BundleError(
                f"the bundle's feature layout {card.feature_layout} is not supported yet; "
                f"use a bundle with {' or '.join(LAYOUTS)}"
            )
        self.bundle = bundle
        self._layout = LAYOUTS[card.feature_layout]
        if card.skeleton.names != SMPL22.names or not np.array_equal(card.skeleton.parents, SMPL22.parents):
            raise BundleError(
                f"the bundle's skeleton is not the one that {card.feature_layout} describes "
                "(SMPL's 22 joints); use another bundle"
            )
        self._statistics = bundle.statistics()
        if len(self._statistics.mean) != self._layout.size:
            raise BundleError(
                f"stats.npz has {len(self._statistics.mean)} features but {self._layout.name} has "
                f"{self._layout.size}; download the bundle again"
            )
        self._denoiser = self._load("denoiser.onnx", device)
        # The first session decided what "auto" means; the others must not end up elsewhere.
        self._decoder = self._load("vae_decoder.onnx", self._denoiser.device)
        self._text = None
        if card.text.encoder:
            text_graph = self._load("text_encoder.onnx", self._denoiser.device)
            known = KnownSentences.of_bundle(bundle)
            self._text = TextEncoder(bundle.read("tokenizer.json"), text_graph, card.text, known)
        self._alphas_cumprod = cosine_alphas_cumprod(card.diffusion.steps)

    @property
    def device(self) -> str:
        """ "cuda" or "cpu": where the denoiser's session really runs."""
        return self._denoiser.device

    def check(self, request: GenerateRequest) -> None:
        """Raise RequestError, with what to change, when `request` cannot be fulfilled."""
        card = self.bundle.card
        clean_prompt(request.prompt)
        longest = card.max_duration
        duration = request.duration
        if duration is not None and not (
            math.isfinite(duration) and MIN_DURATION <= duration <= longest + 1e-6
        ):
            raise RequestError(
                f"the duration must be from {MIN_DURATION:g} to {longest:g} seconds with this bundle "
                f"(it is {duration:g})"
            )
        if not 1 <= request.variations <= MAX_VARIATIONS:
            raise RequestError(f"the number of variations must be from 1 to {MAX_VARIATIONS}")
        if not 0 <= request.seed <= MAX_SEED - MAX_VARIATIONS:
            raise RequestError(f"the seed must be a whole number from 0 to {MAX_SEED - MAX_VARIATIONS}")
        if request.steps is not None and not 1 <= request.steps <= card.diffusion.steps:
            raise RequestError(f"the number of steps must be from 1 to {card.diffusion.steps}")
        if request.guidance is not None and not 0.0 <= request.guidance <= MAX_GUIDANCE:
            raise RequestError(f"the guidance must be from 0 to {MAX_GUIDANCE:g}")

    def generate(
        self,
        request: GenerateRequest,
        on_progress: Progress | None = None,
        is_cancelled: Callable[[], bool] | None = None,
    ) -> list[Take]:
        """The takes of `request`, one for each variation, in the pair's canonical frame.

        `is_cancelled` is asked between the sampler's steps. Raises RequestError, EngineError, Cancelled.
        """
        self.check(request)
        diffusion = self.bundle.card.diffusion
        steps = request.steps if request.steps is not None else diffusion.default_steps
        guidance = request.guidance if request.guidance is not None else diffusion.default_guidance
        report = _Reporter(on_progress, is_cancelled)

        report("text", 0, 1)
        began = time.perf_counter()
        if self._text is None:
            text, guidance = unconditional(self.bundle.card.text), 1.0  # nothing to guide towards
        else:
            text = self._text.encode(request.prompt)
        duration = self._usual_duration(text) if request.duration is None else request.duration
        request = replace(request, duration=duration)
        frames = self._frames(duration)
        seconds = {"text": time.perf_counter() - began}

        began = time.perf_counter()
        seeds = [request.seed + k for k in range(request.variations)]
        latents = self._sample(seeds, text, frames, steps, guidance, report)
        seconds["sampling"] = time.perf_counter() - began

        takes = []
        for k, seed in enumerate(seeds):
            report("decoding", k, len(seeds))
            began = time.perf_counter()
            actors, motion_meta = self._actors(latents[k], frames, request)
            meta = self._meta(request, steps, guidance, text)
            meta["seconds"] = {
                "text": round(seconds["text"], 4),
                "sampling": round(seconds["sampling"] / len(seeds), 4),
                "motion": round(time.perf_counter() - began, 4),
            }
            meta.update(motion_meta)
            takes.append(Take(clean_prompt(request.prompt), seed, self.bundle.card.fps, actors, meta))
        report("decoding", len(seeds), len(seeds))
        return takes

    def _load(self, name: str, device: str) -> Graph:
        return load_graph(name, self.bundle.model(name), device)

    def _usual_duration(self, text: EncodedText) -> float:
        """Seconds for a prompt of which nobody said how long it should take."""
        card = self.bundle.card
        wanted = text.interaction.seconds if text.interaction is not None else DEFAULT_DURATION
        return min(max(wanted, card.min_duration, MIN_DURATION), card.max_duration)

    def _frames(self, duration: float) -> int:
        return min(max(int(round(duration * self.bundle.card.fps)), 1), self.bundle.card.frames.max)

    def _sample(
        self,
        seeds: list[int],
        text: EncodedText,
        frames: int,
        steps: int,
        guidance: float,
        report: _Reporter,
    ) -> np.ndarray:
        """Clean latents (K, T, 2D) of each seed."""
        card = self.bundle.card
        multiple = math.lcm(card.frames.multiple, card.latent.downsample)
        length = -(-frames // multiple) * multiple // card.latent.downsample
        batches = [seeds[i : i + _BATCH] for i in range(0, len(seeds), _BATCH)]
        results = []
        for index, batch in enumerate(batches):
            noise = np.stack([latent_noise(seed, length, card.latent.width) for seed in batch])
            condition = np.repeat(text.text[None], len(batch), axis=0)
            before = index * steps
            results.append(
                sample_ddim(
                    self._denoise,
                    noise,
                    condition,
                    count=steps,
                    guidance=guidance,
                    alphas_cumprod=self._alphas_cumprod,
                    on_step=lambda done, _, before=before: report(
                        "sampling", before + done, len(batches) * steps
                    ),
                )
            )
        return np.concatenate(results)

    def _denoise(
        self, latents: np.ndarray, timesteps: np.ndarray, text: np.ndarray, mask: np.ndarray
    ) -> np.ndarray:
        return self._denoiser.run(latents=latents, timesteps=timesteps, text=text, mask=mask)

    def _actors(
        self, latents: np.ndarray, frames: int, request: GenerateRequest
    ) -> tuple[tuple[ActorMotion, ActorMotion], dict]:
        """Two actors from one motion's latents (T, 2D), and what to note about them."""
        card = self.bundle.card
        shape = card.latent
        persons = latents.reshape(-1, shape.persons, shape.groups, shape.channels).swapaxes(0, 1)
        decoded = self._decoder.run(latents=np.ascontiguousarray(persons))[:, :frames]
        if decoded.shape != (shape.persons, frames, self._layout.size):
            raise BundleError(
                f"vae_decoder.onnx gives an array of shape {decoded.shape} instead of "
                f"{(shape.persons, frames, self._layout.size)}; download the bundle again"
            )
        features = decoded * self._statistics.std + self._statistics.mean
        if not np.isfinite(features).all():
            raise EngineError(
                "the model gave numbers that are not finite; try another seed or lower guidance"
            )
        motions = _decoded_pair(features, self._layout, card.fps)
        fitted = [actor_from_features(motion, card.skeleton) for motion in motions]
        actors = (fitted[0][0], fitted[1][0])
        meta: dict = {
            "fit_error": {
                "mean_m": round(float(np.mean([error.mean for _, error in fitted])), 6),
                "max_m": round(max(error.maximum for _, error in fitted), 6),
                "bone_drift_m": round(bone_drift(np.stack([motion.positions for motion in motions])), 6),
            },
            "cleanup": None,
            "apart": None,
        }
        if request.cleanup:
            from .cleanup import clean_pair, part_pair

            actors, report = clean_pair(actors, card.fps)
            meta["cleanup"] = {key: round(value, 6) for key, value in report.to_dict().items()}
            if request.keep_apart:
                actors, parted = part_pair(actors, card.fps)
                meta["apart"] = {key: round(value, 6) for key, value in parted.to_dict().items()}
        return canonical_pair(*actors), meta

    def _meta(self, request: GenerateRequest, steps: int, guidance: float, text: EncodedText) -> dict:
        return {
            "bundle": {
                "id": self.bundle.card.id,
                "name": self.bundle.card.name,
                "sha256": self.bundle.sha256,
                "licence": self.bundle.card.licence,
            },
            "device": self.device,
            "sampler": {"name": self.bundle.card.diffusion.sampler, "steps": steps, "guidance": guidance},
            "duration": request.duration,
            "warnings": list(text.warnings),
            "versions": {
                "intermoe": __version__,
                "onnxruntime": import_onnxruntime().__version__,
                "numpy": np.__version__,
                "python": platform.python_version(),
            },
        }


def _decoded_pair(features: np.ndarray, layout: FeatureLayout, fps: float) -> list[DecodedMotion]:
    """Both people's features (2, T, F) taken apart."""
    if layout is INTERX:
        return bodies_from_interx(features, fps)
    return [motion_from_features(person, layout) for person in features]


class _Reporter:
    """Passes progress on and stops the work when the caller has cancelled."""

    def __init__(self, on_progress: Progress | None, is_cancelled: Callable[[], bool] | None) -> None:
        self._on_progress = on_progress
        self._is_cancelled = is_cancelled

    def __call__(self, stage: str, done: int, total: int) -> None:
        if self._is_cancelled is not None and self._is_cancelled():
            raise Cancelled
        if self._on_progress is not None:
            self._on_progress(stage, done, total)
