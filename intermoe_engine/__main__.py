# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m intermoe_engine`: the command line."""

import sys

from .cli.main import main

if __name__ == "__main__":
    sys.exit(main())
