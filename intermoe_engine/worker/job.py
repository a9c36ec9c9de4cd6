# SPDX-License-Identifier: GPL-3.0-or-later
"""A request as the client sees it. Standard library alone."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .protocol import Code

if TYPE_CHECKING:
    from .client import WorkerClient

OnProgress = Callable[[str, int, int], None]

RUNNING = "running"
DONE = "done"
FAILED = "failed"
CANCELLED = "cancelled"


class WorkerError(RuntimeError):
    """A job failed: `code`, one sentence in `message`, and in `hint` what to do (may be empty)."""

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        super().__init__(f"{message} ({hint})" if hint else message)
        self.code = code
        self.message = message
        self.hint = hint


@dataclass(frozen=True)
class JobEvent:
    """Something that happened to a job: kind is "progress", "done", "failed" or "cancelled"."""

    job: Job
    kind: str
    stage: str = ""
    done: int = 0
    total: int = 0


class Job:
    """One request. Its fields are set by the client's threads and may be read from any thread."""

    def __init__(
        self, client: WorkerClient, job_id: int, method: str, on_progress: OnProgress | None
    ) -> None:
        self.id = job_id
        self.method = method
        self.state = RUNNING
        self.stage = ""
        self.done = 0
        self.total = 0
        self.result: dict[str, Any] | None = None
        self.error: WorkerError | None = None
        self.on_progress = on_progress
        self._client = client
        self._finished = threading.Event()

    @property
    def finished(self) -> bool:
        """Whether the job is done, failed or cancelled."""
        return self._finished.is_set()

    @property
    def fraction(self) -> float:
        """How much of the present stage is done, 0 to 1."""
        return self.done / self.total if self.total else 0.0

    def cancel(self) -> None:
        """Stop the job. Its state is "cancelled" at once; the worker stops within one sampler step."""
        self._client.cancel(self)

    def wait(self, timeout: float | None = None) -> dict[str, Any]:
        """Block until the job has ended and return its result; `on_progress` is called from here.

        Not for Blender's main thread, which calls `WorkerClient.poll` instead. Raises WorkerError (code
        "cancelled" for a cancelled job), TimeoutError.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while not self._finished.wait(0.05 if self.on_progress else _left(deadline)):
            if deadline is not None and time.monotonic() >= deadline:
                raise TimeoutError(f"{self.method} did not finish within {timeout:g} s")
            if self.on_progress:
                self._client.poll()
        if self.on_progress:
            self._client.poll()
        if self.error is not None:
            raise self.error
        assert self.result is not None
        return self.result

    def _update(self, stage: str, done: int, total: int) -> None:
        self.stage, self.done, self.total = stage, done, total

    def _finish(self, result: dict[str, Any] | None, error: WorkerError | None) -> str:
        """Set the outcome and return the kind of its event."""
        self.result, self.error = result, error
        if error is None:
            self.state = DONE
        else:
            self.state = CANCELLED if error.code == Code.CANCELLED else FAILED
        self._finished.set()
        return self.state


def _left(deadline: float | None) -> float | None:
    return None if deadline is None else max(deadline - time.monotonic(), 0.0)
