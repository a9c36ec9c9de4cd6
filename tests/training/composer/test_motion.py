# SPDX-License-Identifier: GPL-3.0-or-later
"""What phases become: fades without jumps, feet that stand, ways that arrive, people who look and reach."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from intermoe_engine.rotations import quat_log, quat_multiply, quat_rotate
from tests.training.composer.scores import HANDSHAKE, plain, score
from tests.training.composer.stick_clips import HEIGHT, PACE, library, walking
from training.composer.acceptance import contact_gaps
from training.composer.draw import draw
from training.composer.feet import foot_goals, on_feet
from training.composer.figure import Figure, J
from training.composer.path import along_arc, around, to_point
from training.composer.score import Score
from training.composer.stage import composed
from training.composer.timeline import FPS, play
from training.composer.touches import touching
from training.evaluation.quality import foot_slide

LIBRARY = library()
TOES = [J["l_foot"], J["r_foot"]]


def actor(one: Score, index: int = 0) -> Figure:
    """The actor of one draw, composed."""
    return composed(draw(one, 0, index), LIBRARY)[0][0]


def test_paths_are_the_curves_that_they_say() -> None:
    done = np.linspace(0.0, 1.0, 50)
    quarter = along_arc(np.zeros(3), np.array([0.0, np.pi]), np.pi / 2, done)
    assert np.allclose(np.hypot(quarter[:, 0] - 2.0, quarter[:, 1]), 2.0)
    assert np.allclose(quarter[-1], [2.0, 2.0, np.pi / 2])
    ring = around(np.array([0.0, -1.5, 0.0]), np.zeros(2), np.pi, done)
    assert np.allclose(np.hypot(ring[:, 0], ring[:, 1]), 1.5)
    assert np.allclose(ring[:, :2] + 1.5 * np.stack([np.sin(ring[:, 2]), np.cos(ring[:, 2])], axis=-1), 0.0)
    way = to_point(np.array([1.0, 0.0, 0.4]), np.array([-1.0, 2.0]), done, "path", np.zeros(2))
    assert np.allclose(way[0], [1.0, 0.0, 0.4]) and np.allclose(way[-1, :2], [-1.0, 2.0])
    heading = np.stack([np.sin(way[:, 2]), np.cos(way[:, 2])], axis=-1)[1:-1]
    step = np.gradient(way[:, :2], axis=0)[1:-1]
    assert (np.sum(heading * step, axis=-1) > 0.98 * np.linalg.norm(step, axis=-1)).all()


def test_a_walk_is_led_at_the_pace_at_which_its_feet_stand(tmp_path: Path) -> None:
    figure = actor(plain(tmp_path, '[[actor]]\nclip = "walk"\nmove = { forward = 3.0 }\nlength = 3.0\n'))
    assert np.isclose(figure.base[-1, 1] - figure.base[0, 1], 3.0, atol=0.02)
    feet = figure.pose()[0][:, TOES]
    low = feet[..., 1] < 0.03
    speed = np.linalg.norm(np.gradient(feet, axis=0)[..., [0, 2]], axis=-1) * FPS
    assert low.mean() > 0.5 and np.percentile(speed[low], 90) < 0.05


def test_who_is_led_backwards_walks_backwards(tmp_path: Path) -> None:
    figure = actor(plain(tmp_path, '[[actor]]\nclip = "walk"\nmove = { forward = -1.5 }\nlength = 2.0\n'))
    feet = figure.pose()[0][:60, TOES]
    low = feet[..., 1] < 0.03
    speed = np.linalg.norm(np.gradient(feet, axis=0)[..., [0, 2]], axis=-1) * FPS
    assert np.isclose(figure.base[-1, 1] - figure.base[0, 1], -1.5, atol=0.02)
    assert np.percentile(speed[low], 80) < 0.1


def test_without_a_length_a_way_takes_what_the_clip_needs(tmp_path: Path) -> None:
    one = plain(tmp_path, '[[actor]]\nclip = "walk"\nmove = { forward = 2.0 }\n[[actor]]\nclip = "stand"\n')
    path = play(draw(one, 0, 0), LIBRARY)[0].base
    arrived = int(np.argmax(path[:, 1] - path[0, 1] > 1.99)) / FPS
    assert arrived == pytest.approx(2.0 / PACE + 0.4, abs=0.2)


def test_fades_do_not_jump(tmp_path: Path) -> None:
    phases = '[[actor]]\nclip = "stand"\n[[actor]]\nclip = "wide"\nstart = 1.5\nblend = 0.5\n'
    figure = play(draw(plain(tmp_path, phases), 0, 0), LIBRARY)[0]
    turn = quat_log(quat_multiply(figure.local[1:], figure.local[:-1] * [1.0, -1.0, -1.0, -1.0]))
    # 0.16 rad in half a second by a curve whose steepest slope is 15/8 of the mean.
    assert np.linalg.norm(turn, axis=-1).max() * FPS < 0.16 / 0.5 * 15 / 8 + 0.2
    assert np.abs(np.diff(figure.root, axis=0)).max() < 0.01
    thigh = figure.local[:, J["l_hip"]]
    assert np.allclose(2 * np.arcsin(thigh[[5, 70], 3]), [0.0, 0.16], atol=1e-3)


def test_feet_stay_planted_through_a_fade_and_step_one_after_the_other(tmp_path: Path) -> None:
    phases = '[[actor]]\nclip = "stand"\n[[actor]]\nclip = "wide"\nstart = 1.5\nblend = 0.4\n'
    faded = play(draw(plain(tmp_path, phases), 0, 0), LIBRARY)[0]
    goals = foot_goals(faded)
    figure = on_feet(faded, goals)
    feet = figure.pose()[0][:, TOES]
    speed = np.linalg.norm(np.diff(feet[..., [0, 2]], axis=0), axis=-1) * FPS
    standing = goals.standing[1:] & goals.standing[:-1]
    assert speed[standing].max() < 1e-3
    assert not (~goals.standing).all(axis=1).any(), "both feet are in the air"
    moving = speed > 0.02
    assert moving.any(axis=0).all() and (feet[1:, :, 1][moving] > 0.02).mean() > 0.9
    # Faded without steps, both feet glide.
    assert foot_slide(faded.pose()[0][None], FPS) > 4 * foot_slide(figure.pose()[0][None], FPS)


def test_knees_give_where_the_pelvis_goes_down(tmp_path: Path) -> None:
    bow = '[[posture]]\nwho = "actor"\nstart = 1.0\nend = 2.0\ncrouch = 0.2\nbend = 40\n'
    figure = actor(plain(tmp_path, f'[[actor]]\nclip = "stand"\n{bow}'))
    positions, rotations = figure.pose()
    assert positions[45, 0, 1] == pytest.approx(HEIGHT - 0.2, abs=0.01)
    assert np.abs(positions[45, TOES] - positions[0, TOES]).max() < 0.003
    up = quat_rotate(rotations[45, J["spine3"]], np.array([0.0, 1.0, 0.0]))
    assert np.degrees(np.arccos(up[1])) == pytest.approx(40.0, abs=5.0)  # they breathe


def test_the_two_stand_as_the_stage_says_at_its_moment(tmp_path: Path) -> None:
    stage = "distance = 1.3\ndirection = 30\nfacing = 120\nat = 3.0"
    walk = '[[actor]]\nclip = "walk"\nlength = 2.5\nmove = { forward = 1.5, turn = 40 }\n'
    walk += '[[actor]]\nclip = "stand"\n'
    a, b = play(draw(plain(tmp_path, walk, stage=stage), 0, 0), LIBRARY)
    between = b.base[90, :2] - a.base[90, :2]
    assert np.hypot(*between) == pytest.approx(1.3, abs=0.01)
    seen = np.degrees(np.arctan2(between[0], between[1]) - a.base[90, 2])
    assert seen == pytest.approx(30.0, abs=1.0)
    assert np.degrees(b.base[90, 2] - a.base[90, 2]) == pytest.approx(120.0, abs=1.0)


def test_who_walks_to_the_other_arrives_facing_them(tmp_path: Path) -> None:
    walk = '[[actor]]\nclip = "walk"\nlength = 3.5\nmove = { to = "other", stop = 0.7 }\n'
    other = '[[other]]\nclip = "stand"\n'
    a, b = play(draw(plain(tmp_path, walk, other, "distance = 2.5\ndirection = 60"), 0, 0), LIBRARY)
    between = b.base[-1, :2] - a.base[-1, :2]
    assert np.hypot(*between) == pytest.approx(0.7, abs=0.02)
    off = np.arctan2(between[0], between[1]) - a.base[-1, 2]
    assert abs(np.degrees((off + np.pi) % (2 * np.pi) - np.pi)) < 5.0


def test_eyes_follow_the_other(tmp_path: Path) -> None:
    look = '[[look]]\nwho = "actor"\nat = "other.head"\n'
    stage = "distance = 2.0\ndirection = 50"
    one = plain(tmp_path, f'[[actor]]\nclip = "stand"\n{look}', stage=stage)
    a, b = composed(draw(one, 0, 0), LIBRARY)[0]
    ahead = quat_rotate(a.pose()[1][:, J["head"]], np.array([0.0, 0.0, 1.0]))
    to = b.pose()[0][:, J["head"]] - a.pose()[0][:, J["head"]]
    cosine = np.sum(ahead * to, axis=-1) / np.linalg.norm(to, axis=-1)
    assert np.degrees(np.arccos(cosine)).max() < 6.0


def test_a_gesture_brings_the_wrist_to_its_point(tmp_path: Path) -> None:
    wave = (
        '[[gesture]]\nwho = "actor"\nhand = "right"\nframe = "chest"\nat = [-0.35, 0.3, 0.15]\n'
        'start = 1.0\nend = 3.0\nblend = 0.5\npalm = "forward"\nfingers = "up"\n'
    )
    figure = actor(plain(tmp_path, f'[[actor]]\nclip = "stand"\n{wave}'))
    positions, rotations = figure.pose()
    held = slice(46, 89)
    own = quat_rotate(figure.local[held, 0], np.array([-0.35, 0.3, 0.15]))
    wanted = positions[held, J["spine3"]] + own
    assert np.abs(positions[held, J["r_wrist"]] - wanted).max() < 0.01
    palm = quat_rotate(rotations[held, J["r_wrist"]], np.array([0.0, -1.0, 0.0]))
    assert (palm[:, 2] > 0.9).all()
    assert (positions[held, J["r_elbow"], 1] < positions[held, J["r_wrist"], 1]).all()
    acceleration = np.linalg.norm(np.diff(positions[:, J["r_wrist"]], n=2, axis=0), axis=-1) * FPS**2
    assert acceleration.max() < 40.0


def test_hands_that_shake_meet_within_two_centimetres(tmp_path: Path) -> None:
    shake = score(tmp_path, HANDSHAKE)
    for index in range(3):
        drawn = draw(shake, 0, index)
        figures, touches = composed(drawn, LIBRARY)
        solved = touching(figures, drawn, touches)
        for gap in contact_gaps(solved, touches):
            assert len(gap) >= 20 and np.abs(gap).max() < 0.02
        # Nobody is moved but for their arms: feet and heads are where they were.
        for before, after in zip(figures, solved, strict=True):
            assert np.abs(before.pose()[0][:, TOES] - after.pose()[0][:, TOES]).max() < 0.002


def test_who_stands_too_far_away_to_touch_comes_nearer(tmp_path: Path) -> None:
    shake = score(
        tmp_path,
        HANDSHAKE.replace("range = [0.8, 0.95]", "range = [1.2, 1.25]").replace("[0.8, 0.85]", "[1.2, 1.21]"),
    )
    drawn = draw(shake, 0, 0)
    figures, touches = composed(drawn, LIBRARY)
    far = np.linalg.norm(figures[0].base[0, :2] - figures[1].base[0, :2])
    assert 0.8 < far < 1.15
    assert max(np.abs(gap).max() for gap in contact_gaps(touching(figures, drawn, touches), touches)) < 0.02


def test_the_stick_walk_is_a_walk() -> None:
    clip = walking()
    figure = Figure(FPS, clip.pelvis, clip.rotations, clip.base, clip.stands.astype(float))
    speed = np.gradient(figure.pose()[0][:, TOES, 2], axis=0) * FPS
    assert np.allclose(speed[2:12, 0], -PACE, atol=0.05)
