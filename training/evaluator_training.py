# SPDX-License-Identifier: GPL-3.0-or-later
"""Training the contrastive evaluator of sentences and pair motions on captured motion."""

from __future__ import annotations

import functools
import json

import lightning.pytorch as pl
import numpy as np
import torch
import torch.distributed
from torch import Tensor, nn
from torch.distributed.nn.functional import all_gather

from .batches.captions import CaptionPicker
from .batches.motion_store import MotionStore
from .batches.pieces import Pieces, piece_features, random_pieces, whole_pieces
from .batches.stream import BatchSource, Share, generator, moved
from .batches.text_store import TextStore
from .cycles import EVALUATOR_STAGE, run_cycles
from .denoiser_stage import captions_of
from .evaluation.official import save_evaluator
from .fit.optimizers import build_optimizer, warm_up_cosine
from .fit.trainer import Training
from .model.evaluator import EvaluatorConfig, PairEvaluator, contrastive_loss
from .processes import first_process, made_once
from .recipe import EvaluatorRecipe, RecipeError, TrainerRecipe
from .workspace import Workspace

EVALUATOR = "evaluator.safetensors"
_ROWS = 5
_PIECES = 10
_JUDGED = 32


class CaptionedMotions:
    """Batches of canonical motions with a caption each.

    A dict: motions (B, T, 2 · size) metres, zero behind their end; frames (B,); states, valid: of the text.
    """

    def __init__(
        self,
        store: MotionStore,
        pieces: Pieces,
        picker: CaptionPicker,
        texts: TextStore,
        batch: int,
        key: tuple[int, ...],
    ) -> None:
        self.store, self.pieces, self.picker, self.texts = store, pieces, picker, texts
        self.size, self.key = batch, key

    def batch(self, step: int, share: Share) -> dict[str, Tensor]:
        rng = generator(*self.key, _ROWS, step)
        # Without repeats where there are enough: two of a kind would be each other's wrong answer.
        repeat = len(self.pieces) < self.size
        rows = rng.choice(len(self.pieces), self.size, replace=repeat)
        seeds = rng.integers(0, 2**62, self.size)
        own = share.rows(self.size)
        chosen = self.pieces.at(rows[own])
        features = piece_features(self.store, chosen, slice(None))[..., : self.store.layout.size]
        frames = torch.from_numpy(chosen.frames)
        real = torch.arange(features.shape[2]) < frames[:, None]
        motions = torch.cat(features.unbind(1), dim=-1) * real[..., None]
        words = [
            self.picker.pick(int(row), int(length), generator(int(seed)))
            for row, length, seed in zip(rows[own], chosen.frames, seeds[own], strict=True)
        ]
        text = self.texts.gather(words)
        return {"motions": motions, "frames": frames, "states": text["states"], "valid": text["valid"]}


