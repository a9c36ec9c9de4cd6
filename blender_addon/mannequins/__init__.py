# SPDX-License-Identifier: GPL-3.0-or-later
"""Our own two characters, built by script. Only `characters` needs Blender."""
