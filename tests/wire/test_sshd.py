"""The wire host is itself like a real one: what sshd and sudo do, it does, the unfriendly things too."""

import hashlib
import os
import shutil
import socket
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import paramiko
import pytest
from fabric import Config, Connection
from paramiko import RejectPolicy

from rollout.quote import shell
from tests.wire.sshd import WireHost

SHELLS = [("sh", "-c"), ("dash", "-c"), ("bash", "--posix", "-c"), ("busybox", "sh", "-c"), ("ksh", "-c")]


@pytest.fixture
def host(wire_host: WireHost) -> WireHost:
    return wire_host


def login(host: WireHost, user: str = "", **more: object) -> paramiko.SSHClient:
    client = paramiko.SSHClient()
    client.get_host_keys().add(f"[{host.address}]:{host.port}", host.host_key.get_name(), host.host_key)
    if "sock" not in more:
        more["sock"] = link = socket.create_connection((host.address, host.port))
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    settings: dict[str, object] = {"pkey": host.user_key, "allow_agent": False, "look_for_keys": False, "timeout": 10}
    client.connect(host.address, host.port, user or host.user, **(settings | more))  # type: ignore[arg-type]
    return client


def run(client: paramiko.SSHClient, command: str, given: bytes = b"") -> tuple[int, bytes, bytes]:
    stdin, stdout, stderr = client.exec_command(command, timeout=20)

    def give() -> None:
        with suppress(OSError):  # the command may end, and close the channel, before it has heard everything
            stdin.channel.sendall(given)
            stdin.channel.shutdown_write()

    # A command may answer before it has heard everything, on both streams at once.
    with ThreadPoolExecutor() as threads:
        giving, out, err = threads.submit(give), threads.submit(stdout.read), threads.submit(stderr.read)
        giving.result()
        return stdout.channel.recv_exit_status(), out.result(), err.result()


def eventually(holds: Callable[[], object], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.01)


# A session.


def test_a_command_has_its_three_streams_and_its_code(host: WireHost) -> None:
    with login(host) as client:
        assert run(client, "cat; echo no >&2; exit 7", b"in") == (7, b"in", b"no\n")
        assert run(client, "true") == (0, b"", b"")
    assert host.requests == ["cat; echo no >&2; exit 7", "true"]
    assert host.attempts == [(host.user, "publickey")]
    assert host.connections == 1


def test_a_command_that_a_signal_ended_has_no_code(host: WireHost) -> None:
    with login(host) as client:
        assert run(client, "kill -KILL $$")[0] == -1


def test_many_quick_commands_keep_their_ends_apart(host: WireHost) -> None:
    with login(host) as client:
        assert [run(client, f"echo {i}; exit {i}") for i in range(60)] == [
            (i, f"{i}\n".encode(), b"") for i in range(60)
        ]


def test_large_binary_streams_go_both_ways_at_once(host: WireHost) -> None:
    given = os.urandom(6 << 20)
    with login(host) as client:
        code, out, err = run(client, "tee /dev/stderr", given)
    assert code == 0
    assert hashlib.sha256(out).digest() == hashlib.sha256(err).digest() == hashlib.sha256(given).digest()


def test_input_that_nobody_reads_does_not_hold_the_end_up(host: WireHost) -> None:
    with login(host) as client:
        _, stdout, _ = client.exec_command("exec <&-; exit 3")
        with pytest.raises(OSError, match="closed"):
            stdout.channel.sendall(bytes(64 << 20))
        assert stdout.channel.recv_exit_status() == 3


def test_commands_run_side_by_side_on_one_connection(host: WireHost) -> None:
    with login(host) as client:
        first = client.exec_command("read line; echo first $line")
        second = client.exec_command("echo second")
        assert second[1].read() == b"second\n"
        first[0].write("done\n")
        first[0].flush()
        assert first[1].read() == b"first done\n"


def test_a_child_that_holds_the_output_holds_the_channel_but_not_the_code(host: WireHost) -> None:
    with login(host) as client:
        _, stdout, _ = client.exec_command("sleep 30 & exit 4")
        assert stdout.channel.recv_exit_status() == 4
        stdout.channel.settimeout(0.3)
        with pytest.raises(TimeoutError):
            stdout.read()
        _, freed, _ = client.exec_command("setsid sleep 30 >/dev/null 2>&1 </dev/null & exit 4")
        assert freed.read() == b""


