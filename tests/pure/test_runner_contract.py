"""The fleet in memory is no nicer than the runner: the same jobs on both, the same journal, the same tale."""

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from rollout.codec import canonical
from rollout.execute import Job
from rollout.journal import Todo
from rollout.model import Settle, Step
from tests.pure.fleet import Fleet
from tests.pure.onhost import PATIENCE_S, OnHost, facts_of, told
from tests.pure.sketch import key, step
from tests.pure.world import WHOLE, World

TRUE, FALSE = ("true",), ("false",)


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
def test_runner_and_memory_tell_the_same(story: Story, tmp_path: Path) -> None:
    real, fleet = OnHost(tmp_path), Fleet("a")
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
def test_a_command_that_ends_with_a_code_of_the_runners_own_has_simply_failed(code: int, tmp_path: Path) -> None:
    """Of sysexits.h: cannot create, try again later, protocol error, no permission. None of them is a word of ours."""
    real = OnHost(tmp_path)
    failing = job("one", "sh", "-c", f"exit {code}", settle=settle(*TRUE))
    kind, name, said, _ = told(real.run("r1", "s1", (failing, job("two"))))[-1]
    assert (kind, name) == ("finished", key("one")) and said not in ("0", "73", "75", "76", "77")
    (record,) = (r for r in real.records() if r.event == "finished")
    assert record.code == int(said)


def test_a_torn_line_is_ended_in_the_same_way(tmp_path: Path) -> None:
    real, fleet = OnHost(tmp_path), Fleet("a")
    torn = '{"v":1,"run":"r0","event":"star'
    (real.state / "journal").write_text(torn)
    fleet.machines["a"].journal = torn
    real.call("record", "", '{"v":1,"run":"r1","event":"opened"}')
    fleet.machines["a"].record('{"v":1,"run":"r1","event":"opened"}')
    assert fleet.machines["a"].journal == real.journal


def test_zeros_that_a_power_cut_left_swallow_no_line(tmp_path: Path) -> None:
    """XFS (the default of el7) gives a file its new size before its data."""
    real = OnHost(tmp_path)
    (real.state / "journal").write_bytes(b'{"v":1,"run":"r0","event":"opened"}\n' + b"\0" * 40)
    assert [r.event for r in real.records()] == ["opened"]
    real.call("record", "", '{"v":1,"run":"r0","event":"closed"}')
    assert [r.event for r in real.records()] == ["opened", "closed"]


def test_a_line_that_is_there_is_not_written_twice(tmp_path: Path) -> None:
    real, fleet = OnHost(tmp_path), Fleet("a")
    lines = ['{"v":1,"run":"r1","event":"opened"}', '{"v":1,"run":"r1","event":"closed"}']
    for word in (*lines, lines[0]):
        real.call("record", "", word)
        fleet.machines["a"].record(word)
    assert fleet.machines["a"].journal == real.journal == "".join(f"{line}\n" for line in lines)


def test_a_line_of_whoever_lost_the_lock_is_not_written(tmp_path: Path) -> None:
    real = OnHost(tmp_path)
    (real.state / "lock").mkdir()
    (real.state / "lock" / "token").write_text("theirs")
    for words in (("record", "ours", "line"), ("keep", "ours", "r1", "plan.json", "{}")):
        done = real.call(*words)
        assert (done.returncode, done.stderr) == (77, "another controller took over\n")
    assert real.journal == "" and not (real.state / "r1").exists()
    real.call("record", "theirs", "line")
    assert real.journal == "line\n"


def test_whoever_comes_later_follows_what_runs_from_its_first_event(tmp_path: Path) -> None:
    real, fleet = OnHost(tmp_path), Fleet("a")
    first = (job("one"), job("two", "sleep", "0.5"))
    began = real.submitted("r1", "s1", first)
    real.wait_for(real.state / "r1" / "segments" / "s1" / "events", f"@started {key('two')}")
    joined = real.submitted("r1", "s2", (job("three"),))
    began_said, _ = began.communicate(timeout=PATIENCE_S)
    joined_said, _ = joined.communicate(timeout=PATIENCE_S)
    assert (began_said.splitlines()[0], joined_said.splitlines()[0]) == ("@follow own", "@follow busy")
    assert joined_said.splitlines()[1:] == began_said.splitlines()[1:]

    machine = fleet.machines["a"]
    assert machine.submit("s1", first, "") is machine.submit("s2", (job("three"),), "")


def test_what_died_is_gone_and_nothing_of_it_runs_on(tmp_path: Path) -> None:
    real = OnHost(tmp_path)
    following = real.submitted("r1", "s1", (job("one", "sleep", "1"), job("two")))
    real.wait_for(real.state / "r1" / "segments" / "s1" / "events", f"@started {key('one')}")
    os.kill(real.pid("r1", "s1"), signal.SIGKILL)
    said, _ = following.communicate(timeout=PATIENCE_S)
    assert said.splitlines()[-1] == "@gone"
    assert facts_of(real.records()) == [("started", "a", key("one"), 1, 0, None)]


def test_a_lost_link_is_taken_up_where_it_was_lost(tmp_path: Path) -> None:
    real = OnHost(tmp_path)
    whole_tale = "\n".join(real.run("r1", "s1", (job("one"), job("two")))) + "\n"
    rest, _ = real.submitted("r1", "s1", (), offset=10).communicate(timeout=PATIENCE_S)
    assert rest == f"@follow own\n{whole_tale[10:]}"
