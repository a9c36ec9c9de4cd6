# SPDX-License-Identifier: GPL-3.0-or-later
"""Files appear whole or not at all, and what goes wrong names the file that was meant."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from intermoe_engine.atomic import replacing, replacing_all


def test_none_takes_its_place_before_all_are_written(tmp_path: Path) -> None:
    paths = [tmp_path / "new" / name for name in ("a", "b")]
    with replacing_all(paths) as temporaries:
        for temporary, text in zip(temporaries, "ab", strict=True):
            temporary.write_text(text)
            assert not any(path.exists() for path in paths)
    assert [path.read_text() for path in paths] == ["a", "b"]
    with pytest.raises(KeyboardInterrupt), replacing_all(paths) as temporaries:
        temporaries[0].write_text("changed")
        raise KeyboardInterrupt
    assert [path.read_text() for path in paths] == ["a", "b"]
    assert sorted(os.listdir(tmp_path / "new")) == ["a", "b"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
def test_the_error_of_an_open_file_names_it(tmp_path: Path, number: int) -> None:
    path = tmp_path / "take.npz"
    with pytest.raises(OSError) as caught, replacing(path) as temporary:
        temporary.write_text("half")
        raise OSError(number, os.strerror(number))
    assert caught.value.filename == str(path) and caught.value.errno == number
    assert not os.listdir(tmp_path)


def test_names_that_cannot_be_are_said_by_their_own_name(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(IsADirectoryError) as caught, replacing(tmp_path / "folder"):
        raise AssertionError("nothing is to be written")
    assert caught.value.filename == str(tmp_path / "folder")
    long = tmp_path / ("x" * 300)
    with pytest.raises(OSError) as caught, replacing(long) as temporary:
        temporary.write_text("")
    assert caught.value.filename == str(long)
