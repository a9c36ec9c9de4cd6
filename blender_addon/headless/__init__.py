# SPDX-License-Identifier: GPL-3.0-or-later
"""The room without a window: whole runs from the command line."""
