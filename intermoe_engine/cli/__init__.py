# SPDX-License-Identifier: GPL-3.0-or-later
"""The command `intermoe`: one file for each subcommand, with `add_parser(subparsers)` and `run(args)`."""
