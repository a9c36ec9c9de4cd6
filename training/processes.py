# SPDX-License-Identifier: GPL-3.0-or-later
"""Several processes of one run: one prepares a file, the others wait for it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable


def first_process() -> bool:
    """Whether this is the run's first process, as torchrun and Lightning number them."""
    if "RANK" in os.environ:
        return int(os.environ["RANK"]) == 0
    return int(os.environ.get("LOCAL_RANK", "0")) == 0 and int(os.environ.get("NODE_RANK", "0")) == 0


def made_once(is_there: Callable[[], bool], make: Callable[[], None]) -> None:
    """Let the first process make what is not there; the others return when it is.

    They need no timeout: whatever starts several processes ends them all when one fails.
    """
    if first_process():
        if not is_there():
            make()
    else:
        while not is_there():
            time.sleep(0.5)