def test_no_terminal_and_no_subsystem_are_given(host: WireHost) -> None:
    with login(host) as client:
        with pytest.raises(paramiko.SSHException):
            client.invoke_shell()
        with pytest.raises(paramiko.SSHException):
            client.open_sftp()


def test_a_login_finds_the_hosts_programs_and_not_the_testers_environment(
    host: WireHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEAKED", "yes")
    host.stub("apt-get", 'printf "stub %s\\n" "$1"; cat; exit 100')
    host.env["LANG"] = "de_DE.UTF-8"
    with login(host) as client:
        assert run(client, "apt-get update", b"more") == (100, b"stub update\nmore", b"")
        names = {line.split(b"=")[0] for line in run(client, "env")[1].splitlines()}
        assert (
            run(client, 'echo "$STORMLIFT_STATE" "$LANG"; pwd')[1].decode()
            == f"{host.state} de_DE.UTF-8\n{host.home}\n"
        )
    assert b"LEAKED" not in names and b"STORMLIFT_UNITS" in names


def test_stubs_write_down_what_they_were_called_with(host: WireHost) -> None:
    host.stub("st2ctl")
    host.stub("systemctl", "exit 3")
    words = ["two words", "", "new\nline", "$HOME", "'\"", "ä", "-n"]
    with login(host) as client:
        assert run(client, shell(["st2ctl", *words]))[0] == 0
        assert run(client, "systemctl is-active x; st2ctl")[0] == 0
    assert host.calls() == [("st2ctl", *words), ("systemctl", "is-active", "x"), ("st2ctl",)]
    assert host.calls("systemctl") == [("systemctl", "is-active", "x")]


@pytest.mark.parametrize("words", [each for each in SHELLS if shutil.which(each[0])], ids=lambda each: each[0])
def test_any_shell_may_be_the_login_shell(tmp_path: Path, words: Sequence[str]) -> None:
    with WireHost(tmp_path, shell=words) as host, login(host) as client:
        assert run(client, 'set -- "a b" c; echo $#; exit 9') == (9, b"2\n", b"")


# Who may log in.


def test_a_refused_key_and_a_wrong_user_stay_outside(host: WireHost) -> None:
    with pytest.raises(paramiko.AuthenticationException):
        login(host, pkey=paramiko.ECDSAKey.generate())
    with pytest.raises(paramiko.AuthenticationException):
        login(host, user="root")
    host.accepts_key = False
    with pytest.raises(paramiko.AuthenticationException):
        login(host)
    assert host.requests == []


def test_a_password_is_taken_where_one_is_set(host: WireHost) -> None:
    host.accepts_key, host.password = False, "right"
    with pytest.raises(paramiko.AuthenticationException):
        login(host, password="wrong")
    with login(host, password="right") as client:
        assert run(client, "echo in")[1] == b"in\n"


def test_the_files_for_a_client_are_right(host: WireHost, tmp_path: Path) -> None:
    known = tmp_path / "known_hosts"
    known.write_text(host.known_hosts_line())
    client = paramiko.SSHClient()
    client.load_host_keys(str(known))
    client.set_missing_host_key_policy(RejectPolicy())
    client.connect(host.address, host.port, host.user, key_filename=str(host.identity), allow_agent=False)
    assert run(client, "echo in")[1] == b"in\n"
    client.close()
    assert host.identity.stat().st_mode & 0o077 == 0


def test_a_changed_host_key_is_seen_before_anything_is_offered(host: WireHost) -> None:
    client = paramiko.SSHClient()
    client.get_host_keys().add(f"[{host.address}]:{host.port}", host.host_key.get_name(), host.host_key)
    host.change_host_key()
    with pytest.raises(paramiko.BadHostKeyException):
        client.connect(host.address, host.port, host.user, pkey=host.user_key)
    assert host.attempts == [] and host.requests == []


# Faults.


def test_a_cut_ends_the_connection_and_not_the_command(host: WireHost) -> None:
    done = host.home / "done"
    with login(host) as client:
        _, stdout, _ = client.exec_command(
            f"echo begun; cat; trap '' PIPE; sleep 0.2; echo into-the-void; echo >{done}"
        )
        assert stdout.channel.recv(100) == b"begun\n"
        host.cut()
        assert stdout.channel.recv_exit_status() == -1
        eventually(lambda: not client.get_transport().is_active())  # type: ignore[union-attr]
    eventually(done.exists)
    with login(host) as client:
        assert run(client, "echo back")[1] == b"back\n"


def test_a_writer_meets_a_broken_pipe_after_a_cut(host: WireHost) -> None:
    with login(host) as client:
        _, stdout, _ = client.exec_command("while :; do echo more; sleep 0.01; done")
        assert stdout.channel.recv(5)
        assert host.processes()
        host.cut()
        eventually(lambda: not host.processes())


def test_a_channel_that_the_client_closes_frees_its_writer_too(host: WireHost) -> None:
    with login(host) as client:
        _, stdout, _ = client.exec_command("yes")
        assert stdout.channel.recv(5)
        stdout.channel.close()
        eventually(lambda: not host.processes())
        assert run(client, "echo still here")[1] == b"still here\n"


def test_a_crash_ends_even_what_left_its_session(host: WireHost) -> None:
    with login(host) as client:
        run(client, "setsid sleep 60 >/dev/null 2>&1 </dev/null & setsid sudo -n sleep 60 >/dev/null 2>&1 </dev/null &")
        eventually(lambda: len(host.processes()) >= 2)
        host.crash()
    assert host.processes() == []


def test_refused_and_reachable_again_at_the_same_port(host: WireHost) -> None:
    host.refuse_connections()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host.address, host.port), timeout=5)
    host.accept_connections()
    with login(host) as client:
        assert run(client, "echo back")[1] == b"back\n"


