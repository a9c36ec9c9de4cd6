# SPDX-License-Identifier: GPL-3.0-or-later
"""A light cleanup of a generated pair: no jitter, one floor, feet that stay where they stand."""

from .pair import CleanupReport, clean_pair

__all__ = ["CleanupReport", "clean_pair"]
