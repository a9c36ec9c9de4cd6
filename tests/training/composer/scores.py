# SPDX-License-Identifier: GPL-3.0-or-later
"""Small scores on the stick clips."""

from __future__ import annotations

from pathlib import Path

from training.composer.score import Score
from training.composer.score_reading import load_score

ROLES = '[roles]\nactor = "does it"\nother = "has it done"\n'
CAPTION = '[[caption]]\ntext = "{actor} greets {other.him}"\n'
HANDSHAKE = f"""
name = "shake"
title = "A handshake"
{ROLES}
[vary]
tempo = {{ slow = 0.8, fast = 1.3 }}
gap = {{ range = [0.8, 0.95], names = {{ close = [0.8, 0.85] }} }}
[let]
meet = "1.0 / tempo"
[stage]
seconds = "meet + 1.5"
distance = "gap"
at = "meet"
[[actor]]
clip = "standing"
[[other]]
clip = "standing"
[[look]]
who = "both"
at = "other.head"
[[touch]]
who = "actor"
part = "r_hand"
on = "r_hand"
start = "meet"
end = "meet + 0.7"
height = 1.05
swing = [0.0, 0.03, 0.0]
swings = 2
[[caption]]
text = "{{actor}} shakes {{other's}} {{hand}} hand"
[[caption]]
text = "{{other's}} hand is shaken by {{actor.him}}"
[[caption]]
text = "{{actor}} quickly shakes {{other's}} hand"
when = {{ tempo = "fast" }}
[[caption]]
text = "{{actor}} welcomes {{other.him}} with a handshake"
held_out = true
"""


OTHER = '[[other]]\nclip = "stand"\n'


def score(folder: Path, text: str) -> Score:
    """The score that a text says."""
    path = folder / "score.toml"
    path.write_text(text, encoding="utf-8")
    return load_score(path)


def plain(folder: Path, actor: str, other: str = OTHER, stage: str = "", seconds: float = 4.0) -> Score:
    """A score of some phases, nothing varied."""
    head = f'name = "plain"\ntitle = "Plain"\nmirror = 0.0\n{ROLES}[stage]\nseconds = {seconds}\n{stage}\n'
    return score(folder, f"{head}{actor}{other}{CAPTION}")
