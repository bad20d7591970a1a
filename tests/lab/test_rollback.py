"""The way back, from wherever an upgrade may stop."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.conftest import SEED
from tests.lab.crash.back import HIT, tried_once, ways_back
from tests.lab.crash.matrix import RELEASE, operator_at, run_cells
from tests.lab.crash.state import difference, everything
from tests.lab.desk import Operator
from tests.lab.ground import Ground

pytestmark = pytest.mark.lab
BOXES = ("apt1", "yum1")  # of which one failure each is drawn; the pair goes back below


def test_drawn_failures_go_back_to_what_was_there(ground: Ground, tmp_path: Path) -> None:
    ways = ways_back(operator_at(tmp_path, ground.fresh(*BOXES, release=RELEASE)), BOXES)
    results = tried_once(ways, int(os.environ[SEED]))
    assert [result for result in results if result.problems] == [], f"{SEED}={os.environ[SEED]}"
    assert len(results) == len(BOXES) and all(result.codes[0] in (3, -9) for result in results)


@pytest.mark.long
def test_every_phase_goes_back_to_what_was_there(ground: Ground, tmp_path: Path) -> None:
    """`make rollbacks`: each phase of 1.4.0 to 2.2.1, on the pair and on both single boxes."""
    ways = ways_back(operator_at(tmp_path, ground.fresh(*HIT, release=RELEASE)), HIT)
    results = run_cells(ways, [cell for way in ways for cell in way.cells()])
    assert [result for result in results if result.problems] == []


def test_a_rollback_that_is_killed_is_taken_up_and_nothing_else_begins_before(ground: Ground, tmp_path: Path) -> None:
    fleet = ground.fresh("pair", release=RELEASE)
    operator = operator_at(tmp_path, fleet)
    before = everything(fleet, "pair")
    done = operator.types("upgrade", "--hosts", "pair", "--yes")
    assert done.code == 0, done.all
    fleet.execute("yum2", "sh", "-c", "echo 'x = 1' >>/etc/st2/st2.conf; echo new >/etc/st2/new.conf")
    run = killed_at(operator, "yum2", "rollback:packages.back")
    refused = operator.types("plan", "--hosts", "pair", "--to", "2.2.1")
    assert refused.code == 2 and "way-back-open" in refused.all and "invoke rollback --hosts pair" in refused.all
    for command in ("services.start", "mistral.upgrade"):
        assert "rollback is not through" in operator.types(command, "--hosts", "pair", "--yes").err
    again = operator.types("rollback", "--hosts", "pair", "--yes")
    assert again.code == 0 and f"run {run} is open" in again.err, again.all
    assert difference(before, everything(fleet, "pair")) == []
    settled = operator.types("status", "--hosts", "pair", "--json").json["hosts"]
    assert {(row["settled"], row["run"], row["hold"], row["lock"]) for row in settled} == {("1.4.0", "", "", "")}
    twice = operator.types("rollback", "--hosts", "pair", "--yes")
    assert twice.code == 2 and "was rolled back already" in twice.err
    forward = operator.types("plan", "--hosts", "pair")
    assert forward.code == 0 and "1.4.0 -> " in forward.out, forward.all


def killed_at(operator: Operator, host: str, step: str) -> str:
    """Kill a rollback, controller and command, when STEP has begun on HOST; gives its run."""
    run: subprocess.Popen[str] = operator.begins("rollback", "--hosts", "pair", "--yes")
    operator.waits_for(host, "started", step, run)
    run.kill()
    run.communicate()
    units = "systemctl list-units --plain --no-legend 'stormlift-*' | cut -d' ' -f1"
    operator.fleet.execute(host, "sh", "-c", f"for u in $({units}); do systemctl kill -s KILL $u; done", check=False)
    return str(next(r["run"] for r in reversed(operator.journal(host)) if r.get("step") == step))
