# SPDX-License-Identifier: GPL-3.0-or-later
"""One evaluation: real motions beside generated ones, scored in the same run."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from intermoe_engine import __version__
from intermoe_engine.atomic import replacing
from intermoe_engine.errors import RequestError

from ..data.cache import FPS, PairCache
from .collect import Collector, Progress, make_plan
from .embedding import Embedder
from .generation import MotionGenerator
from .journal import Journal
from .protocol import BATCH
from .report import (
    animator_figures,
    distance_figures,
    present_rows,
    protocol_figures,
    protocol_notes,
    role_table,
)
from .table import markdown

SCHEMA = 1
PUBLISHED_SAMPLES, PUBLISHED_MULTIMODALITY = 20, (100, 30)


@dataclass(frozen=True)
class EvaluationSettings:
    """What to score and how often.

    split: of the cache. limit: score so many clips at most, spread over the split; 0: all. repetitions: of
    the published metrics. samples: motions generated for each clip, which the repetitions take in turn.
    multimodality: (sentences, motions of each). swaps: sentences generated with the roles swapped too.
    batch: clips among which a sentence has to find its own. seed: of everything random.
    """

    split: str = "test"
    limit: int = 0
    repetitions: int = 20
    samples: int = 1
    multimodality: tuple[int, int] = (0, 0)
    swaps: int = 16
    seed: int = 0
    batch: int = BATCH


def evaluate(
    cache: PairCache,
    settings: EvaluationSettings,
    generator: MotionGenerator | None,
    embedder: Embedder | None,
    work: Path | None = None,
    progress: Progress = lambda stage, done, total: None,
) -> dict[str, Any]:
    """The report (see docs/evaluation.md), ready for JSON.

    generator: None scores the real motions alone. embedder: None leaves the published metrics out. work: a
    folder in which an interrupted evaluation is continued. The same arguments give the same figures.
    Raises RequestError when the split holds no captioned clip.
    """
    began = time.perf_counter()
    clips = chosen_clips(cache, settings)
    rate = generator.engine.bundle.card.fps if generator is not None else FPS
    if rate != FPS:
        raise RequestError(
            f"the bundle makes {rate:g} frames a second and the data have {FPS:g}; use another"
        )
    modes_wanted = settings.multimodality if generator is not None and embedder is not None else (0, 0)
    plan = make_plan(
        cache,
        clips,
        settings.samples if generator is not None else 1,
        modes_wanted,
        settings.swaps if generator is not None else 0,
        settings.seed,
    )
    facts = {"plan": asdict(plan), "data": cache.digest, "version": __version__}
    facts |= {"bundle": _bundle(generator), "evaluator": _evaluator(embedder)}
    collector = Collector(cache, plan, generator, embedder, Journal(work, facts), progress)
    parts = collector.clips()
    modes = collector.multimodality()
    swaps = collector.role_swaps()
    notes: list[str] = []
    if generator is not None and not generator.engine.bundle.card.text.encoder:
        notes.append("The bundle has no text encoder: what it generates does not depend on the sentences.")
    protocol: dict[str, Any] = {}
    if embedder is None:
        notes.append("No evaluator was given: the published metrics are left out (--evaluator).")
    elif len(clips) < 2:
        notes.append("The published metrics need two captioned clips or more and are left out.")
    else:
        progress("scoring", 0, 1)
        protocol = protocol_figures(parts, modes, settings.repetitions, settings.seed, settings.batch)
        notes += protocol_notes(plan, settings.repetitions, generator is not None, settings.batch)
        progress("scoring", 1, 1)
    return {
        "schema": SCHEMA,
        "name": generator.engine.bundle.card.name if generator is not None else "real motions",
        "settings": asdict(settings),
        "data": {
            "digest": cache.digest,
            "split": settings.split,
            "clips": len(clips),
            "names": [cache.entries[i].name for i in clips],
            "captions": list(plan.captions[0]),
        },
        "bundle": _bundle(generator),
        "evaluator": _evaluator(embedder),
        "rows": present_rows(parts),
        "protocol": protocol,
        "animator": animator_figures(parts[0]),
        "distance": distance_figures(parts[0]),
        "roles": role_table(parts[0], swaps, plan.captions[0]),
        "notes": notes,
        "seconds": round(time.perf_counter() - began, 1),
        "version": __version__,
    }


def chosen_clips(cache: PairCache, settings: EvaluationSettings) -> tuple[int, ...]:
    """Numbers of the captioned clips to score. Raises RequestError when there are none."""
    clips = [i for i in cache.select(settings.split) if cache.entries[i].captions]
    if not clips:
        splits = sorted({entry.split or '""' for entry in cache.entries if entry.captions})
        held = f"captioned clips are in {', '.join(splits)}" if splits else "no clip has a caption"
        raise RequestError(
            f"the split {settings.split!r} of {cache.path} holds no captioned clip ({held}); choose another"
        )
    if settings.limit and settings.limit < len(clips):
        spread = np.linspace(0, len(clips) - 1, settings.limit).round().astype(int)
        clips = [clips[k] for k in spread]
    return tuple(clips)


def write_report(report: dict[str, Any], folder: Path) -> tuple[Path, Path]:
    """Write table.md and table.json whole into a folder; returns their paths."""
    paths = folder / "table.md", folder / "table.json"
    texts = markdown(report), json.dumps(report, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    for path, text in zip(paths, texts, strict=True):
        with replacing(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    return paths


def _bundle(generator: MotionGenerator | None) -> dict[str, Any] | None:
    if generator is None:
        return None
    bundle = generator.engine.bundle
    diffusion = bundle.card.diffusion
    return {
        "id": bundle.card.id,
        "name": bundle.card.name,
        "sha256": bundle.sha256,
        "steps": generator.steps or diffusion.default_steps,
        "guidance": diffusion.default_guidance if generator.guidance is None else generator.guidance,
    }


def _evaluator(embedder: Embedder | None) -> dict[str, Any] | None:
    if embedder is None:
        return None
    digest = hashlib.sha256()
    for key, tensor in sorted(embedder.evaluator.state_dict().items()):
        digest.update(key.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
    official = embedder.evaluator.config.text == "tokens"
    return {
        "name": "InterCLIP (official form)"
        if official
        else f"own, on {embedder.evaluator.config.text_encoder}",
        "sha256": digest.hexdigest(),
        "layout": embedder.layout.name,
    }
