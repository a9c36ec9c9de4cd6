# SPDX-License-Identifier: GPL-3.0-or-later
"""Entry point of `intermoe`. Exit status: 0 done, 1 it failed, 2 it was asked wrongly."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from .. import __version__
from ..errors import Cancelled, EngineError, RequestError, os_error_text
from . import bench, bundle, doctor, evaluate, generate, import_official, retarget, train, worker

COMMANDS = (generate, retarget, bundle, import_official, train, evaluate, bench, doctor, worker)


def build_parser() -> argparse.ArgumentParser:
    """The parser with every subcommand."""
    parser = argparse.ArgumentParser(
        prog="intermoe", description="A sentence becomes the motion of two people, ready for Blender."
    )
    parser.add_argument("--version", action="version", version=f"intermoe {__version__}")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in COMMANDS:
        command.add_parser(subparsers)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit status; errors are one line on standard error."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")  # a prompt must print on any console
    try:
        args = build_parser().parse_args(arguments)
        return args.run(args)
    except RequestError as error:
        return _fail(error, 2)
    except EngineError as error:
        return _fail(error, 1)
    except OSError as error:
        return _fail(f"{os_error_text(error)}; check the path and the disk", 1)
    except (Cancelled, KeyboardInterrupt):
        return _fail("cancelled; no file is left half written", 1)


def _fail(message: object, status: int) -> int:
    print(f"intermoe: {' '.join(str(message).split())}", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
