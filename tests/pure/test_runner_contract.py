"""The fleet in memory is no nicer than the runner, whatever shell the runner has: the same jobs on both, the same journal,
the same tale."""

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from rollout.codec import canonical
from rollout.execute import Job
from rollout.journal import Todo
from rollout.model import Settle, Step
from tests.pure.fleet import Fleet
from tests.pure.machine import Machine
from tests.pure.onhost import PATIENCE_S, SHELLS, OnHost, facts_of, told
from tests.pure.sketch import key, step
from tests.pure.world import WHOLE, World

TRUE, FALSE = ("true",), ("false",)


@pytest.fixture(params=SHELLS)
def real(request: pytest.FixtureRequest, tmp_path: Path) -> OnHost:
    """A host for each shell."""
    return OnHost(tmp_path, request.param)


@pytest.fixture(params=["tail", "busybox"])
def followed(request: pytest.FixtureRequest, real: OnHost) -> OnHost:
    """A host for each shell, with a tail that knows --pid and with one that does not."""
    real.install("tail", request.param)
    return real


@dataclass(frozen=True)
class Story:
    """JOBS as real commands, and what the world in memory must be told so that its commands do the same."""

    jobs: tuple[Job, ...]
    prepare: Callable[[World], None] = field(default=lambda world: None)
    token: str = ""
    held: str = ""


def job(name: str, *argv: str, attempt: int = 1, prove_first: bool = False, **changes: Any) -> Job:
    made = step(name, "a", argv=argv or TRUE, **changes)
    return as_job(made, attempt, prove_first)


def as_job(made: Step, attempt: int = 1, prove_first: bool = False) -> Job:
    head = canonical({"v": 1, "run": "r1", "host": "a", "scope": "host", "step": key(made.id), "by": 'o\'p "q" $x\\'})
    return Job(Todo(made, attempt, prove_first), key(made.id), head[:-1])


def settle(*probe: str) -> Settle:
    return Settle(probe, every=0.01, tries=2)


def whole(name: str) -> Callable[[World], None]:
    return lambda world: world.effects.update({("a", key(name)): WHOLE})


STORIES = {
    "all well": Story((job("one"), job("two"))),
    "stops at the first failure": Story(
        (job("one"), job("two", "sh", "-c", "exit 3"), job("three")), lambda world: world.fail("a", "two", 3)
    ),
    "settles": Story((job("one", settle=settle(*TRUE)),)),
    "does not settle": Story(
        (job("one", settle=settle(*FALSE)), job("two")), lambda world: world.unsettle("a", "one", 9)
    ),
    "a failure is not waited for": Story(
        (job("one", *FALSE, settle=settle(*FALSE)),), lambda world: world.fail("a", "one", 1)
    ),
    "postcondition holds": Story((job("one", postcondition=TRUE),)),
    "postcondition does not hold": Story(
        (job("one", postcondition=FALSE), job("two")), lambda world: world.deny("a", "one")
    ),
    "proved first, and it was done": Story(
        (job("one", *FALSE, attempt=2, prove_first=True, postcondition=TRUE), job("two")), whole("one")
    ),
    "proved first, and it was not": Story(
        (job("one", attempt=2, prove_first=True, postcondition=FALSE),), lambda world: world.deny("a", "one")
    ),
    "nothing to prove with": Story((job("one", attempt=2, prove_first=True),)),
    "a repair that fails stops nothing": Story((job("one", attempt=2, repair=FALSE), job("two"))),
    "out of time": Story((job("one", "sleep", "5", timeout=1), job("two")), lambda world: world.fail("a", "one", 124)),
    "the lock is ours": Story((job("one"),), token="t1", held="t1"),
    "the lock is another's": Story((job("one"), job("two")), token="t1", held="t2"),
    "the lock was given back": Story((job("one"),), token="t1", held=""),
}


@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES)
def test_runner_and_memory_tell_the_same(story: Story, real: OnHost) -> None:
    fleet = Fleet("a")
    if story.held:
        (real.state / "lock").mkdir()
        (real.state / "lock" / "token").write_text(story.held)
    really = told(real.run("r1", "s1", story.jobs, story.token))

    fleet.lock(story.held)
    story.prepare(fleet.world)
    segment = fleet.machines["a"].submit("s1", story.jobs, story.token)
    fleet.go_on()
    assert told(segment.events.splitlines()) == really
    assert facts_of(fleet.records("a")) == facts_of(real.records())
    assert [r.by for r in real.records()] == [r.by for r in fleet.records("a")]


