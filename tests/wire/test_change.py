"""A change over a link that breaks: what runs goes on by itself, once, and is picked up where it was."""

import os
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from paramiko import Channel

from remote import program, shell
from remote.host import RemoteHost
from rollout.codec import canonical
from rollout.errors import LinkLost, Unreachable
from rollout.execute import Job, Told
from rollout.journal import Todo
from rollout.model import Phase, Settle, Step
from rollout.secret import Mask, Secret
from tests.wire.fleet import WireFleet
from tests.wire.sshd import WireHost

RUN = "20260101-000000-abcd"
PATIENCE_S = 20.0


@pytest.fixture
def box(wire_fleet: WireFleet) -> Iterator[RemoteHost]:
    (served,) = wire_fleet.add("box")
    wire_fleet.write()
    served.sudo("nopasswd")
    host = RemoteHost(wire_fleet.host("box"), wire_fleet.known_hosts, Mask())
    yield host
    host.close()


def served(fleet: WireFleet) -> WireHost:
    return fleet["box"]


def job(name: str, script: str, settle: Settle | None = None) -> Job:
    step = Step(name, name, Phase.PACKAGES, ("sh", "-c", script), settle=settle)
    return Job(Todo(step, 1), f"2.2.1:{name}", canonical({"run": RUN, "step": f"2.2.1:{name}", "v": 1})[:-1])


def wait_for(path: Path) -> None:
    end = time.monotonic() + PATIENCE_S
    while not path.exists():
        assert time.monotonic() < end
        time.sleep(0.02)


def finished(told: list[Told]) -> list[tuple[str, int]]:
    return [(each.key, each.code) for each in told if each.kind == "finished"]


def changed(host: RemoteHost, jobs: tuple[Job, ...], on_start: Callable[[], None]) -> list[Told]:
    """All that CHANGE tells; ON_START is called when the first step has started."""
    told: list[Told] = []
    for each in host.change(RUN, jobs):
        if each.kind == "started" and not told:
            on_start()
        told.append(each)
    return told


def test_steps_run_in_order_and_stop_at_the_first_failure(box: RemoteHost, tmp_path: Path) -> None:
    jobs = (
        job("one", f"echo one >>{tmp_path}/out"),
        job("two", "echo no >&2; exit 9"),
        job("three", f"echo 3 >>{tmp_path}/out"),
    )
    told = list(box.change(RUN, jobs))
    assert finished(told) == [("2.2.1:one", 0), ("2.2.1:two", 9)]
    assert told[-1].log == "no"
    assert (tmp_path / "out").read_text() == "one\n"
    assert [(r.event, r.step, r.code) for r in box.records()] == [
        ("started", "2.2.1:one", 0),
        ("finished", "2.2.1:one", 0),
        ("started", "2.2.1:two", 0),
        ("finished", "2.2.1:two", 9),
    ]


def test_a_cut_link_is_made_again_and_nothing_runs_twice(
    box: RemoteHost, wire_fleet: WireFleet, tmp_path: Path
) -> None:
    jobs = (
        job("slow", f"echo begun >>{tmp_path}/out; sleep 1.5; echo \xe9 done"),
        job("next", f"echo next >>{tmp_path}/out"),
    )
    told = changed(box, jobs, served(wire_fleet).cut)
    assert finished(told) == [("2.2.1:slow", 0), ("2.2.1:next", 0)]
    assert (tmp_path / "out").read_text() == "begun\nnext\n"
    assert served(wire_fleet).connections == 2


def sent(host: WireHost) -> list[int]:
    """How many bytes of script each request told the host to read."""
    return [int(found) for each in host.requests for found in re.findall(r"head -c (\d+)", each)]


def test_what_a_host_keeps_is_not_sent_to_it_again(box: RemoteHost, wire_fleet: WireFleet, tmp_path: Path) -> None:
    host, whole = served(wire_fleet), len(program.program())
    for name in ("one", "two"):
        assert finished(list(box.change(RUN, (job(name, f"echo {name} >>{tmp_path}/out"),)))) == [(f"2.2.1:{name}", 0)]
        assert box.records()[-1].step == f"2.2.1:{name}"
    first, *later = sent(host)
    assert first > whole and max(later) < whole / 20
    (kept,) = (host.state / "bin").iterdir()
    assert kept.name == program.kept()


