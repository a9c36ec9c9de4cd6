# SPDX-License-Identifier: GPL-3.0-or-later
"""Benchmarks: what a table in docs/ says can be measured again with one command."""
