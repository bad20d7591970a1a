"""invoke dev.*: the checks that CI runs, and what the estimates of plans are taken from."""

import sys

from invoke.context import Context
from invoke.exceptions import Exit

from rollout.durations import earlier
from tasks.edge import HOSTS_HELP, ROOT, command, desk

CHECKS = (
    "-m ruff check .",
    "-m ruff format --check .",
    "-m mypy .",
    "-m mypy tasks.py",
)


@command()
def check(c: Context) -> None:
    """Run ruff and mypy --strict over everything, as CI does."""
    with c.cd(str(ROOT)):
        failed = [
            line for line in CHECKS if not c.run(f"{sys.executable} {line}", warn=True, echo=True, in_stream=False)
        ]
    if failed:
        raise Exit(code=2)


@command(help={"hosts": HOSTS_HELP})
def durations(c: Context, hosts: str = "") -> None:
    """Show the seconds that each step took last, the longest of all hosts, as rollout/durations.py has them."""
    with desk(c) as sitting:
        selected = sitting.select(hosts, whole=False).hosts
        facts = sitting.fleet.facts(selected)
        longest: dict[str, int] = {}
        for each in facts.values():
            for (step, _), seconds in earlier(each.journal).items():
                longest[step] = max(seconds, longest.get(step, 0))
        for step, seconds in longest.items():
            sitting.out(f'    "{step}": {seconds},')
