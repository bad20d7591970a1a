"""Two operators, one deployment: one works, the other is told who; and who slept through a take-over does nothing more."""

import re
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from tests.lab.desk import Operator, write_inventory
from tests.lab.ground import Ground

pytestmark = pytest.mark.lab
ROUNDS = 10


@pytest.fixture
def alice(ground: Ground, tmp_path: Path) -> Operator:
    fleet = ground.fresh("apt1")
    write_inventory(tmp_path, fleet)
    return Operator(tmp_path, fleet, {"LOGNAME": "alice"})


@pytest.fixture
def bob(alice: Operator) -> Operator:
    return replace(alice, environment={"LOGNAME": "bob"})


def test_of_two_that_begin_at_the_same_moment_one_works(alice: Operator, bob: Operator) -> None:
    words = ("services.reload", "--hosts", "apt1", "--yes")
    for number in range(ROUNDS):
        runs = {"alice": alice.begins(*words), "bob": bob.begins(*words)}
        said = {name: run.communicate(timeout=120)[0] for name, run in runs.items()}
        codes = {name: run.returncode for name, run in runs.items()}
        assert sorted(codes.values()) == [0, 4], (number, said)
        loser, winner = sorted(codes, key=lambda name: -codes[name])
        # Who comes when the winner is already through is not told of a lock, but of whom he missed.
        assert re.search(rf"locked by {winner}@|{winner}@\S+, run \S+ \(services.reload\), was here", said[loser]), said
        assert "next: " in said[loser]
    opened = [record["by"].partition("@")[0] for record in alice.journal("apt1") if record["event"] == "opened"]
    assert len(opened) == ROUNDS  # who lost has left no trace


def test_who_slept_while_another_took_over_does_nothing_more(alice: Operator, bob: Operator) -> None:
    fleet = alice.fleet
    fleet.execute("apt1", "sh", "-c", "mkdir -p /run/lab; echo 8 > /run/lab/register-sleep")
    asleep = alice.begins("upgrade", "--hosts", "apt1", "--yes")
    alice.waits_for("apt1", "started", "2.2.1:packages.set", asleep)
    asleep.send_signal(signal.SIGSTOP)
    try:
        fleet.execute("apt1", "rm", "/run/lab/register-sleep")
        taken_over_by(bob)
        before = alice.journal("apt1")
    finally:
        asleep.send_signal(signal.SIGCONT)
    said, _ = asleep.communicate(timeout=120)
    assert asleep.returncode == 4, said
    assert "another controller took over" in said and "invoke locks.show" in said, said
    assert alice.journal("apt1") == before


def taken_over_by(operator: Operator) -> None:
    """Release the lock of whoever gives no sign of life, and finish the run."""
    fleet = operator.fleet
    said = operator.types("upgrade", "--hosts", "apt1", "--yes")
    assert said.code == 4 and "locked by alice@" in said.err, said.all
    fleet.execute("apt1", "touch", "-d", "10 minutes ago", "/var/lib/stormlift/lock/beat")
    assert operator.types("locks.release", "--hosts", "apt1", "--yes").code == 0
    said = operator.types("upgrade", "--hosts", "apt1", "--yes")
    assert said.code == 0 and "goes on" in said.err, said.all
    released = [record for record in operator.journal("apt1") if record["event"] == "lock-released"]
    assert [record["by"].partition("@")[0] for record in released] == ["bob"]