@pytest.mark.parametrize("code", [73, 75, 76, 77])
def test_a_command_that_ends_with_a_code_of_the_runners_own_has_simply_failed(code: int, real: OnHost) -> None:
    """Of sysexits.h: cannot create, try again later, protocol error, no permission. None of them is a word of ours."""
    failing = job("one", "sh", "-c", f"exit {code}", settle=settle(*TRUE))
    kind, name, said, _ = told(real.run("r1", "s1", (failing, job("two"))))[-1]
    assert (kind, name) == ("finished", key("one")) and said not in ("0", "73", "75", "76", "77")
    (record,) = (r for r in real.records() if r.event == "finished")
    assert record.code == int(said)


def test_a_torn_line_is_ended_in_the_same_way(real: OnHost) -> None:
    fleet = Fleet("a")
    torn = '{"v":1,"run":"r0","event":"star'
    (real.state / "journal").write_text(torn)
    fleet.machines["a"].journal = torn
    real.call("record", "", '{"v":1,"run":"r1","event":"opened"}')
    fleet.machines["a"].record('{"v":1,"run":"r1","event":"opened"}')
    assert fleet.machines["a"].journal == real.journal


def test_zeros_that_a_power_cut_left_swallow_no_line(real: OnHost) -> None:
    """XFS (the default of el7) gives a file its new size before its data."""
    (real.state / "journal").write_bytes(b'{"v":1,"run":"r0","event":"opened"}\n' + b"\0" * 40)
    assert [r.event for r in real.records()] == ["opened"]
    real.call("record", "", '{"v":1,"run":"r0","event":"closed"}')
    assert [r.event for r in real.records()] == ["opened", "closed"]


def test_a_line_that_is_there_is_not_written_twice(real: OnHost) -> None:
    fleet = Fleet("a")
    lines = ['{"v":1,"run":"r1","event":"opened"}', '{"v":1,"run":"r1","event":"closed"}']
    for word in (*lines, lines[0]):
        real.call("record", "", word)
        fleet.machines["a"].record(word)
    assert fleet.machines["a"].journal == real.journal == "".join(f"{line}\n" for line in lines)


def test_a_line_of_whoever_lost_the_lock_is_not_written(real: OnHost) -> None:
    (real.state / "lock").mkdir()
    (real.state / "lock" / "token").write_text("theirs")
    for words in (("record", "ours", "line"), ("keep", "ours", "r1", "plan.json", "{}")):
        done = real.call(*words)
        assert (done.returncode, done.stderr) == (77, "another controller took over\n")
    assert real.journal == "" and not (real.state / "r1").exists()
    real.call("record", "theirs", "line")
    assert real.journal == "line\n"


def test_a_step_whose_end_cannot_be_journalled_has_not_ended(real: OnHost) -> None:
    """Else the next step follows it, and a later run has it to do again behind that one."""
    fills = job("one", "ln", "-sf", "/dev/full", str(real.state / "journal"))
    tale = [("started", key("one")), ("finished", key("one"), "73", "false")]
    assert told(real.run("r1", "s1", (fills, job("two")))) == tale

    memory = Fleet("a").machines["a"]
    segment = memory.submit("s1", (job("one"), job("two")), "")
    while (moment := memory.move(segment)) and moment.when != "started":
        pass
    memory.full = True
    memory.go_on()
    assert told(segment.events.splitlines()) == tale


FINISHED = '"event":"finished","at":1,"attempt":1,"code":0,"data":{"proved":false}}'


