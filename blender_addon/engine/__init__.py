# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine seen from Blender: its process, its Python, its bundle and its files."""
