"""Commands that carry backups away and remove them, as they are typed; hosts that were set up anew get theirs back."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyrage
import pytest

from rollout.codec import canonical, digest
from rollout.errors import PlanRefused, StormliftError, UsageError
from rollout.facts import BackupFacts, Facts
from rollout.model import DeploymentPlan, Phase, PhasePlan, Step
from tasks.backup_fetch import given_back
from tasks.edge import ROOT, Desk
from tasks.fetched import found_in
from tests.pure.carried import lay, manifest
from tests.wire.fleet import WireFleet
from tests.wire.rolling import Sitting
from tests.wire.test_preflight import prepared
from tests.wire.test_sshd import eventually

RUN, OLD, OLDEST = "20261101-020000-a1b2", "20261001-020000-a1b2", "20260901-020000-a1b2"
DAY_S = 86400
CANARY = b"canary-0f1063f5"
FILES = {"files.tar": CANARY * 2000, "files.json": b"{}\n"}
DUMP = {**FILES, "mistral.dump": b"PGDMP" + CANARY * 50_000}


@pytest.fixture
def fleet(wire_fleet: WireFleet) -> WireFleet:
    """A deployment of two hosts with three backups, whose databases lie on one of them."""
    for host in wire_fleet.add("db", "web"):
        prepared(host)
        for age, run in enumerate((RUN, OLD, OLDEST)):
            keep(host.state, DUMP if host.name == "db" else FILES, f"{run}/2.2.1", age)
    wire_fleet.write({"main": ("db", "web")})
    return wire_fleet


def keep(state: Path, files: dict[str, bytes], name: str, age: int) -> None:
    """A backup on a host, AGE months old."""
    lay(state, files, name, manifest(files, name, hosts="db,web", at=int(time.time()) - age * 30 * DAY_S))


def begins(fleet: WireFleet, *words: str) -> "subprocess.Popen[str]":
    """`invoke WORDS`, and go on."""
    given = {"INVENTORY": fleet.inventory, "RUNS": fleet.directory / "runs"}
    environment = {**os.environ, **{f"INVOKE_STORMLIFT_{name}": str(path) for name, path in given.items()}}
    invoke, end = str(Path(sys.executable).with_name("invoke")), subprocess.PIPE
    return subprocess.Popen(
        [invoke, *words], cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=end, stderr=end, text=True
    )


def types(fleet: WireFleet, *words: str) -> "subprocess.CompletedProcess[str]":
    """`invoke WORDS`, to its end."""
    begun = begins(fleet, *words)
    out, err = begun.communicate(timeout=60)
    done = subprocess.CompletedProcess(begun.args, begun.returncode, out, err)
    assert "Traceback" not in done.stderr and CANARY.decode() not in done.stdout + done.stderr, done.stderr
    return done


def listed(fleet: WireFleet) -> dict[str, list[str]]:
    """The runs that have backups, by host."""
    return {
        name: sorted(each.parents[1].name for each in host.state.glob("*/backup/*"))
        for name, host in fleet.hosts.items()
    }


def test_the_newest_backup_is_fetched_and_proved_by_its_key_alone(fleet: WireFleet, tmp_path: Path) -> None:
    key, to = pyrage.x25519.Identity.generate(), tmp_path / "away"
    identity = tmp_path / "key.txt"
    identity.write_text(f"{key}\n")
    public = str(key.to_public())
    done = types(fleet, "backup.fetch", "--hosts", "main", "--to", str(to), "--encrypt-to", public, "--json")
    assert done.returncode == 0, done.stderr
    (made,) = json.loads(done.stdout)["backups"]
    folder = to / "main" / RUN / "2.2.1"
    assert made["folder"] == str(folder) and set(made["hosts"]) == {"db", "web"} and made["encrypted_to"] == [public]
    assert sorted(path.name for path in folder.iterdir()) == ["db.tar.age", "fetched.json", "web.tar.age"]
    assert not any(CANARY in path.read_bytes() for path in folder.iterdir())

    done = types(fleet, "backup.verify", "--from", str(to))
    assert done.returncode == 0 and "--identity FILE also proves the files in them" in done.stdout, done.stderr
    done = types(fleet, "backup.verify", "--from", str(folder), "--identity", str(identity))
    assert done.returncode == 0 and "every file is what its manifest says" in done.stdout, done.stderr
    data = bytearray((folder / "db.tar.age").read_bytes())
    data[-400] ^= 1
    (folder / "db.tar.age").write_bytes(data)
    done = types(fleet, "backup.verify", "--from", str(folder))
    assert done.returncode == 3 and "db.tar.age: its SHA-256 is not the one in fetched.json" in done.stderr


def test_one_in_clear_is_said_to_be_so_and_tar_reads_it(fleet: WireFleet, tmp_path: Path) -> None:
    to = tmp_path / "away"
    done = types(fleet, "backup.fetch", "--hosts", "main", "--to", str(to), "--backup", OLD)
    assert done.returncode == 0 and "--encrypt-to" in done.stderr and "db.tar" in done.stdout, done.stderr
    folder = to / "main" / OLD / "2.2.1"
    names = subprocess.run(["tar", "-tf", str(folder / "db.tar")], capture_output=True, text=True, check=True).stdout
    assert names.split() == ["manifest.json", "files.json", "files.tar", "mistral.dump"]
    assert "every file is what its manifest says" in types(fleet, "backup.verify", "--from", str(to)).stdout


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "where to? --to is missing"),
        (("--to", "away", "--encrypt-to", "age1x"), "the first recipient is no public key"),
        (("--to", "away", "--backup", "never"), "there is no backup never"),
    ],
)
def test_what_cannot_be_fetched_is_said_and_nothing_is_made(
    fleet: WireFleet, tmp_path: Path, words: tuple[str, ...], says: str
) -> None:
    words = tuple(str(tmp_path / word) if word == "away" else word for word in words)
    done = types(fleet, "backup.fetch", "--hosts", "main", *words)
    assert done.returncode == 2 and says in done.stderr and "hint: " in done.stderr, done.stderr
    assert not (tmp_path / "away").exists()


def test_a_part_that_is_damaged_is_not_fetched_and_names_its_host(fleet: WireFleet, tmp_path: Path) -> None:
    dump = fleet["db"].state / RUN / "backup" / "2.2.1" / "mistral.dump"
    data = bytearray(dump.read_bytes())
    data[77] ^= 1
    dump.write_bytes(data)
    done = types(fleet, "backup.fetch", "--hosts", "main", "--to", str(tmp_path / "away"))
    assert done.returncode == 3 and "db: " in done.stderr and "mistral.dump is not what was written" in done.stderr
    folder = tmp_path / "away" / "main" / RUN / "2.2.1"
    assert not (folder / "db.tar").exists() and not list(folder.glob("*.part"))
    dump.write_bytes(DUMP["mistral.dump"])
    done = types(fleet, "backup.fetch", "--hosts", "main", "--to", str(tmp_path / "away"))
    assert done.returncode == 0 and types(fleet, "backup.verify", "--from", str(folder)).returncode == 0


# The host sends three megabytes and then, as long as the file is there, nothing.
STALLS = """case "$1 $(cat "$WIRE_HOST/stalls" 2>/dev/null)" in
  "-c yes") /usr/bin/env -i PATH=/usr/bin:/bin python3 "$@" | {
    head -c 3000000
    while [ -e "$WIRE_HOST/stalls" ]; do sleep 0.1; done
  } ;;
  *) exec /usr/bin/env PATH="${PATH#*/bin:}" python3 "$@" ;;
