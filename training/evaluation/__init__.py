# SPDX-License-Identifier: GPL-3.0-or-later
"""How good generated pair motion is: the published protocol, what an animator sees, who does what."""

from .official import EvaluatorError, load_evaluator, load_official_evaluator, save_evaluator

__all__ = ["EvaluatorError", "load_evaluator", "load_official_evaluator", "save_evaluator"]
