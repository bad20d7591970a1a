"""A Mistral database that was broken by the real cause: services started on new code before it was upgraded."""

import os
import random
from collections.abc import Callable, Iterator

import pytest

from lab.fleet import Fleet
from tests.conftest import SEED
from tests.lab.crash.cells import Cell
from tests.lab.crash.matrix import base, run_cells
from tests.lab.desk import Operator, write_inventory
from tests.lab.ground import Ground

pytestmark = pytest.mark.lab
NEW_TABLES = [
    "action_executions_v2",
    "event_triggers_v2",
    "named_locks",
    "task_executions_v2",
    "workflow_executions_v2",
]

MEDDLE = """#!/bin/sh
# Starts the new engine until it has made its tables, as an impatient colleague would.
exec >/dev/null 2>&1
case $(dpkg-query -W -f '${Version}' st2mistral) in 2.2.1*) ;; *) exit 0 ;; esac
setsid /opt/stackstorm/mistral/bin/mistral-server --server engine --config-file /etc/mistral/mistral.conf &
pid=$!
for i in $(seq 150); do
  su postgres -c "psql -Atd mistral -c 'select tablename from pg_tables'" | grep -q named_locks && break
  sleep 0.2
done
kill -9 $pid
exit 0
"""


@pytest.fixture(scope="module")
def operator(fleet: Fleet, tmp_path_factory: pytest.TempPathFactory) -> Operator:
    folder = tmp_path_factory.mktemp("desk")
    write_inventory(folder, fleet)
    return Operator(folder, fleet)


@pytest.fixture(scope="module")
def image(operator: Operator, ground: Ground) -> Iterator[str]:
    """yum1, upgraded by hand as the page says, but with mistral running: the rpm's try-restart starts it on the new code."""
    fleet = ground.fresh("yum1")
    packages = [f"{name}-2.2.1" for name in ("st2", "st2web", "st2chatops", "st2mistral", "bwc-enterprise")]
    fleet.execute("yum1", "sh", "-c", f"yum -y -q install {' '.join(f'{p}-*' for p in packages)}")
    wait_until_broken(operator)
    fleet.snapshot("broken", "yum1")
    yield "broken"
    fleet.forget_snapshot("broken", "yum1")


@pytest.fixture
def broken(operator: Operator, image: str) -> Operator:
    """An operator whose yum1 has just been broken."""
    operator.fleet.boot_snapshot(image, "yum1", ready=True)
    return operator


def wait_until_broken(operator: Operator) -> None:
    from tenacity import Retrying, stop_after_delay, wait_fixed

    for attempt in Retrying(stop=stop_after_delay(60), wait=wait_fixed(0.5)):
        with attempt:
            assert state(operator)["drop"] == NEW_TABLES


def state(operator: Operator) -> dict[str, object]:
    found: dict[str, object] = operator.types("mistral.status", "--hosts", "yum1", "--json").json["deployments"][0]
    return found


def test_the_failure_names_the_command_that_repairs_it(broken: Operator) -> None:
    seen = state(broken)
    assert seen["state"] == "broken" and seen["revision"] == "011" and seen["head"] == "020"

    said = broken.types("upgrade", "--hosts", "yum1", "--yes")
    assert said.code == 2, said.all
    assert "invoke mistral.recover --hosts yum1" in said.err
    assert broken.journal("yum1") == []

    said = broken.types("mistral.recover", "--hosts", "yum1", "--yes")
    assert said.code == 0, said.all
    seen = state(broken)
    assert seen["state"] == "upgraded" and seen["rows"]["executions_v2"] == 20  # type: ignore[index]
    assert len(seen["processes"]) >= 2  # type: ignore[arg-type]

    # What the hand upgrade left out is found by what the data says, and made up for.
    said = broken.types("upgrade", "--hosts", "yum1", "--yes")
    assert said.code == 0, said.all
    rows = broken.types("status", "--hosts", "yum1", "--json").json["hosts"]
    assert rows[0]["settled"] == "2.2.1" and rows[0]["pending"] == []

    said = broken.types("mistral.recover", "--hosts", "yum1", "--yes")
    assert said.code == 2 and "repairs a broken database only" in said.err


