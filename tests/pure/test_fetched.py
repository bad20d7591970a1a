"""Backups on the controller: whole and named, or not there; encrypted before they touch the disk; what is wrong is named."""

import errno
import json
import os
import stat
from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

import pyrage
import pytest

from remote.host import RemoteHost
from rollout.codec import Malformed
from rollout.errors import StepFailed, StormliftError, Unreachable, UsageError
from tasks import age, fetched, fetching
from tasks.fetched import Fetched
from tasks.fetching import Order
from tests.pure.carried import FILES, NAME, manifest, sent, tar

CANARY = b"canary-0f1063f5"


class Link:
    """A host that sends these bytes and then, if there is one, meets this error; what it is given is kept."""

    def __init__(
        self, data: bytes = b"", name: str = "box", error: BaseException | None = None, says: str = ""
    ) -> None:
        self.data, self.name, self.error, self.says = data, name, error, says
        self.asked: list[tuple[str, ...]] = []
        self.given = b""
        self.left = self.closed = False
        self.token = "a-token"

    def stream(self, *words: str) -> Generator[bytes, None, None]:
        self.asked.append(words)
        try:
            yield from (self.data[at : at + 50_000] for at in range(0, len(self.data), 50_000))
            if self.error:
                raise self.error
        finally:
            self.left = True

    def deliver(self, pour: Callable[[Callable[[bytes], None]], None], *words: str) -> list[str]:
        self.asked.append(words)
        if self.says:
            return [self.says]
        parts: list[bytes] = []
        pour(parts.append)
        self.given = b"".join(parts)
        return [f"received {words[-1]}"]

    def close(self) -> None:
        self.closed = True


def order(to: Path, *encrypt_to: str, hosts: tuple[str, ...] = ("box",)) -> Order:
    return Order("main", NAME, hosts, to, encrypt_to)


def fetch(given: Order, *links: Link) -> Fetched:
    return fetching.fetch({each.name: cast(RemoteHost, each) for each in links}, given)


def refused(action: Callable[[], object], kind: type[StormliftError]) -> StormliftError:
    with pytest.raises(kind) as caught:
        action()
    assert type(caught.value) is kind and caught.value.hint and "\n" not in caught.value.message
    return caught.value


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


@pytest.fixture
def key() -> Any:
    """A private key of age."""
    return pyrage.x25519.Identity.generate()


@pytest.fixture
def identity(key: Any, tmp_path: Path) -> str:
    """The file of it, as age-keygen writes one."""
    path = tmp_path / "key.txt"
    path.write_text(f"# created: 2026-11-01\n# public key: {key.to_public()}\n{key}\n")
    return str(path)


# Fetched.


def test_an_archive_is_what_was_sent_and_its_owner_s_alone(tmp_path: Path) -> None:
    given = order(tmp_path / "new" / "place")
    link = Link(sent())
    found = fetch(given, link)
    assert link.asked == [("backup", "send", NAME)] and link.left
    assert names(given.folder) == ["box.tar", "fetched.json"]
    data = (given.folder / "box.tar").read_bytes()
    assert data == tar()
    assert found.hosts["box"].sha256 == sha256(data).hexdigest() and found.hosts["box"].bytes == len(data)
    assert (found.release, found.at, found.deployment, found.missing) == ("2.0.1", 1793498400.0, "main", ())
    assert fetched.read(given.folder) == found == fetched.prove(given.folder)
    assert {stat.S_IMODE(path.stat().st_mode) for path in given.folder.iterdir()} == {0o600}
    assert {stat.S_IMODE(path.stat().st_mode) for path in (given.folder, *given.folder.parents[:2])} == {0o700}


