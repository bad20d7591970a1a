"""Backups that are taken while st2 serves, proved, lost in part, and put back over what was wiped."""

import itertools
import json
from pathlib import Path

import pytest

from lab.fleet import Fleet
from tests.lab.crash.matrix import operator_at
from tests.lab.crash.state import difference, everything
from tests.lab.desk import Operator
from tests.lab.ground import Ground

pytestmark = pytest.mark.lab
# The stand-in's own tables are no part of the store.
WIPE = {
    "mistral": "do $$ declare t text; begin for t in select tablename from pg_tables where schemaname = 'public' loop "
    "execute format('drop table public.%I cascade', t); end loop; end $$",
    "st2": "truncate key_value_pair_d_b, content_d_b, action_execution_d_b",
}


@pytest.fixture
def operator(ground: Ground, tmp_path: Path) -> Operator:
    """With a single box."""
    return operator_at(tmp_path, ground.fresh("apt1"))


@pytest.fixture
def of_pair(ground: Ground, tmp_path: Path) -> Operator:
    """With the pair."""
    return operator_at(tmp_path, ground.fresh("pair"))


def done(operator: Operator, *words: str) -> str:
    """Type a command that must go well."""
    said = operator.types(*words)
    assert said.code == 0, said.all
    return said.out + said.err


def backups(operator: Operator, deployment: str) -> list[dict[str, object]]:
    said = operator.types("backup.list", "--hosts", deployment, "--json")
    assert said.code == 0, said.all
    found: list[dict[str, object]] = said.json["backups"]
    return found


def wipe(fleet: Fleet, host: str) -> None:
    """Both databases emptied, with everything stopped that would notice."""
    for database, statements in WIPE.items():
        query = ("su", "postgres", "-c", f"psql -Xq -v ON_ERROR_STOP=1 -d {database}")
        fleet.execute(host, *query, stdin=statements)


def test_wiped_databases_and_configuration_come_back_equal(of_pair: Operator) -> None:
    operator, fleet = of_pair, of_pair.fleet
    before = everything(fleet, "pair")
    said = done(operator, "backup.create", "--hosts", "pair", "--yes")
    assert "st2 was down" in said
    (taken,) = backups(operator, "pair")
    assert taken["wrong"] == [] and set(taken["hosts"]) == {"apt2", "yum2"}  # type: ignore[call-overload]
    assert difference(before, everything(fleet, "pair")) == [], "a backup changes nothing"
    proved = done(operator, "backup.verify", "--hosts", "pair", "--yes")
    assert "compare, drop it: done" in proved
    for host in ("apt2", "yum2"):
        fleet.execute(host, "sh", "-c", "systemctl stop 'st2*' 'mistral*'; rm -rf /etc/st2")
    wipe(fleet, "db1")
    done(operator, "backup.restore", "--hosts", "pair", "--yes")
    assert difference(before, everything(fleet, "pair")) == []
    scratch = fleet.execute("db1", "su", "postgres", "-c", "psql -XAtqc 'select datname from pg_database'").stdout
    assert "scratch" not in scratch


DAMAGES = (
    "printf X | dd of={file} bs=1 seek=$(($(stat -c %s {file}) / 2)) conv=notrunc",
    "rm {file}",
    "truncate -s -1 {file}",
)
COMMANDS = itertools.cycle(("backup.verify", "backup.restore"))


def test_a_damaged_backup_is_refused_before_anything_stops(operator: Operator) -> None:
    done(operator, "backup.create", "--hosts", "apt1", "--yes")
    (taken,) = backups(operator, "apt1")
    run, _, hop = str(taken["name"]).partition("/")
    folder = f"/var/lib/stormlift/{run}/backup/{hop}"
    served = operator.fleet.execute("apt1", "systemctl", "show", "-p", "InvocationID", "st2api").stdout
    for damage, name in itertools.product(DAMAGES, ("mistral.dump", "store.archive", "files.tar")):
        operator.fleet.execute("apt1", "cp", "-a", folder, "/root/whole")
        operator.fleet.execute("apt1", "sh", "-c", damage.format(file=f"{folder}/{name}"))
        said = operator.types(next(COMMANDS), "--hosts", "apt1", "--yes")
        assert said.code == 3 and name in said.err, said.all
        operator.fleet.execute("apt1", "sh", "-c", f"rm -r {folder} && mv /root/whole {folder}")
    assert operator.fleet.execute("apt1", "systemctl", "show", "-p", "InvocationID", "st2api").stdout == served


def test_a_backup_that_is_killed_or_meets_a_full_disk_counts_from_its_second_run_on(operator: Operator) -> None:
    fleet = operator.fleet
    run = operator.begins("backup.create", "--hosts", "apt1", "--yes")
    operator.waits_for("apt1", "started", "backup.create:backup.databases", run)
    run.kill()
    run.communicate()
    units = "systemctl list-units --plain --no-legend 'stormlift-*' | cut -d' ' -f1"
    fleet.execute("apt1", "sh", "-c", f"for u in $({units}); do systemctl kill -s KILL $u; done", check=False)
    assert all(each["wrong"] for each in backups(operator, "apt1"))
    full = "mkdir -p /var/lib/stormlift; mount -t tmpfs -o size=400k,mode=700 tmpfs /var/lib/stormlift"
    fleet.execute(
        "apt1", "sh", "-c", f"mv /var/lib/stormlift /root/kept; {full}; cp -a /root/kept/journal /var/lib/stormlift/"
    )
    said = operator.types("backup.create", "--hosts", "apt1", "--yes")
    assert said.code in (2, 3) and ("No space left" in said.err or "too little room" in said.err), said.all
    fleet.execute(
        "apt1", "sh", "-c", "umount /var/lib/stormlift; rmdir /var/lib/stormlift; mv /root/kept /var/lib/stormlift"
    )
    done(operator, "backup.create", "--hosts", "apt1", "--yes")
    whole = [each for each in backups(operator, "apt1") if not each["wrong"]]
    assert len(whole) == 1
    done(operator, "backup.verify", "--hosts", "apt1", "--yes")


def test_a_rehearsal_says_how_it_goes_and_the_next_plan_quotes_it(operator: Operator) -> None:
    fleet = operator.fleet
    done(operator, "backup.create", "--hosts", "apt1", "--yes")
    before = everything(fleet, "apt1")
    done(operator, "rehearse", "--hosts", "apt1", "--to", "2.2.1", "--yes")
    assert difference(before, everything(fleet, "apt1")) == []
    records = [json.loads(json.dumps(each)) for each in operator.journal("apt1") if each["event"] == "rehearsed"]
    assert len(records) == 1 and set(records[0]["data"]["seconds"]) >= {
        *("mistral.upgrade", "mistral.populate", "2.1.datastore-scopes"),
    }
    said = operator.types("plan", "--hosts", "apt1", "--to", "2.2.1")
    assert said.code == 0 and "rehearsed from the backup" in said.out and "mistral.upgrade" in said.out
