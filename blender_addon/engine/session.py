# SPDX-License-Identifier: GPL-3.0-or-later
"""The one worker process of this Blender, the job that it is on, and the sentence that the panel shows.

Nothing here waits: requests return at once, and `step()` looks at what has arrived since.
"""
# Properties and operators of an extension exist at run time only; the stubs of bpy cannot know them.
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false

from __future__ import annotations

import contextlib
import threading
from dataclasses import dataclass
from pathlib import Path

import bpy

from intermoe_engine.errors import EngineError
from intermoe_engine.worker import Job, WorkerClient, WorkerError

from ..takes import cast, store, touch_rows
from ..takes import request as take_request
from ..takes.job import Phase, TakeFiles, TakeJob
from ..takes.request import TakeRequest
from . import bundle_card, folders
from .python import EnginePython, EnginePythonError, engine_python
from .settings import engine_settings


@dataclass(frozen=True)
class CheckLine:
    """One line of the engine's account of its health. state: "ok", "note" or "failed"."""

    state: str
    text: str


class EngineSession:
    """Owns the worker client and at most one running job."""

    def __init__(self) -> None:
        self.job: TakeJob | None = None
        self.message = ""
        self.failed = False
        self.device = ""
        self.check_report: list[CheckLine] = []
        self._request: TakeRequest | None = None
        self._check: Job | None = None
        self._client: WorkerClient | None = None
        self._python: EnginePython | None = None

    @property
    def busy(self) -> bool:
        """Whether there is anything that `step` has to look at."""
        return self._check is not None or (self.job is not None and self.job.phase.running)

    def shown(self) -> tuple[object, ...]:
        """What the panels show of all this; when it changes, they are drawn again."""
        job = self.job
        progress = (job.phase, job.stage, round(job.fraction, 2), _whole(job.seconds_left())) if job else ()
        return (*progress, self.message, self.failed, self.device, tuple(self.check_report))

    @property
    def worker_pid(self) -> int | None:
        """The process id of the running worker."""
        return self._client.pid if self._client is not None else None

    def start_take(self, context: bpy.types.Context) -> None:
        """Begin a take of what the panel shows. A problem ends up in `message`."""
        card = bundle_card.current(context)
        if card is None:
            self.fail(bundle_card.problem(context))
            return
        request = take_request.from_scene(context.scene, card.default_steps, card.default_guidance)
        try:
            folder = folders.takes()
        except folders.FolderError as error:
            self.fail(str(error))
            return
        parameters = {
            **take_request.generate_parameters(request),
            **self._engine_parameters(context),
            "folder": str(folder),
        }
        self._start(context, request, parameters, None)

    def start_apply(self, context: bpy.types.Context) -> None:
        """Fit the scene's last take to the cast as it is now. A problem ends up in `message`."""
        path = Path(bpy.path.abspath(context.scene.intermoe_take.path))
        if not path.is_file():
            self.fail(f"The take file {path} is gone: generate again")
            return
        try:
            touch_rows.keep(context.scene.intermoe_take, path)
        except (EngineError, ValueError, OSError) as error:
            self.fail(f"The touches could not be kept with the take: {error}")
            return
        store.touch(path)
        self._start(context, take_request.of_last_take(context.scene), None, path)

    def start_check(self, context: bpy.types.Context) -> None:
        """Let the worker examine itself; the answer becomes `check_report`."""
        self.check_report = [CheckLine("note", "Checking the engine…")]
        try:
            self._check = self._connect(context).request("doctor", self._engine_parameters(context))
        except (EnginePythonError, WorkerError, folders.FolderError) as error:
            self.check_report = [CheckLine("failed", str(error))]

    def step(self) -> bool:
        """Take in what has arrived. Returns whether a finished take waits to be keyed."""
        if self._check is not None and self._client is not None:
            self._client.poll()
            if self._check.finished:
                self.check_report = _report_lines(self._check)
                self._check = None
        if self.job is None or not self.job.phase.running:
            return False
        phase = self.job.step()
        self.device = self.job.device or self.device
        if phase is Phase.FAILED:
            self.fail(self.job.error)
        return phase is Phase.READY

    def finished_take(self) -> tuple[TakeRequest, TakeFiles] | None:
        """The take that waits to be keyed."""
        if (
            self.job is None
            or self.job.phase is not Phase.READY
            or self._request is None
            or not self.job.files
        ):
            return None
        return self._request, self.job.files

    def take_written(self, message: str) -> None:
        """The finished take is keyed."""
        if self.job is not None:
            self.job.finish()
            self.say(". ".join([message, *self.job.warnings]))
            with contextlib.suppress(folders.FolderError):  # the take is keyed: clearing up can wait
                store.prune(folders.takes(), engine_settings(bpy.context).keep_takes, store.needed())

    def cancel(self) -> None:
        """Drop the running job at once, whatever the worker is doing."""
        if self.job is not None and self.job.phase.running:
            self.job.cancel()
            self.say("Cancelled. Nothing in the scene was changed")

    def stop(self, wait: bool = False) -> None:
        """End the worker process and the job it is on. wait: until it has ended, a second at most."""
        self.cancel()
        self._check = None
        client, self._client = self._client, None
        if client is None:
            return
        if wait:
            client.shutdown(timeout=1.0)
        else:
            threading.Thread(target=client.shutdown, name="engine-shutdown", daemon=True).start()

    def say(self, message: str) -> None:
        """Show a sentence."""
        self.message, self.failed = message, False

    def fail(self, message: str) -> None:
        """Show a sentence about what went wrong, and end the job."""
        self.message, self.failed = message, True
        if self.job is not None and self.job.phase.running:
            self.job.fail(message)

    def _start(
        self, context: bpy.types.Context, request: TakeRequest, parameters: dict | None, take: Path | None
    ) -> None:
        self.say("")
        self._request = request
        try:
            take_request.check_rigs(request)
            client = self._connect(context)
            self.job = TakeJob(
                client, lambda path: take_request.retarget_parameters(request, path), parameters, take
            )
        except (RuntimeError, ValueError) as error:
            self.fail(str(error))

    def _connect(self, context: bpy.types.Context) -> WorkerClient:
        """The client for the Python of the preferences. Raises EnginePythonError, FolderError."""
        python = engine_python(engine_settings(context).python)
        if self._client is None or python != self._python:
            self.stop()
            self._client = WorkerClient(
                python.program, python.paths, dict(python.environment), log=folders.log_file()
            )
            self._python = python
        return self._client

    @staticmethod
    def _engine_parameters(context: bpy.types.Context) -> dict[str, str]:
        return {"bundle": str(bundle_card.path(context)), "device": engine_settings(context).device}


