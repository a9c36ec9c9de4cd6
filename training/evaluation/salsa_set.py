# SPDX-License-Identifier: GPL-3.0-or-later
"""The salsa captures as a captioned test set: windows with the sentences that are true of them.

`python -m training.evaluation.salsa_set --data DIR -o CACHE` cuts CMU's salsa (60_NN.bvh, 61_NN.bvh) into
windows of five seconds, with either person first. The split "test" holds the recipe's held-out trials with
sentences that were never trained on, "train" the others; `intermoe evaluate --data CACHE` scores on them.
A cache that exists is added to, so that composed pairs and captured ones can be trained on together.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from ..batches.captions import dance_tracks
from ..data.cache import CacheWriter
from ..data.cmu import load_cmu_pair
from ..data.pair_clip import PairClip
from ..data.salsa_captions import Caption, holds, measured, salsa_captions, split_captions
from ..recipe import find_recipe, load_recipe

SECONDS = 5.0


def true_sentences(clip: PairClip, captions: Sequence[Caption]) -> tuple[str, ...]:
    """Those of the sentences that claim only what a clip shows; in all of them person A is named first."""
    tracks = dance_tracks(clip.positions(), clip.fps)
    facts = measured(tracks[:, :2].T, tracks[:, 2], tracks[:, 3], tracks[:, 4])
    lead = "a" if clip.roles[0] == "lead" else "b"
    return tuple(caption.text for caption in captions if holds(caption.claim, facts, lead))


def windows(
    clip: PairClip, captions: Sequence[Caption], split: str, seconds: float = SECONDS
) -> Iterator[PairClip]:
    """Half overlapping windows of a trial, each as captured and with person B first."""
    frames = round(seconds * clip.fps)
    length = "" if seconds == SECONDS else f"_{frames}"
    for start in range(0, clip.frames - frames + 1, frames // 2):
        for view, label in ((clip, "lead_first"), (clip.swapped(), "follow_first")):
            window = replace(view.window(start, frames), name=f"{clip.name}_{start:04d}{length}_{label}")
            yield replace(
                window, captions=true_sentences(window, captions), split=split, source="salsa-windows"
            )


def main(argv: list[str] | None = None) -> int:
    """Entry point; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m training.evaluation.salsa_set",
        description="Captioned five-second windows of CMU's salsa, for intermoe evaluate.",
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with 60_NN.bvh and 61_NN.bvh")
    parser.add_argument("--recipe", default="salsa", help="which trials are held out (default: salsa)")
    parser.add_argument(
        "--seconds", type=float, nargs="+", default=[SECONDS], help="lengths of windows (default: 5)"
    )
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="CACHE", help="folder to write")
    args = parser.parse_args(argv)
    if min(args.seconds) < 1.0:
        parser.error("--seconds must be 1 or more")
    recipe = load_recipe(find_recipe(args.recipe)).data
    trained, held = split_captions(salsa_captions())
    with CacheWriter(args.output) as writer:
        for split, trials, captions in (("test", recipe.held_out, held), ("train", recipe.train, trained)):
            for trial in trials:
                clip = load_cmu_pair(args.data, trial)
                for window in itertools.chain.from_iterable(
                    windows(clip, captions, split, seconds) for seconds in args.seconds
                ):
                    if not writer.done(window.name, window.source):
                        writer.add(window)
                print(f"{split} {trial}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
