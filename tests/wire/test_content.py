"""Keys and API keys move to a new instance, as an operator types it: real programs on both hosts, real archives."""

import json
import os
import random
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pyrage
import pytest

from rollout.content.compare import compare
from rollout.content.items import Identity, print_of
from rollout.errors import Inhibited
from tasks.content_import import Decision, refuse_moved
from tasks.content_sides import Place, Side
from tasks.edge import ROOT
from tests.wire.fleet import WireFleet
from tests.wire.instance import API_KEYS, KEYS, Instance

CANARY = "canary-77c1e0b2"
DAY_S = 86400
NAMES = (
    "region",
    "two words",
    "a/b/c",
    "50%",
    "käse:brot",
    "?q=1&r#s",
    "+plus",
    "'quote'",
    '"double"',
    "trailing/",
    "日本",
)


def key(
    instance: Instance, name: str, value: str, scope: str = "", *, secret: bool = False, **more: Any
) -> dict[str, Any]:
    """A document of the datastore."""
    stored = instance.encrypted(value) if secret else value
    return {"name": name, "value": stored, **({"scope": scope, "secret": secret} if scope else {}), **more}


def api_key(user: str, number: int, **more: Any) -> dict[str, Any]:
    return {"user": user, "key_hash": f"{number:0128x}", "metadata": {"of": {"a\uff0eb": CANARY}}, "enabled": True,
            "id": f"id{number}", "created_at": 1.6e9, **more}  # fmt: skip


class Desk:
    """Two instances, `old` and `new`, and somebody who types; no value may show in what is said or stay on a disk."""

    def __init__(self, fleet: WireFleet, old: str, new: str, word: str = "") -> None:
        self.fleet = fleet
        boxes = fleet.add("old", "new")
        auth = {"st2_auth": {"from": "environment", "token": "WIRE_ST2_TOKEN"}} if word else {}
        fleet.write({"before": ["old"], "after": ["new"]}, hosts={"new": auth} if word else None)  # type: ignore[dict-item]
        self.old, self.new = Instance(boxes[0], old), Instance(boxes[1], new, word)
        self.identity = pyrage.x25519.Identity.generate()
        self.key_file = fleet.directory / "key.txt"
        self.key_file.write_text(f"{self.identity}\n")
        self.to = fleet.directory / "away"
        self.archive = self.to / "before.content"
        self.env: dict[str, str] = {"WIRE_ST2_TOKEN": word}

    def begins(self, *words: str) -> "subprocess.Popen[str]":
        given = {"INVENTORY": self.fleet.inventory, "RUNS": self.fleet.directory / "runs"}
        environment = {**os.environ, **{f"INVOKE_STORMLIFT_{n}": str(p) for n, p in given.items()}, **self.env}
        invoke, end = str(Path(sys.executable).with_name("invoke")), subprocess.PIPE
        return subprocess.Popen(
            [invoke, *words], cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=end, stderr=end, text=True
        )

    def types(self, *words: str, code: int = 0) -> "subprocess.CompletedProcess[str]":
        begun = self.begins(*words)
        out, err = begun.communicate(timeout=120)
        assert "Traceback" not in err and CANARY not in out + err, err
        assert begun.returncode == code, out + err
        return subprocess.CompletedProcess(begun.args, begun.returncode, out, err)

    def export(self, code: int = 0) -> "subprocess.CompletedProcess[str]":
        return self.types("content.export", "--hosts", "before", "--to", str(self.to), "--encrypt-to",
                          str(self.identity.to_public()), code=code)  # fmt: skip

    def from_(self) -> tuple[str, ...]:
        return ("--from", str(self.archive), "--identity", str(self.key_file), "--hosts", "after")

    def import_(self, *more: str, code: int = 0) -> "subprocess.CompletedProcess[str]":
        return self.types("content.import", *self.from_(), "--yes", *more, code=code)

    def verify(self, *more: str, code: int = 0) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(
            self.types("content.verify", *self.from_(), "--json", *more, code=code).stdout
        )
        return found

    def nothing_lies_about(self) -> None:
        """The canary is in no file of the desk or of a host but in the databases themselves."""
        own = {self.old._file, self.new._file}
        seen = [
            path
            for path in self.fleet.directory.rglob("*")
            if path.is_file() and path not in own and CANARY.encode() in path.read_bytes()
        ]
        assert seen == []


