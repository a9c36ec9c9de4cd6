# SPDX-License-Identifier: GPL-3.0-or-later
"""Captioned pair motion composed from single clips, touch goals and a readable score per interaction."""
