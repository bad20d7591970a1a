#!/usr/bin/env python3
"""Build the stand-in StackStorm packages of the lab.

  build.py wheels OUTDIR   wheels of Mistral and its libraries (needs a package index once; then OUTDIR is the cache)
  build.py deb OUTDIR      every package of every release as .deb, with the index of an apt repository
  build.py rpm OUTDIR      the same as .rpm, with the repodata of a yum repository
  build.py digest          one line that changes whenever the packages would

deb and rpm need Python 3.11, dpkg-deb or rpmbuild and createrepo_c, and the folder that `wheels` filled.
"""

import argparse
import sys
import time
from pathlib import Path

from builder import digest, repository, wheels  # type: ignore[import-not-found]  # found beside this file

WHEELS = Path(__file__).resolve().parents[1] / "cache" / "wheels"


def main(argv: list[str]) -> int:
    """Do what the first word says."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, usage="build.py COMMAND [OUTDIR]"
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("digest")
    commands.add_parser("wheels").add_argument("outdir", type=Path)
    for family in ("deb", "rpm"):
        command = commands.add_parser(family)
        command.add_argument("outdir", type=Path)
        command.add_argument("--wheels", type=Path, default=WHEELS, help="the folder that `build.py wheels` filled")
    arguments = parser.parse_args(argv)
    if arguments.command == "digest":
        print(digest.digest())
        return 0
    started = time.monotonic()
    if arguments.command == "wheels":
        wheels.collect(arguments.outdir)
        count = len(list(arguments.outdir.glob("*.whl")))
    else:
        count = repository.build(arguments.command, arguments.wheels.resolve(), arguments.outdir.resolve())
    print(f"{arguments.command}: {count} files in {arguments.outdir} ({time.monotonic() - started:.1f} s)")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
