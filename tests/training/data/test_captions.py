# SPDX-License-Identifier: GPL-3.0-or-later
"""What sentences become when their motion is mirrored or its people change places."""

from __future__ import annotations

import pytest

from training.data.captions import mirror_caption, swap_roles


@pytest.mark.parametrize(
    ("text", "mirrored"),
    [
        ("One raises the left hand.", "One raises the right hand."),
        ("Right foot first, then the left.", "Left foot first, then the right."),
        ("stands upright and bright, with a fight", "stands upright and bright, with a fight"),
        ("both turn clockwise", "both turn counterclockwise"),
        ("Counterclockwise they go", "Clockwise they go"),
        ("a counter-clockwise spin", "a clockwise spin"),
        ("an anticlockwise turn", "a clockwise turn"),
        ("the left-handed boxer leans rightwards", "the right-handed boxer leans leftwards"),
        ("LEFT jab, the other's left's", "RIGHT jab, the other's right's"),
        ("the upper-left arm", "the upper-right arm"),
        ("from left to right", "from right to left"),
        ("stops right away and has left the room", "stops right away and has left the room"),
        ("stands right next to the other, all right", "stands right next to the other, all right"),
        ("at a right angle to the right", "at a right angle to the left"),
        ("cleft, leftover, copyright, righteous", "cleft, leftover, copyright, righteous"),
        ("", ""),
    ],
)
def test_sides_are_mirrored_on_word_boundaries(text, mirrored):
    assert mirror_caption(text) == mirrored


@pytest.mark.parametrize(
    "text",
    [
        "the left hand over the right",
        "clockwise, then counterclockwise",
        "leftmost and right-handed, upright",
    ],
)
def test_mirroring_twice_is_nothing(text):
    assert mirror_caption(mirror_caption(text)) == text


@pytest.mark.parametrize(
    ("text", "swapped"),
    [
        ("The first person hits the second person.", "The second person hits the first person."),
        ("the second one bows first", "the first one bows first"),
        ("person 1 pushes person 2", "person 2 pushes person 1"),
        ("Person A lifts person B and A smiles", "Person B lifts person A and A smiles"),
        ("P1 waves at P2", "P2 waves at P1"),
        ("A pulls B; B resists", "B pulls A; A resists"),
        ("B comforts A, puts one hand on A's shoulder", "A comforts B, puts one hand on B's shoulder"),
        ("A man hits B, a woman", "A man hits B, a woman"),
        ("A person waves.", "A person waves."),
        ("One person kicks the other.", "One person kicks the other."),
        ("the lead turns the follow", "the lead turns the follow"),
        ("first they walk, then they run", "first they walk, then they run"),
    ],
)
def test_places_are_swapped_and_roles_stay(text, swapped):
    assert swap_roles(text) == swapped
