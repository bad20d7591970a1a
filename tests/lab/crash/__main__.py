"""`python -m tests.lab.crash [--shard 1/2] [--only REGEX]`: the whole matrix, resumable; then writes its page.

Results are kept in lab/state/crash-matrix/ under a name of the code; a cell that has one is not run again. A shard
takes every n-th step, on a fleet of its own, so that shards may run side by side.
"""

import argparse
import json
import re
from pathlib import Path

from lab.docker import LAB
from lab.fleet import Fleet
from tests.lab.crash import page
from tests.lab.crash.cells import Cell
from tests.lab.crash.matrix import HIT, RELEASE, Base, Result, base, operator_at, run_cells

PORT_BASE = 22810


def known(results: Path) -> dict[str, Result]:
    """The results that are there, the newest of each cell."""
    lines = results.read_text().splitlines() if results.exists() else []
    found = [Result(**json.loads(line)) for line in lines]
    return {result.cell: result for result in found}


def share(bases: list[Base], shard: int, shards: int, only: str, done: dict[str, Result]) -> list[Cell]:
    """The cells that this shard has still to run; all cells of a step belong to one shard, which takes its snapshot."""
    return [
        cell
        for each in bases
        for cell in each.cells()
        if each.points.index(cell.point) % shards == shard - 1 and re.search(only, cell.name) and cell.name not in done
    ]


def main() -> int:
    """Run this shard's cells and write the page from all results of this code."""
    parser = argparse.ArgumentParser(prog="python -m tests.lab.crash", description=__doc__)
    parser.add_argument("--shard", default="1/1", help="which share of the steps, e.g. 2/3")
    parser.add_argument(
        "--only", default="", help="only cells whose name this regular expression finds, e.g. pair/.*packages.set"
    )
    parser.add_argument("--again", action="store_true", help="run cells again whose result was not ok")
    given = parser.parse_args()
    shard, shards = (int(word) for word in given.shard.split("/"))
    folder = LAB / "state" / "crash-matrix"
    folder.mkdir(parents=True, exist_ok=True)
    results = folder / f"{page.code()}.jsonl"
    fleet = Fleet(f"stormlift-crash{shard}", PORT_BASE + 10 * shard, folder / f"fleet{shard}")
    fleet.up(RELEASE)
    try:
        operator = operator_at(folder / f"desk{shard}", fleet)
        bases = [base(operator, name) for name in HIT]
        done = {name: r for name, r in known(results).items() if not (given.again and r.problems)}
        run_cells(bases, share(bases, shard, shards, given.only, done), results)
    finally:
        fleet.down()
    found = known(results)
    page.PAGE.write_text(page.text({each.stage.deployment: each.cells() for each in bases}, found, page.commit()))
    bad = [result.cell for result in found.values() if result.problems]
    print(f"{len(found)} cells have a result, {len(bad)} of them not ok: {', '.join(bad) or '-'}")
    return 1 if bad else 0


if __name__ == "__main__":
    raise SystemExit(main())
