# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors that reach the user: each carries one sentence that says what is wrong and what to do."""

from __future__ import annotations


class EngineError(RuntimeError):
    """What was asked cannot be done; the message is one line for the user. Parent of all such errors."""


class DeviceError(EngineError):
    """The device that was asked for is not to be had."""


class RequestError(EngineError, ValueError):
    """A prompt or a setting is outside what the engine takes."""


class Cancelled(Exception):
    """The caller asked to stop; nothing was written."""


def os_error_text(error: OSError) -> str:
    """Which file it is about, where that is known, and what the system says of it."""
    place = f"{error.filename}: " if error.filename is not None else ""
    return f"{place}{error.strerror or error}"
