# SPDX-License-Identifier: GPL-3.0-or-later
"""Numbers that the published code computed, for the tests of compatibility."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.shared import SHARED

OWN_COPY = Path(__file__).parent / "compat"
ORIGINAL = SHARED / "reference" / "compat"


@pytest.fixture(scope="module", params=[OWN_COPY, *([ORIGINAL] if ORIGINAL.is_dir() else [])], ids=str)
def published(request: pytest.FixtureRequest) -> Path:
    """The folder of published numbers: our copy and, where it is at hand, the shared original."""
    return request.param
