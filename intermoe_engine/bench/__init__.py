# SPDX-License-Identifier: GPL-3.0-or-later
"""Benchmarks that print the figures of the documentation. Each module has add_parser and run."""