@pytest.mark.parametrize(
    ("unended", "there", "begun"),
    [
        (True, "", True),
        (True, f"{FINISHED}\n", False),
        (False, f"{FINISHED}\n", True),  # as was known: it is brought about again
        (True, FINISHED, False),  # only the end of the line is missing
        (True, FINISHED[:-1], True),
        (True, f"{FINISHED[:-1]} #torn\n", True),
        (True, f"{FINISHED[:40]} #torn\n", True),
        (True, "\0" * 40, True),
        (True, '"event":"started","at":1,"attempt":2}\n', False),
    ],
)
def test_what_has_moved_since_it_was_decided_is_not_begun(unended: bool, there: str, begun: bool, real: OnHost) -> None:
    """The step of a controller that died ended between the next one's look at the journal and its request."""
    once_more = as_job(step("one", "a", argv=TRUE), 2)
    late = replace(once_more, todo=replace(once_more.todo, unended=unended))
    text = f'{late.head},"event":"started","at":1,"attempt":1}}\n' + (
        f"{late.head},{there}" if there[:1] == '"' else there
    )
    jobs = (job("zero"), late)
    (real.state / "journal").write_text(text)
    fleet = Fleet("a")
    fleet.machines["a"].journal = text.replace("\0", "")
    really = told(real.run("r1", "s1", jobs))
    assert really[0] == (("started", key("zero")) if begun else ("halted", key("one")))
    assert [each[0] for each in really].count("started") == (2 if begun else 0)
    segment = fleet.machines["a"].submit("s1", jobs, "")
    fleet.go_on()
    assert told(segment.events.splitlines()) == really


# Start or attach.


def test_whoever_comes_later_follows_what_runs_from_its_first_event(followed: OnHost) -> None:
    fleet = Fleet("a")
    go = followed.folder / "go"
    first = (job("one"), job("two", *waits_for(go)))
    began = followed.submitted("r1", "s1", first)
    followed.wait_for(followed.segment("r1", "s1") / "events", f"@started {key('two')}")
    joined = followed.submitted("r1", "s2", (job("three"),))
    assert joined.stdout and joined.stdout.readline() == "@follow busy\n"
    go.touch()
    began_said, _ = began.communicate(timeout=PATIENCE_S)
    joined_said, _ = joined.communicate(timeout=PATIENCE_S)
    assert began_said == f"@follow own\n{joined_said}"

    machine = fleet.machines["a"]
    assert machine.submit("s1", first, "") is machine.submit("s2", (job("three"),), "")


def test_what_died_is_gone_and_nothing_of_it_runs_on(followed: OnHost) -> None:
    following = followed.submitted("r1", "s1", (job("one", "sleep", "600"), job("two")))
    followed.wait_for(followed.segment("r1", "s1") / "events", f"@started {key('one')}")
    power_off(followed, "r1", "s1")
    said, _ = following.communicate(timeout=PATIENCE_S)
    assert said.splitlines()[-1] == "@gone" and "@alone" not in said
    assert facts_of(followed.records()) == [("started", "a", key("one"), 1, 0, None)]


def test_a_lost_link_is_taken_up_where_it_was_lost(followed: OnHost) -> None:
    whole_tale = "\n".join(followed.run("r1", "s1", (job("one"), job("two")))) + "\n"
    rest, _ = followed.submitted("r1", "s1", (), offset=10).communicate(timeout=PATIENCE_S)
    assert rest == f"@follow own\n{whole_tale[10:]}"


def test_a_runner_that_was_given_up_begins_nothing_later(tmp_path: Path) -> None:
    """Whoever comes back over a new link may find the first submission still waiting for a busy disk."""
    real = OnHost(tmp_path)
    go, ran = tmp_path / "go", tmp_path / "ran"
    for name, script in (("sync", f"while [ ! -e {go} ]; do /bin/sleep 0.05; done"), ("sleep", "exec /bin/sleep 0.01")):
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "bin" / name).chmod(0o755)
    jobs = (job("one", "touch", str(ran)),)
    late = real.submitted("r1", "s1", jobs)
    real.wait_for(real.segment("r1", "s1") / "until")
    said, _ = real.submitted("r1", "s1", jobs).communicate(timeout=PATIENCE_S)
    assert said.splitlines() == ["@follow own", "@gone"]
    go.touch()
    assert late.communicate(timeout=PATIENCE_S)[0].splitlines() == ["@follow own", "@gone"]
    assert not ran.exists() and real.journal == ""


# A runner that was killed alone.