@pytest.fixture
def desk(wire_fleet: WireFleet, request: pytest.FixtureRequest) -> Iterator[Desk]:
    releases = getattr(request, "param", ("2.2.1", "3.8.1"))
    made = Desk(wire_fleet, *releases)
    yield made
    for each in (made.old, made.new):
        each.close()


def filled(
    desk: Desk, scopes: tuple[str, str] = ("st2kv.system", "st2kv.user")
) -> dict[tuple[str, str], tuple[str, bool]]:
    """Keys of every kind in the old instance; gives what the new one is to have, by user and name."""
    old, (system, user) = desk.old, scopes
    rows = [
        key(old, name, f"{CANARY} of {name}\n", system, secret=number % 2 == 1) for number, name in enumerate(NAMES)
    ]
    rows += [
        key(old, f"{who}:{name}", f"{CANARY} {who}", user, secret=True) for who in ("ann", "bob") for name in NAMES[:4]
    ]
    rows += [key(old, "empty", "", system), key(old, "large", CANARY + "x" * (1 << 20), system)]
    rows.append(key(old, "short lived", CANARY, system, expire_timestamp=time.time() + DAY_S))
    rows.append(key(old, "over", CANARY, system, expire_timestamp=time.time() - 1))
    old.documents = {KEYS: rows, API_KEYS: [api_key("ann", 1), api_key("bob", 2, enabled=False)]}
    wanted = {("", name): (f"{CANARY} of {name}\n", number % 2 == 1) for number, name in enumerate(NAMES)}
    wanted |= {(who, name): (f"{CANARY} {who}", True) for who in ("ann", "bob") for name in NAMES[:4]}
    wanted |= {("", "empty"): ("", False), ("", "large"): (CANARY + "x" * (1 << 20), False)}
    return {**wanted, ("", "short lived"): (CANARY, False)}


def there(desk: Desk) -> dict[tuple[str, str], tuple[str, bool]]:
    """What the new instance has, by user and name; each stands under the scope of its release."""
    found = {}
    for (scope, stored), value in desk.new.opened().items():
        assert scope in ("st2kv.system", "st2kv.user"), scope
        user, _, name = stored.partition(":") if scope == "st2kv.user" else ("", "", stored)
        found[user, name] = value
    return found


def test_everything_arrives_and_is_certified(desk: Desk) -> None:
    wanted = filled(desk)
    done = desk.export()
    assert "11 system keys" not in done.stdout and "14 system keys" in done.stdout and "2 apikeys" in done.stdout, (
        done.stdout
    )
    assert CANARY.encode() not in desk.archive.read_bytes() and desk.archive.stat().st_mode & 0o777 == 0o600
    shown = desk.types("--dry", "content.import", *desk.from_())
    assert "14 new" in shown.stdout and "1 keys have expired" in shown.stdout, shown.stdout
    assert "ann, bob" in shown.stdout and desk.new.documents == {KEYS: [], API_KEYS: []}

    refused = desk.types("content.import", *desk.from_(), code=2)
    assert "nobody can be asked" in refused.stderr and desk.new.puts == 0
    desk.import_()
    assert there(desk) == wanted
    (lives,) = (each for each in desk.new.documents[KEYS] if each["name"] == "short lived")
    assert abs(lives["expire_timestamp"] - time.time() - DAY_S) < 60
    apikeys = {each["user"]: each for each in desk.new.documents[API_KEYS]}
    assert apikeys["ann"]["metadata"] == {"of": {"a.b": CANARY}} and apikeys["bob"]["enabled"] is False

    certificate = desk.verify()
    assert certificate["equal"] and certificate["differences"] == []
    assert {name: each["same"] for name, each in certificate["groups"].items()} == {
        "API keys": 2, "keys of the system": 14, "keys of users": 8}  # fmt: skip
    desk.nothing_lies_about()

    puts = desk.new.puts
    again = desk.import_()
    assert desk.new.puts == puts and "14 there already" in again.stderr, again.stderr
    journal = [json.loads(line) for line in (desk.new.box.state / "journal").read_text().splitlines()]
    assert [each["event"] for each in journal] == ["content-begun", "content-written"]
    assert not (desk.new.box.state / "lock").exists()


