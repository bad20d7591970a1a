"""The program st2."""

import argparse
import platform
import sys

from st2common import __version__, traits

from st2client import apikeys, keys, runs
from st2client.api import OperationFailure


def main(argv: list[str]) -> int:
    """Run one command; 2 is what the server refused, 1 is every other failure."""
    parser = argparse.ArgumentParser(prog="st2", description="CLI for StackStorm event-driven automation platform.")
    parser.add_argument("--version", action="store_true")
    branches = parser.add_subparsers(dest="branch")
    keys.add_to(branches)
    apikeys.add_to(branches)
    runs.add_to(branches)
    words: list[str] = []
    if "--" in argv:
        cut = argv.index("--")
        argv, words = argv[:cut], argv[cut + 1 :]
    flags = parser.parse_args(argv)
    if flags.version:
        # argparse of Python 2.7 writes the version to stderr.
        if traits.VERSION_TO_STDOUT:
            print(f"st2 {__version__}, on Python {platform.python_version()}")
        else:
            print(f"st2 {__version__}", file=sys.stderr)
        return 0
    if not flags.branch:
        parser.print_help()
        return 2
    flags.words = words
    try:
        code: int = flags.run(flags)
    except OperationFailure as error:
        print(f"ERROR: {error}\n", file=sys.stderr)
        return 2
    except Exception as error:  # every other failure is one kind to the caller
        print(f"ERROR: {error}\n", file=sys.stderr)
        return 1
    return code
