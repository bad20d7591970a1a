"""Rolling over real deployments: a canary that fails, hooks in their order, a pause from a second shell, one left out."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.fleet import Fleet
from lab.topology import DEPLOYMENTS
from rollout.model import HOOKS
from tests.lab.desk import Operator, write_inventory
from tests.lab.ground import Ground
from tests.lab.standin import store_down

pytestmark = pytest.mark.lab
OTHERS = ("yum1", "apt2", "yum2", "db1")
# Everything of a host that an upgrade touches, and what shows a restart: configuration and enabled units, packages, the
# program's files, when processes began, and on a database host the rows of Mistral's database and of st2's store.
AS_IT_IS = """
find /etc -xdev \\( -type f -exec sha256sum {} + \\) -o -printf '%p %y %m %U %G %l\\n' | sort
dpkg-query -W 2>/dev/null || rpm -qa | sort
find /opt/stackstorm -type f -not -name '*.pyc' -printf '%p %s %T@\\n' 2>/dev/null | sort
systemctl show -p Id -p ActiveState -p ExecMainStartTimestamp st2api st2actionrunner st2auth mistral-server mistral-api
systemctl is-active postgresql >/dev/null || exit 0
for database in $(su postgres -c "psql -XAtqc 'select datname from pg_database where not datistemplate order by 1'"); do
  echo "database $database"
  su postgres -c "pg_dump --inserts $database" | grep -v -e '^--' -e '^.restrict ' -e '^.unrestrict ' | sort
done
"""


def as_it_is(fleet: Fleet) -> dict[str, str]:
    """The hosts that are not the canary's, as text that differs where they do."""
    return {name: fleet.execute(name, "sh", "-c", AS_IT_IS).stdout for name in OTHERS}


@pytest.fixture(scope="module")
def operator(ground: Ground, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    folder = tmp_path_factory.mktemp("desk")
    fleet = ground.fresh("apt1", "pair")
    ground.fresh("yum1", release="2.1.1")  # nothing to migrate from there: it is through sooner
    (folder / "hook.sh").write_text('cat >>"${0%/*}/hooks.jsonl"\n')
    inventory(folder, fleet)
    yield Operator(folder, fleet)
    store_down(fleet, "apt1", down=False)


def inventory(folder: Path, fleet: Fleet, **changes: Any) -> None:
    write_inventory(folder, fleet, **changes)
    text = yaml.safe_load((folder / "lab.yml").read_text())
    text["hooks"] = {point: ["sh", str(folder / "hook.sh")] for point in HOOKS}
    (folder / "lab.yml").write_text(yaml.safe_dump(text))


def heard(operator: Operator) -> list[tuple[str, str | None, str | None]]:
    """Point, host or deployment, and outcome of every hook that ran, in order; read once."""
    file = operator.folder / "hooks.jsonl"
    told = [json.loads(line) for line in file.read_text().splitlines()]
    file.unlink()
    return [(each["hook"], each["host"] or each["deployment"], each["outcome"]) for each in told]


def test_a_failing_canary_leaves_every_other_deployment_as_it_was(operator: Operator) -> None:
    hosts = {name for each in DEPLOYMENTS for name in (*each.hosts, each.database_host)}
    assert hosts == {"apt1", *OTHERS}
    before = as_it_is(operator.fleet)
    assert "st2" in before["yum1"] and "executions_v2" in before["yum1"] and "executions_v2" in before["db1"]
    store_down(operator.fleet, "apt1", down=True)
    said = operator.types("upgrade", "--hosts", "lab", "--yes", "--max-failures", "9")
    assert said.code == 3, said.all
    assert "batch 1, the canary: apt1\n" in said.err
    assert "if apt1 fails, pair and yum1 are not begun, however many failures are allowed" in said.err
    failure = said.err[said.err.index("apt1: FAILED: ") :]
    assert "dump Mistral's and st2's database side by side, and read the dumps back: exit code 1" in failure
    assert "\n  | MongoDB at " in failure and "\n  next: " in failure
    assert "not attempted: pair, yum1: the canary failed (apt1)" in said.err
    for name in ("yum1", "pair"):
        assert " not attempted " in next(line for line in said.out.splitlines() if line.startswith(name))
    assert as_it_is(operator.fleet) == before
    assert heard(operator) == [
        ("before-run", None, None),
        ("before-batch", "apt1", None),
        ("before-host", "apt1", None),
        ("after-batch", "apt1", "failed"),
        ("after-run", None, "failed"),
    ]
    for host in ("yum1", "apt2", "yum2"):
        assert operator.journal(host) == []


def waiting(operator: Operator, reason: str) -> str:
    """Wait until a run tells that it waits for REASON; gives the words."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        lines = [
            line for file in operator.folder.glob("runs/*/events.jsonl") for line in file.read_text().split("\n")[:-1]
        ]
        for event in map(json.loads, lines):
            if event["kind"] == "waiting" and event["data"].get("reason") == reason:
                return str(event["title"])
        time.sleep(0.2)
    raise AssertionError(f"nobody waits: {reason}")


def test_a_pause_is_honoured_between_deployments_and_one_that_does_not_answer_is_left_out(operator: Operator) -> None:
    store_down(operator.fleet, "apt1", down=False)
    inventory(operator.folder, operator.fleet, yum2={"port": 1})
    # apt1's run is taken up, and its events go on in the file that it began with.
    (first,) = operator.folder.glob("runs/*/events.jsonl")
    first.rename(first.with_suffix(".first"))
    words = ("--yes", "--skip-unreachable", "--soak", "2", "--gate-deadline", "60")
    run = operator.begins("upgrade", "--hosts", "lab", *words)
    try:
        said = operator.types("pause", "--hosts", "yum1", "--reason", "swapping a disk")
        assert said.code == 0 and "yum1: paused on yum1" in said.out, said.all
        words_of_pause = waiting(operator, "paused")
        assert words_of_pause.startswith("yum1: paused by ") and ": swapping a disk; waiting until: " in words_of_pause
        assert [record["event"] for record in operator.journal("yum1")] == ["paused"]
        row = operator.types("status", "--hosts", "yum1", "--json").json["hosts"][0]
        assert row["paused"].endswith(": swapping a disk") and row["release"] == "2.1.1" and not row["lock"]
        (finding,) = [
            f for f in operator.types("plan", "--hosts", "yum1", "--json").json["findings"] if f["key"] == "paused"
        ]
        assert finding["severity"] == "warning" and finding["remedy"] == "invoke resume --hosts yum1"
        assert heard(operator)[-2:] == [("after-batch", "apt1", "upgraded"), ("before-batch", "yum1", None)]
        assert operator.types("resume", "--hosts", "yum1").code == 0
        out, _ = run.communicate(timeout=180)
    finally:
        run.kill()
    assert run.returncode == 0, out
    assert "skipped: pair (apt2, yum2): yum2: 127.0.0.1 port 1: connection refused" in out
    assert "waiting until healthy for 2 s, at most 60 s: apt1" in out and "yum1: resumed, going on" in out
    ends = [line.split() for line in out.splitlines() if line.endswith((" s", " -")) and "  " in line]
    assert [line[-5] for line in ends if line[0] in ("apt1", "yum1") and line[-1] == "s"] == ["upgraded", "upgraded"]
    assert [line[-3] for line in ends if line[0] == "pair"] == ["skipped"]
    assert heard(operator) == [
        ("before-host", "yum1", None),
        ("after-host", "yum1", "upgraded"),
        ("after-batch", "yum1", "upgraded"),
        ("after-run", None, "upgraded"),
    ]
    assert operator.journal("apt2") == []