def test_a_host_that_hangs_says_nothing(host: WireHost) -> None:
    host.hang()
    with pytest.raises(paramiko.SSHException, match="banner"):
        login(host, banner_timeout=0.3)
    host.hang(False)
    login(host).close()


def test_a_slow_host_is_slow(host: WireHost) -> None:
    host.delay = 0.3
    began = time.monotonic()
    with login(host) as client:
        assert time.monotonic() - began >= 0.3
        run(client, "true")
        assert time.monotonic() - began >= 0.6


def test_a_host_is_a_gateway_to_another(host: WireHost, tmp_path: Path) -> None:
    with WireHost(tmp_path / "inner", "inner") as inner, login(host) as outer:
        transport = outer.get_transport()
        assert transport
        way = transport.open_channel("direct-tcpip", (inner.address, inner.port), ("127.0.0.1", 0))
        with login(inner, sock=way) as client:
            given = os.urandom(1 << 20)
            assert run(client, "cat", given) == (0, given, b"")
        inner.refuse_connections()
        with pytest.raises(paramiko.ChannelException):
            transport.open_channel("direct-tcpip", (inner.address, inner.port), ("127.0.0.1", 0))


# With Fabric, as the product talks.


def test_fabric_runs_over_it_and_keeps_one_connection(host: WireHost) -> None:
    settings = {"key_filename": str(host.identity), "allow_agent": False, "look_for_keys": False}
    config = Config(overrides={"load_ssh_configs": False, "sudo": {"password": "right"}})
    host.sudo("password", "right")
    with Connection(host.address, host.user, host.port, config=config, connect_kwargs=settings) as connection:
        options = {"hide": True, "warn": True, "in_stream": False}
        result = connection.run("echo out; echo err >&2; exit 5", **options)
        assert (result.stdout, result.stderr, result.exited) == ("out\n", "err\n", 5)
        assert connection.sudo("echo root is $USER", **options).exited == 0
        assert connection.run("head -c 3000000 /dev/zero | tr '\\0' x", **options).stdout == "x" * 3_000_000
    assert host.connections == 1


# sudo: what a real one (1.9.13, Debian 12, no terminal) answered to the same words.