@pytest.mark.parametrize("desk", [("1.4.0", "2.2.1")], indirect=True)
def test_keys_of_a_release_without_scopes_become_keys_of_the_system(desk: Desk) -> None:
    rows = [key(desk.old, name, f"{CANARY} of {name}") for name in NAMES]
    desk.old.documents = {KEYS: rows, API_KEYS: []}
    desk.export()
    desk.import_()
    assert there(desk) == {("", name): (f"{CANARY} of {name}", False) for name in NAMES}
    assert desk.verify()["equal"]


@pytest.mark.parametrize("desk", [("2.0.1", "1.4.0")], indirect=True)
def test_a_release_that_cannot_hold_them_is_refused(desk: Desk) -> None:
    filled(desk, ("system", "user"))
    desk.export()
    refused = desk.import_(code=2)
    assert "cannot be in st2 1.4.0" in refused.stderr and desk.new.puts == 0


def test_stale_forms_come_as_they_were_meant_unless_a_live_key_has_their_name(desk: Desk) -> None:
    old = desk.old
    rows = [
        key(old, "a", CANARY, "st2kv.system"),
        key(old, "a", "old", "system"),
        key(old, "b", CANARY, "system", secret=True),
    ]
    old.documents = {KEYS: [*rows, key(old, "c", CANARY)], API_KEYS: []}
    desk.export()
    told = desk.import_()
    assert "2 keys stood under a form that st2 2.2.1 does not read" in told.stderr and "system a" in told.stderr, (
        told.stderr
    )
    assert there(desk) == {("", "a"): (CANARY, False), ("", "b"): (CANARY, True), ("", "c"): (CANARY, False)}


def test_what_the_new_release_does_not_see_counts_as_missing_there(desk: Desk) -> None:
    filled(desk)
    left_over = key(desk.new, "region", f"{CANARY} of region\n", "system")
    desk.new.documents = {KEYS: [left_over], API_KEYS: []}
    desk.export()
    desk.import_()
    assert desk.new.opened()["st2kv.system", "region"] == (f"{CANARY} of region\n", False) and desk.verify()["equal"]


def test_what_no_instance_could_take_is_named_and_left(desk: Desk) -> None:
    old = desk.old
    rows = [key(old, "a", CANARY, "st2kv.system"), key(old, "nobody's", CANARY, "st2kv.user")]
    old.documents = {KEYS: [*rows, {**key(old, "none", "", "st2kv.system"), "value": None}], API_KEYS: []}
    assert "2 odd" in desk.export().stdout
    told = desk.import_().stderr
    assert "what no instance could take, so left: 2" in told and "none (its value is no text)" in told, told
    assert there(desk) == {("", "a"): (CANARY, False)}


def test_what_waits_on_its_way_expires_when_it_would_have(desk: Desk) -> None:
    old, ends = desk.old, time.time() + DAY_S
    rows = [key(old, "a", CANARY, "st2kv.system"), key(old, "b", CANARY, "st2kv.system", expire_timestamp=ends)]
    old.documents = {KEYS: rows, API_KEYS: []}
    desk.export()
    desk.new.before_put = lambda body: time.sleep(3.0 if body["name"] == "a" else 0.0)
    desk.import_()
    (lives,) = (each for each in desk.new.documents[KEYS] if each["name"] == "b")
    assert abs(lives["expire_timestamp"] - ends) < 2


