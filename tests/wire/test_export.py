"""Bytes over a link: as they are, whatever is said beside them; and the real export program behind it, with a dump."""

import gzip
import os
import random
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from paramiko import Channel

from remote.host import RemoteHost
from rollout.errors import Inhibited, StepFailed, StormliftError, Unreachable
from rollout.export import Incoming
from rollout.secret import Mask, Secret
from tasks import exports
from tasks.export_files import JSONL, Order
from tests.wire.fleet import WireFleet
from tests.wire.sshd import WireHost
from tests.wire.test_sshd import eventually

COPY = "\n".join(
    (
        "--",
        "SET client_encoding = 'UTF8';",
        "",
        'COPY public.executions_v2 (id, state, "output") FROM stdin;',
        "1\tSUCCESS\ta\\tb\\nc\\\\d",
        "2\tERROR\t\\N",
        "3\tSUCCESS\t",
        "\\.",
        "",
        "SET x = 1;",
        "",
    )
)
ROWS = [("1", "SUCCESS", "a\tb\nc\\d"), ("2", "ERROR", None), ("3", "SUCCESS", "")]
DATA = random.Random(4).randbytes(6 << 20)  # three times what a channel's window holds


@pytest.fixture
def box(wire_fleet: WireFleet) -> WireHost:
    """A host that is up and keeps DATA as a file of a run."""
    (host,) = wire_fleet.add("box")
    wire_fleet.write()
    (host.state / "run").mkdir(parents=True)
    (host.state / "run" / "data").write_bytes(DATA)
    return host


@contextmanager
def remote(fleet: WireFleet, password: str = "") -> Iterator[RemoteHost]:
    mask = Mask()
    secret = mask.learn(Secret(password)) if password else None
    host = RemoteHost(fleet.host("box"), fleet.known_hosts, mask, secret)
    try:
        yield host
    finally:
        host.close()


def python(box: WireHost, body: str, *, reads: bool = True) -> None:
    """Let Mistral's Python on the host be a program of sh, which first READS away the script."""
    folder = box.directory / "stack" / "mistral" / "bin"
    folder.mkdir(parents=True)
    (folder / "python").write_text(f"#!/bin/sh\n{'cat >/dev/null' * reads}\n{body}")
    (folder / "python").chmod(0o755)


def failed(stream: Iterator[bytes], kind: type[StormliftError]) -> StormliftError:
    with pytest.raises(kind) as caught:
        list(stream)
    return caught.value


# Bytes.


@pytest.mark.parametrize("password", ["", "a 'pass' & word"])
def test_bytes_arrive_as_they_are(wire_fleet: WireFleet, box: WireHost, password: str) -> None:
    if password:
        box.sudo("password", password)
    with remote(wire_fleet, password) as host:
        assert b"".join(host.stream("kept", "run", "data")) == DATA
        assert host.probe("journal") == ""
    assert box.connections == 1


def test_what_is_said_beside_them_is_kept_apart_however_much_it_is(wire_fleet: WireFleet, box: WireHost) -> None:
    python(box, "head -c 4000000 /dev/zero | tr '\\0' x >&2; echo >&2; echo data; echo the last word >&2; exit 3")
    with remote(wire_fleet) as host:
        stream = host.stream("mistral", "export")
        assert next(stream) == b"data\n"
        error = failed(stream, StepFailed)
        assert isinstance(error, StepFailed)
        assert error.message == "box: mistral: the last word" and len(error.log) < 1 << 15


def test_a_program_that_fails_before_it_says_anything(wire_fleet: WireFleet, box: WireHost) -> None:
    with remote(wire_fleet) as host:
        assert "No such file" in failed(host.stream("kept", "run", "nothing"), StepFailed).message
        assert "there is no Mistral on this host" in failed(host.stream("mistral", "export"), StepFailed).message


def test_sudo_that_refuses_is_named_as_everywhere(wire_fleet: WireFleet, box: WireHost) -> None:
    box.sudo("password", "secret")
    with remote(wire_fleet) as host:
        assert "asks deploy for a password" in failed(host.stream("kept", "run", "data"), Unreachable).message