def test_a_command_that_outlives_its_runner_is_waited_for_and_nothing_is_begun_beside_it(followed: OnHost) -> None:
    diary, go = followed.folder / "diary", followed.folder / "go"
    slow = job("one", *waits_for(go, f"echo begun >>{diary}", f"echo ended >>{diary}"))
    began = followed.submitted("r1", "s1", (slow, job("two")))
    followed.wait_for(diary, "begun")
    os.kill(followed.pid("r1", "s1"), signal.SIGKILL)
    # The same command again, from another desk.
    again = followed.submitted("r1", "s2", (job("one", "sh", "-c", f"echo again >>{diary}"),))
    assert again.stdout and again.stdout.readline() == "@follow busy\n"
    while again.stdout.readline() != "@alone\n":
        assert again.poll() is None
    go.touch()
    assert again.communicate(timeout=PATIENCE_S)[0] == "@gone\n"
    assert diary.read_text() == "begun\nended\n"
    assert began.communicate(timeout=PATIENCE_S)[0].splitlines()[-1] == "@gone"
    # Then the repeat class decides; here it is run again.
    assert (
        followed.submitted("r1", "s3", (job("one", attempt=2),)).communicate(timeout=PATIENCE_S)[0].endswith("@end\n")
    )
    assert [r.attempt for r in followed.records() if r.event == "started"] == [1, 2]

    memory = Fleet("a").machines["a"]
    segment = memory.submit("s1", (job("one"), job("two")), "")
    while (moment := memory.move(segment)) and moment.when != "half":
        pass
    memory.lose_runner()
    assert memory.submit("s2", (job("one"),), "") is segment
    memory.go_on()
    assert segment.dead and not segment.over and memory.submit("s3", (job("one"),), "") is not segment


def test_what_a_step_left_behind_is_not_waited_for_longer_than_the_step_might_take(real: OnHost) -> None:
    diary = real.folder / "diary"
    following = real.submitted("r1", "s1", (job("one", "sh", "-c", f"echo begun >{diary}; sleep 600"),))
    assert following.stdout
    real.wait_for(diary, "begun")
    os.kill(real.pid("r1", "s1"), signal.SIGKILL)
    said = [following.stdout.readline() for _ in range(3)]
    assert (said[0], said[2]) == ("@follow own\n", "@alone\n")
    until = real.segment("r1", "s1") / "until"
    assert int(until.read_text()) > 600
    until.write_text("1\n")  # an hour later
    assert following.communicate(timeout=PATIENCE_S)[0] == "@gone\n"
    assert real.call("running").stdout == ""
    power_off(real, "r1", "s1")


def test_a_pid_that_somebody_else_has_now_is_nobody_of_ours(real: OnHost) -> None:
    """After a restart pids come again, and in a container the kernel's boot id stays the same over it."""
    following = real.submitted("r1", "s1", (job("one", "sleep", "600"),))
    real.wait_for(real.segment("r1", "s1") / "events", "@started")
    assert real.call("running").stdout.split() == [str(real.segment("r1", "s1"))]
    power_off(real, "r1", "s1")
    assert following.communicate(timeout=PATIENCE_S)[0].endswith("@gone\n")
    for pid in (os.getpid(), 1):
        (real.segment("r1", "s1") / "pid").write_text(f"{pid}\n")
        assert real.call("running").stdout == ""
    said, _ = real.submitted("r1", "s2", (job("two"),)).communicate(timeout=PATIENCE_S)
    assert said.splitlines()[0] == "@follow own" and said.splitlines()[-1] == "@end"


# A halt.


def test_a_halt_ends_the_segment_after_the_step_that_runs(followed: OnHost) -> None:
    going_on = followed.folder / "going-on"
    jobs = (job("one"), job("two", *waits_for(going_on)), job("three"))
    following = followed.submitted("r1", "s1", jobs)
    followed.wait_for(followed.segment("r1", "s1") / "events", f"@started {key('two')}")
    assert followed.call("halt", "r1", "s1").returncode == 0
    going_on.touch()
    said = following.communicate(timeout=PATIENCE_S)[0].splitlines()
    assert said[-1] == "@end"
    really = told(said)

    fleet = Fleet("a")
    segment = fleet.machines["a"].submit("s1", jobs, "")
    fleet.world.wait_for("a", "two", MemoryHalt(fleet.machines["a"], ("r1", "s1")))
    fleet.go_on()
    assert told(segment.events.splitlines()) == really
    assert really[-2:] == [("finished", key("two"), "0", "false"), ("halted", key("three"))]
    assert facts_of(fleet.records("a")) == facts_of(followed.records())
    assert key("three") not in followed.journal