def test_a_link_that_breaks_while_items_are_written_leaves_what_is_written(desk: Desk) -> None:
    wanted = filled(desk)
    desk.export()

    def cut(_: dict[str, Any]) -> None:
        if desk.new.puts == 3:
            desk.new.box.cut()

    desk.new.before_put = cut
    broken = desk.import_(code=3)
    assert "what was written until then stays" in broken.stderr and "writes the rest" in broken.stderr, broken.stderr
    desk.new.before_put = lambda body: None
    desk.import_()
    assert there(desk) == wanted


def test_what_changes_there_after_it_was_compared_is_not_written_over() -> None:
    one, two = (Identity("key", name, "system") for name in "ab")
    old = {each: print_of(CANARY, b"salt") for each in (one, two)}
    shown = {one: print_of("theirs", b"salt", 100.0)}
    decision = Decision(compare(old, shown, 0.0), "replace", shown)
    at = cast(Place, SimpleNamespace(deployment=SimpleNamespace(name="after")))
    refuse_moved(at, decision, Side("after", "3.8.1", prints={one: print_of("theirs", b"salt", 100.4)}))
    for there in ({}, {one: print_of("newer", b"salt")}, {**shown, two: print_of(CANARY, b"salt")}):
        with pytest.raises(Inhibited, match="1 items have changed there since"):
            refuse_moved(at, decision, Side("after", "3.8.1", prints=there))


def test_root_s_own_client_with_a_file_that_is_none_gives_nothing_away(wire_fleet: WireFleet) -> None:
    desk = Desk(wire_fleet, "2.2.1", "3.8.1", word="")
    desk.new.word = "let-me-in"  # and the inventory says nothing of it
    filled(desk)
    desk.export()
    client = desk.new.box.directory / "client"
    client.mkdir()
    (client / "config").write_text("api_key = never-shown\n")
    (client / "token-root").write_text("{")
    refused = desk.import_(code=2)
    assert "the API wants credentials" in refused.stderr and "never-shown" not in refused.stderr, refused.stderr


def test_a_certificate_that_cannot_be_signed_is_not_left(desk: Desk) -> None:
    filled(desk)
    desk.export()
    desk.import_()
    locked, paper = desk.fleet.directory / "locked", desk.fleet.directory / "certificate.json"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "a passphrase", "-f", str(locked)], check=True)
    words = ("content.verify", *desk.from_(), "--certificate", str(paper), "--sign-with", str(locked))
    desk.env["SSH_AUTH_SOCK"] = ""
    assert "passphrase" in desk.types(*words, code=2).stderr and not paper.exists()


def test_of_several_deployments_those_that_are_left_are_exported(desk: Desk) -> None:
    filled(desk)
    desk.new.documents = {KEYS: [key(desk.new, "a", CANARY, "st2kv.system")], API_KEYS: []}
    (desk.new.box.directory / "store.json").rename(desk.new.box.directory / "away.json")
    both = (
        "content.export",
        "--hosts",
        "before,after",
        "--to",
        str(desk.to),
        "--encrypt-to",
        str(desk.identity.to_public()),
    )
    desk.types(*both, code=3)
    assert desk.archive.exists() and not (desk.to / "after.content").exists()
    (desk.new.box.directory / "away.json").rename(desk.new.box.directory / "store.json")
    again = desk.types(*both)
    assert "stays as it is" in again.stderr and (desk.to / "after.content").exists()
    assert "there already" in desk.types(*both, code=2).stderr


