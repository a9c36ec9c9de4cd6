# SPDX-License-Identifier: GPL-3.0-or-later
"""What an animator would notice, in numbers: real pairs beside generated ones.

`python -m training.scores --bundle B.zip --data DIR -o scores.json` generates one take for each held-out
sentence (up to --takes) and measures it like windows of the held-out trials. `intermoe evaluate` measures far
more, on any prepared data.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from intermoe_engine.bundle import Bundle
from intermoe_engine.generate import Engine, GenerateRequest
from intermoe_engine.measures import toe_floor

from .data.cmu import load_cmu_pair
from .data.salsa_captions import salsa_captions, split_captions
from .evaluation.proximity import hand_distances, pelvis_distances
from .evaluation.quality import TOES, foot_slide, jerk, joint_speeds
from .recipe import load_recipe

FRAMES = 150


def pair_scores(positions: np.ndarray, fps: float = 30.0) -> dict[str, float]:
    """Figures of one motion from joint positions (2, T, 22, 3) in metres.

    distance_m: median distance of the pelvises on the ground. closest_m: smallest distance of two joints of
    the two people. wrists_m: median of the smallest distance between their wrists. slide_mm_s: mean ground
    speed of the lower toe near its own floor, as `intermoe_engine.measures` says. toe_m: the height of that
    floor. jerk_m_s3: mean length of the third derivative of all joints. speed_a, speed_b:
    mean speed of the joints, 0 for a frozen person.
    """
    pairs = np.linalg.norm(positions[0][:, :, None] - positions[1][:, None], axis=-1)
    speeds = joint_speeds(positions, fps)
    return {
        "distance_m": float(np.median(pelvis_distances(positions))),
        "closest_m": float(pairs.min()),
        "wrists_m": float(np.median(hand_distances(positions))),
        "slide_mm_s": foot_slide(positions, fps),
        "toe_m": float(np.mean([toe_floor(person[:, TOES]) for person in positions])),
        "jerk_m_s3": jerk(positions, fps),
        "speed_a_m_s": float(speeds[0]),
        "speed_b_m_s": float(speeds[1]),
    }


def summary(motions: Iterable[np.ndarray]) -> dict[str, dict[str, float]]:
    """Median, 5th and 95th percentile of each figure over motions (2, T, 22, 3)."""
    rows = [pair_scores(motion) for motion in motions]
    table = {key: np.array([row[key] for row in rows]) for key in rows[0]}
    return {
        key: {
            "median": round(float(np.median(values)), 4),
            "p5": round(float(np.percentile(values, 5)), 4),
            "p95": round(float(np.percentile(values, 95)), 4),
        }
        for key, values in table.items()
    }


def real_motions(folder: Path, trials: Iterable[str]) -> list[np.ndarray]:
    """Joint positions of windows of FRAMES frames, half overlapping, of whole trials."""
    motions = []
    for trial in trials:
        positions = load_cmu_pair(folder, trial).positions()
        starts = range(0, positions.shape[1] - FRAMES + 1, FRAMES // 2)
        motions += [positions[:, s : s + FRAMES] for s in starts]
    return motions


def generated_motions(bundle: Path, takes: int, cleanup: bool) -> tuple[list[np.ndarray], list[str]]:
    """Joint positions of takes for held-out sentences, and the sentences."""
    engine = Engine(Bundle.open(bundle))
    _, held = split_captions(salsa_captions())
    prompts = [caption.text for caption in held[:: max(1, len(held) // takes)]][:takes]
    motions = []
    for seed, prompt in enumerate(prompts):
        request = GenerateRequest(prompt, duration=FRAMES / 30, seed=seed, cleanup=cleanup)
        take = engine.generate(request)[0]
        motions.append(np.stack([actor.joint_positions for actor in take.actors]))
        print(f"{seed + 1}/{len(prompts)}  {prompt}", file=sys.stderr)
    return motions, prompts


def main(argv: list[str] | None = None) -> int:
    """Entry point; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m training.scores", description=__doc__)
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True, help="folder with 60_NN.bvh and 61_NN.bvh")
    parser.add_argument("--recipe", type=Path, default=Path(__file__).parent / "recipes" / "salsa.toml")
    parser.add_argument("--takes", type=int, default=24)
    parser.add_argument("-o", "--output", type=Path, required=True)
    args = parser.parse_args(argv)
    recipe = load_recipe(args.recipe)
    raw, prompts = generated_motions(args.bundle, args.takes, cleanup=False)
    clean, _ = generated_motions(args.bundle, args.takes, cleanup=True)
    scores = {
        "frames": FRAMES,
        "prompts": prompts,
        "held_out_data": summary(real_motions(args.data, recipe.data.held_out)),
        "training_data": summary(real_motions(args.data, recipe.data.train)),
        "generated": summary(clean),
        "generated_without_cleanup": summary(raw),
    }
    args.output.write_text(json.dumps(scores, indent=1), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