esac"""


def test_a_controller_that_is_killed_in_the_middle_leaves_nothing_named_and_the_next_one_goes_on(
    fleet: WireFleet, tmp_path: Path
) -> None:
    files = {**FILES, "mistral.dump": CANARY * 400_000}
    keep(fleet["db"].state, files, "20261102-020000-a1b2/2.2.1", 0)
    keep(fleet["web"].state, FILES, "20261102-020000-a1b2/2.2.1", 0)
    fleet["db"].stub("python3", STALLS)
    (fleet["db"].directory / "stalls").write_text("yes")
    key, folder = pyrage.x25519.Identity.generate(), tmp_path / "away" / "main" / "20261102-020000-a1b2" / "2.2.1"
    words = ("backup.fetch", "--hosts", "main", "--to", str(tmp_path / "away"), "--encrypt-to", str(key.to_public()))
    running = begins(fleet, *words)
    part = folder / "db.tar.age.part"
    eventually(lambda: (folder / "web.tar.age").exists() and part.exists() and part.stat().st_size > 2_000_000)
    running.kill()
    running.communicate()
    named = {path.name for path in folder.iterdir()} - {"fetched.json.part"}  # that may be what it wrote just then
    assert named == {"db.tar.age.part", "fetched.json", "web.tar.age"}
    assert CANARY not in part.read_bytes() and found_in(str(folder)) == folder
    assert "the archives of db are missing" in types(fleet, "backup.verify", "--from", str(folder)).stderr

    (fleet["db"].directory / "stalls").unlink()
    eventually(lambda: not fleet["db"].processes())
    done = types(fleet, *words)
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in folder.iterdir()) == ["db.tar.age", "fetched.json", "web.tar.age"]


def test_old_backups_are_shown_asked_for_and_removed(fleet: WireFleet) -> None:
    before = listed(fleet)
    done = types(fleet, "backup.prune", "--hosts", "main", "--keep", "1")
    assert done.returncode == 2 and "nobody can be asked" in done.stderr
    assert f"goes: {OLD}/2.2.1 on db, web: whole" in done.stderr and f"stays: {RUN}/2.2.1" in done.stderr
    assert listed(fleet) == before

    done = types(fleet, "backup.prune", "--hosts", "main", "--keep", "2", "--keep-days", "20", "--yes", "--json")
    assert done.returncode == 0, done.stderr
    (made,) = json.loads(done.stdout)["deployments"]
    assert made["outcome"] == "done"
    assert listed(fleet) == {name: [OLD, RUN] for name in ("db", "web")}
    done = types(fleet, "backup.prune", "--hosts", "main", "--keep", "2", "--keep-days", "20", "--yes", "--json")
    assert json.loads(done.stdout)["deployments"][0]["outcome"] == "unchanged"
    for flag in ("--keep", "--keep-days"):
        assert types(fleet, "backup.prune", "--hosts", "main", flag, "-1").returncode == 2
    assert types(fleet, "backup.prune").returncode == 2


# Hosts that were set up anew.


def anew(fleet: WireFleet, to: Path) -> Path:
    """Fetch the newest backup, and let the hosts forget all that they had."""
    assert types(fleet, "backup.fetch", "--hosts", "main", "--to", str(to)).returncode == 0
    for host in fleet.hosts.values():
        subprocess.run(["rm", "-rf", str(host.state)], check=True)
    return found_in(str(to))


def give(fleet: WireFleet, folder: Path, **changes: Any) -> str:
    """What `backup.restore --from` does before it plans; the hosts have st2 of the backup's release."""
    desk = Desk(Sitting(fleet).context())
    try:
        (deployment,) = desk.select("main", whole=True).deployments
        desk.fleet.reach(deployment.hosts)
        facts = {name: Facts(name, installed={"st2": "2.0.1-3"}, **changes) for name in fleet.hosts}
        return given_back(desk, deployment, facts, folder, (), yes=True)
    finally:
        desk.close()


