"""How long st2 is down when a box is upgraded by a plain script of the upgrade page's commands, and when by stormlift.

Measured in the lab, on a fleet of its own that is removed in every ending. A line is kept for each round as soon as it is
through, and docs/downtime.md is written from all that are kept. About a minute for each upgrade.
"""

import argparse
import json
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import NoReturn, Protocol

from bench import page
from bench.box import ORIGIN, Box, write_inventory
from bench.figures import Measured, Round, Unfinished
from lab.digest import locked
from lab.docker import LAB, LabError
from lab.fleet import Fleet

PORT_BASE = 23010
WAYS = ("script", "stormlift")
BACKUPS = {"with": (True,), "without": (False,), "both": (True, False)}


class Boxes(Protocol):
    """Where it is measured."""

    def download_seconds(self, seconds: float) -> None:
        """Let every package take so long on its way to a box."""

    def measure(self, host: str, way: str, *, backup: bool) -> Measured:
        """A fresh box HOST, upgraded by WAY."""


@dataclass(frozen=True)
class Asked:
    """What is to be measured."""

    rounds: int
    delays: tuple[float, ...]
    backups: tuple[bool, ...]
    hosts: tuple[str, ...]
    fleet: int = 0


def asked(argv: Sequence[str]) -> Asked:
    """The command line; ends the program with 2 where it makes no sense."""
    parser = argparse.ArgumentParser(prog="python -m bench.downtime", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="how often each is measured; 0 writes the page alone")
    parser.add_argument("--delay", type=float, action="append", help="seconds a package takes; again for another one")
    parser.add_argument(
        "--backup", choices=sorted(BACKUPS), default="with", help="with their dumps, without, or both ways"
    )
    parser.add_argument("--hosts", default="apt1,yum1", help="apt1, yum1 or both")
    parser.add_argument("--fleet", type=int, default=0, help="the number of the fleet: several run side by side")
    found = parser.parse_args(argv)
    hosts = tuple(found.hosts.split(","))
    if unknown := sorted({*hosts} - {"apt1", "yum1"}):
        parser.error(f"--hosts {unknown[0]}: only apt1 and yum1 are boxes with everything on them")
    return Asked(found.rounds, tuple(found.delay or (2.0, 0.0)), BACKUPS[found.backup], hosts, found.fleet)


def measure(boxes: Boxes, want: Asked, run: str, commit: str, say: Callable[[str], None]) -> Iterator[Round]:
    """Every round of WANT, settings and hosts interleaved; who goes first alternates from round to round."""
    for number in range(1, want.rounds + 1):
        order = WAYS if number % 2 else WAYS[::-1]
        for delay in want.delays:
            boxes.download_seconds(delay)
            for host in want.hosts:
                for backup in want.backups:
                    found = {way: boxes.measure(host, way, backup=backup) for way in order}
                    say(
                        f"round {number} of {want.rounds}, {host}, {delay:g} s a package, {'with' if backup else 'no'} "
                        f"backup: script {found['script'].down_s:.1f} s, stormlift {found['stormlift'].down_s:.1f} s"
                    )
                    yield Round(run, commit, number, host, delay, backup, order[0], **found)


@dataclass(frozen=True)
class LabBoxes:
    """Boxes of a fleet of the lab."""

    fleet: Fleet
    folder: Path

    def download_seconds(self, seconds: float) -> None:
        """Let every package take so long on its way to a box."""
        self.fleet.download_seconds(seconds)

    def measure(self, host: str, way: str, *, backup: bool) -> Measured:
        """A fresh box HOST, upgraded by WAY."""
        return Box(self.fleet, host, self.folder).measure(way, backup=backup)


def in_lab(fleet: Fleet, want: Asked, keep: Callable[[Round], None], say: Callable[[str], None]) -> None:
    """Measure WANT on a FLEET that is there for this alone, and keep each round; the fleet is removed in every ending."""
    run = datetime.now(timezone.utc).strftime("%Y%m%d-%H%M%S")
    with locked(fleet.project), tempfile.TemporaryDirectory(prefix=f"{fleet.project}-") as folder:
        fleet.prepare(ORIGIN)
        fleet.down()  # what one that was killed has left
        try:
            fleet.up(ORIGIN, only=want.hosts)
            write_inventory(Path(folder), fleet, want.hosts)
            for each in measure(LabBoxes(fleet, Path(folder)), want, run, page.commit(), say):
                keep(each)
        finally:
            fleet.down()


def kept(file: Path) -> list[Round]:
    """The rounds in FILE, oldest first."""
    lines = file.read_text().splitlines() if file.exists() else []
    return [Round.from_json(json.loads(line)) for line in lines]


def keep_in(file: Path) -> Callable[[Round], None]:
    """What keeps a round in FILE, at once."""

    def keep(each: Round) -> None:
        with file.open("a") as opened:
            opened.write(json.dumps(each.to_json()) + "\n")

    return keep


def _ended(number: int, _: object) -> NoReturn:
    sys.exit(128 + number)


def main(argv: Sequence[str]) -> int:
    """Measure what ARGV asks for, and write the page from everything that is kept."""
    want = asked(argv)
    for each in (signal.SIGTERM, signal.SIGHUP):  # as with Ctrl-C, the fleet goes
        signal.signal(each, _ended)

    def say(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    project = f"stormlift-bench{want.fleet}"
    fleet = Fleet(project, PORT_BASE + 10 * want.fleet, LAB / "state" / project)
    try:
        if want.rounds > 0:
            in_lab(fleet, want, keep_in(page.KEPT), say)
    except (LabError, Unfinished) as error:
        say(f"bench: error: {error}")
        return 3
    if rounds := kept(page.KEPT):
        page.PAGE.write_text(page.text(rounds))
        say(f"bench: written: {page.PAGE.relative_to(page.ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
