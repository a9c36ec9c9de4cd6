# SPDX-License-Identifier: GPL-3.0-or-later
"""One captured piece of two people's motion, in one format whatever file it came from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from intermoe_engine.kinematics import forward_kinematics
from intermoe_engine.representation import (
    INTERHUMAN_ROOT,
    FeatureLayout,
    canonical_transform,
    features_from_motion,
    foot_contacts,
    move_rigidly,
)
from intermoe_engine.rotations import quat_rotate, quat_slerp
from intermoe_engine.skeleton import SMPL22

from .captions import mirror_caption, swap_roles

_TRACKS = ("root_translation", "joint_rotations", "hands", "given_positions")
_MIRRORED_POINT = np.array([-1.0, 1.0, 1.0])
_MIRRORED_QUAT = np.array([1.0, 1.0, -1.0, -1.0])


@dataclass(frozen=True)
class PairClip:
    """Two people on one clock and one floor (y = 0), metres, y up.

    root_translation (2, T, 3); joint_rotations (2, T, 22, 4) local, joint 0 global; rest_offsets
    (2, 22, 3); roles: who is who, e.g. ("lead", "follow"), or ("", "") where nobody knows.

    captions: sentences that describe the whole clip. split: "train", "val", "test" or "". source: the
    format it came in. hands (2, T, 30, 4): local rotations of SMPL-X's fingers, the left hand's 15 joints
    and then the right's. given_positions (2, T, 22, 3): the joints as the source states them, kept where
    forward kinematics of the rotations would not reproduce them to a millimetre.
    """

    name: str
    fps: float
    root_translation: np.ndarray
    joint_rotations: np.ndarray
    rest_offsets: np.ndarray
    roles: tuple[str, str]
    captions: tuple[str, ...] = ()
    split: str = ""
    source: str = ""
    hands: np.ndarray | None = None
    given_positions: np.ndarray | None = None

    @property
    def frames(self) -> int:
        return self.root_translation.shape[1]

    def posed_positions(self) -> np.ndarray:
        """Joint positions (2, T, 22, 3) by forward kinematics of the rotations."""
        people = [
            forward_kinematics(
                self.root_translation[p], self.joint_rotations[p], SMPL22.parents, self.rest_offsets[p]
            )
            for p in (0, 1)
        ]
        return np.stack([positions for positions, _ in people])

    def positions(self) -> np.ndarray:
        """Joint positions (2, T, 22, 3): the given ones where there are any, else the posed ones."""
        return self.posed_positions() if self.given_positions is None else self.given_positions

    def window(self, start: int, length: int) -> PairClip:
        """Frames start … start + length − 1."""
        return self._each(lambda track: track[:, start : start + length])

    def swapped(self) -> PairClip:
        """Person B becomes person A, with the roles; captions that speak of places are changed."""
        return replace(
            self._each(lambda track: track[::-1]),
            rest_offsets=self.rest_offsets[::-1],
            roles=self.roles[::-1],
            captions=tuple(swap_roles(caption) for caption in self.captions),
        )

    def mirrored(self) -> PairClip:
        """Left and right change places, for both people about the same plane, and in the captions."""
        hands, given = self.hands, self.given_positions
        if hands is not None:
            hands = np.concatenate([hands[..., 15:, :], hands[..., :15, :]], axis=-2) * _MIRRORED_QUAT
        if given is not None:
            given = given[..., SMPL22.mirror, :] * _MIRRORED_POINT
        return replace(
            self,
            root_translation=self.root_translation * _MIRRORED_POINT,
            joint_rotations=self.joint_rotations[..., SMPL22.mirror, :] * _MIRRORED_QUAT,
            rest_offsets=self.rest_offsets[:, SMPL22.mirror] * _MIRRORED_POINT,
            captions=tuple(mirror_caption(caption) for caption in self.captions),
            hands=hands,
            given_positions=given,
        )

    def moved(self, turn: np.ndarray, shift: np.ndarray) -> PairClip:
        """Both people turned by the quaternion (4,) and then shifted by (3,) metres."""
        root, rotations = move_rigidly(self.root_translation, self.joint_rotations, turn, shift)
        given = self.given_positions
        return replace(
            self,
            root_translation=root,
            joint_rotations=rotations,
            given_positions=None if given is None else quat_rotate(turn, given) + shift,
        )

    def retimed(self, speed: float) -> PairClip:
        """The same motion `speed` times as fast, at the same frame rate."""
        count = int((self.frames - 1) / speed + 1e-6) + 1
        return self._at(np.arange(count) * speed)

    def resampled(self, fps: float) -> PairClip:
        """The same motion at another frame rate, from the first frame on."""
        if abs(fps - self.fps) < 1e-9:
            return self
        return replace(self.retimed(self.fps / fps), fps=fps)

    def _each(self, change: Callable[[np.ndarray], np.ndarray]) -> PairClip:
        """Every array (2, T, …) changed in the same way."""
        tracks = {name: getattr(self, name) for name in _TRACKS}
        return replace(self, **{name: change(t) for name, t in tracks.items() if t is not None})

    def _at(self, times: np.ndarray) -> PairClip:
        """The motion at fractional frame numbers (N,)."""
        low = np.minimum(times.astype(int), self.frames - 1)
        high = np.minimum(low + 1, self.frames - 1)
        t = times - low
        straight = lambda a: a[:, low] + (a[:, high] - a[:, low]) * t.reshape(-1, *[1] * (a.ndim - 2))
        arc = lambda q: quat_slerp(q[:, low], q[:, high], t[:, None])
        return replace(
            self,
            root_translation=straight(self.root_translation),
            joint_rotations=arc(self.joint_rotations),
            hands=None if self.hands is None else arc(self.hands),
            given_positions=None if self.given_positions is None else straight(self.given_positions),
        )

    def features(self, layout: FeatureLayout = INTERHUMAN_ROOT) -> np.ndarray:
        """Features (2, T, F) float32 in the canonical frame of person A's first frame."""
        positions = self.positions()
        contacts = foot_contacts(positions, self.fps)
        turn, shift = canonical_transform(positions[0])
        moved, rotations = move_rigidly(positions, self.joint_rotations, turn, shift)
        return features_from_motion(moved, rotations, contacts, layout)
