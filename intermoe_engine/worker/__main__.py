# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m intermoe_engine.worker [--log FILE]`: what the client starts."""

import sys

from .server import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
