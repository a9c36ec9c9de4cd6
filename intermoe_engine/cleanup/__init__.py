# SPDX-License-Identifier: GPL-3.0-or-later
"""A light cleanup of a generated pair: no jitter, one floor, feet that stay put, bodies apart."""

from .apart import ApartReport, part_pair
from .pair import CleanupReport, clean_pair

__all__ = ["ApartReport", "CleanupReport", "clean_pair", "part_pair"]
