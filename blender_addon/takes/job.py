# SPDX-License-Identifier: GPL-3.0-or-later
"""One press of Generate as a state machine: sentence to take, take to both rigs, ready to be keyed.

`step()` is called by a timer on the main thread and never waits: all the work happens in the worker
process. Nothing here imports bpy; reading the rigs comes in as a function.
"""

from __future__ import annotations

import enum
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from intermoe_engine.worker import Job, WorkerClient

# What each stage of the worker is called, and the part of the bar that it fills. Sampling takes most of the
# time on a CPU.
_STAGES = {
    "loading": ("Loading the model", 0.0, 0.1),
    "text": ("Reading the sentence", 0.1, 0.12),
    "sampling": ("Imagining the motion", 0.12, 0.8),
    "decoding": ("Shaping the motion", 0.8, 0.88),
    "retargeting": ("Fitting the characters", 0.88, 1.0),
}
_SECONDS_BEFORE_ESTIMATE = 1.0


class Phase(enum.Enum):
    """Where a job stands. READY: motions lie on disk and wait to be keyed on the main thread."""

    GENERATING = enum.auto()
    RETARGETING = enum.auto()
    READY = enum.auto()
    DONE = enum.auto()
    CANCELLED = enum.auto()
    FAILED = enum.auto()

    @property
    def running(self) -> bool:
        return self in (Phase.GENERATING, Phase.RETARGETING, Phase.READY)


@dataclass(frozen=True)
class TakeFiles:
    """What a finished job leaves for the keys to be written from."""

    take: Path
    actors: tuple[Path, Path]
    report: dict[str, Any]
    contacts: dict[str, Any]


class TakeJob:
    """Generate (unless a take is given), then retarget to the rigs as they are at that moment."""

    def __init__(
        self,
        client: WorkerClient,
        retarget_parameters: Callable[[Path], dict[str, Any]],
        generate_parameters: dict[str, Any] | None = None,
        take: Path | None = None,
    ) -> None:
        """generate_parameters: for a new take; without them `take` is put on the rigs.

        retarget_parameters: called with the take file once it is there. A ValueError ends the job with the
        sentence that it carries. Raises WorkerError when the worker cannot be started.
        """
        self._client = client
        self._retarget_parameters = retarget_parameters
        self._began = time.monotonic()
        self._take = take
        self.stage = "Starting the engine"
        self.fraction = 0.0
        self.error = ""
        self.device = ""
        self.warnings: list[str] = []
        self.files: TakeFiles | None = None
        if generate_parameters is not None:
            self.phase = Phase.GENERATING
            self._job = client.request("generate", generate_parameters)
        elif take is not None:
            self.phase = Phase.RETARGETING
            self._job = client.request("retarget", retarget_parameters(take))
        else:
            raise TypeError("a job needs something to generate or a take")

    def step(self) -> Phase:
        """Look at what the worker has done since the last call, and go on with it."""
        if self.phase not in (Phase.GENERATING, Phase.RETARGETING):
            return self.phase
        self._client.poll()
        self._show(self._job)
        if self._job.error is not None:
            self.fail(_sentence(self._job.error.message, self._job.error.hint))
        elif self._job.result is not None:
            self._advance(self._job.result)
        return self.phase

    def cancel(self) -> None:
        """Stop at once; a late answer of the worker is dropped."""
        if self.phase.running:
            self.phase = Phase.CANCELLED
            self._job.cancel()

    def fail(self, reason: str) -> None:
        """End the job with a sentence for the user."""
        self.phase = Phase.FAILED
        self.error = reason

    def finish(self) -> None:
        """The keys are written: remove the files that held them."""
        self.phase = Phase.DONE
        for path in self.files.actors if self.files else ():
            path.unlink(missing_ok=True)

    def seconds_left(self) -> float | None:
        """An estimate from the time spent so far; None while it would be a guess."""
        spent = time.monotonic() - self._began
        if spent < _SECONDS_BEFORE_ESTIMATE or self.fraction < 0.15:
            return None
        return spent * (1 - self.fraction) / self.fraction

    def _show(self, job: Job) -> None:
        if job.stage in _STAGES:
            self.stage, start, end = _STAGES[job.stage]
            # The bar never runs backwards, whatever order messages come in.
            self.fraction = max(self.fraction, start + (end - start) * job.fraction)

    def _advance(self, result: dict[str, Any]) -> None:
        if self.phase is Phase.RETARGETING:
            assert self._take is not None
            actors = (Path(result["actor_a"]), Path(result["actor_b"]))
            report = {"pair_scale": result["pair_scale"], **result["report"]}
            self.files = TakeFiles(self._take, actors, report, result["contacts"])
            self.fraction = 1.0
            self.phase = Phase.READY
            return
        self._take = Path(result["takes"][0])
        self.device = str(result["device"])
        self.warnings = [str(warning) for warning in result["warnings"]]
        try:
            self._job = self._client.request("retarget", self._retarget_parameters(self._take))
        except (ValueError, RuntimeError) as error:
            self.fail(_sentence(str(error)))
            return
        self.phase = Phase.RETARGETING


def _sentence(message: str, hint: str = "") -> str:
    """Message and hint with capitals, one after the other."""
    parts = [text.strip().rstrip(".") for text in (message, hint) if text.strip()]
    return ". ".join(part[0].upper() + part[1:] for part in parts)
