# SPDX-License-Identifier: GPL-3.0-or-later
"""Pairs of people on their way to batches: what may change and what must not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from intermoe_engine.kinematics import forward_kinematics
from intermoe_engine.representation import facing_direction
from intermoe_engine.rotations import quat_exp
from intermoe_engine.skeleton import SMPL22
from training.batches.captions import dance_tracks
from training.batches.clips import ClipList
from training.batches.motion_store import MotionStore, open_store
from training.batches.stream import Share, loader
from training.batches.windows import Choice, PersonWindows, WindowChooser, store_statistics
from training.data.interx_features import interx_features
from training.data.pair_clip import PairClip
from training.data.salsa_captions import Claim, holds, measured, salsa_captions, split_captions
from training.kinematics import posed_joints
from training.layouts import LAYOUTS
from training.recipe import DataRecipe

DATA = DataRecipe(speeds=(1.0, 1.25))


@pytest.fixture(scope="module")
def clip() -> PairClip:
    rng = np.random.default_rng(0)
    frames = 200
    smooth = lambda *shape: np.cumsum(0.01 * rng.standard_normal((2, frames, *shape)), axis=1)
    root = smooth(3) + np.array([[[0.0, 0.95, 0.0]], [[0.3, 0.95, 0.7]]])
    offsets = np.stack([SMPL22.offsets, 1.1 * SMPL22.offsets])
    return PairClip(
        "synthetic",
        30.0,
        root,
        quat_exp(smooth(22, 3)),
        offsets,
        ("lead", "follow"),
        captions=("one person raises the left arm",),
        hands=quat_exp(smooth(30, 3)),
    )


def store_of(clip: PairClip, folder: Path, layout: str = "interhuman+root") -> MotionStore:
    clips = ClipList(("a",), ("b",), "digest", lambda name: clip)
    return open_store(folder, clips, DATA, LAYOUTS[layout])


@pytest.fixture(scope="module")
def store(clip: PairClip, tmp_path_factory: pytest.TempPathFactory) -> MotionStore:
    return store_of(clip, tmp_path_factory.mktemp("store"))


def one(clip: int, start: int, before: int = 0, swap: bool = False, mirror: bool = False) -> Choice:
    return Choice(*(np.array([value]) for value in (clip, start, before, swap, mirror)))


def wrist_gap(clip: PairClip) -> np.ndarray:
    positions = clip.positions()
    return np.linalg.norm(positions[0, :, 20] - positions[1, :, 21], axis=-1)


def test_mirroring_twice_is_nothing_and_once_swaps_sides(clip: PairClip) -> None:
    twice = clip.mirrored().mirrored()
    assert np.allclose(twice.positions(), clip.positions(), atol=1e-12)
    once = clip.mirrored().positions()
    assert np.allclose(once[:, :, SMPL22.mirror] * [-1, 1, 1], clip.positions(), atol=1e-9)


def test_swapping_takes_the_roles_along(clip: PairClip) -> None:
    swapped = clip.swapped()
    assert swapped.roles == ("follow", "lead")
    assert np.allclose(swapped.positions()[1], clip.positions()[0])


def test_retiming_keeps_the_path_and_changes_the_clock(clip: PairClip) -> None:
    fast = clip.retimed(2.0)
    assert fast.frames == 100
    assert np.allclose(fast.positions()[:, 10], clip.positions()[:, 20], atol=1e-9)


def test_a_store_keeps_every_clip_at_every_speed(clip: PairClip, store: MotionStore) -> None:
    assert [(c.name, c.frames, c.held_out) for c in store.clips] == [
        ("synthetic", 200, False),
        ("synthetic", clip.retimed(1.25).frames, False),
        ("synthetic", 200, True),
    ]
    window = store.cut(1, 30, 20, swap=False, mirror=False).numpy()
    expected = LAYOUTS["interhuman+root"].features(clip.retimed(1.25))[:, 30:50]
    assert np.array_equal(window, expected)


def test_a_store_is_made_once_and_anew_for_other_clips(clip: PairClip, tmp_path: Path) -> None:
    loads = []
    clips = lambda digest: ClipList(("a",), (), digest, lambda name: loads.append(name) or clip)
    for digest in ("one", "one", "two"):
        open_store(tmp_path, clips(digest), DATA, LAYOUTS["interhuman"])
    assert loads == ["a", "a"]


@pytest.mark.parametrize("swap", [False, True])
@pytest.mark.parametrize("mirror", [False, True])
def test_canonical_windows_are_the_clip_s_own_features(
    clip: PairClip, store: MotionStore, swap: bool, mirror: bool
) -> None:
    chooser = WindowChooser(store, DATA, 64)
    got, offsets = chooser.cut(one(0, 40, swap=swap, mirror=mirror))
    view = clip.mirrored() if mirror else clip
    view = view.swapped() if swap else view
    # The last frame's velocity is repeated in the cut clip and known in the store.
    assert np.allclose(got[0, :, :-1], view.window(40, 64).features()[:, :-1], atol=3e-6)
    assert np.allclose(offsets[0], view.rest_offsets, atol=1e-6)


def test_canonical_keeps_distances_between_the_people(clip: PairClip, store: MotionStore) -> None:
    chooser = WindowChooser(store, DATA, 64)
    windows, offsets = chooser.cut(chooser.choose(np.random.default_rng(0), 6, lead_in=50))
    joints = windows[..., 0:66].unflatten(-1, (22, 3))
    forward = posed_joints(windows, offsets.unsqueeze(-3)) + joints[..., :1, :]
    assert torch.allclose(forward, joints, atol=1e-5)
    plain = chooser.cut(one(0, 0))[0][0, :, :, 0:66].unflatten(-1, (22, 3))
    assert np.allclose(facing_direction(plain[0, :1].numpy())[0], [0, 0, 1], atol=1e-5)
    assert np.allclose((plain[0, :, 20] - plain[1, :, 21]).norm(dim=-1), wrist_gap(clip)[:64], atol=1e-5)


def test_a_window_s_coordinates_may_come_from_a_frame_before_it(store: MotionStore) -> None:
    chooser = WindowChooser(store, DATA, 64)
    late = chooser.cut(one(0, 50, before=30))[0]
    whole = WindowChooser(store, DATA, 94).cut(one(0, 20))[0]
    assert torch.allclose(late, whole[:, :, 30:], atol=2e-6)


def test_inter_x_windows_are_shifted_and_mirrored_exactly(clip: PairClip, tmp_path: Path) -> None:
    store = store_of(clip, tmp_path, "interx")
    chooser = WindowChooser(store, DATA, 40)
    for swap, mirror in ((False, False), (True, False), (False, True)):
        got, offsets = chooser.cut(one(0, 10, swap=swap, mirror=mirror))
        view = clip.mirrored() if mirror else clip
        view = (view.swapped() if swap else view).window(10, 40)
        expected = interx_features(view).reshape(2, 40, 660)
        assert np.allclose(got[0, :, :-1], expected[:, :-1], atol=3e-6)
        layout = LAYOUTS["interx"]
        joints = layout.joint_positions(got)
        assert torch.allclose(
            layout.posed(got, offsets.unsqueeze(-3)) + joints[..., :1, :], joints, atol=1e-5
        )


def test_torch_and_numpy_kinematics_agree(clip: PairClip) -> None:
    features = torch.from_numpy(clip.features())
    for person in (0, 1):
        expected, _ = forward_kinematics(
            np.zeros((200, 3)), clip.joint_rotations[person], SMPL22.parents, clip.rest_offsets[person]
        )
        offsets = torch.tensor(clip.rest_offsets[person], dtype=torch.float32)
        own_frame = torch.from_numpy(LAYOUTS["interhuman"].features(clip))[person]
        assert np.allclose(posed_joints(own_frame, offsets), expected, atol=1e-5)
    assert torch.isfinite(features).all()


@pytest.mark.parametrize("name", ["interhuman", "interhuman+root", "interx"])
def test_statistics_make_windows_standard(clip: PairClip, tmp_path: Path, name: str) -> None:
    store = store_of(clip, tmp_path, name)
    stats = store_statistics(store, DATA, seed=0, windows=50)
    chooser = WindowChooser(store, DATA, 100)
    batch = chooser.cut(chooser.choose(np.random.default_rng(5), 40))[0]
    normalised = stats.normalise(batch)[..., : store.layout.size]
    assert abs(float(normalised.mean())) < 0.25
    assert 0.3 < float(normalised.std()) < 1.3
    assert torch.allclose(stats.denormalise(stats.normalise(batch)), batch, atol=1e-4)
    tail = slice(store.layout.size, None)
    assert torch.equal(stats.normalise(batch)[..., tail], batch[..., tail])


def test_a_batch_depends_on_its_step_alone(store: MotionStore) -> None:
    chooser = WindowChooser(store, DATA, 32)
    source = PersonWindows(chooser, store_statistics(store, DATA, 0, 20), 6, lead_in=20, key=(1, 2))
    plain = [source.batch(step, Share())[0] for step in range(8)]
    assert not torch.equal(plain[0], plain[1])
    workers = iter(loader(source, 3, Share(), workers=2))
    for step in range(3, 8):
        assert torch.equal(next(workers)[0], plain[step])
    shares = [source.batch(4, Share(rank, 3))[0] for rank in range(3)]
    assert torch.equal(torch.cat(shares), plain[4])
    with pytest.raises(ValueError, match="6 cannot be shared by 4"):
        source.batch(0, Share(0, 4))


def test_what_captions_speak_of_is_measured(clip: PairClip) -> None:
    frames = 60
    positions = np.zeros((2, frames, 22, 3))
    angle = np.linspace(0, 2 * np.pi, frames)
    positions[1, :, 2] = np.stack([-np.cos(angle), 0 * angle, np.sin(angle)], axis=-1)  # B turns once
    positions[0, :, 2] = [-1, 0, 0]
    positions[1, :, :, 0] += 0.5
    positions[:, :, [7, 8, 10, 11], 2] += 0.1 * np.arange(frames)[None, :, None]
    positions[0, :, 20] = positions[1, :, 21] + [0.2, 0, 0]
    yaw_a, yaw_b, distance, speed, wrists = dance_tracks(positions).T
    assert np.ptp(yaw_a) < 1e-5 and abs(np.ptp(yaw_b) - 2 * np.pi) < 1e-4
    assert np.allclose(distance, 0.5) and np.allclose(speed, 3.0, atol=1e-4)
    assert np.allclose(wrists, 0.2)


def test_a_caption_is_offered_only_where_it_is_true() -> None:
    frames = 100
    yaw = np.stack([np.zeros(frames), np.linspace(0, 6.3, frames)])
    facts = measured(yaw, np.full(frames, 0.5), np.full(frames, 1.0), np.full(frames, 0.1))
    assert facts == {"turn": "b", "distance": "close", "energy": "calm", "hands": True}
    assert holds(Claim(), facts, "a")
    assert holds(Claim(lead="a", turn="b", distance="close", energy="calm", hands=True), facts, "a")
    assert not holds(Claim(lead="b"), facts, "a")
    assert not holds(Claim(turn="a"), facts, "a")
    assert not holds(Claim(distance="apart"), facts, "a")


def test_captions_are_several_hundred_and_the_held_out_ones_are_not_trained() -> None:
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
