# SPDX-License-Identifier: GPL-3.0-or-later
"""Pairs of people on their way to batches: what may change and what must not."""

import numpy as np
import pytest
import torch

from intermoe_engine.kinematics import forward_kinematics
from intermoe_engine.representation import facing_direction
from intermoe_engine.rotations import quat_exp
from intermoe_engine.skeleton import SMPL22
from training.data.pair_clip import PairClip
from training.data.salsa_captions import Claim, holds, measured, salsa_captions, split_captions
from training.data.sequences import augmented, canonical, cut, sequence_of, statistics, window_batch
from training.kinematics import posed_joints


@pytest.fixture(scope="module")
def clip() -> PairClip:
    rng = np.random.default_rng(0)
    frames = 200
    smooth = lambda *shape: np.cumsum(0.01 * rng.standard_normal((2, frames, *shape)), axis=1)
    root = smooth(3) + np.array([[[0.0, 0.95, 0.0]], [[0.3, 0.95, 0.7]]])
    offsets = np.stack([SMPL22.offsets, SMPL22.offsets])
    return PairClip("synthetic", 30.0, root, quat_exp(smooth(22, 3)), offsets, ("lead", "follow"))


def wrist_gap(clip: PairClip) -> np.ndarray:
    positions = clip.positions()
    return np.linalg.norm(positions[0, :, 20] - positions[1, :, 21], axis=-1)


def test_mirroring_twice_is_nothing_and_once_swaps_sides(clip):
    twice = clip.mirrored().mirrored()
    assert np.allclose(twice.positions(), clip.positions(), atol=1e-12)
    once = clip.mirrored().positions()
    assert np.allclose(once[:, :, SMPL22.mirror] * [-1, 1, 1], clip.positions(), atol=1e-9)


def test_swapping_takes_the_roles_along(clip):
    swapped = clip.swapped()
    assert swapped.roles == ("follow", "lead")
    assert np.allclose(swapped.positions()[1], clip.positions()[0])
    assert sequence_of(swapped).lead == 1


def test_retiming_keeps_the_path_and_changes_the_clock(clip):
    fast = clip.retimed(2.0)
    assert fast.frames == 100
    assert np.allclose(fast.positions()[:, 10], clip.positions()[:, 20], atol=1e-9)


def test_canonical_windows_are_the_clip_s_own_features(clip):
    window = clip.window(40, 64)
    expected = window.features()
    got = canonical(cut(sequence_of(clip), 40, 64, False)[None])[0].numpy()
    # The last frame's velocity is repeated in the cut clip and known in the sequence.
    assert np.allclose(got[:, :-1], expected[:, :-1], atol=2e-6)
    got = canonical(cut(sequence_of(clip), 40, 64, True)[None])[0].numpy()
    assert np.allclose(got[:, :-1], clip.swapped().window(40, 64).features()[:, :-1], atol=2e-6)


def test_canonical_keeps_distances_between_the_people(clip):
    windows = window_batch([sequence_of(clip)], np.random.default_rng(0), 6, 64, lead_in=50)
    joints = windows[..., 0:66].unflatten(-1, (22, 3))
    forward = posed_joints(windows, torch.tensor(SMPL22.offsets, dtype=torch.float32)) + joints[..., :1, :]
    assert torch.allclose(forward, joints, atol=1e-5)
    plain = canonical(cut(sequence_of(clip), 0, 64, False)[None])[0, :, :, 0:66].unflatten(-1, (22, 3))
    assert np.allclose(facing_direction(plain[0, :1].numpy())[0], [0, 0, 1], atol=1e-5)
    assert np.allclose((plain[0, :, 20] - plain[1, :, 21]).norm(dim=-1), wrist_gap(clip)[:64], atol=1e-5)


def test_torch_and_numpy_kinematics_agree(clip):
    features = torch.from_numpy(clip.features())
    expected, _ = forward_kinematics(
        np.zeros((200, 3)), clip.joint_rotations[0], SMPL22.parents, SMPL22.offsets
    )
    ours = posed_joints(sequence_of(clip).features[0], torch.tensor(SMPL22.offsets, dtype=torch.float32))
    assert np.allclose(ours, expected, atol=1e-5)
    assert torch.isfinite(features).all()


def test_statistics_make_windows_standard(clip):
    sequences = augmented(clip, speeds=(1.0,))
    stats = statistics(sequences, windows=50, frames=100)
    batch = window_batch(sequences, np.random.default_rng(5), 40, 100)
    normalised = stats.normalise(batch)
    assert abs(float(normalised.mean())) < 0.2
    assert 0.3 < float(normalised.std()) < 1.2
    assert torch.allclose(stats.denormalise(normalised), batch, atol=1e-4)


def test_a_caption_is_offered_only_where_it_is_true():
    frames = 100
    yaw = np.stack([np.zeros(frames), np.linspace(0, 6.3, frames)])
    facts = measured(yaw, np.full(frames, 0.5), np.full(frames, 1.0), np.full(frames, 0.1))
    assert facts == {"turn": "b", "distance": "close", "energy": "calm", "hands": True}
    assert holds(Claim(), facts, "a")
    assert holds(Claim(lead="a", turn="b", distance="close", energy="calm", hands=True), facts, "a")
    assert not holds(Claim(lead="b"), facts, "a")
    assert not holds(Claim(turn="a"), facts, "a")
    assert not holds(Claim(distance="apart"), facts, "a")


def test_captions_are_several_hundred_and_the_held_out_ones_are_not_trained():
    captions = salsa_captions()
    texts = [caption.text for caption in captions]
    assert len(texts) == len(set(texts)) > 400
    trained, held = split_captions(captions)
    assert not {c.text for c in trained} & {c.text for c in held}
    assert len(held) > 40
    assert all("  " not in text and "{" not in text for text in texts)
    assert all(
        holds(
            c.claim,
            {
                "turn": c.claim.turn,
                "distance": c.claim.distance,
                "energy": c.claim.energy,
                "hands": c.claim.hands,
            },
            c.claim.lead or "a",
        )
        for c in captions
    )
