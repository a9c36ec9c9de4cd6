# SPDX-License-Identifier: GPL-3.0-or-later
"""One run of the worker process: its pipes, the threads that serve them, and its log."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import protocol

_ENGINE_PARENT = Path(__file__).resolve().parent.parent.parent
_LOG_TAIL_BYTES = 16 << 10


@dataclass(frozen=True)
class Launch:
    """How to start the worker.

    python: the interpreter (default: this one). paths: folders put in front of its import path, such as the
    unpacked wheels of the extension. environment: variables to set, or to take away where None.
    """

    python: str = sys.executable
    paths: Sequence[str] = ()
    environment: Mapping[str, str | None] = field(default_factory=dict)


class WorkerProcess:
    """A running worker. Callbacks come from its reader thread, `on_exit` exactly once and last."""

    def __init__(
        self,
        launch: Launch,
        folder: Path,
        log: Path,
        on_message: Callable[[dict[str, Any]], None],
        on_exit: Callable[[WorkerProcess, int], None],
    ) -> None:
        """folder: where the process is started, so that nothing of the user's is imported by accident.

        Raises OSError when the interpreter cannot be started.
        """
        self.log = log
        self._on_message = on_message
        self._on_exit = on_exit
        self._outgoing: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        # The same file that the worker diverts its prints to: an import that fails before that is seen too.
        with open(log, "ab") as errors:
            self._process = subprocess.Popen(
                [launch.python, "-m", f"{__package__}", "--log", str(log)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                cwd=folder,
                env=_environment(launch),
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )
        threading.Thread(target=self._write, name="worker-requests", daemon=True).start()
        self._reader = threading.Thread(target=self._read, name="worker-answers", daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the process still runs."""
        return self._process.poll() is None

    def send(self, message: dict[str, Any]) -> None:
        """Queue a message; never blocks. Raises TypeError or ValueError when it cannot be JSON."""
        self._outgoing.put(protocol.encode(message))

    def close(self, timeout: float) -> None:
        """End the worker by closing its input, by force after `timeout` seconds."""
        self._outgoing.put(None)
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
        self._reader.join(timeout)

    def kill(self) -> None:
        """End the worker by force."""
        self._process.kill()
        self._process.wait()

    def _write(self) -> None:
        """Pipes fill up while the worker starts, so that writing has a thread of its own."""
        assert self._process.stdin is not None
        try:
            while (data := self._outgoing.get()) is not None:
                self._process.stdin.write(data)
                self._process.stdin.flush()
            self._process.stdin.close()
        except OSError:
            pass  # the reader sees the worker's end and reports it

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            try:
                message = protocol.decode(line)
            except protocol.ProtocolError:
                continue
            try:
                self._on_message(message)
            except (AttributeError, KeyError, TypeError, ValueError):
                # A job whose answer cannot be read would wait for ever: end them all.
                self._process.kill()
                break
        self._process.stdout.close()
        status = self._process.wait()
        self._outgoing.put(None)
        self._on_exit(self, status)


def log_tail(log: Path, lines: int) -> list[str]:
    """The last lines of a log, the newest last; none where there is no log."""
    try:
        with open(log, "rb") as file:
            file.seek(max(os.path.getsize(log) - _LOG_TAIL_BYTES, 0))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return []
    return [line for line in text.splitlines() if line.strip()][-lines:]


def _environment(launch: Launch) -> dict[str, str]:
    environment = dict(os.environ)
    environment["PYTHONPATH"] = os.pathsep.join([*launch.paths, str(_ENGINE_PARENT)])
    environment["PYTHONUTF8"] = "1"
    environment["PYTHONUNBUFFERED"] = "1"
    # The folder it starts in may not shadow the engine's packages; where those come along, neither may
    # the user's own.
    environment["PYTHONSAFEPATH"] = "1"
    if launch.paths:
        environment["PYTHONNOUSERSITE"] = "1"
    for name, value in launch.environment.items():
        if value is None:
            environment.pop(name, None)
        else:
            environment[name] = value
    return environment
