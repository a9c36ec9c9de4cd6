# SPDX-License-Identifier: GPL-3.0-or-later
"""The starter from its captures in one go: `python -m training.starter --data DIR -o RUN`.

The same as `intermoe train all --config starter --data DIR -o RUN`. `export` makes a bundle of the run.
"""

from __future__ import annotations

import sys

from intermoe_engine.cli.main import main as intermoe


def main(argv: list[str] | None = None) -> int:
    """Entry point; returns the exit status."""
    arguments = sys.argv[1:] if argv is None else argv
    recipe = [] if any(a.startswith(("--config", "--recipe")) for a in arguments) else ["--config", "starter"]
    return intermoe(["train", "all", *recipe, *arguments])


if __name__ == "__main__":
    sys.exit(main())
