"""Backups over a link, both ways: the real program on the host, lost links, passwords, a host that takes no more."""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyrage
import pytest

from remote.host import RemoteHost
from rollout.archive import Archive
from rollout.errors import Locked, StepFailed, StormliftError, Unreachable
from rollout.secret import Mask, Secret
from tasks import fetched, fetching
from tasks.fetching import Order
from tests.pure.carried import NAME, lay, manifest, tar
from tests.wire.fleet import WireFleet
from tests.wire.sshd import WireHost
from tests.wire.test_sshd import eventually

# Three times what a channel's window holds, and no whole number of records.
FILES = {"files.tar": b"files", "mistral.dump": random.Random(6).randbytes((6 << 20) + 77)}
RUN, HOP = NAME.split("/")
PASSWORD = "a 'pass' & word"


@pytest.fixture
def pair(wire_fleet: WireFleet) -> tuple[WireHost, WireHost]:
    """A host that has a backup, and one that was set up anew."""
    old, new = wire_fleet.add("old", "new")
    wire_fleet.write()
    lay(old.state, FILES)
    return old, new


@contextmanager
def remote(fleet: WireFleet, name: str, password: str = "") -> Iterator[RemoteHost]:
    mask = Mask()
    secret = mask.learn(Secret(password)) if password else None
    host = RemoteHost(fleet.host(name), fleet.known_hosts, mask, secret)
    try:
        yield host
    finally:
        host.close()


def fetch(fleet: WireFleet, to: Path, *encrypt_to: str, password: str = "") -> tuple[Path, fetched.Fetched]:
    given = Order("main", NAME, ("old",), to, encrypt_to)
    with remote(fleet, "old", password) as host:
        return given.folder, fetching.fetch({"old": host}, given)


def there(host: WireHost) -> Path:
    return host.state / RUN / "backup" / HOP


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def failed(action: Callable[[], Any], kind: type[StormliftError]) -> StormliftError:
    with pytest.raises(kind) as caught:
        action()
    return caught.value


@pytest.mark.parametrize("password", ["", PASSWORD])
@pytest.mark.parametrize("encrypted", [False, True])
def test_a_backup_leaves_a_host_and_comes_to_another(
    wire_fleet: WireFleet, pair: tuple[WireHost, WireHost], tmp_path: Path, password: str, encrypted: bool
) -> None:
    old, new = pair
    key = pyrage.x25519.Identity.generate()
    if password:
        for each in pair:
            each.sudo("password", password)
    folder, found = fetch(wire_fleet, tmp_path / "to", *([str(key.to_public())] * encrypted), password=password)
    assert fetched.prove(folder, (key,)) == found and found.encrypted_to == ((str(key.to_public()),) * encrypted)
    with remote(wire_fleet, "new", password) as host:
        fetched.put(host, folder, found, "old", (key,))
        assert contents(there(new)) == contents(there(old)) == {**FILES, "manifest.json": manifest(FILES)}
        fetched.put(host, folder, found, "old", (key,))  # the same command again finds it there
    assert (old.connections, new.connections) == (1, 1)
    assert {path.name for path in old.state.iterdir()} == {RUN}