def test_hosts_that_were_set_up_anew_have_their_backup_again(fleet: WireFleet, tmp_path: Path) -> None:
    folder = anew(fleet, tmp_path / "away")
    assert give(fleet, folder) == f"{RUN}/2.2.1"
    assert listed(fleet) == {"db": [RUN], "web": [RUN]}
    there = fleet["db"].state / RUN / "backup" / "2.2.1"
    assert {path.name: path.read_bytes() for path in there.iterdir() if path.name != "manifest.json"} == DUMP
    assert not any((host.state / "lock").exists() for host in fleet.hosts.values())
    assert types(fleet, "backup.fetch", "--hosts", "main", "--to", str(tmp_path / "again")).returncode == 0
    # Whoever has it is asked for nothing, and given nothing.
    requests = [len(host.requests) for host in fleet.hosts.values()]
    assert give(fleet, folder, backups=(BackupFacts(f"{RUN}/2.2.1"),)) == f"{RUN}/2.2.1"
    assert [len(host.requests) for host in fleet.hosts.values()] == requests


def test_it_is_given_to_none_but_the_hosts_that_it_is_of(fleet: WireFleet, tmp_path: Path) -> None:
    folder = anew(fleet, tmp_path / "away")

    def refused(kind: type[StormliftError], **changes: Any) -> str:
        with pytest.raises(kind) as caught:
            give(fleet, folder, **changes)
        assert caught.value.hint
        return caught.value.message

    told = json.loads((folder / "fetched.json").read_text())
    for change, says in (
        ({"deployment": "other"}, "is of other"),
        ({"release": "2.1.1"}, "is of st2 2.1.1, but db has 2.0.1, web has 2.0.1"),
        ({"wanted": ["db", "web", "gone"]}, "is of hosts that it does not have: gone"),
    ):
        (folder / "fetched.json").write_text(json.dumps({**told, **change}))
        assert says in refused(PlanRefused)
    (folder / "fetched.json").write_text(json.dumps({**told, "encrypted_to": ["age1x"]}))
    assert "is encrypted" in refused(UsageError)
    (folder / "fetched.json").write_text(json.dumps(told))
    with open(folder / "web.tar", "r+b") as file:
        file.seek(3000)
        file.write(b"~")
    assert "web.tar: its SHA-256 is not the one" in refused(StormliftError)
    assert listed(fleet) == {"db": [], "web": []}


