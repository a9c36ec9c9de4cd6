# SPDX-License-Identifier: GPL-3.0-or-later
"""A take in Blender: what was asked, the job that makes it, its keys, its measures and its FBX files."""