def test_a_halt_that_overtakes_its_segment_lets_it_begin_nothing(real: OnHost) -> None:
    assert real.call("halt", "r1", "s1").returncode == 0
    said, _ = real.submitted("r1", "s1", (job("one"),)).communicate(timeout=PATIENCE_S)
    assert told(said.splitlines()) == [("halted", key("one"))] and real.journal == ""

    machine = Fleet("a").machines["a"]
    machine.halt("r1", "s1")
    segment = machine.submit("s1", (job("one"),), "")
    machine.go_on()
    assert told(segment.events.splitlines()) == [("halted", key("one"))] and machine.journal == ""


def test_a_halt_holds_up_nothing_that_is_submitted_later(real: OnHost) -> None:
    machine = Fleet("a").machines["a"]
    for halted in ("s1", "s2"):
        real.call("halt", "r1", halted)
        machine.halt("r1", halted)
    said, _ = real.submitted("r1", "s3", (job("one"),)).communicate(timeout=PATIENCE_S)
    segment = machine.submit("s3", (job("one"),), "")
    machine.go_on()
    assert told(segment.events.splitlines()) == told(said.splitlines())
    assert told(said.splitlines())[-1] == ("finished", key("one"), "0", "false")


def test_a_halt_by_whoever_attached_stops_what_runs_and_spares_other_runs(real: OnHost) -> None:
    go = real.folder / "go"
    jobs = (job("one", *waits_for(go)), job("two"))
    following = real.submitted("r1", "s1", jobs)
    real.wait_for(real.segment("r1", "s1") / "events", f"@started {key('one')}")
    real.call("halt", "r9", "s9")
    real.call("halt", "r1", "s2")
    go.touch()
    assert told(following.communicate(timeout=PATIENCE_S)[0].splitlines())[-1] == ("halted", key("two"))
    assert sorted(path.name for path in real.state.glob("*/segments/*.halt")) == ["s2.halt", "s9.halt"]

    fleet = Fleet("a")
    machine = fleet.machines["a"]
    segment = machine.submit("s1", jobs, "")
    fleet.world.wait_for("a", "one", MemoryHalt(machine, ("r9", "s9"), ("r1", "s2")))
    machine.go_on()
    assert told(segment.events.splitlines())[-1] == ("halted", key("two"))


# A shutdown: the runner gets TERM.


@pytest.mark.parametrize("code", [0, 3])
def test_a_runner_that_is_to_end_lets_its_step_end_and_begins_none(followed: OnHost, code: int) -> None:
    diary, go = followed.folder / "diary", followed.folder / "go"
    slow = job("one", *waits_for(go, f"echo begun >{diary}", f"exit {code}"))
    following = followed.submitted("r1", "s1", (slow, job("two")))
    followed.wait_for(diary, "begun")
    os.kill(followed.pid("r1", "s1"), signal.SIGTERM)
    go.touch()
    said = following.communicate(timeout=PATIENCE_S)[0].splitlines()

    fleet = Fleet("a")
    machine = fleet.machines["a"]
    segment = machine.submit("s1", (slow, job("two")), "")
    if code:
        fleet.world.fail("a", "one", code)
    while (moment := machine.move(segment)) and moment.when != "half":
        pass
    machine.shut_down()
    machine.go_on()
    assert told(segment.events.splitlines()) == told(said)
    assert (segment.over, segment.dead) == (said[-1] == "@end", said[-1] == "@gone") == (code == 0, code != 0)
    assert facts_of(fleet.records("a")) == facts_of(followed.records())
    assert told(said)[-1] == (("started", key("one")) if code else ("halted", key("two")))


def test_a_host_that_shuts_down_takes_no_steps(real: OnHost) -> None:
    word = real.folder / "word"
    word.write_text("stopping\n")
    stub = real.folder / "bin" / "systemctl"
    stub.write_text(f"#!/bin/sh\n[ $1 = is-system-running ] && echo asked >>{real.folder}/asked && cat {word}\n")
    stub.chmod(0o755)
    following = real.submitted("r1", "s1", (job("one"),))
    real.wait_for(real.folder / "asked", "asked\nasked\n")
    assert not real.segment("r1", "s1").exists()
    word.write_text("running\n")
    assert following.communicate(timeout=PATIENCE_S)[0].endswith("@end\n")