def test_whoever_waits_is_told_how_far_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "_EVERY", 1 << 20)
    said = list[str]()
    link = Link(sent({"a": b"x" * (5 << 19)}))
    fetching.fetch({"box": cast(RemoteHost, link)}, order(tmp_path / "to"), said.append)
    assert said == ["box: 1 of 2 MiB", "box: 2 of 2 MiB"]


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (sent({**FILES, "mistral.dump": b"x" * 140_005}, text=manifest()), "mistral.dump is not what was written"),
        (sent()[:-9000], "ends in the middle of mistral.dump"),
        (sent()[:-1024], "its end is cut off"),
        (sent(name="other/2.2.1"), "other/2.2.1 is sent"),
        (sent(text=manifest(FILES, "other/2.2.1")), "is not the one that was announced"),
        (sent().replace(b'"manifest": "', b'"manifest": "0'), "is not the one that was announced"),
        (b"This account is currently not available.\n", "what the host says is no backup"),
    ],
)
def test_a_stream_that_is_cut_off_or_wrong_leaves_no_file(tmp_path: Path, data: bytes, says: str) -> None:
    given, link = order(tmp_path / "to"), Link(data)
    error = refused(lambda: fetch(given, link), StepFailed)
    assert error.message.startswith(f"box: {NAME}: ") and says in error.message
    assert "no file of box is left" in error.message and not given.folder.exists() and link.left
    assert fetch(given, Link(sent())).missing == ()


def test_a_lost_link_says_in_which_file_and_the_same_command_goes_on(tmp_path: Path) -> None:
    given = order(tmp_path / "to", hosts=("db1", "web1"))
    lost = Unreachable("web1: the connection was lost: reset", "the same command again")
    db1, web1 = Link(sent(), "db1"), Link(sent()[:-9000], "web1", lost)
    error = refused(lambda: fetch(given, db1, web1), Unreachable)
    assert error.message == f"{lost.message} in mistral.dump; no file of web1 is left"
    assert names(given.folder) == ["db1.tar", "fetched.json"] and fetched.read(given.folder).missing == ("web1",)
    error = refused(lambda: fetched.prove(given.folder), StepFailed)
    assert "the archives of web1 are missing" in error.message

    again = Link(sent(), "db1")
    assert fetch(given, again, Link(sent(), "web1")).missing == ()
    assert again.asked == [] and names(given.folder) == ["db1.tar", "fetched.json", "web1.tar"]


def test_deployments_that_were_upgraded_together_share_a_run_and_no_folder(tmp_path: Path) -> None:
    first = order(tmp_path / "to")
    second = replace(first, deployment="second")
    fetch(first, Link(sent()))
    assert "no backup that was fetched" in refused(lambda: fetched.found_in(str(tmp_path / "no")), UsageError).message
    assert fetched.found_in(str(tmp_path)) == fetched.found_in(str(first.folder)) == first.folder
    fetch(second, Link(sent()))
    assert names(tmp_path / "to") == ["main", "second"]
    error = refused(lambda: fetched.found_in(str(tmp_path)), UsageError)
    assert "holds 2 backups" in error.message and str(second.folder) in error.hint


def test_what_is_there_and_was_changed_is_not_taken_for_fetched(tmp_path: Path) -> None:
    given = order(tmp_path / "to")
    fetch(given, Link(sent()))
    with open(given.folder / "box.tar", "r+b") as file:
        file.seek(5000)
        file.write(b"~")
    for action in (lambda: fetch(given, Link(sent())), lambda: fetched.prove(given.folder)):
        error = refused(action, StepFailed)
        assert error.message == f"{given.folder / 'box.tar'}: its SHA-256 is not the one in fetched.json"
    (given.folder / "box.tar").unlink()
    assert "cannot be read: No such file" in refused(lambda: fetched.prove(given.folder), StepFailed).message


def test_a_folder_of_something_else_is_left_as_it_is(tmp_path: Path, key: Any) -> None:
    given, link = order(tmp_path / "to"), Link(sent())
    given.folder.mkdir(parents=True)
    (given.folder / "kept").write_text("mine")
    error = refused(lambda: fetch(given, link), UsageError)
    assert "is no backup that was fetched" in error.message and names(given.folder) == ["kept"]
    (tmp_path / "file").write_text("mine")
    assert "cannot be made" in refused(lambda: fetch(order(tmp_path / "file"), link), UsageError).message
    other = order(tmp_path / "other")
    fetch(other, Link(sent()))
    error = refused(lambda: fetch(replace(other, encrypt_to=(str(key.to_public()),)), link), UsageError)
    assert f"holds {NAME} of main, in clear" in error.message and link.asked == []