class EvaluatorTraining(Training):
    """One optimisation step on the whole batch's pairs, wherever they are."""

    def __init__(
        self,
        evaluator: PairEvaluator,
        source: BatchSource,
        recipe: EvaluatorRecipe,
        schedule: tuple[int, int, float],
        key: tuple[int, ...],
        settings: TrainerRecipe,
    ) -> None:
        super().__init__(source, key, settings)
        self.evaluator, self.recipe, self.schedule = evaluator, recipe, schedule

    def training_step(self, batch: dict[str, Tensor], index: int) -> Tensor:
        motion, text = embeddings(self.evaluator, batch)
        if self.share.ranks > 1:
            # Every rank sees all pairs; gathering sums the gradients, of which DDP takes the mean again.
            motion, text = torch.cat(all_gather(motion)), torch.cat(all_gather(text))
        loss = contrastive_loss(motion, text)
        return self.reported({"loss": loss, "scale": self.evaluator.latent_scale[0]})

    def configure_optimizers(self):
        steps, warm_up, rate = self.schedule
        optimizer = build_optimizer([(self.evaluator, 1.0)], self.recipe, rate)
        schedule = warm_up_cosine(optimizer, warm_up, steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def embeddings(evaluator: PairEvaluator, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """Embeddings (B, E) of a batch's motions and of its sentences."""
    motion = evaluator.encode_motion(batch["motions"], batch["frames"])
    return motion.float(), evaluator.encode_sentence(batch["states"], batch["valid"]).float()


@torch.no_grad()
def matching(evaluator: nn.Module, source: CaptionedMotions, batches: int = 2) -> dict[str, float]:
    """Held-out loss, and how often the right sentence of a batch is the nearest to a motion."""
    assert isinstance(evaluator, PairEvaluator)
    device = evaluator.latent_scale.device
    losses, hits = [], []
    for step in range(batches):
        batch = moved(source.batch(step, Share()), device)
        motion, text = embeddings(evaluator, batch)
        losses.append(float(contrastive_loss(motion, text)))
        nearest = (motion @ text.T).argmax(dim=1).cpu()
        hits.append(float((nearest == torch.arange(len(motion))).float().mean()))
    return {"loss": float(np.mean(losses)), "top1": float(np.mean(hits))}


def evaluator_config(space: Workspace) -> EvaluatorConfig:
    """The evaluator that fits the run's features and sentences."""
    recipe, layout = space.recipe.evaluator, space.layout
    assert recipe is not None
    if layout.name == "interx":
        raise RecipeError("evaluators are trained on InterHuman's features; use a recipe with that layout")
    try:
        return EvaluatorConfig.from_dict(
            {
                "features": layout.size,
                "text": "states",
                "text_encoder": space.recipe.text.encoder,
                "text_width": space.recipe.model.text_width,
                "normalised": True,
                "dropout": recipe.dropout,
                **recipe.sizes,
            }
        )
    except (TypeError, ValueError) as error:
        raise RecipeError(f"[evaluator] sizes: {error}") from error


def train_evaluator(space: Workspace) -> None:
    """Train the evaluator and write evaluator.safetensors, which knows its own sizes."""
    recipe, out = space.recipe.evaluator, space.run / EVALUATOR
    if recipe is None:
        raise RecipeError("the recipe has no section [evaluator]; add one or use another recipe")
    if out.is_file():
        return
    space.write_facts()
    pl.seed_everything(space.recipe.seed + 3, verbose=False)
    evaluator = PairEvaluator(evaluator_config(space))
    nn.init.constant_(evaluator.latent_scale, recipe.scale)
    size = space.layout.size
    evaluator.set_statistics(space.stats.mean[:size], space.stats.std[:size])

    def source(held_out: bool, batch: int, key: tuple[int, ...]) -> CaptionedMotions:
        pieces = evaluator_pieces(space, held_out)
        picker, texts = captions_of(space, pieces, held_out)
        return CaptionedMotions(space.store, pieces, picker, texts, batch, key)

    judged = source(True, _JUDGED, (space.recipe.seed, EVALUATOR_STAGE))
    trained = source(False, recipe.batch, (space.recipe.seed, EVALUATOR_STAGE))

    def cycle(k: int, schedule: tuple[int, int, float], key: tuple[int, ...]) -> Training:
        stream = CaptionedMotions(
            space.store, trained.pieces, trained.picker, trained.texts, recipe.batch, key
        )
        return EvaluatorTraining(evaluator, stream, recipe, schedule, key, space.recipe.trainer)

    score = functools.partial(matching, source=judged)
    run_cycles(space, "evaluator", EVALUATOR_STAGE, evaluator, recipe, len(trained.pieces), cycle, score)
    made_once(out.is_file, lambda: save_evaluator(evaluator, out))
    if first_process():
        scores = matching(evaluator, judged)
        space.write_json("evaluator-scores.json", scores)
        print(f"evaluator-scores.json: {json.dumps(scores)}", flush=True)


def evaluator_pieces(space: Workspace, held_out: bool) -> Pieces:
    """Whole clips with their captions; random windows where sentences are measured in the window."""
    recipe = space.recipe.evaluator
    assert recipe is not None
    rng = generator(space.recipe.seed, _PIECES, int(held_out))
    if space.recipe.data.kind == "salsa":
        frames = min(recipe.max_frames, int(space.store.frames(space.store.select(held_out, 1)).max()))
        count = 256 if held_out else 4000
        return random_pieces(space.store, space.recipe.data, frames, count, rng, held_out)
    return whole_pieces(space.store, space.recipe.data, recipe.min_frames, recipe.max_frames, rng, held_out)
