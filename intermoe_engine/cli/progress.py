# SPDX-License-Identifier: GPL-3.0-or-later
"""A progress bar with the time that is left, on standard error."""

from __future__ import annotations

import math
import sys
import time
from typing import TextIO

_WIDTH = 28
_SECONDS_BETWEEN = 0.1


class ProgressBar:
    """Called with (stage, done, total). A terminal sees one line change, a log one line a stage.

    log_seconds: a log gets a line so often as well, for stages of hours.
    """

    def __init__(self, stream: TextIO | None = None, log_seconds: float = math.inf) -> None:
        self._stream = stream if stream is not None else sys.stderr
        self._live = self._stream.isatty()
        self._every = _SECONDS_BETWEEN if self._live else log_seconds
        self._stage = ""
        self._began = 0.0
        self._drawn = 0.0
        self._length = 0

    def __call__(self, stage: str, done: int, total: int) -> None:
        now = time.monotonic()
        if stage != self._stage:
            self._stage, self._began, self._drawn = stage, now, 0.0 if self._live else now
        complete = done >= total
        if complete or now - self._drawn >= self._every:
            self._drawn = now
            self._draw(stage, done, total, now - self._began)
            if complete or not self._live:
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
