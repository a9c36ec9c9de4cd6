# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line of a Blender process: its own lines alone on stdout, one-line errors, a clean end."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from intermoe_engine.errors import EngineError, os_error_text


class Console:
    """Progress lines, and how long each stage took.

    Blender's C code writes to file descriptor 1 whenever it saves or renders; that goes to the null device,
    and only `say` still reaches the user.
    """

    def __init__(self) -> None:
        sys.stdout.flush()
        self._out = os.fdopen(os.dup(1), "w", encoding="utf-8", errors="backslashreplace")
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.close(null)
        self.seconds: dict[str, float] = {}
        self._live = self._out.isatty()
        self._open_line = False

    def say(self, text: str) -> None:
        """One line."""
        self._end_line()
        print(text, file=self._out, flush=True)

    def progress(self, stage: str, done: int, total: int) -> None:
        """A line that changes in place, on a terminal only."""
        if self._live and total > 0:
            print(f"\r  {stage} {done}/{total}\x1b[K", end="", file=self._out, flush=True)
            self._open_line = True

    @contextmanager
    def stage(self, name: str, title: str) -> Iterator[None]:
        """Times a stage and says what it was when it is over."""
        start = time.perf_counter()
        yield
        self.seconds[name] = round(time.perf_counter() - start, 3)
        self.say(f"{title:<44} {self.seconds[name]:6.1f} s")

    def _end_line(self) -> None:
        if self._open_line:
            print("\r\x1b[K", end="", file=self._out)
            self._open_line = False


def run_and_leave(program: str, main: Callable[[Sequence[str]], int], arguments: Sequence[str]) -> None:
    """Run `main`, turn known errors into one line and exit status 1, and end the process.

    Some builds of Blender as a module never come back from their own exit, hence `leave`.
    """
    try:
        status = main(arguments)
    except (EngineError, ValueError, RuntimeError) as error:
        status = _fail(program, error)
    except OSError as error:
        status = _fail(program, os_error_text(error))
    except KeyboardInterrupt:
        status = _fail(program, "cancelled; no file is left half written")
    except SystemExit as end:  # argparse: 0 for --help, 2 for a wrong line
        status = end.code if isinstance(end.code, int) else 1
    leave(status)


def leave(status: int) -> None:
    """End the process at once, doing by hand what Blender's own exit would."""
    sys.stdout.flush()
    sys.stderr.flush()
    bpy = sys.modules.get("bpy")
    if bpy is not None:
        shutil.rmtree(bpy.app.tempdir, ignore_errors=True)
    os._exit(status)


def _fail(program: str, error: object) -> int:
    print(f"{program}: {' '.join(str(error).split())}", file=sys.stderr)
    return 1