@pytest.mark.parametrize("damage", ["gone", "cut off"])
def test_a_host_that_keeps_it_no_longer_is_given_it_again(
    damage: str, box: RemoteHost, wire_fleet: WireFleet, tmp_path: Path
) -> None:
    assert finished(list(box.change(RUN, (job("one", "true"),)))) == [("2.2.1:one", 0)]
    for name in ("two", "three"):
        (kept,) = (served(wire_fleet).state / "bin").iterdir()
        if damage == "gone":
            kept.unlink()
        else:
            kept.write_text(kept.read_text()[:1000])
        if name == "two":
            assert [r.step for r in box.records()] == ["2.2.1:one", "2.2.1:one"]
        assert finished(list(box.change(RUN, (job(name, f"echo {name} >>{tmp_path}/out"),)))) == [(f"2.2.1:{name}", 0)]
    assert (tmp_path / "out").read_text() == "two\nthree\n"
    assert (served(wire_fleet).state / "bin" / program.kept()).read_text() == program.program()


def test_a_link_that_is_lost_while_sudo_asks_is_made_again(box: RemoteHost, wire_fleet: WireFleet) -> None:
    host = served(wire_fleet)
    host.sudo("password", "s3cret")
    (host.bin / "sudo").rename(host.bin / "real-sudo")
    host.stub("sudo", 'if mkdir "$WIRE_HOST/asked" 2>/dev/null; then sleep 600; fi; exec real-sudo "$@"')
    asked = RemoteHost(box.host, wire_fleet.known_hosts, Mask(), Secret("s3cret"))

    def cut() -> None:
        wait_for(host.directory / "asked")
        host.cut()

    cutting = threading.Thread(target=cut)
    cutting.start()
    assert finished(list(asked.change(RUN, (job("one", "true"),)))) == [("2.2.1:one", 0)]
    cutting.join()
    asked.close()


@pytest.mark.parametrize("last_word", [shell.hang_up, shell.end_input])
def test_the_last_word_on_a_link_that_is_gone_is_no_bug(box: RemoteHost, last_word: Callable[[Channel], None]) -> None:
    """The link was cut between the last line of the host and the end of the channel: paramiko raises EOFError there."""
    channel = shell.start(box.open(), box.host, "cat >/dev/null", None)
    box.open().transport.packetizer.close()
    with suppress(shell.Broken):
        last_word(channel)


def test_a_link_that_stays_away_says_that_the_host_goes_on(
    box: RemoteHost, wire_fleet: WireFleet, tmp_path: Path
) -> None:
    impatient = RemoteHost(box.host, wire_fleet.known_hosts, Mask(), reconnect_s=1)

    def gone() -> None:
        served(wire_fleet).refuse_connections()
        served(wire_fleet).cut()

    with pytest.raises(LinkLost) as caught:
        changed(impatient, (job("slow", f"sleep 6; echo done >{tmp_path}/out"),), gone)
    assert "goes on by itself" in caught.value.hint
    served(wire_fleet).accept_connections()
    # The same command from another desk finds it running, waits for its end, and is told to look again.
    assert [each.kind for each in box.change(RUN, (job("later", "true"),))][-1] == "interrupted"
    assert (tmp_path / "out").read_text() == "done\n"
    assert [r.event for r in box.records()] == ["started", "finished"]


def test_what_does_not_settle_is_issued_again_and_then_fails(box: RemoteHost, tmp_path: Path) -> None:
    twice = Settle(("sh", "-c", f"[ $(wc -l <{tmp_path}/out) -ge 2 ]"), every=0.1, tries=2, issues=2)
    told = list(box.change(RUN, (job("stop", f"echo x >>{tmp_path}/out", twice), job("next", "true"))))
    assert finished(told) == [("2.2.1:stop", 0), ("2.2.1:next", 0)]
    never = Settle(("sh", "-c", "echo still there; exit 1"), every=0.1, tries=2, issues=2)
    told = list(box.change(RUN, (job("again", f"echo y >>{tmp_path}/again", never),)))
    assert finished(told) == [("2.2.1:again", 75)]
    assert "still there" in told[-1].log
    assert (tmp_path / "again").read_text() == "y\ny\n"