def test_the_page_s_own_recovery_fails_and_ours_repairs_what_it_left(broken: Operator) -> None:
    """Its five statements, in its order: the third fails on a foreign key, psql goes on and exits 0."""
    fleet = broken.fleet
    fleet.execute("yum1", "systemctl", "stop", "mistral", "mistral-api", "mistral-server")
    script = (
        "DROP TABLE event_triggers_v2;\nDROP TABLE workflow_executions_v2 CASCADE;\nDROP TABLE task_executions_v2;\n"
        "DROP TABLE action_executions_v2;\nDROP TABLE named_locks;\n"
    )
    done = fleet.execute("yum1", "su", "postgres", "-c", "psql -d mistral", stdin=script)
    assert "cannot drop table task_executions_v2" in done.stderr
    manage = (
        "/opt/stackstorm/mistral/bin/mistral-db-manage",
        "--config-file",
        "/etc/mistral/mistral.conf",
        "upgrade",
        "head",
    )
    assert 'relation "task_executions_v2" already exists' in fleet.execute("yum1", *manage, check=False).stderr

    assert state(broken)["drop"] == ["task_executions_v2"]
    said = broken.types("mistral.recover", "--hosts", "yum1", "--yes")
    assert said.code == 0, said.all
    assert state(broken)["state"] == "upgraded"


def test_rows_in_the_new_tables_are_dumped_and_not_dropped_without_the_flag(broken: Operator) -> None:
    broken.fleet.execute("yum1", "systemctl", "stop", "mistral", "mistral-api", "mistral-server")
    row = "insert into named_locks (id, name, created_at) values ('x', 'work done since', now())"
    broken.fleet.execute("yum1", "su", "postgres", "-c", "psql -v ON_ERROR_STOP=1 -d mistral", stdin=row)
    said = broken.types("mistral.recover", "--hosts", "yum1", "--yes")
    assert said.code == 2 and "named_locks (1)" in said.err and "--drop-rows" in said.err, said.all
    assert state(broken)["state"] == "broken"
    said = broken.types("mistral.recover", "--hosts", "yum1", "--yes", "--drop-rows")
    assert said.code == 0, said.all
    listed = broken.fleet.execute(
        "yum1", "sh", "-c", "pg_restore -f - -t named_locks /var/lib/stormlift/*/backup/*/mistral.dump"
    ).stdout
    assert "work done since" in listed


def killed(broken: Operator, cells: Callable[[tuple[Cell, ...]], list[Cell]]) -> None:
    """The repair, cut off in the middle of some of its steps: the same command ends as a repair that nobody disturbed."""
    repair = base(broken, "yum1", "mistral.recover")
    chosen = cells(tuple(each for each in repair.cells() if each.moment == "during" and each.fault != "link"))
    assert [each for each in run_cells([repair], chosen) if each.problems] == []
    assert state(broken)["state"] == "upgraded"


def test_a_repair_that_is_killed_is_taken_up(broken: Operator) -> None:
    draw = random.Random(int(os.environ[SEED]))
    killed(broken, lambda every: draw.sample(every, 2))


@pytest.mark.long
def test_a_repair_that_is_killed_at_any_step_is_taken_up(broken: Operator) -> None:
    killed(broken, list)


def test_the_failure_in_the_middle_of_an_upgrade(operator: Operator, ground: Ground) -> None:
    """Somebody starts the new Mistral by hand between packages and database: the upgrade stops and says what to type."""
    fleet = ground.fresh("apt1")
    # The hold cannot stop a root who calls the program itself; this is what he would break.
    fleet.execute("apt1", "sh", "-c", "cat > /usr/local/sbin/meddle && chmod 755 /usr/local/sbin/meddle", stdin=MEDDLE)
    conf = 'DPkg::Post-Invoke {"/usr/local/sbin/meddle";};\n'
    fleet.execute("apt1", "sh", "-c", "cat > /etc/apt/apt.conf.d/98meddle", stdin=conf)
    said = operator.types("upgrade", "--hosts", "apt1", "--yes")
    assert said.code == 3, said.all
    assert (
        "the database can be upgraded: " in said.err
        and "next: invoke mistral.recover --hosts apt1, then invoke upgrade --hosts apt1" in said.err
    )

    said = operator.types("mistral.recover", "--hosts", "apt1", "--yes")
    assert said.code == 0, said.all
    assert operator.types("status", "--hosts", "apt1", "--json").json["hosts"][0]["hold"]
    said = operator.types("upgrade", "--hosts", "apt1", "--yes")
    assert said.code == 0, said.all
    rows = operator.types("status", "--hosts", "apt1", "--json").json["hosts"]
    assert rows[0]["settled"] == "2.2.1" and not rows[0]["hold"]
