# SPDX-License-Identifier: GPL-3.0-or-later
"""The worker process: reads requests in one thread, does them one after another in the main thread."""

from __future__ import annotations

import argparse
import os
import queue
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .. import __version__
from ..errors import Cancelled
from ..paths import user_cache_folder
from . import protocol
from .protocol import Code, ProtocolError, Request
from .stdio import MessageStreams

# Time that a running step gets to end by itself after the client has gone.
_GRACE_SECONDS = 5.0


@dataclass
class RunningJob:
    """A request on its way, as its method sees it."""

    request: Request
    report: Callable[[str, int, int], None]
    _cancelled: threading.Event = field(default_factory=threading.Event)

    def cancel(self) -> None:
        """Ask the job to stop."""
        self._cancelled.set()

    def is_cancelled(self) -> bool:
        """Whether the client has asked for an end."""
        return self._cancelled.is_set()

    def check(self) -> None:
        """Raise Cancelled when the client has asked for an end."""
        if self._cancelled.is_set():
            raise Cancelled


class Server:
    """Serves one client over `streams` until its end of input, or until it says shutdown."""

    def __init__(self, streams: MessageStreams) -> None:
        self._streams = streams
        self._queue: queue.SimpleQueue[RunningJob | None] = queue.SimpleQueue()
        self._jobs: dict[int, RunningJob] = {}
        self._lock = threading.Lock()
        self._greeted = False
        self._ended = threading.Event()

    def serve(self) -> int:
        """Run until the client leaves. Returns the exit status."""
        threading.Thread(target=self._read, name="requests", daemon=True).start()
        try:
            while (job := self._queue.get()) is not None:
                self._run(job)
        except (OSError, KeyboardInterrupt):
            pass  # nobody reads the answers any more, or whoever started the worker wants it to end
        finally:
            self._ended.set()
        return 0

    def _read(self) -> None:
        """Take requests in, answer what needs no work at once, and end the process with its client."""
        try:
            while (line := self._streams.receive()) is not None:
                if self._accept(line):
                    break
        except OSError:
            pass  # nobody reads the answers any more
        finally:
            self._end()

    def _end(self) -> None:
        with self._lock:
            for job in self._jobs.values():
                job.cancel()
        self._queue.put(None)
        # A native call that does not come back must not keep an orphan alive.
        if not self._ended.wait(_GRACE_SECONDS):
            os._exit(0)

    def _accept(self, line: bytes) -> bool:
        """Handle one line; True when it asks for shutdown."""
        message: dict = {}
        try:
            message = protocol.decode(line)
            request = protocol.parse_request(message)
        except ProtocolError as error:
            job = message.get("id")
            job = job if isinstance(job, int) else None
            self._fail(job, Code.BAD_MESSAGE, str(error), "send one JSON object a line")
            return False
        if request.method == "hello":
            self._hello(request)
        elif not self._greeted:
            self._fail(request.id, Code.VERSION, "the first message must be hello", "say hello first")
        elif request.method == "cancel":
            self._cancel(request)
        elif request.method == "shutdown":
            self._streams.send(protocol.result(request.id, {}))
            return True
        else:
            self._enqueue(request)
        return False

    def _hello(self, request: Request) -> None:
        wanted = request.params.get("protocol")
        if wanted != protocol.PROTOCOL_VERSION:
            self._fail(
                request.id,
                Code.VERSION,
                f"the engine {__version__} speaks protocol {protocol.PROTOCOL_VERSION}, the caller {wanted}",
                "install the same version of the engine and the extension",
            )
            return
        self._greeted = True
        value = {"protocol": protocol.PROTOCOL_VERSION, "version": __version__, "pid": os.getpid()}
        self._streams.send(protocol.result(request.id, value))

    def _cancel(self, request: Request) -> None:
        number = request.params.get("job")
        with self._lock:
            job = self._jobs.get(number) if isinstance(number, int) else None
        # First the receipt: what still comes of the job then comes behind it.
        self._streams.send(protocol.result(request.id, {"found": job is not None}))
        if job is not None:
            job.cancel()

    def _enqueue(self, request: Request) -> None:
        def report(stage: str, done: int, total: int) -> None:
            self._streams.send(protocol.progress(request.id, stage, done, total))

        job = RunningJob(request, report)
        with self._lock:
            taken = request.id in self._jobs
            if not taken:
                self._jobs[request.id] = job
        if taken:
            self._fail(request.id, Code.BAD_MESSAGE, f"the id {request.id} is in use", "count ids upwards")
        else:
            self._queue.put(job)

    def _run(self, job: RunningJob) -> None:
        try:
            answer = self._answer(job)
        finally:
            with self._lock:
                self._jobs.pop(job.request.id, None)
        try:
            self._streams.send(answer)
        except (TypeError, ValueError) as error:  # numbers that are not finite, numpy's own types
            traceback.print_exc()
            message = f"the answer of {job.request.method} cannot be said in JSON ({error})"
            self._fail(job.request.id, Code.INTERNAL, message, "see the engine's log")

    def _answer(self, job: RunningJob) -> dict:
        request = job.request
        try:
            from .methods import METHODS, describe_error  # numpy loads here, after hello is answered
        except Exception as error:  # a wheel of another platform fails in many ways
            traceback.print_exc()
            message = f"the engine's packages cannot be imported ({error})"
            return protocol.failure(request.id, Code.ENGINE, message, "install the engine again")
        method = METHODS.get(request.method)
        if method is None:
            message = f"the engine {__version__} has no method {request.method!r}"
            return protocol.failure(request.id, Code.UNKNOWN_METHOD, message, "update the engine")
        try:
            job.check()
            return protocol.result(request.id, method(job))
        except BrokenPipeError:
            raise
        except Exception as error:
            code, message, hint = describe_error(error)
            if code == Code.INTERNAL:
                traceback.print_exc()
            return protocol.failure(request.id, code, message, hint)

    def _fail(self, job: int | None, code: str, message: str, hint: str) -> None:
        self._streams.send(protocol.failure(job, code, message, hint))


def default_log() -> Path:
    """Where the worker logs when nobody says otherwise."""
    return user_cache_folder() / "logs" / "worker.log"


def main(arguments: Sequence[str] | None = None) -> int:
    """Take the standard streams over and serve. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="intermoe worker", description=__doc__)
    parser.add_argument("--log", metavar="FILE", help="where prints go ('-': standard error)")
    return run(parser.parse_args(arguments).log)


def run(log: str | None) -> int:
    """Serve with prints going to the file `log`: "-" is standard error, None the log of the user's cache."""
    streams = None
    try:
        streams = MessageStreams.take_over(None if log == "-" else Path(log) if log else default_log())
    except OSError as error:
        # A full or read-only disk is no reason not to work.
        print(f"no log file ({error}); logging to standard error", file=sys.stderr)
        streams = MessageStreams.take_over(None)
    return Server(streams).serve()
