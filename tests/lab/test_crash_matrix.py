"""Eight cells of the crash matrix, drawn anew for every session; `make crash-matrix` runs them all (docs/crash-matrix.md)."""

import os
import random
from pathlib import Path

import pytest

from remote import program
from tests.conftest import SEED
from tests.lab.crash.controller import with_points
from tests.lab.crash.matrix import HIT, RELEASE, base, operator_at, run_cells
from tests.lab.ground import Ground

pytestmark = pytest.mark.lab
DRAWN = 4  # of each deployment


def test_drawn_cells_end_as_an_undisturbed_run_does(ground: Ground, tmp_path: Path) -> None:
    fleet = ground.fresh(*HIT, release=RELEASE)
    bases = [base(operator_at(tmp_path, fleet), name) for name in HIT]
    draw = random.Random(int(os.environ[SEED]))
    drawn = [cell for each in bases for cell in draw.sample(each.cells(), DRAWN)]
    results = run_cells(bases, drawn)
    assert sorted(result.cell for result in results) == sorted(cell.name for cell in drawn)
    assert [result for result in results if result.problems] == [], f"{SEED}={os.environ[SEED]}"


def test_the_points_are_where_the_program_journals() -> None:
    """A program whose functions were renamed would never be caught, and every cell would be an undisturbed run."""
    with pytest.raises(AssertionError, match="0 functions step"):
        with_points(program.library().replace("step() {", "run_step() {"))