def problem(context: bpy.types.Context) -> str:
    """Why Generate cannot be pressed now, in one sentence that says what to do; empty when it can."""
    if current().job is not None and current().job.phase.running:  # type: ignore[union-attr]
        return "A take is being made: wait for it or cancel it"
    settings = context.scene.intermoe
    if not settings.prompt.strip():
        return "Write what the two characters do, or pick an example"
    missing = cast.cast_problem(context.scene) or bundle_card.problem(context)
    card = bundle_card.current(context)
    if missing or card is None:
        return missing
    if settings.duration > card.max_duration + 1e-4:
        return f"This bundle makes at most {card.max_duration:.1f} s: shorten the duration"
    return ""


def _whole(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds)


def _report_lines(check: Job) -> list[CheckLine]:
    if check.error is not None:
        return [CheckLine("failed", f"{check.error.message}. {check.error.hint}".strip())]
    assert check.result is not None
    # Whether that Python could import bpy matters on the command line, not inside Blender.
    entries = [entry for entry in check.result["checks"] if entry["name"] != "blender module"]
    return [CheckLine(entry["state"], f"{entry['name']}: {entry['detail']}") for entry in entries]


_session = EngineSession()


def current() -> EngineSession:
    """The session of this Blender."""
    return _session


@bpy.app.handlers.persistent
def _forget_message(*_: object) -> None:
    """After undo, redo or opening a file, what was said about the scene may no longer hold."""
    if not _session.busy:
        _session.say("")


_HANDLERS = (bpy.app.handlers.undo_post, bpy.app.handlers.redo_post, bpy.app.handlers.load_post)


def register() -> None:
    """The worker itself begins with the first request."""
    for handlers in _HANDLERS:
        handlers.append(_forget_message)


def unregister() -> None:
    global _session
    for handlers in _HANDLERS:
        if _forget_message in handlers:
            handlers.remove(_forget_message)
    _session.stop(wait=True)
    _session = EngineSession()