def test_whoever_was_killed_left_parts_that_are_written_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = order(tmp_path / "to")

    def killed(*words: object) -> None:
        raise SystemExit(137)

    with monkeypatch.context() as patch:
        patch.setattr("tasks.fetching.Path.unlink", lambda path, missing_ok=False: None)
        patch.setattr("tasks.fetching.digest_of", killed)
        with pytest.raises(SystemExit):
            fetch(given, Link(sent()))
    assert names(given.folder) == ["box.tar.part", "fetched.json"]
    with pytest.raises(StepFailed, match="are missing"):
        fetched.prove(given.folder)
    fetch(given, Link(sent()))
    assert names(given.folder) == ["box.tar", "fetched.json"]


def test_ctrl_c_hangs_up_and_leaves_nothing(tmp_path: Path) -> None:
    given, link = order(tmp_path / "to"), Link(sent()[:9000], error=KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        fetch(given, link)
    assert link.closed and names(given.folder) == ["fetched.json"]


@pytest.mark.parametrize(("code", "says"), [(errno.ENOSPC, "the disk is full"), (errno.EIO, "cannot be written")])
def test_a_disk_that_fails_is_named_and_nothing_of_the_host_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, says: str
) -> None:
    fsync = os.fsync

    def fails(handle: int) -> None:
        if "box.tar" in os.readlink(f"/proc/self/fd/{handle}"):
            raise OSError(code, os.strerror(code))
        fsync(handle)

    given, link = order(tmp_path / "to"), Link(sent())
    monkeypatch.setattr("tasks.export_files.os.fsync", fails)
    error = refused(lambda: fetch(given, link), StepFailed)
    assert says in error.message and str(given.folder) in error.message and not given.folder.exists() and link.left


@pytest.mark.parametrize("at", [1, 2])
def test_a_disk_without_room_for_what_is_told_of_it_is_full_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    given, fsync, told = order(tmp_path / "to"), os.fsync, list[str]()

    def fails(handle: int) -> None:
        told.extend(name for name in [Path(os.readlink(f"/proc/self/fd/{handle}")).name] if "json" in name)
        if len(told) == at:
            told.append("once")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fsync(handle)

    monkeypatch.setattr("tasks.export_files.os.fsync", fails)
    error = refused(lambda: fetch(given, Link(sent())), StepFailed)
    assert "fetched.json: cannot be written: No space left on device" in error.message
    assert not (given.folder / "fetched.json.part").exists() and given.folder.exists() == (at == 2)
    assert fetch(given, Link(sent())).missing == () and names(given.folder) == ["box.tar", "fetched.json"]


def test_too_little_room_is_told_before_the_first_byte_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = order(tmp_path / "to")
    told = sum(map(len, FILES.values()))
    data = sent().replace(f'"bytes": {told}'.encode(), f'"bytes": {1 << 60}'.encode(), 1)

    def watched(place: Path) -> None:
        pytest.fail(f"{place} was written")

    monkeypatch.setattr("tasks.fetching.opened", watched)
    error = refused(lambda: fetch(given, Link(data)), StepFailed)
    assert (
        "the disk is full" in error.message and "1099511627776 MiB come" in error.message and "--to DIR" in error.hint
    )


@pytest.mark.parametrize("suffix", [".tar", ".tar.age"])
def test_what_the_disk_made_of_an_archive_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: Any, suffix: str
) -> None:
    fsync = os.fsync

    def rots(handle: int) -> None:
        fsync(handle)
        path = Path(os.readlink(f"/proc/self/fd/{handle}"))
        if path.name.startswith("box"):
            data = bytearray(path.read_bytes())
            data[-9000] ^= 1
            path.write_bytes(data)

    monkeypatch.setattr("tasks.export_files.os.fsync", rots)
    given = order(tmp_path / "to", *([str(key.to_public())] if suffix.endswith("age") else []))
    error = refused(lambda: fetch(given, Link(sent())), StepFailed)
    assert f"box{suffix} read back from this machine's disk is not what was written" in error.message
    assert not given.folder.exists()


def test_what_a_host_refuses_is_handed_on(tmp_path: Path) -> None:
    said = StepFailed("box: backup: mistral.dump has 7 bytes, its manifest says 140005", host="box")
    error = refused(lambda: fetch(order(tmp_path / "to"), Link(error=said)), StepFailed)
    assert error.message.startswith(said.message) and "invoke backup.verify --hosts box" in error.hint


# Encrypted.


