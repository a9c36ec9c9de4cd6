# SPDX-License-Identifier: GPL-3.0-or-later
"""Model bundles: one folder or zip that holds everything that the engine needs to generate motion."""

from .bundle import Bundle, default_bundle_path
from .card import BundleCard, FileRecord
from .errors import BundleError

__all__ = ["Bundle", "BundleCard", "BundleError", "FileRecord", "default_bundle_path"]