def test_an_export_that_broke_off_long_ago_is_begun_anew(desk: Desk) -> None:
    filled(desk)
    desk.export()
    # As it lies there without its end, which is what a killed export leaves.
    whole, part = desk.archive.read_bytes(), Path(f"{desk.archive}.part")
    part.write_bytes(whole[: whole.index(b"manifest.json.age")])
    part.chmod(0o600)
    desk.archive.unlink()
    assert "keys as they were at" in desk.export().stderr
    desk.archive.unlink()
    older = re.sub(rb'("at":\s*1)7', rb"\g<1>2", whole[: whole.index(b"manifest.json.age")])
    assert older != whole[: len(older)]
    part.write_bytes(older)
    assert "begun anew" in desk.export().stderr
    desk.import_()
    assert desk.verify()["equal"]


@pytest.mark.parametrize("word", ["let-me-in\r\nX-Other: 1", "l\u00e4t-me-in"])
def test_a_token_that_is_none_is_never_shown(wire_fleet: WireFleet, word: str) -> None:
    desk = Desk(wire_fleet, "2.2.1", "3.8.1", word="let-me-in")
    filled(desk)
    desk.export()
    desk.env["WIRE_ST2_TOKEN"] = word
    refused = desk.import_(code=2)
    assert "not one word of plain characters" in refused.stderr and "me-in" not in refused.stderr, refused.stderr


def test_collisions_are_listed_and_decided_by_a_flag(desk: Desk) -> None:
    filled(desk)
    new = desk.new
    theirs = [key(new, "region", "theirs", "st2kv.system"), key(new, "two words", CANARY, "st2kv.system")]
    new.documents = {
        KEYS: [*theirs, key(new, "own", "own", "st2kv.system")],
        API_KEYS: [api_key("ann", 1, enabled=False)],
    }
    desk.export()
    refused = desk.import_(code=2)
    assert "3 items are there already and differ" in refused.stderr and '"region"' in refused.stderr, refused.stderr
    assert "--collisions keep" in refused.stderr and new.puts == 0
    kept = desk.import_("--collisions", "keep")
    assert "kept as they are there" in kept.stderr and there(desk)["", "region"] == ("theirs", False)
    differing = desk.verify(code=3)
    assert not differing["equal"] and differing["differences_count"] == 3
    assert {each["what"] for each in differing["differences"]} == {"differs"}
    desk.import_("--collisions", "replace")
    assert there(desk)["", "region"] == (f"{CANARY} of region\n", False)
    certificate = desk.verify()
    assert certificate["equal"] and certificate["beside"] == 1
    assert next(each for each in new.documents[API_KEYS] if each["user"] == "ann")["enabled"] is True


def test_both_instances_are_held_against_each_other_and_the_certificate_is_signed(desk: Desk) -> None:
    filled(desk)
    desk.export()
    desk.import_()
    signer, paper = desk.fleet.directory / "signer", desk.fleet.directory / "certificate.json"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(signer)], check=True)
    words = ("content.verify", "--source", "before", "--hosts", "after", "--certificate", str(paper))
    done = desk.types(*words, "--sign-with", str(signer))
    assert "equal" in done.stdout and "ssh-keygen" in done.stderr
    assert json.loads(paper.read_text())["equal"] and paper.with_name("certificate.json.sig").exists()
    assert "is there already" in desk.types(*words, code=2).stderr
    documents = desk.new.documents
    documents[KEYS] = [each for each in documents[KEYS] if each["name"] != "region"]
    desk.new.documents = documents
    missing = desk.types("content.verify", "--source", "before", "--hosts", "after", code=3)
    assert 'missing: key "region" of the system' in missing.stdout and "NOT equal" in missing.stdout


@pytest.mark.parametrize("seed", range(3))
def test_an_import_that_is_killed_ends_as_an_undisturbed_one_when_it_is_typed_again(desk: Desk, seed: int) -> None:
    wanted = filled(desk)
    desk.export()
    run, at = desk.begins("content.import", *desk.from_(), "--yes"), random.Random(seed).randrange(1, 8)

    def kill(_: dict[str, Any]) -> None:
        if desk.new.puts >= at:
            run.kill()
            raise ConnectionAbortedError  # what had come to the host already is not to be written either

    desk.new.before_put = kill
    run.communicate(timeout=60)
    assert run.returncode == -9 and 0 < len(desk.new.documents[KEYS]) < len(wanted)
    desk.new.before_put = lambda body: None
    desk.import_()
    assert there(desk) == wanted and desk.verify()["equal"]
    desk.nothing_lies_about()