def test_nothing_of_an_encrypted_one_lies_in_clear_and_its_key_opens_it(
    tmp_path: Path, key: Any, identity: str
) -> None:
    files = {"files.tar": CANARY * 9000}
    given = order(tmp_path / "to", str(key.to_public()))
    found = fetch(given, Link(sent(files)))
    assert names(given.folder) == ["box.tar.age", "fetched.json"] and found.encrypted_to == (str(key.to_public()),)
    data = (given.folder / "box.tar.age").read_bytes()
    assert data.startswith(b"age-encryption.org/v1\n") and CANARY not in data and b"files.tar" not in data
    assert pyrage.decrypt(data, [key]) == tar(files)
    assert fetched.prove(given.folder) == found == fetched.prove(given.folder, age.identities(identity))
    assert str(key).encode() not in (given.folder / "fetched.json").read_bytes()


def test_no_part_of_it_is_ever_written_in_clear(tmp_path: Path, key: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut off in the middle, what lies there as long as it lies there is encrypted."""
    given, seen = order(tmp_path / "to", str(key.to_public())), list[bytes]()
    unlink = Path.unlink

    def look(path: Path, missing_ok: bool = False) -> None:
        if path.exists() and ".tar" in path.name:
            seen.append(path.read_bytes())
        unlink(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", look)
    lost = Unreachable("box: the connection was lost: reset")
    refused(lambda: fetch(given, Link(sent({"a": CANARY * 90_000})[:-9000], error=lost)), Unreachable)
    assert len(seen) == 1 and len(seen[0]) > 1 << 20 and CANARY not in seen[0]
    assert names(tmp_path / "to") == []


def test_several_can_open_it_ssh_keys_as_well(tmp_path: Path, key: Any, identity: str) -> None:
    ssh = tmp_path / "id_ed25519"
    os.spawnlp(os.P_WAIT, "ssh-keygen", "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "op@desk", "-f", str(ssh))
    public = ssh.with_suffix(".pub").read_text().strip()
    given = order(tmp_path / "to", str(key.to_public()), public)
    found = fetch(given, Link(sent()))
    for path in (identity, str(ssh)):
        assert fetched.prove(given.folder, age.identities(path)) == found


def test_whoever_has_another_key_is_told_so(tmp_path: Path, key: Any) -> None:
    given = order(tmp_path / "to", str(key.to_public()))
    fetch(given, Link(sent()))
    other = (pyrage.x25519.Identity.generate(),)
    error = refused(lambda: fetched.prove(given.folder, other), StepFailed)
    assert "it cannot be decrypted: No matching keys found" in error.message


@pytest.mark.parametrize("at", [5, 30, 300, -20_000, -1])
def test_an_encrypted_one_with_one_flipped_byte_or_a_missing_end_is_refused(tmp_path: Path, key: Any, at: int) -> None:
    given = order(tmp_path / "to", str(key.to_public()))
    found = fetch(given, Link(sent()))
    place = given.folder / "box.tar.age"
    whole = place.read_bytes()
    for data in (whole[:at] + bytes([whole[at] ^ 1]) + whole[at:][1:], whole[:at]):
        place.write_bytes(data)
        # Whoever changes it may change what is told of it too: the encryption itself notices.
        changed = replace(found.hosts["box"], sha256=sha256(data).hexdigest())
        (given.folder / "fetched.json").write_text(
            json.dumps({**json.loads((given.folder / "fetched.json").read_text()), "hosts": {"box": vars(changed)}})
        )
        error = refused(lambda: fetched.prove(given.folder, (key,)), StepFailed)
        assert "cannot be decrypted" in error.message


@pytest.mark.parametrize("word", ["age1nothing", "ssh-ed25519 AAAA", "ssh-ecdsa AAAA", "alice", "", "@/etc/passwd"])
def test_a_recipient_that_is_none_is_refused_before_anything_begins(tmp_path: Path, key: Any, word: str) -> None:
    link = Link(sent())
    error = refused(lambda: fetch(order(tmp_path / "to", str(key.to_public()), word), link), UsageError)
    assert "the second recipient is no public key" in error.message and link.asked == [] and names(tmp_path) == []


def test_a_private_key_in_place_of_a_public_one_is_not_repeated(tmp_path: Path, key: Any) -> None:
    for word in (str(key), f"-----BEGIN OPENSSH PRIVATE KEY-----\n{CANARY.decode()}"):
        error = refused(lambda word=word: fetch(order(tmp_path / "to", word), Link(sent())), UsageError)  # type: ignore[misc]
        assert "is a private key" in error.message and word not in error.message + error.hint
        assert CANARY.decode() not in error.message + error.hint


def test_a_file_without_a_key_is_said_and_not_quoted(tmp_path: Path) -> None:
    path = tmp_path / "key.txt"
    for text in ("", "# nothing", f"AGE-SECRET-KEY-{CANARY.decode()}", "-----BEGIN OPENSSH PRIVATE KEY-----\nx\n"):
        path.write_text(text)
        error = refused(lambda: age.identities(str(path)), UsageError)
        assert "holds no private key" in error.message and CANARY.decode() not in error.message
    assert "cannot be read: No such file" in refused(lambda: age.identities(str(tmp_path / "no")), UsageError).message


def test_what_is_read_and_written_meanwhile_may_fail_and_is_told_as_it_is(key: Any) -> None:
    def broken() -> Iterator[bytes]:
        yield b"x" * 100_000
        raise Malformed("the source")

    def full(data: bytes) -> None:
        raise OSError(errno.ENOSPC, "the target")

    to = age.recipients([str(key.to_public())])
    sealed = list[bytes]()
    age.seal(iter([b"x" * 100_000]), sealed.append, to)
    actions: list[Callable[[], None]] = [
        lambda: age.seal(broken(), lambda data: None, to),
        lambda: age.unseal(_then(sealed, broken()), lambda data: None, (key,)),
    ]
    for action in actions:
        with pytest.raises(Malformed):
            action()
    with pytest.raises(OSError, match="the target"):
        age.seal(iter([b"x" * 100_000]), full, to)
    with pytest.raises(OSError, match="the target"):
        age.unseal(iter(sealed), full, (key,))


def _then(first: list[bytes], rest: Iterator[bytes]) -> Iterator[bytes]:
    yield b"".join(first)[:300]
    yield from rest


# Back to a host.


@pytest.mark.parametrize("encrypted", [False, True])
def test_a_host_is_given_what_another_one_sent(tmp_path: Path, key: Any, encrypted: bool) -> None:
    given = order(tmp_path / "to", *([str(key.to_public())] if encrypted else []))
    found, new = fetch(given, Link(sent())), Link(name="new")
    fetched.put(cast(RemoteHost, new), given.folder, found, "box", (key,) if encrypted else ())
    assert new.given == tar() and new.asked == [("backup", "receive", "a-token", NAME)]


def test_one_that_has_it_already_keeps_it_and_another_of_that_name_is_refused(tmp_path: Path) -> None:
    given = order(tmp_path / "to")
    found = fetch(given, Link(sent()))
    same = Link(says=f"@stormlift-there {found.hosts['box'].manifest}")
    fetched.put(cast(RemoteHost, same), given.folder, found, "box")
    assert same.given == b""
    other = Link(says="@stormlift-there 00")
    error = refused(lambda: fetched.put(cast(RemoteHost, other), given.folder, found, "box"), StepFailed)
    assert error.message == f"box: has another backup of the name {NAME}"


def test_an_encrypted_one_needs_its_key(tmp_path: Path, key: Any) -> None:
    given = order(tmp_path / "to", str(key.to_public()))
    found, new = fetch(given, Link(sent())), Link(name="new")
    error = refused(lambda: fetched.put(cast(RemoteHost, new), given.folder, found, "box"), UsageError)
    assert "is encrypted" in error.message and "--identity FILE" in error.hint and new.given == b""


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"name": "a", "deployment": "b", "wanted": [], "schema": "stormlift.fetched/2"}']
)
def test_what_is_told_of_a_folder_and_cannot_be_read(tmp_path: Path, text: str) -> None:
    (tmp_path / "fetched.json").write_text(text)
    assert "cannot be read" in refused(lambda: fetched.read(tmp_path), UsageError).message


def test_a_file_outside_the_folder_is_not_read(tmp_path: Path) -> None:
    given = order(tmp_path / "to")
    fetch(given, Link(sent()))
    told = json.loads((given.folder / "fetched.json").read_text())
    told["hosts"]["box"]["file"] = "../../../etc/passwd"
    (given.folder / "fetched.json").write_text(json.dumps(told))
    refused(lambda: fetched.read(given.folder), UsageError)
