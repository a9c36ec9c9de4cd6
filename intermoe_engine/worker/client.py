# SPDX-License-Identifier: GPL-3.0-or-later
"""The client of the worker, for the command line and for Blender. Standard library alone."""

from __future__ import annotations

import atexit
import itertools
import queue
import shutil
import tempfile
import threading
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .. import __version__
from . import protocol
from .job import Job, JobEvent, OnProgress, WorkerError
from .process import Launch, WorkerProcess, log_tail
from .protocol import Code

HANDSHAKE_SECONDS = 30.0
_LOG_LINES_IN_ERRORS = 3


class WorkerClient:
    """Starts the worker when it is first needed, and again after it has died.

    No method blocks but `wait_until_ready`, `Job.wait` and `shutdown`. Results and progress are taken with
    `poll`, which is meant for a timer in the main thread: callbacks are only ever called from there (or
    from `Job.wait`), as Blender's data may not be touched from another thread.
    """

    def __init__(
        self,
        python: str | None = None,
        paths: Sequence[str] = (),
        environment: Mapping[str, str | None] | None = None,
        log: Path | None = None,
        handshake_timeout: float = HANDSHAKE_SECONDS,
    ) -> None:
        """python, paths, environment: see Launch. log: default is worker.log in the private folder."""
        defaults = Launch()
        self._launch = Launch(python or defaults.python, tuple(paths), dict(environment or {}))
        self._handshake_timeout = handshake_timeout
        # Bulk data goes through this folder; mkdtemp lets nobody else read it.
        self.folder = Path(tempfile.mkdtemp(prefix="intermoe-"))
        self.log = log or self.folder / "worker.log"
        self.restarts = 0
        self._lock = threading.RLock()
        self._ids = itertools.count(1)
        self._jobs: dict[int, Job] = {}
        self._events: queue.SimpleQueue[JobEvent] = queue.SimpleQueue()
        self._process: WorkerProcess | None = None
        self._ready = threading.Event()
        self._handshake: threading.Timer | None = None
        self._started = False
        # A weak reference: the hook must not keep a forgotten client, and its worker, alive.
        reference: weakref.ref[WorkerClient] = weakref.ref(self)
        self._at_exit = lambda: _shutdown_if_alive(reference)
        atexit.register(self._at_exit)

    @property
    def pid(self) -> int | None:
        """The worker's process id while it runs."""
        process = self._process
        return process.pid if process is not None and process.alive else None

    @property
    def running(self) -> bool:
        """Whether a worker process is there."""
        return self.pid is not None

    @property
    def ready(self) -> bool:
        """Whether the worker has answered the handshake."""
        return self.running and self._ready.is_set()

    def start(self) -> None:
        """Start the worker unless it runs, without waiting for it. Raises WorkerError if that cannot be."""
        with self._lock:
            try:
                # Again each time: what lies in a temp folder for days is often tidied away.
                self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            except OSError as error:
                raise WorkerError(
                    Code.NOT_STARTED,
                    f"the engine's folder {self.folder} cannot be made: {error.strerror or error}",
                    "check that the disk is not full and the temp folder can be written",
                ) from error
            if self._process is not None and self._process.alive:
                return
            self._drop_process("the engine stopped")
            self._ready.clear()
            atexit.unregister(self._at_exit)
            atexit.register(self._at_exit)  # a shutdown took it away
            try:
                process = WorkerProcess(self._launch, self.folder, self.log, self._receive, self._exited)
            except OSError as error:
                raise WorkerError(
                    Code.NOT_STARTED,
                    f"the engine cannot be started with {self._launch.python}: {error.strerror or error}",
                    "choose a working Python in the preferences",
                ) from error
            if self._started:
                self.restarts += 1
            self._started = True
            self._process = process
            hello = self._new_job("hello", None)
            process.send(
                {
                    "id": hello.id,
                    "method": "hello",
                    "params": {"protocol": protocol.PROTOCOL_VERSION, "client": __version__},
                }
            )
            self._handshake = threading.Timer(self._handshake_timeout, self._handshake_late, (process,))
            self._handshake.daemon = True
            self._handshake.start()

    def wait_until_ready(self, timeout: float | None = None) -> None:
        """Start the worker and block until the handshake is done. Raises WorkerError, TimeoutError."""
        self.request("status").wait(timeout)

    def request(
        self, method: str, params: Mapping[str, Any] | None = None, on_progress: OnProgress | None = None
    ) -> Job:
        """Send a request and return its job at once, starting the worker when it does not run.

        `folder` is added to params: the private folder where the worker leaves its files. Raises
        WorkerError when the process cannot be started, TypeError or ValueError when params are no JSON.
        """
        with self._lock:
            self.start()
            assert self._process is not None
            job = self._new_job(method, on_progress)
            message = {
                "id": job.id,
                "method": method,
                "params": {"folder": str(self.folder), **(params or {})},
            }
            try:
                self._process.send(message)
            except BaseException:
                del self._jobs[job.id]
                raise
            return job

    def cancel(self, job: Job) -> None:
        """Forget a job and tell the worker to stop it; whatever it still answers is dropped."""
        with self._lock:
            if self._jobs.pop(job.id, None) is None:
                return
            self._end(job, None, WorkerError(Code.CANCELLED, "cancelled"))
            if self._process is not None and self._process.alive:
                self._process.send({"id": next(self._ids), "method": "cancel", "params": {"job": job.id}})

    def poll(self) -> list[JobEvent]:
        """What has happened since the last call, oldest first; calls `on_progress`. Never blocks."""
        events = []
        while True:
            try:
                event = self._events.get_nowait()
            except queue.Empty:
                return events
            events.append(event)
            if (
                event.kind == "progress"
                and event.job.on_progress is not None
                and not _was_cancelled(event.job)
            ):
                event.job.on_progress(event.stage, event.done, event.total)

    def last_log_lines(self, lines: int = 20) -> list[str]:
        """The end of the worker's log, for a report to the user."""
        return log_tail(self.log, lines)

    def shutdown(self, timeout: float = 5.0) -> None:
        """End the worker, fail what is pending and remove the private folder. May be called twice."""
        with self._lock:
            process, self._process = self._process, None
            self._fail_all(WorkerError(Code.CANCELLED, "the engine was shut down"))
            if self._handshake is not None:
                self._handshake.cancel()
        if process is not None:
            process.close(timeout)
        shutil.rmtree(self.folder, ignore_errors=True)
        atexit.unregister(self._at_exit)

    def __enter__(self) -> WorkerClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()

    def _new_job(self, method: str, on_progress: OnProgress | None) -> Job:
        job = Job(self, next(self._ids), method, on_progress)
        self._jobs[job.id] = job
        return job

    def _receive(self, message: dict[str, Any]) -> None:
        """One message, in the reader's thread."""
        with self._lock:
            job = self._jobs.get(message.get("id", -1))
            if job is None:
                return  # of a cancelled job, or the answer to a cancel
            if message.get("event") == "progress":
                job._update(str(message.get("stage")), int(message["done"]), int(message["total"]))
                self._events.put(JobEvent(job, "progress", job.stage, job.done, job.total))
                return
            del self._jobs[job.id]
            error = message.get("error")
            failure = None
            if error is not None:
                failure = WorkerError(
                    str(error.get("code")), str(error.get("message")), str(error.get("hint", ""))
                )
            if job.method == "hello":
                self._greeted(failure)
            self._end(job, message.get("result"), failure)

    def _greeted(self, failure: WorkerError | None) -> None:
        if self._handshake is not None:
            self._handshake.cancel()
        if failure is not None:
            # Without the process, so that the next request meets this refusal again and not a stranger one.
            process, self._process = self._process, None
            self._fail_all(failure)
            if process is not None:
                process.kill()
            return
        self._ready.set()

    def _handshake_late(self, process: WorkerProcess) -> None:
        with self._lock:
            if process is self._process and not self._ready.is_set():
                self._drop_process(f"the engine did not answer within {self._handshake_timeout:g} s")

    def _exited(self, process: WorkerProcess, status: int) -> None:
        """The worker has ended, in the reader's thread."""
        with self._lock:
            if process is self._process:
                self._drop_process(f"the engine stopped unexpectedly ({_exit_text(status)})")

    def _drop_process(self, why: str) -> None:
        process, self._process = self._process, None
        if self._handshake is not None:
            self._handshake.cancel()
        if process is None:
            return
        tail = " | ".join(self.last_log_lines(_LOG_LINES_IN_ERRORS))
        hint = "it starts again with the next request" + (f"; its log ends: {tail}" if tail else "")
        self._fail_all(WorkerError(Code.WORKER_DIED, why, hint))
        if process.alive:
            process.kill()

    def _fail_all(self, error: WorkerError) -> None:
        jobs, self._jobs = self._jobs, {}
        for job in jobs.values():
            self._end(job, None, error)

    def _end(self, job: Job, result: dict[str, Any] | None, error: WorkerError | None) -> None:
        kind = job._finish(result, error)
        if job.method != "hello":
            self._events.put(JobEvent(job, kind))


def _was_cancelled(job: Job) -> bool:
    return job.error is not None and job.error.code == Code.CANCELLED


def _exit_text(status: int) -> str:
    return f"signal {-status}" if status < 0 else f"exit status {status}"


def _shutdown_if_alive(reference: weakref.ref[WorkerClient]) -> None:
    client = reference()
    if client is not None:
        client.shutdown(timeout=1.0)