@pytest.mark.parametrize(
    ("open_", "words"),
    [
        ("rollback", ("backup.prune", "--keep", "1")),
        ("rollback", ("backup.create",)),
        ("rollback", ("backup.restore",)),
        ("rollback", ("upgrade",)),
        ("backup.restore", ("rollback",)),
    ],
)
def test_what_a_way_back_rests_on_is_left_alone_until_it_is_through(
    fleet: WireFleet, open_: str, words: tuple[str, ...]
) -> None:
    begun = [("r1", {"command": "upgrade", "from": "2.0.1", "to": "2.2.1"}), ("r2", {"command": open_})]
    for name, host in fleet.hosts.items():
        about = {"v": 1, "event": "opened", "deployment": "main", "host": name, "by": "ann"}
        lines = [json.dumps({**about, "run": run, "at": at, "data": data}) for at, (run, data) in enumerate(begun, 100)]
        (host.state / "journal").write_text("".join(f"{line}\n" for line in lines))
    done = types(fleet, *words, "--hosts", "main", "--yes")
    assert done.returncode == 2 and f"{open_} is not through (r2)" in done.stderr, done.stderr
    assert f"invoke {open_} --hosts main" in done.stderr and len(listed(fleet)["db"]) == 3


@pytest.mark.parametrize(
    ("step", "words", "says"),
    [
        (
            Step("settle.rolled-back", "t", Phase.SETTLE, ("stormlift-host", "settle", "2.0.1", "r1"), hosts=("db",)),
            ("rollback", "--run", "r9"),
            "a rollback of run r1 is open, --run says r9",
        ),
        (
            Step("restore.files", "t", Phase.PACKAGES, ("stormlift-host", "backup", "put-back", "r1/x"), hosts=("db",)),
            ("backup.restore", "--backup", "r9/x"),
            "a restore of r1/x is open, r9/x was asked for",
        ),
    ],
)
def test_another_way_back_than_the_open_one_is_not_taken_for_it(
    fleet: WireFleet, step: Step, words: tuple[str, ...], says: str
) -> None:
    plan = DeploymentPlan(
        "main", words[0], ("db", "web"), "2.2.1", "2.0.1", (PhasePlan(words[0], step.phase, (step,)),)
    )
    for name, host in fleet.hosts.items():
        opened = {"v": 1, "run": "r2", "event": "opened", "at": 100, "deployment": "main", "host": name, "by": "ann"}
        line = {**opened, "digest": digest(plan), "data": {"command": words[0]}}
        (host.state / "journal").write_text(f"{json.dumps(line)}\n")
        (host.state / "r2").mkdir()
        (host.state / "r2" / "plan.json").write_text(canonical(plan))
    done = types(fleet, *words, "--hosts", "main", "--yes")
    assert done.returncode == 2 and says in done.stderr, done.stderr
