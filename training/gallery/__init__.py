# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures of what a bundle knows: `python -m training.gallery`."""
