# SPDX-License-Identifier: GPL-3.0-or-later
"""A BVH file written out by hand, whose pose can be told by hand."""

import numpy as np
import pytest

from intermoe_engine.formats.bvh_reader import BvhError, read_bvh

FILE = """HIERARCHY
ROOT hip
{
  OFFSET 0 0 0
  CHANNELS 6 Xposition Yposition Zposition Zrotation Yrotation Xrotation
  JOINT knee
  {
    OFFSET 0 -1 0
    CHANNELS 3 Zrotation Xrotation Yrotation
    End Site
    {
      OFFSET 0 -1 0.5
    }
  }
}
MOTION
Frames: 2
Frame Time: 0.05
0 2 0 0 0 0 0 0 0
1 2 3 90 0 0 0 90 0
"""


def test_positions_follow_channels_in_their_order():
    motion = read_bvh("mine.bvh", FILE)
    positions, rotations = motion.global_pose()
    assert motion.fps == pytest.approx(20)
    assert np.allclose(positions[0], [[0, 2, 0], [0, 1, 0]])
    # Turned by 90° about z, what hung down (−y) points to +x.
    assert np.allclose(positions[1], [[1, 2, 3], [2, 2, 3]], atol=1e-12)
    assert motion.end_sites["knee"].tolist() == [0, -1, 0.5]
    assert rotations.shape == (2, 2, 4)


@pytest.mark.parametrize(
    "broken, says",
    [
        (FILE.split("MOTION")[0], "no MOTION"),
        (FILE.replace("Frames: 2", "Frames: 5"), "5 frames"),
        (FILE.replace("1 2 3 90", "1 2 x 90"), "MOTION"),
        (FILE.replace("OFFSET 0 -1 0\n", "OFFSET 0 north 0\n"), "HIERARCHY"),
        (FILE.replace("1 2 3 90", "1 2 nan 90"), "not finite"),
        (FILE.replace("Xposition", "Wposition"), "Wposition"),
        (FILE.replace("Frames: 2", "Frames: -2"), "-2 frames"),
        (FILE.replace("}\nMOTION", "MOTION"), "cut off"),
        ("HIERARCHY\nMOTION\nFrames: 1\nFrame Time: 0.1\n\n", "no joints"),
    ],
)
def test_broken_files_are_named(broken, says):
    with pytest.raises(BvhError, match=says) as error:
        read_bvh("mine.bvh", broken)
    assert "mine.bvh" in str(error.value)
