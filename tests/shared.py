# SPDX-License-Identifier: GPL-3.0-or-later
"""Where data lies that the project does not carry: captures, rigs, published numbers."""

from __future__ import annotations

import os
from pathlib import Path

SHARED = Path(os.environ.get("INTERMOE_SHARED", Path(__file__).resolve().parents[2] / "shared"))
"""May be absent: a test that needs it skips."""