# The lock.


def test_of_many_who_take_the_lock_at_once_one_has_it(real: OnHost) -> None:
    program = str(real.folder / "program.sh")
    takers = [real.begin([program, "lock-take", "1", f"t{number}", "{}", ""]) for number in range(8)]
    said = [taker.communicate(timeout=PATIENCE_S)[0] for taker in takers]
    assert said.count("taken\n") == 1
    token = (real.state / "lock" / "token").read_text()
    assert said.index("taken\n") == int(token.removeprefix("t"))
    assert real.call("lock-take", "2", "late", "{}", "").returncode == 3
    assert real.call("lock-take", "2", "heir", "{}", token).stdout == "taken\n"


def test_a_sleeper_who_wakes_between_the_look_and_the_take_over_keeps_its_lock(real: OnHost) -> None:
    """Its laptop lid was shut for an hour; another desk takes the run up in the moment in which it is opened."""
    real.call("lock-take", "1", "sleeper", "{}", "")
    beat = real.state / "lock" / "beat"
    os.utime(beat, (1, 1))
    age = real.call("lock-show").stdout.splitlines()[0]
    beat.touch()
    late = real.call("lock-take", "2", "other", "{}", "sleeper", age)
    assert late.returncode == 3 and late.stdout.splitlines()[1] == "sleeper"
    os.utime(beat, (1, 1))
    assert real.call("lock-take", "2", "other", "{}", "sleeper", age).stdout == "taken\n"


def test_who_keeps_a_lock_is_told_when_it_is_lost(real: OnHost) -> None:
    real.call("lock-take", "1", "mine", "{}", "")
    keeping = real.begin([str(real.folder / "program.sh"), "lock-keep", "mine"])
    assert keeping.stdin and keeping.stdout and keeping.stdout.readline() == "kept\n"
    os.utime(real.state / "lock" / "beat", (1, 1))
    keeping.stdin.write("\n")
    keeping.stdin.flush()
    end = time.monotonic() + PATIENCE_S
    while (real.state / "lock" / "beat").stat().st_mtime < 2:
        assert time.monotonic() < end
        time.sleep(0.02)
    real.call("lock-take", "2", "theirs", "{}", "mine")
    keeping.stdin.write("\n")
    keeping.stdin.flush()
    assert keeping.stdout.readline() == "lost\n"
    assert keeping.wait(PATIENCE_S) == 0
    real.call("lock-release", "mine")
    assert (real.state / "lock" / "token").read_text() == "theirs"
    real.call("lock-release", "theirs")
    assert not (real.state / "lock").exists()


def waits_for(go: Path, first: str = ":", then: str = ":") -> tuple[str, ...]:
    """A command that does FIRST, waits until GO is there, and does THEN; however slow the machine is."""
    return "sh", "-c", f"{first}; while [ ! -e {go} ]; do sleep 0.05; done; {then}"


class MemoryHalt:
    """Halts runs and segments of a machine as soon as it is asked whether a step may end."""

    def __init__(self, machine: Machine, *halts: tuple[str, str]) -> None:
        self._machine, self._halts = machine, halts

    def __call__(self) -> bool:
        for run, segment in self._halts:
            self._machine.halt(run, segment)
        return True


def power_off(host: OnHost, run: str, segment: str) -> None:
    """End all that runs of a segment at once: held first, so that nothing tells, or begins, anything meanwhile."""
    mark = f"STORMLIFT_SEGMENT={host.segment(run, segment)}".encode()
    held: set[int] = set()
    while new := {pid for pid in marked(mark) if pid not in held}:
        each(new, signal.SIGSTOP)
        held |= new
    each(held, signal.SIGKILL)


def each(pids: set[int], stop: signal.Signals) -> None:
    """Send STOP to all of PIDS that are still there."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, stop)


def marked(mark: bytes) -> list[int]:
    """The processes with MARK in their environment."""
    found = []
    for file in Path("/proc").glob("[0-9]*/environ"):
        try:
            if mark in file.read_bytes().split(b"\0"):
                found.append(int(file.parent.name))
        except OSError:
            continue  # it has just gone
    return found
