"""Killed, interrupted, taken up again: the same command ends where an undisturbed run ends."""

import signal
import subprocess
from pathlib import Path

import pytest

from tests.lab.desk import Operator, write_inventory
from tests.lab.ground import Ground
from tests.lab.test_upgrade import script_runs

pytestmark = pytest.mark.lab


@pytest.fixture
def operator(ground: Ground, tmp_path: Path) -> Operator:
    fleet = ground.fresh("apt1")
    fleet.execute("apt1", "sh", "-c", "mkdir -p /run/lab; echo 6 > /run/lab/register-sleep")
    write_inventory(tmp_path, fleet)
    return Operator(tmp_path, fleet)


def begun_packages(operator: Operator) -> "subprocess.Popen[str]":
    """An upgrade whose package step has just begun."""
    run = operator.begins("upgrade", "--hosts", "apt1", "--yes")
    operator.waits_for("apt1", "started", "2.2.1:packages.set", run)
    return run


def unslowed(operator: Operator) -> None:
    """Later registrations take their usual time; the one under way goes on."""
    operator.fleet.execute("apt1", "rm", "/run/lab/register-sleep")


def goes_on_to_the_end(operator: Operator) -> None:
    said = operator.types("upgrade", "--hosts", "apt1", "--yes")
    assert said.code == 0, said.all
    assert "goes on" in said.err
    row = operator.types("status", "--hosts", "apt1", "--json").json["hosts"][0]
    assert (row["settled"], row["hold"], row["run"], row["lock"]) == ("2.2.1", "", "", "")
    records = operator.journal("apt1")
    done = [r["step"] for r in records if r["event"] == "finished" and r["code"] == 0 and ":stop." not in r["step"]]
    packages = [step for step in done if step.endswith(":packages.set")]
    assert packages == ["2.2.1:packages.set"]
    assert script_runs(operator.fleet, "apt1") == [("st2-migrate-datastore-scopes.py", "succeeded")]


def test_a_killed_controller_does_not_kill_apt_and_the_same_command_picks_it_up(operator: Operator) -> None:
    run = begun_packages(operator)
    run.kill()
    run.wait()
    unslowed(operator)
    goes_on_to_the_end(operator)


def test_ctrl_c_finishes_the_step_says_how_to_go_on_and_exits_130(operator: Operator) -> None:
    run = begun_packages(operator)
    run.send_signal(signal.SIGINT)
    unslowed(operator)
    said, _ = run.communicate(timeout=120)
    assert run.returncode == 130, said
    assert "the step that runs on each host is finished, no other begins" in said
    assert "stopped before: the hold held" in said
    assert "next: the same command goes on from here" in said
    assert "st2 is stopped and held" in said
    # The checks after it were sent in the same request.
    last = operator.journal("apt1")[-1]
    assert (last["event"], last["step"], last["code"]) == ("finished", "2.2.1:packages.set", 0)
    assert operator.fleet.execute("apt1", "ls", "/var/lib/stormlift/lock", check=False).returncode != 0
    goes_on_to_the_end(operator)


def test_ctrl_c_twice_leaves_at_once_and_the_same_command_waits_for_the_step_and_goes_on(operator: Operator) -> None:
    run = begun_packages(operator)
    run.send_signal(signal.SIGINT)
    halt = "until ls /var/lib/stormlift/*/segments/*.halt 2>/dev/null; do sleep 0.1; done"
    operator.fleet.execute("apt1", "sh", "-c", halt, timeout=60)
    run.send_signal(signal.SIGINT)
    said, _ = run.communicate(timeout=60)
    assert run.returncode == 130, said
    assert "left at once; steps that run on hosts go on by themselves" in said
    assert operator.journal("apt1")[-1]["event"] == "started"
    unslowed(operator)
    goes_on_to_the_end(operator)
