# SPDX-License-Identifier: GPL-3.0-or-later
"""A progress bar with the time that is left, on standard error."""

from __future__ import annotations

import sys
import time
from typing import TextIO

_WIDTH = 28
_SECONDS_BETWEEN = 0.1


class ProgressBar:
    """Called with (stage, done, total). A terminal sees one line change, a log one line a stage."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream if stream is not None else sys.stderr
        self._live = self._stream.isatty()
        self._stage = ""
        self._began = 0.0
        self._drawn = 0.0
        self._length = 0

    def __call__(self, stage: str, done: int, total: int) -> None:
        now = time.monotonic()
        if stage != self._stage:
            self._stage, self._began, self._drawn = stage, now, 0.0
        complete = done >= total
        if complete or (self._live and now - self._drawn >= _SECONDS_BETWEEN):
            self._drawn = now
            self._draw(stage, done, total, now - self._began)
            if complete:
                self._end_line()

    def close(self) -> None:
        """Leave the line, after an error or at the end."""
        if self._live and self._length:
            self._end_line()

    def _draw(self, stage: str, done: int, total: int, elapsed: float) -> None:
        filled = _WIDTH * done // max(total, 1)
        bar = "#" * filled + "." * (_WIDTH - filled)
        text = f"{stage:<9} [{bar}] {done}/{total}  {_time_note(done, total, elapsed)}"
        if self._live:
            self._stream.write("\r" + text.ljust(self._length))
        else:
            self._stream.write(text)
        self._length = len(text)
        self._stream.flush()

    def _end_line(self) -> None:
        self._stream.write("\n")
        self._stream.flush()
        self._length = 0


def _time_note(done: int, total: int, elapsed: float) -> str:
    if done >= total:
        return f"{elapsed:.1f} s"
    if done == 0:
        return ""
    left = elapsed / done * (total - done)
    return f"{left:.0f} s left" if left < 90 else f"{left / 60:.0f} min left"
