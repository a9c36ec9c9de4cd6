# SPDX-License-Identifier: GPL-3.0-or-later
"""Weights of other people's files, read without running anything that the files name."""

from .errors import WeightsError
from .tensor_files import read_metadata, read_tensors

__all__ = ["WeightsError", "read_metadata", "read_tensors"]