def test_a_controller_that_lost_the_lock_does_nothing_more(box: RemoteHost, tmp_path: Path) -> None:
    assert box.lock(1, "mine", "{}") == ""
    released = threading.Event()

    def taken_over() -> None:
        other = RemoteHost(box.host, box._known_hosts, Mask())
        assert other.lock(2, "theirs", "{}", stale="mine") == ""
        other.close()
        released.set()

    told = changed(box, (job("slow", "sleep 1"), job("next", f"touch {tmp_path}/out")), taken_over)
    assert released.is_set()
    assert finished(told) == [("2.2.1:slow", 0), ("2.2.1:next", 77)]
    assert not (tmp_path / "out").exists()


# A halt: over a second channel, while the first one follows what runs.


def test_a_halt_lets_the_running_step_end_and_none_begin(
    box: RemoteHost, wire_fleet: WireFleet, tmp_path: Path
) -> None:
    jobs = (job("slow", f"sleep 1; echo slow >>{tmp_path}/out"), job("next", f"echo next >>{tmp_path}/out"))
    told = changed(box, jobs, lambda: box.halt(RUN))
    assert [(each.kind, each.key) for each in told] == [
        ("started", "2.2.1:slow"),
        ("finished", "2.2.1:slow"),
        ("halted", "2.2.1:next"),
    ]
    assert [r.step for r in box.records()] == ["2.2.1:slow"] * 2
    assert served(wire_fleet).connections == 1
    # It submits nothing more for this run; whoever comes later is not held up.
    assert [each.kind for each in box.change(RUN, jobs[1:])] == ["halted"]
    later = RemoteHost(box.host, wire_fleet.known_hosts, Mask())
    assert finished(list(later.change(RUN, jobs[1:]))) == [("2.2.1:next", 0)]
    later.close()
    assert (tmp_path / "out").read_text() == "slow\nnext\n"


def test_a_halt_of_a_link_that_is_down_is_said_at_once_and_the_host_goes_on(
    box: RemoteHost, wire_fleet: WireFleet, tmp_path: Path
) -> None:
    def gone() -> None:
        served(wire_fleet).refuse_connections()
        served(wire_fleet).cut()
        with pytest.raises(Unreachable):
            box.halt(RUN)

    # Without the halt it would try for five minutes.
    with pytest.raises(LinkLost, match="did not come back"):
        changed(box, (job("slow", "sleep 2"), job("next", f"echo next >{tmp_path}/out")), gone)
    served(wire_fleet).accept_connections()
    other = RemoteHost(box.host, wire_fleet.known_hosts, Mask())
    list(other.change(RUN, (job("later", "true"),)))  # attaches, if it still runs
    other.close()
    assert (tmp_path / "out").read_text() == "next\n"


def test_a_halt_that_found_the_link_down_is_told_when_it_is_back(
    box: RemoteHost, wire_fleet: WireFleet, tmp_path: Path
) -> None:
    def cut() -> None:
        served(wire_fleet).cut()
        with suppress(Unreachable):
            box.halt(RUN)

    told = changed(box, (job("slow", "sleep 2"), job("next", f"echo next >{tmp_path}/out")), cut)
    assert (told[-1].kind, told[-1].key) == ("halted", "2.2.1:next")
    assert not (tmp_path / "out").exists()


def test_a_halt_stops_what_another_desk_has_left_running(box: RemoteHost, wire_fleet: WireFleet) -> None:
    jobs = (job("slow", "sleep 2"), job("next", "true"))
    other = RemoteHost(box.host, wire_fleet.known_hosts, Mask())

    def attach() -> None:
        told = changed(other, (job("mine", "true"),), lambda: other.halt(RUN))
        assert [each.kind for each in told] == ["started", "finished", "interrupted"]

    assert changed(box, jobs, attach)[-1].kind == "halted"
    assert [r.step for r in box.records()] == ["2.2.1:slow"] * 2
    other.close()


def test_a_runner_that_was_killed_alone_is_told_and_its_command_waited_for(
    box: RemoteHost, wire_fleet: WireFleet, tmp_path: Path
) -> None:
    def kill() -> None:
        wait_for(tmp_path / "out")
        (runner,) = served(wire_fleet).state.glob(f"{RUN}/segments/*/pid")
        os.kill(int(runner.read_text()), signal.SIGKILL)

    slow = f"echo begun >>{tmp_path}/out; sleep 1; echo ended >>{tmp_path}/out"
    told = changed(box, (job("slow", slow), job("next", "true")), kill)
    assert [each.kind for each in told] == ["started", "alone", "interrupted"]
    assert (tmp_path / "out").read_text() == "begun\nended\n"
    assert [r.event for r in box.records()] == ["started"]
