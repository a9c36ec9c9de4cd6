# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the Blender tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from intermoe_engine.bundle import default_bundle_path


@pytest.fixture(scope="session")
def some_bundle(request: pytest.FixtureRequest) -> Path:
    """Any bundle that works: the packaged starter, else a tiny one of random weights (which needs torch)."""
    path = default_bundle_path()
    return path if path.exists() else request.getfixturevalue("tiny_bundle")
