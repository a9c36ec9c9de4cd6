# SPDX-License-Identifier: GPL-3.0-or-later
"""What the published protocol leaves open about a starter of composed interactions, each check by itself.

Every check returns figures by column: "real" are captured or composed clips in the same role, "generated"
what the bundle makes, cleaned up but not parted; "copied" clips of the training data instead.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from intermoe_engine.generate import MIN_DURATION

from ..data.cache import FPS
from .asked_touch import MET, AskedTouch, actors_of, asked_touches, nearest, touch_figures
from .faults import FAULTS, faults
from .motion import PairMotion
from .phrases import swapped_sentences
from .protocol import EmbeddedSet, multimodality, protocol_scores
from .quality import foot_slide, jerk
from .roles import order_preference, signature, swap_margin
from .starter_material import Material

Columns = dict[str, dict[str, Any]]


class StarterChecks(Material):
    """The checks on one plan's clips; without a generator the real columns alone."""

    def all(self) -> dict[str, Columns]:
        """Every check by name."""
        checks: dict[str, Callable[[], Columns]] = {
            "copies": self.copies,
            "training": self.training,
            "variety": self.variety,
            "recall": self.recall,
            "roles": self.roles,
            "swaps": self.swaps,
            "touches": self.touches,
            "paraphrases": self.paraphrases,
            "durations": self.durations,
            "two_parts": self.two_parts,
            "faults": self.faults,  # of every take that the others made
        }
        found = {}
        for done, (name, check) in enumerate(checks.items()):
            self.progress(f"checks: {name}", done, len(checks))
            found[name] = check()
        self.progress("checks", len(checks), len(checks))
        return found

    def copies(self) -> Columns:
        """FID and R-precision where every motion is a random training clip, or a random one of the same
        interaction, with the same sentences; means over `counts.copies` draws."""
        train = self.cache.select("train")
        rng = np.random.default_rng([self.plan.seed, 1])
        text = self.embedder.texts(self.plan.captions[0])
        real = EmbeddedSet(self.real_embeddings[None], text[None])
        rows: dict[str, dict[str, list[float]]] = {}
        for _ in range(self.counts.copies):
            anything = rng.choice(train, len(self.plan.clips))
            alike = [int(rng.choice(self.training_clips(kind))) for kind in self.kinds]
            for name, chosen in (("copied", anything), ("copied_same", alike)):
                motions = self.embedder.motions([self.motion(int(i)) for i in chosen])
                sets = {name: EmbeddedSet(motions[None], text[None])}
                scores = protocol_scores(sets, real, 5, self.plan.seed, batch=32)[name]
                for key in ("r_precision_1", "fid"):
                    rows.setdefault(name, defaultdict(list))[key].append(scores[key].mean)
        return {
            name: {key: float(np.mean(v)) for key, v in figures.items()} for name, figures in rows.items()
        }

    def training(self) -> Columns:
        """Foot slide (mm/s) and jerk (m/s³) of training clips, mean over clips."""
        train = self.cache.select("train")
        spread = np.linspace(0, len(train) - 1, min(self.counts.training, len(train))).round().astype(int)
        motions = [self.motion(train[k]) for k in spread]
        return {"real": {**_motion_figures(motions), "clips": len(motions)}}

    def variety(self) -> Columns:
        """Multimodality of real clips: of one interaction and order of the people, for the sentences for
        which `Collector.multimodality` generates."""
        texts, motions = self.plan.multimodality
        if not texts:
            return {}
        rng = np.random.default_rng([self.plan.seed, 2])
        rows = []
        for position in np.linspace(0, len(self.plan.clips) - 1, texts).round().astype(int):
            clip = self.plan.clips[int(position)]
            alike = self.training_clips(self.kinds[position], self.cache.entries[clip].roles[0])
            if len(alike) >= motions:
                chosen = rng.choice(alike, motions, replace=False)
                rows.append(self.embedder.motions([self.motion(int(i)) for i in chosen]))
        if not rows:
            return {}
        embeddings = np.stack(rows)
        values = [multimodality(embeddings, rng) for _ in range(20)]
        return {"real": {"multimodality": float(np.mean(values)), "sentences": len(rows)}}

    def recall(self) -> Columns:
        """How often the judge finds the interaction of the plan's clips: among 1 and among 3 nearest."""
        rows = {"real": self.judge.places(self.real_embeddings, self.kinds)}
        if self.made:
            embeddings = self.embedder.motions([motion.cleaned for motion in self.made])
            rows["generated"] = self.judge.places(embeddings, self.kinds)
        columns = {}
        for name, places in rows.items():
            per_kind = {
                kind: [int((places[[k == kind for k in self.kinds]] == 1).sum()), count]
                for kind, count in sorted(Counter(self.kinds).items())
            }
            columns[name] = {**_recalled(places), "interactions": per_kind}
        return columns

    def roles(self) -> Columns:
        """How often the person who is to have a part has it, by what each person does; of the clips in whose
        interaction the two differ (see `RoleOrder`)."""
        columns = {}
        for column, motions in (("real", self.real), ("generated", [motion.cleaned for motion in self.made])):
            if motions:
                roles = [self.cache.entries[i].roles[0] for i in self.plan.clips]
                margins = map(self.role_order.margin, motions, self.kinds, roles)
                told = np.array([margin for margin in margins if not np.isnan(margin)])
                accuracy = float((told > 0).mean()) if len(told) else None
                columns[column] = {"accuracy": accuracy, "of": len(told)}
        return columns

    def swaps(self) -> Columns:
        """Sentences with the other person named first, from the same noise: does the motion have the people
        in each other's place? evaluator, signature: the one is nearer to the other turned round than to it as
        it is, by the evaluator and by what each person does; both: either has the roles as it should. Of
        interactions in which the two differ. Real: two clips, one for each order."""
        rng = np.random.default_rng([self.plan.seed, 3])
        real, made, names = [], [], []
        known = [score for score in self.scores.values() if score.name in self.role_order.usual]
        for name, sentences in swapped_sentences(known, self.counts.swaps, rng):
            clips = [self.training_clips(name, role) for role in ("actor", "other")]
            if not all(clips):
                continue
            names.append(name)
            real.append([self.motion(int(rng.choice(found))) for found in clips])
            if self.generator is not None:
                seed = int(rng.integers(1 << 31))
                made.append([self.take(text, real[-1][0].frames, seed).cleaned for text in sentences])
        scale = np.stack([signature(m.positions, m.fps) for m in self.real]).reshape(-1, 6).std(axis=0)
        columns = {}
        for column, pairs in (("real", real), ("generated", made)):
            if pairs:
                columns[column] = self._swapped_figures(names, pairs, np.maximum(scale, 1e-3))
        return columns

    def touches(self) -> Columns:
        """Touches that the composed clip of a sentence has: share of those at which the parts come closer
        than NEAR at their nearest moment, and of those of `counts.solves` takes that the contact solve brings
        within MET."""
        asked: list[tuple[int, AskedTouch]] = []
        for n, (clip, kind) in enumerate(zip(self.plan.clips, self.kinds, strict=True)):
            if kind in self.scores:
                roles = self.cache.entries[clip].roles
                found = asked_touches(self.scores[kind], roles)
                asked += [(n, touch) for touch in found if nearest(self.real[n], touch)[0] < MET]
        if not asked:
            return {}
        clips = [self.cache.load(i) for i in self.plan.clips]
        actors = {"real": [actors_of(clip) for clip in clips], "generated": [m.actors for m in self.made]}
        return {
            column: touch_figures(pairs, FPS, asked, self.counts.solves)
            for column, pairs in actors.items()
            if pairs
        }

    def faults(self) -> Columns:
        """Motions in which somebody freezes, drifts or floats, and of how many; generated: of every take that
        any other check made."""
        made = self.generator.takes if self.generator is not None else []
        columns = {}
        for column, motions in (("real", self.real), ("generated", [take.cleaned for take in made])):
            if motions:
                shown = [faults(motion.positions, motion.fps) for motion in motions]
                counts = {name: sum(one[name] for one in shown) for name in FAULTS}
                columns[column] = {**counts, "any": sum(any(s.values()) for s in shown), "of": len(shown)}
        return columns

    def paraphrases(self) -> Columns:
        """Sentences that no score has: does the judge see what they ask for?"""
        if self.generator is None:
            return {}
        known = [(name, text) for name, text in self.phrases.paraphrases if name in self.judge.names]
        frames = {name: self.usual_frames(name) for name, _ in known}
        takes = [
            self.take(text, frames[name], self.seed_of(5, n)).cleaned for n, (name, text) in enumerate(known)
        ]
        places = self.judge.places(self.embedder.motions(takes), [name for name, _ in known])
        rows = [[name, text, int(place)] for (name, text), place in zip(known, places, strict=True)]
        return {"generated": {**_recalled(places), "sentences": rows}}

    def durations(self) -> Columns:
        """Takes of every length: slide and jerk by seconds, faults, and whether the judge sees what was asked
        for. Real: clips of the plan cut to that length."""
        columns: Columns = {"real": {}, "generated": {}}
        for seconds in self.counts.seconds:
            frames = round(max(seconds, MIN_DURATION) * 30)
            long_enough = [motion for motion in self.real if motion.frames >= frames]
            if long_enough:
                cut = [
                    PairMotion(m.positions[:, :frames], m.rotations[:, :frames], m.fps) for m in long_enough
                ]
                columns["real"][f"{seconds:g}"] = _motion_figures(cut)
            if self.generator is None or self.generator.frames(frames) != frames:
                continue
            positions = np.linspace(0, len(self.kinds) - 1, self.counts.prompts + 2)[1:-1].round().astype(int)
            takes = [
                self.take(self.plan.captions[0][n], frames, self.seed_of(6, int(n))).cleaned
                for n in positions
            ]
            places = self.judge.places(self.embedder.motions(takes), [self.kinds[n] for n in positions])
            faulty = sum(any(faults(take.positions, take.fps).values()) for take in takes)
            columns["generated"][f"{seconds:g}"] = {
                **_motion_figures(takes), **_recalled(places), "faulty": faulty
            }  # fmt: skip
        return {name: column for name, column in columns.items() if column}

    def two_parts(self) -> Columns:
        """Sentences of two parts, 8 s: is the first interaction among the judge's three nearest for the first
        half, and the second for the second half?"""
        if self.generator is None:
            return {}
        frames, rows = self.generator.frames(240), []
        for n, (text, parts) in enumerate(self.phrases.two_parts):
            if not set(parts) <= set(self.judge.names):
                continue
            take = self.take(text, frames, self.seed_of(7, n)).cleaned
            middle = frames // 2
            halves = [
                PairMotion(take.positions[:, cut], take.rotations[:, cut], take.fps)
                for cut in (slice(0, middle), slice(middle, frames))
            ]
            places = self.judge.places(self.embedder.motions(halves), parts)
            rows.append([text, int(places[0]), int(places[1])])
        both = sum(max(first, then) <= 3 for _, first, then in rows)
        firsts, thens = (sum(row[k] <= 3 for row in rows) for k in (1, 2))
        return {"generated": {"first": firsts, "then": thens, "both": both, "of": len(rows), "places": rows}}

    def _swapped_figures(
        self, names: Sequence[str], pairs: Sequence[Sequence[PairMotion]], scale: np.ndarray
    ) -> dict[str, Any]:
        first, second, turned = (
            self.embedder.motions(motions)
            for motions in (
                [a for a, _ in pairs],
                [b for _, b in pairs],
                [b.swapped() for _, b in pairs],
            )
        )
        signatures = [[signature(m.positions, m.fps) for m in pair] for pair in pairs]
        margins = np.array([swap_margin(a, b, scale) for a, b in signatures])
        margin = self.role_order.margin
        both = [
            margin(a, name, "actor") > 0 and margin(b, name, "other") > 0
            for name, (a, b) in zip(names, pairs, strict=True)
        ]
        return {
            "evaluator": float(order_preference(first, turned, second).mean()),
            "signature": float((margins > 0).mean()),
            "both": float(np.mean(both)),
            "of": len(pairs),
        }


def _motion_figures(motions: Sequence[PairMotion]) -> dict[str, float]:
    return {
        "foot_slide_mm_s": float(np.nanmean([foot_slide(m.positions, m.fps) for m in motions])),
        "jerk_m_s3": float(np.nanmean([jerk(m.positions, m.fps) for m in motions])),
    }


def _recalled(places: np.ndarray) -> dict[str, Any]:
    return {"top_1": float((places <= 1).mean()), "top_3": float((places <= 3).mean()), "of": len(places)}
