# SPDX-License-Identifier: GPL-3.0-or-later
"""Motion file formats that only training reads."""
