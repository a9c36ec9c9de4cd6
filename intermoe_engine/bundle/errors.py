# SPDX-License-Identifier: GPL-3.0-or-later
"""The one error that a bundle raises."""

from __future__ import annotations

from ..errors import EngineError


class BundleError(EngineError, ValueError):
    """A bundle cannot be used; the message is one line that says why and what to do."""