def test_sudo_that_refuses_before_anything_else_is_done_is_named_too(
    wire_fleet: WireFleet, box: WireHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts, sends = Channel.set_combine_stderr, Channel.sendall

    def part(channel: Channel, combine: bool) -> bool:
        if channel.combine_stderr and not combine:
            eventually(channel.exit_status_ready)
        return bool(parts(channel, combine))

    def send(channel: Channel, data: bytes) -> None:
        eventually(channel.exit_status_ready)
        sends(channel, data)

    monkeypatch.setattr(Channel, "set_combine_stderr", part)
    monkeypatch.setattr(Channel, "sendall", send)
    box.sudo("password", "secret")
    with remote(wire_fleet) as host:
        assert "asks deploy for a password" in failed(host.stream("kept", "run", "data"), Unreachable).message
        with pytest.raises(Unreachable, match="asks deploy for a password"):
            host.probe("journal")


def test_a_link_that_is_lost_in_the_middle(wire_fleet: WireFleet, box: WireHost) -> None:
    with remote(wire_fleet) as host:
        stream = host.stream("kept", "run", "data")
        next(stream)
        box.cut()
        error = failed(stream, Unreachable)
        assert "the connection was lost" in error.message and error.hint == "the same command again"
        assert b"".join(host.stream("kept", "run", "data")) == DATA


def test_the_program_ends_when_nobody_reads_on(wire_fleet: WireFleet, box: WireHost) -> None:
    python(box, "exec cat /dev/zero\n")
    with remote(wire_fleet) as host:
        with closing(host.stream("mistral", "export")) as stream:
            next(stream)
        eventually(lambda: not box.processes())


# The export of a dump, by the real program; only pg_restore is the test's own.


@pytest.fixture
def dump(box: WireHost) -> Path:
    """A dump, and a pg_restore that gives COPY of it: to the file that -f names, as one of any version does."""
    path = box.directory / "a dump"
    path.write_text(COPY)
    box.stub("pg_restore", 'for last; do :; done; cat "$last" >"$2"')
    return path


@contextmanager
def incoming(fleet: WireFleet, dump: Path) -> Iterator[Incoming]:
    with remote(fleet) as host, closing(host.stream("mistral", "export", "--dump", str(dump))) as blocks:
        yield Incoming(blocks)


def test_a_dump_is_cut_out_by_any_python_of_the_host(wire_fleet: WireFleet, box: WireHost, dump: Path) -> None:
    with incoming(wire_fleet, dump) as found:
        assert found.head.columns == ("id", "state", "output")
        # Its name the operator knows; Python 3.6 in the C locale would send it as what nobody can print.
        assert (found.head.source, found.head.of) == ("dump", {"size": len(COPY)})
        assert list(found.rows()) == ROWS
        assert found.foot is not None and found.foot.rows == 3 and found.foot.rss_kib > 1000
    assert box.calls("pg_restore") == [
        ("pg_restore", "-f", "/dev/stdout", "-a", "-t", "executions_v2", str(dump)),
    ]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("SET x = 1;\n", "holds no data of a table executions_v2"),
        (COPY + COPY, "more than one table executions_v2"),
        (COPY[: COPY.index("\\.")], "is cut off in the middle"),
        (None, "there is no file"),
    ],
)
def test_a_dump_that_is_none(wire_fleet: WireFleet, dump: Path, text: str | None, says: str) -> None:
    dump.unlink() if text is None else dump.write_text(text)
    with remote(wire_fleet) as host:
        error = failed(host.stream("mistral", "export", "--dump", str(dump)), StepFailed)
        assert says in error.message and str(dump) in error.message


def test_what_pg_restore_says_is_handed_on(wire_fleet: WireFleet, box: WireHost, dump: Path) -> None:
    box.stub("pg_restore", "echo 'pg_restore: error: no valid archive' >&2; exit 1")
    with remote(wire_fleet) as host:
        error = failed(host.stream("mistral", "export", "--dump", str(dump)), StepFailed)
        assert error.message == "box: mistral: pg_restore: error: no valid archive"


def test_a_host_without_pg_restore_says_what_to_install(
    wire_fleet: WireFleet, box: WireHost, dump: Path, tmp_path: Path
) -> None:
    python(box, f'PATH=/nowhere exec {sys.executable} "$@"', reads=False)
    with remote(wire_fleet) as host, pytest.raises(Inhibited) as caught:
        exports.export(host, Order("main", tmp_path / "export", str(dump)), lambda text: None)
    assert caught.value.message == "box: mistral: pg_restore cannot be run: No such file or directory"
    assert "PostgreSQL's client" in caught.value.hint


def test_the_whole_way_into_files(wire_fleet: WireFleet, box: WireHost, dump: Path, tmp_path: Path) -> None:
    folder = tmp_path / "export"
    with remote(wire_fleet) as host:
        manifest = exports.export(host, Order("main", folder, str(dump), page=True), lambda text: None)
    assert manifest["rows"] == 3 and manifest["peak_kib"]["host"] > 1000
    with gzip.open(folder / JSONL) as lines:
        assert len(lines.read().splitlines()) == 3
    assert not [name for name in os.listdir(box.state) if name != "run"]  # nothing of it is kept on the host
