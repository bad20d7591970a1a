"""What the lab cannot bring about, on a host of loopback: clocks that are wrong, a MongoDB and a RabbitMQ that are down."""

import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from remote.facts import gather
from remote.host import RemoteHost
from rollout.facts import Facts
from rollout.model import Finding
from rollout.preflight import inspect
from rollout.secret import Mask
from tests.wire.fleet import WireFleet
from tests.wire.sshd import WireHost

# The clock of a host is the machine's, so much ahead; whoever follows a time server is so no longer.
DATE = """
[ "$*" = +%s ] || exec /bin/date "$@"
echo $(($(/bin/date +%s) + $(cat "$WIRE_HOST/ahead")))
"""
FOLLOW = '[ "$*" != "set-ntp true" ] || echo 0 >"$WIRE_HOST/ahead"'
# A server that listens where st2.conf says, from the moment that its unit is started.
START = """
case "$*" in "start mongod" | "start rabbitmq-server") ;; *) exit 0 ;; esac
listen="import socket, sys, time
s = socket.create_server(('127.0.0.1', int(sys.argv[1]))); open(sys.argv[2], 'w'); time.sleep(600)"
setsid python3 -c "$listen" "$(cat "$WIRE_HOST/$2.port")" "$WIRE_HOST/$2.up" </dev/null >/dev/null 2>&1 &
until [ -e "$WIRE_HOST/$2.up" ]; do sleep 0.05; done
"""
# What a look asks, and what would ask the machine that runs the tests.
_OF_THE_MACHINE = ("apt-get", "apt-cache", "dpkg", "dpkg-query", "mongod", "node")


def prepared(box: WireHost, ahead: int = 0) -> WireHost:
    """A host with st2 and nothing that it needs, whose clock is AHEAD."""
    for name in _OF_THE_MACHINE:
        box.stub(name)
    (box.directory / "ahead").write_text(str(ahead))
    box.stub("date", DATE)
    box.stub("timedatectl", FOLLOW)
    box.stub("systemctl", START)
    (box.directory / "stack" / "st2").mkdir(parents=True)
    conf = box.directory / "st2.conf"
    conf.write_text("")
    box.env["STORMLIFT_CONF"] = str(conf)
    return box


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


def names_servers(box: WireHost, mongodb: int, rabbitmq: int) -> None:
    """st2.conf of BOX names these ports, with credentials that are nobody's business."""
    text = (
        f"[database]\nhost = mongodb://st2:secret@127.0.0.1:{mongodb}/st2?ssl=false\n"
        f"[messaging]\nurl = amqp://guest:hunter%2@127.0.0.1:{rabbitmq}/\n"
    )
    Path(box.env["STORMLIFT_CONF"]).write_text(text)
    for unit, port in (("mongod", mongodb), ("rabbitmq-server", rabbitmq)):
        (box.directory / f"{unit}.port").write_text(str(port))


Look = Callable[[], dict[str, Facts]]


@pytest.fixture
def pair(wire_fleet: WireFleet) -> Iterator[Look]:
    """Two hosts, a and b; gives what looks at them."""
    boxes = wire_fleet.add("a", "b")
    wire_fleet.write()
    with ExitStack() as stack:
        mongodb, rabbitmq = (stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(2))
        for box in boxes:
            names_servers(prepared(box), mongodb.getsockname()[1], rabbitmq.getsockname()[1])
        links = [RemoteHost(wire_fleet.host(box.name), wire_fleet.known_hosts, Mask()) for box in boxes]
        for link in links:
            stack.callback(link.close)
        yield lambda: {link.name: gather(link) for link in links}


def found(look: Look, *keys: str) -> list[Finding]:
    return [each for each in inspect("pair", look(), "2.2.1") if each.key in keys]


def follow(box: WireHost, finding: Finding) -> None:
    """The operator types what the finding says."""
    subprocess.run(
        ["sh", "-c", finding.remedy.rpartition(": ")[2]],
        env={**os.environ, **box.environment()},
        check=True,
        timeout=20,
    )


CLOCKS = ("clock-skew", "clocks-differ")
SERVERS = ("mongodb-unreachable", "rabbitmq-unreachable")


def test_clocks_that_differ(wire_fleet: WireFleet, pair: Look) -> None:
    (wire_fleet["b"].directory / "ahead").write_text("-400")
    (finding,) = found(pair, *CLOCKS)
    assert (finding.key, finding.host) == ("clocks-differ", "pair") and "behind" in finding.cause
    follow(wire_fleet["b"], finding)
    assert found(pair, *CLOCKS) == []


def test_hosts_that_agree_but_not_with_the_controller(wire_fleet: WireFleet, pair: Look) -> None:
    for box in (wire_fleet["a"], wire_fleet["b"]):
        (box.directory / "ahead").write_text("7200")
    findings = found(pair, *CLOCKS)
    assert [(each.key, each.host) for each in findings] == [("clock-skew", "a"), ("clock-skew", "b")]
    for each in findings:
        assert "s ahead" in each.cause
        follow(wire_fleet[each.host], each)
    assert found(pair, *CLOCKS) == []


def test_servers_that_are_down(wire_fleet: WireFleet, pair: Look) -> None:
    mongodb, rabbitmq = free_port(), free_port()
    names_servers(wire_fleet["b"], mongodb, rabbitmq)
    findings = found(pair, *SERVERS)
    assert [(each.key, each.host) for each in findings] == [("mongodb-unreachable", "b"), ("rabbitmq-unreachable", "b")]
    for each, port in zip(findings, (mongodb, rabbitmq), strict=True):
        assert each.cause.endswith(f"at 127.0.0.1:{port}: Connection refused")
        assert "secret" not in each.cause and "hunter" not in each.cause
        follow(wire_fleet["b"], each)
    assert found(pair, *SERVERS) == []


def test_a_server_that_does_not_answer_holds_nobody_up(wire_fleet: WireFleet, pair: Look) -> None:
    """Its queue is full, so that a connection is neither made nor refused."""
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        port = deaf.getsockname()[1]
        waiting = [socket.socket() for _ in range(3)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(("127.0.0.1", port))
        names_servers(wire_fleet["a"], port, port)
        findings = found(pair, *SERVERS)
        for each in waiting:
            each.close()
    assert [each.key for each in findings] == list(SERVERS)
    assert all(each.cause.endswith(f"127.0.0.1:{port}: no answer in 3 s") for each in findings)
