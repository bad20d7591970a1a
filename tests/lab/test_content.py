"""Keys and API keys of one instance of the lab in another of a later release; and what the commands by hand lose on the way."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyrage
import pytest

from lab.fleet import Fleet
from tests.lab.desk import Operator, write_inventory
from tests.lab.ground import Ground
from tests.lab.standin import BIN

pytestmark = pytest.mark.lab
OLD, NEW = "apt1", "yum1"
CANARY = "canary-5be2f1d7"
SMALL, LARGE = 400, 10_000
LOOK_S = 0.05
# Whoever looks for the canary must not have it in an argument: it comes on standard input. PostgreSQL's own files are the
# database, which holds what is no secret in clear.
ON_DISK = "grep -rlaF -f /dev/stdin /etc /home /opt /root /run /srv /tmp /usr /var --exclude-dir=postgresql 2>/dev/null"
IN_PROCESSES = "grep -laF -f /dev/stdin /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null"
# Every request of one program over one connection, as bare as it gets: what an import may take three times as long as.
BARE = """
import http.client, json, sys, time
link = http.client.HTTPConnection("127.0.0.1", 9101)
def ask(method, path, body=None):
    link.request(method, path, body, {"Content-Type": "application/json"})
    answer = link.getresponse(); answer.read()
    assert answer.status == 200, answer.status
started = time.monotonic()
for n in range(int(sys.argv[1])):
    ask("PUT", "/v1/keys/bare%d" % n, json.dumps({"name": "bare%d" % n, "value": "v%d" % n}))
for n in range(int(sys.argv[1])):
    ask("GET", "/v1/keys/bare%d" % n)
print(time.monotonic() - started)
"""


class RollOver:
    """Two instances of the lab and somebody at a desk who moves what is in the old one."""

    def __init__(self, fleet: Fleet, folder: Path) -> None:
        write_inventory(folder, fleet)
        self.fleet, self.operator = fleet, Operator(folder, fleet)
        key = pyrage.x25519.Identity.generate()
        self.public = str(key.to_public())
        (folder / "key.txt").write_text(f"{key}\n")
        self.to = folder / "away"
        self.from_ = ("--from", str(self.to / f"{OLD}.content"), "--identity", str(folder / "key.txt"), "--hosts", NEW)

    def fill(self, count: int) -> dict[str, int]:
        """COUNT keys in the old instance; gives how many of each kind."""
        said = self.fleet.execute(OLD, f"{BIN}/lab-store", "fill", str(count), CANARY).stdout
        found: dict[str, int] = json.loads(said.splitlines()[-1])
        return found

    def types(self, *words: str, code: int = 0) -> str:
        """What a command says, which gives no value away."""
        said = self.operator.types(*words, timeout=900)
        assert said.code == code and CANARY not in said.all and "Traceback" not in said.err, said.all
        return said.all

    def export(self) -> None:
        self.types("content.export", "--hosts", OLD, "--to", str(self.to), "--encrypt-to", self.public)

    def import_(self) -> None:
        self.types("content.import", *self.from_, "--yes")

    def certificate(self, *words: str, code: int = 0) -> dict[str, Any]:
        said = self.operator.types("content.verify", *(words or self.from_), "--json", timeout=900)
        assert said.code == code, said.all
        found: dict[str, Any] = said.json
        return found

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Nobody on either host has the canary in an argument or in a variable while the block runs."""
        over, seen = threading.Event(), set[str]()

        def look(host: str) -> None:
            while not over.is_set():
                seen.update(
                    self.fleet.execute(host, "sh", "-c", IN_PROCESSES, stdin=CANARY, check=False).stdout.split()
                )

        watchers = [threading.Thread(target=look, args=(host,)) for host in (OLD, NEW)]
        for each in watchers:
            each.start()
        try:
            yield
        finally:
            over.set()
            for each in watchers:
                each.join()
        assert seen == set()

    def nothing_lies_about(self) -> None:
        """The canary is in no file of either host but in the databases, and in none of the desk."""
        for host in (OLD, NEW):
            assert self.fleet.execute(host, "sh", "-c", ON_DISK, stdin=CANARY, check=False).stdout == "", host
        assert [
            path for path in self.operator.folder.rglob("*") if path.is_file() and CANARY.encode() in path.read_bytes()
        ] == []

    def page_by_hand(self) -> None:
        """The page's two commands, the file of the one carried to the other host, without the names at which `load` ends."""
        listed = json.loads(self.fleet.execute(OLD, "st2", "key", "list", "-j").stdout)
        kept = [each for each in listed if "/" not in each["name"]]
        self.fleet.execute(NEW, "sh", "-c", "cat >/root/kv_file.json", stdin=json.dumps(kept))
        self.fleet.execute(NEW, "st2", "key", "load", "-j", "/root/kv_file.json", check=False)