def test_an_api_that_refuses_an_item_names_it_and_never_what_it_holds(desk: Desk) -> None:
    wanted = filled(desk)
    desk.export()
    put = desk.new._put
    desk.new._put = lambda name, body: (  # type: ignore[method-assign]
        (400, {"faultstring": f"'{body['value']}' is not what it should be"}) if name == "region" else put(name, body)
    )
    failed = desk.import_(code=3)
    assert '1 items could not be written: key "region" of the system: the API answers 400' in failed.stderr, (
        failed.stderr
    )
    desk.new._put = put  # type: ignore[method-assign]
    desk.import_()
    assert there(desk) == wanted


def test_who_may_not_write_is_told_before_anything_is_written(wire_fleet: WireFleet) -> None:
    desk = Desk(wire_fleet, "2.2.1", "3.8.1", word="let-me-in")
    filled(desk)
    desk.export()
    desk.env["WIRE_ST2_TOKEN"] = "wrong"
    refused = desk.import_(code=2)
    assert "the API wants credentials" in refused.stderr and "st2_auth" in refused.stderr and desk.new.puts == 0
    desk.env["WIRE_ST2_TOKEN"] = "let-me-in"
    desk.import_()
    assert desk.verify()["equal"]


def test_an_api_that_is_down_and_a_missing_crypto_key_are_told_before_anything_is_written(desk: Desk) -> None:
    filled(desk)
    desk.export()
    (desk.new.box.directory / "crypto.json").rename(desk.new.box.directory / "away.json")
    refused = desk.import_(code=2)
    assert (
        "secrets cannot be encrypted there" in refused.stderr and "st2-generate-symmetric-crypto-key" in refused.stderr
    )
    desk.new.close()
    refused = desk.import_(code=2)
    assert "does not answer" in refused.stderr and "services.start" in refused.stderr


def test_another_crypto_key_at_the_source_is_named_with_the_key_it_does_not_open(desk: Desk) -> None:
    filled(desk)
    (desk.old.box.directory / "crypto.json").write_text(json.dumps("another"))
    failed = desk.export(code=3)
    assert "cannot be decrypted with" in failed.stderr and "two words" in failed.stderr
    assert "hint: settle that on old, then the same command again" in failed.stderr
    assert not desk.archive.exists()


def test_a_damaged_archive_is_refused_with_the_place(desk: Desk) -> None:
    filled(desk)
    desk.export()
    whole = desk.archive.read_bytes()
    for damaged in (whole[: len(whole) // 2], whole[:3000] + bytes([whole[3000] ^ 1]) + whole[3001:]):
        desk.archive.write_bytes(damaged)
        refused = desk.import_(code=2)
        assert str(desk.archive) in refused.stderr and desk.new.puts == 0, refused.stderr


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("content.export", "--hosts", "before", "--to", "x"), "--encrypt-to is missing"),
        (("content.export", "--hosts", "before", "--encrypt-to", "age1x"), "--to is missing"),
        (("content.import", "--from", "x", "--identity", "y"), "--hosts is missing"),
        (("content.import", "--from", "x", "--hosts", "after"), "--identity is missing"),
        (
            ("content.import", "--from", "x", "--identity", "y", "--hosts", "after", "--collisions", "mine"),
            "none of stop",
        ),
        (("content.verify", "--hosts", "after"), "two sides are compared"),
        (("content.verify", "--source", "after", "--hosts", "after"), "both sides are the same"),
        (("content.verify", "--source", "before,after", "--hosts", "after"), "from one instance to one"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_a_hint(desk: Desk, words: tuple[str, ...], says: str) -> None:
    refused = desk.types(*words, code=2)
    assert says in refused.stderr and "stormlift: hint:" in refused.stderr
