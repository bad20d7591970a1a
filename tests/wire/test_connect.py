"""The way to a host: its key first, then the login, then root; each refusal is a sentence and what to do about it."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import paramiko
import pytest

from remote import connect
from remote.connect import fingerprint
from remote.host import RemoteHost
from rollout.errors import InventoryError, NoAnswer, StormliftError, Unreachable
from rollout.model import Host
from rollout.secret import Mask, Secret
from tests.wire.fleet import WireFleet
from tests.wire.sshd import WireHost

PASSWORD = "hunter2 & 'more'"


@pytest.fixture
def box(wire_fleet: WireFleet) -> WireHost:
    """A host that is up, in the inventory, with its key trusted."""
    (host,) = wire_fleet.add("box")
    wire_fleet.write()
    return host


@contextmanager
def remote(
    fleet: WireFleet, name: str = "box", password: str = "", gateway: RemoteHost | None = None
) -> Iterator[RemoteHost]:
    mask = Mask()
    secret = mask.learn(Secret(password)) if password else None
    host = RemoteHost(fleet.host(name), fleet.known_hosts, mask, secret, gateway)
    try:
        yield host
    finally:
        host.close()


def refused(action: Callable[[], object], kind: type[StormliftError] = Unreachable) -> tuple[str, str]:
    """The message and the hint of the refusal, which has the form that every error has."""
    with pytest.raises(StormliftError) as caught:
        action()
    error = caught.value
    assert type(error) is kind, f"{type(error).__name__}: {error.message}"
    assert error.hint and "\n" not in error.message + error.hint
    assert not error.message.endswith(".") and not error.hint.endswith(".")
    assert PASSWORD not in f"{error.message}{error.hint}{error!r}{getattr(error, 'log', '')}"
    return error.message, error.hint


def open_box(fleet: WireFleet) -> None:
    with remote(fleet) as host:
        host.open()


# The key.


def test_a_trusted_host_lets_us_in_over_one_connection(wire_fleet: WireFleet, box: WireHost) -> None:
    with remote(wire_fleet) as host:
        for _ in range(3):
            assert host.probe("journal") == ""
    assert box.connections == 1
    assert box.attempts == [("deploy", "publickey")]


@pytest.mark.parametrize("file", ["empty", "missing", "another host's"])
def test_an_unknown_key_is_refused_before_anything_is_sent(wire_fleet: WireFleet, box: WireHost, file: str) -> None:
    wire_fleet.known_hosts.write_text(box.known_hosts_line().replace(str(box.port), "1") if file != "empty" else "")
    if file == "missing":
        wire_fleet.known_hosts.unlink()
    message, hint = refused(lambda: open_box(wire_fleet))
    assert message.startswith(f"box: the host key of 127.0.0.1 port {box.port} is unknown: ")
    assert fingerprint(box.host_key) in message
    assert hint.endswith("invoke inventory.trust --hosts box")
    assert (box.attempts, box.requests) == ([], [])


def test_a_changed_key_is_refused_before_anything_is_sent(wire_fleet: WireFleet, box: WireHost) -> None:
    before = fingerprint(box.host_key)
    box.change_host_key()
    message, hint = refused(lambda: open_box(wire_fleet))
    assert message.startswith(f"box: the host key of 127.0.0.1 port {box.port} has changed: ")
    assert before in message and fingerprint(box.host_key) in message and str(wire_fleet.known_hosts) in message
    assert "somebody may be in between" in hint and "invoke inventory.trust --hosts box" in hint
    assert (box.attempts, box.requests) == ([], [])


def test_a_key_of_another_kind_than_the_trusted_one_is_refused(wire_fleet: WireFleet, box: WireHost) -> None:
    box.host_key = paramiko.RSAKey.generate(2048)
    message, _ = refused(lambda: open_box(wire_fleet))
    assert fingerprint(box.host_key) in message
    assert (box.attempts, box.requests) == ([], [])


def test_the_users_own_known_hosts_and_keys_do_not_count(
    wire_fleet: WireFleet, box: WireHost, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    home = tmp_path / "operator"
    (home / ".ssh").mkdir(parents=True)
    (home / ".ssh" / "known_hosts").write_text(box.known_hosts_line())
    (home / ".ssh" / "config").write_text("Host *\n  StrictHostKeyChecking no\n  User somebody\n")
    monkeypatch.setenv("HOME", str(home))
    wire_fleet.known_hosts.write_text("")
    assert "is unknown" in refused(lambda: open_box(wire_fleet))[0]


def test_a_known_hosts_that_cannot_be_read_is_named(wire_fleet: WireFleet, box: WireHost) -> None:
    wire_fleet.known_hosts.unlink()
    wire_fleet.known_hosts.mkdir()
    message, hint = refused(lambda: open_box(wire_fleet), InventoryError)
    assert message.startswith(f"{wire_fleet.known_hosts}: cannot be read")
    assert "invoke inventory.trust" in hint
    assert box.attempts == []


# The connection.


def test_a_host_that_is_down_is_named_with_address_and_port(wire_fleet: WireFleet, box: WireHost) -> None:
    box.refuse_connections()
    message, hint = refused(lambda: open_box(wire_fleet), NoAnswer)
    assert message == f"box: 127.0.0.1 port {box.port}: connection refused"
    assert f"ssh -p {box.port} deploy@127.0.0.1" in hint


def test_a_host_that_hangs_is_given_up(wire_fleet: WireFleet, box: WireHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connect, "CONNECT_S", 0.5)
    box.hang()
    began = time.monotonic()
    message, hint = refused(lambda: open_box(wire_fleet), NoAnswer)
    assert time.monotonic() - began < 5
    assert message.startswith(f"box: 127.0.0.1 port {box.port}: no SSH session: ")
    assert hint == "check that an SSH server answers there"


def test_a_name_that_does_not_resolve_points_to_the_inventory(wire_fleet: WireFleet, box: WireHost) -> None:
    wire_fleet.write(hosts={"box": {"address": "nothing-of-this-name.invalid"}})
    message, hint = refused(lambda: open_box(wire_fleet))
    assert message == "box: the name nothing-of-this-name.invalid cannot be resolved"
    assert "`address`" in hint


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"SSH-1.5-old\r\n"])
def test_something_else_at_the_port_is_no_ssh_session(
    wire_fleet: WireFleet, box: WireHost, monkeypatch: pytest.MonkeyPatch, said: bytes
) -> None:
    monkeypatch.setattr(connect, "CONNECT_S", 2.0)
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        wire_fleet.write(hosts={"box": {"port": port}})

        def answer() -> None:
            connection, _ = other.accept()
            with connection:
                connection.sendall(said)

        answering = threading.Thread(target=answer)
        answering.start()
        message, _ = refused(lambda: open_box(wire_fleet))
        answering.join()
    assert message.startswith(f"box: 127.0.0.1 port {port}: no SSH session: ")


# The login.


def test_a_refused_key_names_the_user_and_what_to_check(wire_fleet: WireFleet, box: WireHost) -> None:
    box.accepts_key = False
    message, hint = refused(lambda: open_box(wire_fleet))
    assert message == f"box: 127.0.0.1 port {box.port} refuses the login of deploy"
    assert "`user`" in hint and "`identity`" in hint
    assert box.requests == []


def test_a_user_that_the_host_does_not_know_is_refused(wire_fleet: WireFleet, box: WireHost) -> None:
    wire_fleet.write(hosts={"box": {"user": "stanley"}})
    assert "refuses the login of stanley" in refused(lambda: open_box(wire_fleet))[0]
    assert box.attempts == [("stanley", "publickey")]


def test_a_key_file_that_is_not_there_or_is_none_or_is_locked(
    wire_fleet: WireFleet, box: WireHost, tmp_path: Path
) -> None:
    key = tmp_path / "key"
    wire_fleet.write(hosts={"box": {"identity": str(key)}})
    assert refused(lambda: open_box(wire_fleet))[0] == f"box: there is no key file {key}"
    key.write_text("not a key\n")
    assert str(key) in refused(lambda: open_box(wire_fleet))[0]
    box.user_key.write_private_key_file(str(key), password="locked")
    message, hint = refused(lambda: open_box(wire_fleet))
    assert message == f"box: the key {key} has a passphrase"
    assert "ssh-add" in hint
    assert box.requests == []


def test_a_passphrase_is_never_the_login_password(wire_fleet: WireFleet, box: WireHost) -> None:
    box.accepts_key, box.password = False, PASSWORD
    with remote(wire_fleet, password=PASSWORD) as host:
        assert "refuses the login" in refused(host.open)[0]
    assert {method for _, method in box.attempts} == {"publickey"}


# Root.


def set_sudo(fleet: WireFleet, rule: str, password: str = PASSWORD) -> None:
    fleet["box"].sudo(rule, password)


def probe(fleet: WireFleet, password: str = "") -> str:
    with remote(fleet, password=password) as host:
        return host.probe("journal")


def test_sudo_without_a_password_becomes_root(wire_fleet: WireFleet, box: WireHost) -> None:
    box.state.mkdir()
    (box.state / "journal").write_text("a line\n")
    assert probe(wire_fleet) == "a line"
    assert box.requests[0].startswith("sudo -n ")


def test_the_right_password_becomes_root_and_is_in_no_command_line(wire_fleet: WireFleet, box: WireHost) -> None:
    box.state.mkdir()
    (box.state / "journal").write_text("a line\n")
    set_sudo(wire_fleet, "password")
    assert probe(wire_fleet, PASSWORD) == "a line"
    assert all(PASSWORD not in request and "hunter2" not in request for request in box.requests)


def test_a_wrong_password_is_said_once_and_changes_nothing(wire_fleet: WireFleet, box: WireHost) -> None:
    set_sudo(wire_fleet, "password", "another")
    message, hint = refused(lambda: probe(wire_fleet, PASSWORD))
    assert message == "box: sudo refuses the password of deploy"
    assert "nothing was changed" in hint
    assert not box.state.exists()
    assert len(box.requests) == 1


def test_a_user_that_sudo_does_not_know_may_not(wire_fleet: WireFleet, box: WireHost) -> None:
    set_sudo(wire_fleet, "refused")
    message, hint = refused(lambda: probe(wire_fleet, PASSWORD))
    assert message == "box: deploy may not use sudo"
    assert "/etc/sudoers.d" in hint
    assert not box.state.exists()


def test_sudo_that_asks_where_the_inventory_says_it_does_not(wire_fleet: WireFleet, box: WireHost) -> None:
    for rule in ("password", "refused"):
        set_sudo(wire_fleet, rule)
        message, hint = refused(lambda: probe(wire_fleet))
        assert message == "box: sudo asks deploy for a password"
        assert "sudo: ask" in hint


def test_sudo_that_wants_a_terminal(wire_fleet: WireFleet, box: WireHost) -> None:
    set_sudo(wire_fleet, "requiretty")
    message, hint = refused(lambda: probe(wire_fleet))
    assert "requiretty" in message and "!requiretty" in hint


def test_a_host_without_sudo(wire_fleet: WireFleet, box: WireHost) -> None:
    box.env["PATH"] = str(box.bin)
    (box.bin / "sudo").unlink()
    box.shell = ("/bin/sh", "-c")
    message, hint = refused(lambda: probe(wire_fleet))
    assert message == "box: there is no sudo"
    assert "sudo: root" in hint


def test_a_root_login_uses_no_sudo(wire_fleet: WireFleet, box: WireHost) -> None:
    wire_fleet.write(hosts={"box": {"sudo": "root"}})
    set_sudo(wire_fleet, "refused")
    assert probe(wire_fleet) == ""
    assert "sudo" not in box.requests[0].split()[0]


def test_a_password_that_sudo_does_not_ask_for_is_not_sent(wire_fleet: WireFleet, box: WireHost) -> None:
    """Real sudo leaves the line on standard input when it does not ask; it must not become part of a script."""
    box.stub("hunter2")
    set_sudo(wire_fleet, "nopasswd")
    assert probe(wire_fleet, PASSWORD) == ""
    assert box.calls("hunter2") == []
    assert box.passwords_tried() == []


def test_a_wrong_password_is_tried_once(wire_fleet: WireFleet, box: WireHost) -> None:
    """More lines would be more wrong passwords, and three of them are what locks an account (pam_faillock)."""
    set_sudo(wire_fleet, "password", "another")
    refused(lambda: probe(wire_fleet, PASSWORD))
    assert box.passwords_tried() == [PASSWORD]


# A gateway.


def behind(fleet: WireFleet) -> tuple[WireHost, WireHost]:
    door, box = fleet.add("door", "box")
    fleet.write(hosts={"box": {"gateway": "door"}})
    return door, box


def test_a_host_behind_a_gateway_is_reached_through_it(wire_fleet: WireFleet) -> None:
    door, box = behind(wire_fleet)
    with remote(wire_fleet, "door") as gateway, remote(wire_fleet, gateway=gateway) as host:
        assert host.probe("journal") == ""
    assert (door.connections, box.connections) == (1, 1)
    assert door.requests == []


def test_the_keys_of_gateway_and_host_are_both_checked(wire_fleet: WireFleet) -> None:
    door, box = behind(wire_fleet)
    wire_fleet.known_hosts.write_text(door.known_hosts_line())
    with remote(wire_fleet, "door") as gateway, remote(wire_fleet, gateway=gateway) as host:
        assert refused(host.open)[0].startswith("box: the host key of")
    wire_fleet.known_hosts.write_text(box.known_hosts_line())
    with remote(wire_fleet, "door") as gateway, remote(wire_fleet, gateway=gateway) as host:
        message, hint = refused(host.open)
    assert "door: the host key of" in message and fingerprint(door.host_key) in message
    assert "invoke inventory.trust" in hint
    assert (box.attempts, box.requests) == ([], [])


def test_a_gateway_that_cannot_reach_the_host_says_so(wire_fleet: WireFleet) -> None:
    _, box = behind(wire_fleet)
    box.refuse_connections()
    with remote(wire_fleet, "door") as gateway, remote(wire_fleet, gateway=gateway) as host:
        message, hint = refused(host.open, NoAnswer)
    assert message.startswith("box: no way through door: ")
    assert "`gateway`" in hint


# The link.


def test_a_connection_that_is_cut_is_made_anew(wire_fleet: WireFleet, box: WireHost) -> None:
    with remote(wire_fleet) as host:
        host.probe("journal")
        box.cut()
        with suppress(Unreachable):
            host.probe("journal")
        assert host.probe("journal") == ""
    assert box.connections == 2


def test_two_hosts_that_differ_only_in_their_port_have_their_own_keys(wire_fleet: WireFleet) -> None:
    one, two = wire_fleet.add("one", "two")
    wire_fleet.write()
    one.host_key, two.host_key = two.host_key, one.host_key
    for name in ("one", "two"):
        with remote(wire_fleet, name) as host:
            assert "has changed" in refused(host.open)[0]
    assert isinstance(wire_fleet.host("one"), Host)
