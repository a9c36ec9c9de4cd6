# SPDX-License-Identifier: GPL-3.0-or-later
"""Files appear whole or not at all."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` to write to; it takes `path`'s place when the block ends well.

    If the block raises, the temporary file is removed and an existing `path` stays as it was. Folders on the
    way are made. Raises OSError, which names `path`.
    """
    with replacing_all([path]) as (temporary,):
        yield temporary


@contextmanager
def replacing_all(paths: Sequence[Path]) -> Iterator[list[Path]]:
    """As `replacing`, for files that belong together: none takes its place before all are written."""
    # Not mkstemp: its files can be read by their owner alone, and stay so after the renaming.
    mark = f"{os.getpid()}-{threading.get_ident()}.tmp"
    temporaries = [path.parent / f".{path.name}.{mark}" for path in paths]
    try:
        for target in paths:
            target.parent.mkdir(parents=True, exist_ok=True)
            if target.is_dir():
                raise IsADirectoryError(errno.EISDIR, "there is a folder of that name", str(target))
        yield temporaries
        for temporary, target in zip(temporaries, paths, strict=True):
            os.replace(temporary, target)
    except BaseException as error:
        for temporary in temporaries:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
        names = {str(temporary): path for temporary, path in zip(temporaries, paths, strict=True)}
        if isinstance(error, OSError) and error.errno is not None and paths:
            # The user knows the file by its own name, and writing to an open file names none.
            if error.filename is None:
                error.filename = str(paths[0] if len(paths) == 1 else paths[0].parent)
            elif str(error.filename) in names:
                error.filename, error.filename2 = str(names[str(error.filename)]), None
        raise
