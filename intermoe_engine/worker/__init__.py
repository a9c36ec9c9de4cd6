# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine as a process of its own that speaks JSON lines over its standard input and output.

Importing this package, the client or the protocol needs the standard library alone.
"""

from .client import WorkerClient
from .job import Job, JobEvent, WorkerError
from .protocol import PROTOCOL_VERSION

__all__ = ["PROTOCOL_VERSION", "Job", "JobEvent", "WorkerClient", "WorkerError"]
