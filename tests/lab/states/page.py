"""docs/mistral-states.md, from what the tests saw."""

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

PAGE = Path(__file__).resolve().parents[3] / "docs" / "mistral-states.md"

_HEAD = """# The states of a Mistral database

Written by tests/lab/test_mistral_states.py (`STORMLIFT_GOLDEN=write` writes it, any other run compares), against the
PostgreSQL and the mistral-db-manage of a lab host at StackStorm 2.2.1.

## Every combination

At each revision from 009 to 020, every subset of the six tables that 010 to 017 make, with rows in them and without, with
another session on the database and without: made for real, looked at by the program that hosts run, and compared with a
list of who makes what that was written by hand. Databases at each state:

"""

_CASES = """
## What the commands do

One database for each state, and for a sample of what lies between. `ready` is the check that `mistral.upgrade` and every
upgrade make before `upgrade head`; `drop` is the repair of `mistral.recover`; `rows` says that the tables hold some. After
each that got through, the schema is compared with that of a database that was upgraded without trouble.

"""


def text(seen: Iterable[Mapping[str, Any]], cases: Iterable[Mapping[str, str]]) -> str:
    """The page."""
    counted = Counter((each["revision"], each["state"]) for each in seen)
    states = sorted({state for _, state in counted})
    rows = [["revision", *states]]
    rows += [[at, *(str(counted[at, each] or "-") for each in states)] for at in sorted({at for at, _ in counted})]
    keys = ["database", "state", "drop", "ready", "then", "ends"]
    return f"{_HEAD}{_table(rows)}{_CASES}{_table([keys, *([case[key] for key in keys] for case in cases)])}"


def _table(rows: list[list[str]]) -> str:
    head, *body = rows
    lines = [head, ["---"] * len(head), *body]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
