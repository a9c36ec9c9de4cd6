# SPDX-License-Identifier: GPL-3.0-or-later
"""Standard streams that carry messages alone, whatever prints in the process."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path
from typing import Any, BinaryIO

from . import protocol

_LOG_LIMIT = 4 << 20


class MessageStreams:
    """The real standard input and output, taken away from everything else in the process.

    After `take_over`, descriptor 0 is empty and 1 and 2 lead to the log, for Python's print, for native
    libraries and for child processes alike; messages go over duplicates that children do not inherit.
    """

    def __init__(self, reader: BinaryIO, writer: int) -> None:
        self._reader = reader
        self._writer = writer
        self._lock = threading.Lock()

    @classmethod
    def take_over(cls, log: Path | None) -> MessageStreams:
        """Duplicate the streams and divert 0, 1 and 2. log: None leaves standard error as it is.

        Raises OSError where the log cannot be opened; the streams are then as they were.
        """
        target = None if log is None else _open_log(log)
        reader, writer = os.dup(0), os.dup(1)
        if sys.platform == "win32":
            import msvcrt

            msvcrt.setmode(reader, os.O_BINARY)
            msvcrt.setmode(writer, os.O_BINARY)
        sys.stdout.flush()
        sys.stderr.flush()
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        if target is not None:
            os.dup2(target, 2)
            os.close(target)
        os.dup2(2, 1)
        for stream in (sys.stdout, sys.stderr):
            reconfigure = getattr(stream, "reconfigure", None)
            if reconfigure is not None:
                reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)
        # Whatever was printed without a line end until now must not stick to the first message.
        os.write(writer, b"\n")
        return cls(os.fdopen(reader, "rb"), writer)

    def send(self, message: dict[str, Any]) -> None:
        """Write one message, whole. Raises OSError when nobody reads any more."""
        data = memoryview(protocol.encode(message))
        with self._lock:
            while data:
                data = data[os.write(self._writer, data) :]

    def receive(self) -> bytes | None:
        """The next line, or None at the end of the input (or where a line grows without end)."""
        try:
            line = self._reader.readline(protocol.MAX_LINE_BYTES)
        except (OSError, ValueError):
            return None
        return line if line.endswith(b"\n") else None


def _open_log(path: Path) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        if path.stat().st_size > _LOG_LIMIT:
            os.replace(path, path.with_suffix(path.suffix + ".1"))
    except OSError:
        pass  # no log yet, or another worker still has it open on Windows
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
