# SPDX-License-Identifier: GPL-3.0-or-later
"""The one error of weights that cannot be used."""

from __future__ import annotations

from intermoe_engine.errors import EngineError


class WeightsError(EngineError, ValueError):
    """A file of weights cannot be used; the message is one line that says why and what to do."""