def between(ground: Ground, folder: Path, old: str, new: str) -> RollOver:
    """The old instance at one release, the new one, as it was set up, at another."""
    ground.fresh(OLD, release=old)
    return RollOver(ground.fresh(NEW, release=new), folder)


def test_everything_moves_and_is_certified_where_the_commands_by_hand_lose_it(ground: Ground, tmp_path: Path) -> None:
    move = between(ground, tmp_path, "2.0.1", "2.1.1")
    told = move.fill(SMALL)
    assert told["user"] and told["secret"] and told["expiring"] and told["slashes"] and told["apikeys"]
    move.page_by_hand()
    lost = move.certificate("--source", OLD, "--hosts", NEW, code=3)
    keys = {name: each["old"] - each["same"] for name, each in lost["groups"].items()}
    assert (
        keys["keys of users"] >= told["user"] and keys["API keys"] == told["apikeys"] and keys["keys of the system"] > 0
    )

    ground.fresh(NEW, release="2.1.1")
    move.fleet.execute(NEW, f"{BIN}/lab-store", "clean")
    with move.watched():
        move.export()
        move.import_()
    certificate = move.certificate()
    assert certificate["equal"] and certificate["differences"] == []
    assert certificate["groups"]["API keys"]["same"] == told["apikeys"]
    assert certificate["groups"]["keys of users"]["same"] >= told["user"]
    move.nothing_lies_about()


def test_an_import_that_is_killed_goes_on_into_a_release_that_lets_nobody_write_keys_of_others(
    ground: Ground, tmp_path: Path
) -> None:
    move = between(ground, tmp_path, "2.0.1", "3.2.0")
    move.fill(SMALL)
    move.fleet.execute(NEW, f"{BIN}/lab-store", "clean")
    move.export()
    run = move.operator.begins("content.import", *move.from_, "--yes")
    count = "su postgres -c \"psql -XAtqd st2 -c 'select count(*) from key_value_pair_d_b'\""
    while run.poll() is None and int(move.fleet.execute(NEW, "sh", "-c", count).stdout or 0) < SMALL // 8:
        time.sleep(LOOK_S)
    run.kill()
    run.communicate()
    move.import_()
    assert move.certificate()["equal"]
    move.nothing_lies_about()


@pytest.mark.long
@pytest.mark.parametrize(
    ("old", "new"), [("1.4.0", "2.2.1"), ("2.2.1", "2.10.4"), ("2.2.1", "3.8.1"), ("3.2.0", "3.9.0")]
)
def test_ten_thousand_keys_of_fifty_users(ground: Ground, tmp_path: Path, old: str, new: str) -> None:
    move = between(ground, tmp_path, old, new)
    told = move.fill(LARGE)
    move.page_by_hand()
    lost = move.certificate("--source", OLD, "--hosts", NEW, code=3)
    print(f"\n{old} -> {new}: of {told}, by hand {lost['differences_count']} are lost or changed")
    ground.fresh(NEW, release=new)
    move.fleet.execute(NEW, f"{BIN}/lab-store", "clean")
    bare = float(move.fleet.execute(NEW, f"{BIN}/python", "-c", BARE, str(LARGE)).stdout)
    move.fleet.execute(NEW, f"{BIN}/lab-store", "clean")
    with move.watched():
        started = time.monotonic()
        move.export()
        exported = time.monotonic()
        move.import_()
        took = time.monotonic() - started
    certificate = move.certificate()
    assert certificate["equal"], certificate["differences"][:9]
    assert sum(each["same"] for each in certificate["groups"].values()) >= LARGE
    move.nothing_lies_about()
    print(f"export {exported - started:.1f} s, import {took - (exported - started):.1f} s; "
          f"{LARGE} bare PUT and as many GET {bare:.1f} s: {took / bare:.2f} of it")  # fmt: skip