def test_a_link_that_is_lost_while_it_is_fetched(
    wire_fleet: WireFleet, pair: tuple[WireHost, WireHost], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed = Archive.feed

    def cut(archive: Archive, block: bytes) -> None:
        feed(archive, block)
        if archive.at == "mistral.dump":
            pair[0].cut()

    with monkeypatch.context() as patch:
        patch.setattr(Archive, "feed", cut)
        error = failed(lambda: fetch(wire_fleet, tmp_path / "to"), Unreachable)
    assert "the connection was lost" in error.message and "in mistral.dump; no file of old is left" in error.message
    assert not list((tmp_path / "to").iterdir())
    eventually(lambda: not pair[0].processes())
    folder, _ = fetch(wire_fleet, tmp_path / "to")
    assert (folder / "old.tar").read_bytes() == tar(FILES)


def test_a_link_that_is_lost_while_it_comes_back_leaves_nothing_named(
    wire_fleet: WireFleet, pair: tuple[WireHost, WireHost], tmp_path: Path
) -> None:
    _, new = pair
    data = tar(FILES)

    def cut(write: Callable[[bytes], None]) -> None:
        write(data[: 3 << 20])
        new.cut()
        write(data[3 << 20 :])

    with remote(wire_fleet, "new") as host:
        error = failed(lambda: host.deliver(cut, "backup", "receive", "", NAME), Unreachable)
        assert "the connection was lost" in error.message
        eventually(lambda: not new.processes())
        assert list(there(new).parent.iterdir()) == []
        said = host.deliver(lambda write: write(data), "backup", "receive", "", NAME)
    assert said[-1].startswith(f"received {NAME}") and contents(there(new))["mistral.dump"] == FILES["mistral.dump"]


def test_whoever_cannot_read_on_leaves_nothing_named(wire_fleet: WireFleet, pair: tuple[WireHost, WireHost]) -> None:
    def breaks(write: Callable[[bytes], None]) -> None:
        write(tar(FILES)[: 3 << 20])
        raise OSError("the controller's disk")

    with remote(wire_fleet, "new") as host:
        with pytest.raises(OSError, match="the controller's disk"):
            host.deliver(breaks, "backup", "receive", "", NAME)
        eventually(lambda: not pair[1].processes())
        assert list(there(pair[1]).parent.iterdir()) == []
        assert host.probe("journal") == ""


def test_a_host_that_takes_no_more_says_why(wire_fleet: WireFleet, pair: tuple[WireHost, WireHost]) -> None:
    """It is done at the first wrong file, while much more is on its way."""
    damaged = tar({**FILES, "files.tar": b"wrong"}, manifest(FILES))
    with remote(wire_fleet, "new") as host:
        error = failed(
            lambda: host.deliver(lambda write: write(damaged * 4), "backup", "receive", "", NAME), StepFailed
        )
        assert error.message == "new: backup: files.tar came in damaged: its SHA-256 is not what the manifest says"
        assert list(there(pair[1]).parent.iterdir()) == [] and host.probe("journal") == ""


def test_nothing_is_sent_to_a_host_that_refuses(wire_fleet: WireFleet, pair: tuple[WireHost, WireHost]) -> None:
    def never(write: Callable[[bytes], None]) -> None:
        pytest.fail("bytes were asked for")

    with remote(wire_fleet, "new") as host:
        error = failed(lambda: host.deliver(never, "backup", "receive", "", "../../etc"), StepFailed)
        assert "is no name of a backup" in error.message
        error = failed(lambda: host.deliver(never, "backup", "receive", "a-token-that-was-taken-over", NAME), Locked)
        assert "another controller took over" in error.message
    pair[1].sudo("refused", "secret")
    with remote(wire_fleet, "new") as host:
        failed(lambda: host.deliver(never, "backup", "receive", "", NAME), Unreachable)
    assert not (pair[1].state / RUN).exists()


def test_a_backup_that_is_not_whole_is_not_fetched(
    wire_fleet: WireFleet, pair: tuple[WireHost, WireHost], tmp_path: Path
) -> None:
    dump = there(pair[0]) / "mistral.dump"
    dump.write_bytes(FILES["mistral.dump"][:-1] + b"x")
    error = failed(lambda: fetch(wire_fleet, tmp_path / "to"), StepFailed)
    assert "mistral.dump is not what was written: its SHA-256 differs" in error.message
    dump.unlink()
    error = failed(lambda: fetch(wire_fleet, tmp_path / "to"), StepFailed)
    assert f"{NAME}/mistral.dump cannot be read: No such file" in error.message
    assert not list((tmp_path / "to").iterdir())
