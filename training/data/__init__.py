# SPDX-License-Identifier: GPL-3.0-or-later
"""Captured pairs of people as the features that the model learns from."""