WRONG = b"Sorry, try again.\n"
NO_MORE = b"\nsudo: no password was provided\n"
ASKS = "sudo -S -k -p ''"
TRANSCRIPT: list[tuple[str, str, bytes, int, bytes, bytes]] = [
    ("nopasswd", "sudo -n echo yes", b"", 0, b"yes\n", b""),
    ("nopasswd", "sudo -n sh -c 'exit 7'", b"", 7, b"", b""),
    ("nopasswd", f"{ASKS} cat", b"right\nmore", 0, b"right\nmore", b""),
    ("nopasswd", "sudo -n nothing-of-this-name", b"", 1, b"", b"sudo: nothing-of-this-name: command not found\n"),
    ("nopasswd", "sudo -n -v", b"", 0, b"", b""),
    ("nopasswd", "sudo -n -u root -H -- echo yes", b"", 0, b"yes\n", b""),
    ("password", "sudo -n echo yes", b"", 1, b"", b"sudo: a password is required\n"),
    ("password", "sudo -n -v", b"", 1, b"", b"sudo: a password is required\n"),
    ("password", "sudo -n -S -k -p '' echo yes", b"right\n", 1, b"", b"sudo: a password is required\n"),
    (
        *("password", "sudo echo yes", b"right\n", 1, b""),
        b"sudo: a terminal is required to read the password; either use the -S option to read from standard input"
        b" or configure an askpass helper\nsudo: a password is required\n",
    ),
    ("password", f"{ASKS} cat", b"right\nmore", 0, b"more", b""),
    ("password", f"{ASKS} echo yes", b"right", 0, b"yes\n", b""),
    ("password", "sudo -Skp '' echo yes", b"right\n", 0, b"yes\n", b""),
    ("password", "sudo --stdin --reset-timestamp --prompt= echo yes", b"right\n", 0, b"yes\n", b""),
    ("password", "sudo -S -p 'pw: ' echo yes", b"right\n", 0, b"yes\n", b"pw: "),
    ("password", "sudo -S -v", b"right\n", 0, b"", b"[sudo] password for deploy: "),
    ("password", f"{ASKS} cat", b"wrong\n", 1, b"", WRONG + NO_MORE + b"sudo: 1 incorrect password attempt\n"),
    ("password", f"{ASKS} cat", b"\n", 1, b"", WRONG + NO_MORE + b"sudo: 1 incorrect password attempt\n"),
    ("password", f"{ASKS} cat", b"", 1, b"", NO_MORE + b"sudo: a password is required\n"),
    ("password", f"{ASKS} cat", b"wrong\nright\nmore", 0, b"more", WRONG),
    (
        "password",
        f"{ASKS} cat",
        b"wrong\nmore\n",
        1,
        b"",
        WRONG * 2 + NO_MORE + b"sudo: 2 incorrect password attempts\n",
    ),
    ("password", f"{ASKS} cat", b"a\nb\nc\nright\n", 1, b"", WRONG * 2 + b"sudo: 3 incorrect password attempts\n"),
    ("refused", "sudo -n echo yes", b"", 1, b"", b"sudo: a password is required\n"),
    ("refused", "sudo -n -v", b"", 1, b"", b"Sorry, user deploy may not run sudo on box.\n"),
    ("refused", f"{ASKS} echo yes", b"right\n", 1, b"", b"deploy is not in the sudoers file.\n"),
    ("refused", f"{ASKS} cat", b"wrong\n", 1, b"", WRONG + NO_MORE + b"sudo: 1 incorrect password attempt\n"),
    ("requiretty", "sudo -n echo yes", b"", 1, b"", b"sudo: sorry, you must have a tty to run sudo\n"),
]


@pytest.mark.parametrize(("rule", "command", "given", "code", "out", "err"), TRANSCRIPT)
def test_sudo_answers_as_a_real_one(
    host: WireHost, rule: str, command: str, given: bytes, code: int, out: bytes, err: bytes
) -> None:
    host.sudo(rule, "right")
    with login(host) as client:
        assert run(client, command, given) == (code, out, err)


def test_every_password_that_sudo_took_is_noted(host: WireHost) -> None:
    host.sudo("password", "right")
    with login(host) as client:
        run(client, f"{ASKS} cat", b"wrong\nright\nmore\n")
    assert host.passwords_tried() == ["wrong", "right"]


def test_sudo_gives_a_clean_environment_and_the_arguments_untouched(host: WireHost) -> None:
    host.stub("st2ctl", 'env; [ -z "$LANG" ]')
    host.env["NOTE"] = "a b'c"
    with login(host) as client:
        code, out, _ = run(client, "LANG=de sudo -n st2ctl 'a  b' '' '$x' --n=1")
    assert code == 0
    lines = out.decode().splitlines()
    assert {"USER=root", "SUDO_USER=deploy", f"STORMLIFT_STATE={host.state}", "NOTE=a b'c"} <= set(lines)
    assert host.calls("st2ctl") == [("st2ctl", "a  b", "", "$x", "--n=1")]
