"""docs/preflight.md names every finding there is, as the code has it, and none else; and each is provoked somewhere."""

import os
from collections.abc import Iterator
from pathlib import Path

import migrations
from rollout.findings import KNOWN, Known, shown
from rollout.model import Kind, Severity, Step
from tests.provoked import PROVOKED_IN

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "preflight.md"
STEPS = [step for migration in migrations.ALL for step in migration.steps if step.kind is not Kind.RUN]
HEAD = ["| key | severity | means | remedy |", "| --- | --- | --- | --- |"]


def row(*cells: str) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


def known(finding: Known) -> str:
    yum = f" On yum: {shown(finding.yum)}" if finding.yum else ""
    return row(
        f"`{finding.key}`", graveness(finding.severity, finding.waivable), finding.means, shown(finding.remedy) + yum
    )


def graveness(severity: Severity, waivable: bool) -> str:
    return "inhibitor, waivable" if severity is Severity.INHIBITOR and waivable else severity.value


def of_step(step: Step) -> str:
    return row(f"`{step.id}`", graveness(step.severity, True), f"{step.title}: {step.why}", step.remedy)


def tables() -> Iterator[tuple[str, list[str]]]:
    """The heading that each table stands under, and its lines."""
    yield "## What is found on hosts", [*HEAD, *(known(each) for each in KNOWN.values())]
    yield "## What releases ask", [*HEAD, *(of_step(each) for each in STEPS)]


def written(text: str) -> str:
    """TEXT with its tables as they are to be."""
    for heading, lines in tables():
        before, _, after = text.partition(f"{heading}\n")
        words, _, rest = after.partition("\n|")
        end = rest.partition("\n\n")
        text = f"{before}{heading}\n{words}\n" + "\n".join(lines) + "\n" + (f"\n{end[2]}" if end[1] else "")
    return text


def test_the_page_is_what_the_code_can_find() -> None:
    if os.environ.get("STORMLIFT_GOLDEN") == "write":
        PAGE.write_text(written(PAGE.read_text()))
    text = PAGE.read_text()
    for heading, lines in tables():
        part = text.partition(f"{heading}\n")[2].partition("\n## ")[0]
        assert [line for line in part.splitlines() if line.startswith("|")] == lines


def test_keys_are_told_apart() -> None:
    ids = [step.id for step in STEPS]
    assert len(ids) == len(set(ids)) and not set(ids) & set(KNOWN)


def test_every_finding_says_where_it_is_provoked() -> None:
    """And its name stands there; what the steps of releases look at has its own tests (test_evidence.py, test_concerns.py)."""
    assert set(PROVOKED_IN) == set(KNOWN)
    for key, files in PROVOKED_IN.items():
        texts = [(ROOT / "tests" / file).read_text() for file in files]
        assert any(f'"{key}"' in text for text in texts), f"{', '.join(files)} do not speak of {key}"
