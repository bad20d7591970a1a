"""docs/crash-matrix.md, written from results."""

import hashlib
import subprocess
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path

from tests.lab.crash.cells import FAULTS, MOMENTS, Cell
from tests.lab.crash.matrix import Result

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "docs" / "crash-matrix.md"
DEPENDS_ON = ("inventory", "lab", "migrations", "remote", "rollout", "tasks", "tasks.py", "requirements.txt",
              "tests/lab/crash", "tests/lab/desk.py")  # fmt: skip
INTRO = """# Crash matrix

Written by `make crash-matrix`; do not edit. Each cell: a deployment of the lab is upgraded from 1.4.0 to 2.2.1, is cut off in
the named way before, in the middle of, or right after the named step, and the same command is typed again. `ok` means that
it ended with 0 and that everything was as after an undisturbed run: packages, /etc/st2 and /etc/mistral, units, processes,
hold and lock on every host; schema, rows and keys of the databases; what the journals say was finished; and that no step
that is a deed had finished twice. Each cell starts from images of its hosts, databases included, taken right before its step.

"""


def commit(page: Path = PAGE) -> str:
    """The commit that the working tree is at, with `+` where anything but PAGE was changed since."""
    return _git("rev-parse", "--short=12", "HEAD") + _changed(".", f":!{page.relative_to(ROOT)}")


def code() -> str:
    """A name for everything that a cell depends on, so that a commit to a document does not void what was run."""
    names = _git("ls-tree", "HEAD", *DEPENDS_ON)
    return hashlib.sha256(names.encode()).hexdigest()[:12] + _changed(*DEPENDS_ON)


def _changed(*paths: str) -> str:
    return "+" if _git("status", "--porcelain", "--untracked-files=no", "--", *paths) else ""


def _git(*words: str) -> str:
    return subprocess.run(("git", *words), cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


def text(all_cells: Mapping[str, Sequence[Cell]], results: Mapping[str, Result], at: str) -> str:
    """The page for deployments with all their cells; cells without a result show as blank."""
    ran = [results[cell.name] for cells in all_cells.values() for cell in cells if cell.name in results]
    bad = [result for result in ran if result.problems]
    total = sum(len(cells) for cells in all_cells.values())
    when = datetime.now(timezone.utc).strftime("%Y-%m-%d")
    resets = sorted(result.reset_s for result in ran)
    lines = [
        INTRO + f"Commit {at}, {when}. {total} cells, {len(ran)} run, {len(ran) - len(bad)} ok, {len(bad)} not.",
    ]
    if resets:
        lines.append(
            f"A reset took {resets[len(resets) // 2]} s (median), {resets[-1]} s at most; "
            f"all cells together {sum(result.seconds for result in ran) / 3600:.1f} h of lab time."
        )
    lines += ["", "| fault | is |", "|---|---|", *(f"| {name} | {meaning} |" for name, meaning in FAULTS.items())]
    for deployment, cells in all_cells.items():
        lines += _table(deployment, cells, results)
    if bad:
        lines += ["", "## Not ok", ""]
        lines += [f"- {result.cell}: {_first_line(result.problems[0])}" for result in bad]
    return "\n".join(lines) + "\n"


def _table(deployment: str, cells: Sequence[Cell], results: Mapping[str, Result]) -> list[str]:
    columns = [(fault, moment) for fault in FAULTS for moment in MOMENTS]
    head = " | ".join(f"{fault} {moment}" for fault, moment in columns)
    lines = ["", f"## {deployment}", "", f"| step | hit | {head} |", "|---|---|" + "---|" * len(columns)]
    steps = dict.fromkeys(cell.point for cell in cells)
    for point in steps:
        row = [_word(results.get(Cell(deployment, point, *column).name)) for column in columns]
        lines.append(f"| {point.key} | {point.hit} | {' | '.join(row)} |")
    return lines


def _word(result: Result | None) -> str:
    if result is None:
        return ""
    return "**not**" if result.problems else "ok"


def _first_line(problem: str) -> str:
    return problem.splitlines()[0][:300]
