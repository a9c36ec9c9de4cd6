# SPDX-License-Identifier: GPL-3.0-or-later
"""The messages between the worker and its client: one JSON object a line, UTF-8.

    client → worker  {"id": 7, "method": "generate", "params": {...}}
    worker → client  {"id": 7, "event": "progress", "stage": "sampling", "done": 12, "total": 50}
                     {"id": 7, "result": {...}}
                     {"id": 7, "error": {"code": "...", "message": "...", "hint": "..."}}

Every request gets exactly one result or error. Methods: hello {protocol} (the first message), generate,
retarget, status, cancel {job}, shutdown. Standard library alone, as Blender imports it too.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

PROTOCOL_VERSION = 1
MAX_LINE_BYTES = 64 << 20


class Code:
    """The `code` of an error."""

    BAD_MESSAGE = "bad_message"
    UNKNOWN_METHOD = "unknown_method"
    VERSION = "version"
    BAD_INPUT = "bad_input"
    BUNDLE = "bundle"
    DEVICE = "device"
    CANCELLED = "cancelled"
    ENGINE = "engine"
    INTERNAL = "internal"
    # Made by the client, never sent.
    WORKER_DIED = "worker_died"
    NOT_STARTED = "not_started"


class ProtocolError(ValueError):
    """A line that is not a message."""


@dataclass(frozen=True)
class Request:
    """A method to run for the job `id`."""

    id: int
    method: str
    params: dict[str, Any]


def encode(message: dict[str, Any]) -> bytes:
    """One message as a line. Raises ValueError for numbers that JSON has no word for (NaN), TypeError."""
    # Escapes keep the line valid whatever a code page or a lone surrogate would do to it.
    return json.dumps(message, ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode() + b"\n"


def decode(line: bytes) -> dict[str, Any]:
    """The message in a line. Raises ProtocolError."""
    try:
        message = json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"a line is not JSON in UTF-8 ({error})") from error
    if not isinstance(message, dict):
        raise ProtocolError("a message must be a JSON object")
    return message


def parse_request(message: dict[str, Any]) -> Request:
    """The request in a message from the client. Raises ProtocolError."""
    job, method, params = message.get("id"), message.get("method"), message.get("params", {})
    if not isinstance(job, int) or isinstance(job, bool):
        raise ProtocolError("a request needs a whole number as its id")
    if not isinstance(method, str) or not isinstance(params, dict):
        raise ProtocolError("a request needs a method (text) and params (an object)")
    return Request(job, method, params)


def result(job: int, value: dict[str, Any]) -> dict[str, Any]:
    """The answer of a job that went well."""
    return {"id": job, "result": value}


def progress(job: int, stage: str, done: int, total: int) -> dict[str, Any]:
    """How far a job has come."""
    return {"id": job, "event": "progress", "stage": stage, "done": done, "total": total}


def failure(job: int | None, code: str, message: str, hint: str = "") -> dict[str, Any]:
    """The answer of a job that failed; `message` says what is wrong, `hint` what to do."""
    return {"id": job, "error": {"code": code, "message": message, "hint": hint}}
