"""invoke dev.*: the checks that CI runs."""

import sys

from invoke.context import Context
from invoke.exceptions import Exit

from tasks.edge import ROOT, command

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
