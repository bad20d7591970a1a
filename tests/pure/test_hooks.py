"""A hook as a process of this machine, and what it is told: nothing of it may hold a run up for longer than its time."""

import json
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from rollout.errors import HookFailed, UsageError
from rollout.hooks import Occasion, due
from rollout.model import HOOKS, Hook, Phase
from rollout.roll import Outcome
from tasks.hooks import check, run
from tests.pure.sketch import phase, plan, step

PATIENCE_S = 20.0


def hook(script: str, timeout: int = 20) -> Hook:
    return Hook("before-host", ("sh", "-c", script), timeout, "prod", ("pair",))


def failed(script: str, root: Path, timeout: int = 20) -> HookFailed:
    with pytest.raises(HookFailed) as caught:
        run(hook(script, timeout), {}, root)
    return caught.value


# The process.


def test_it_reads_one_json_object_and_runs_in_the_project_with_the_operators_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LB_TOKEN_FILE", "/etc/lb")
    said = run(hook('pwd; echo "$LB_TOKEN_FILE"; cat; echo to stderr >&2'), {"host": "a"}, tmp_path)
    assert said.splitlines() == [str(tmp_path), "/etc/lb", '{"host": "a"}', "to stderr"]


def test_no_shell_reads_its_words(tmp_path: Path) -> None:
    words = ("printf", "%s|", "a b", "$HOME", "*", "; exit 3", "")
    assert run(Hook("before-run", words), {}, tmp_path) == "a b|$HOME|*|; exit 3||"


def test_a_program_of_the_project_is_named_by_its_path(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "notify"
    program.write_text("#!/bin/sh\necho here\n")
    named = Hook("before-run", ("bin/notify",), 60, "prod")
    with pytest.raises(UsageError, match="hook before-run of prod: there is no program bin/notify"):
        check([named], tmp_path)
    assert failed_to_start(named, tmp_path) == "cannot be run: Permission denied"
    program.chmod(0o755)
    check([named, Hook("after-run", ("sh",))], tmp_path)
    with pytest.raises(UsageError, match=r"there is no program \./bin"):
        check([Hook("after-run", ("./bin",))], tmp_path)
    assert run(named, {}, tmp_path) == "here\n"
    with pytest.raises(UsageError, match="no-such-program"):
        check([Hook("after-run", ("no-such-program",))], tmp_path)
    assert (
        failed_to_start(Hook("after-run", ("no-such-program",)), tmp_path) == "cannot be run: No such file or directory"
    )


def failed_to_start(named: Hook, root: Path) -> str:
    with pytest.raises(HookFailed) as caught:
        run(named, {}, root)
    return caught.value.message


def test_another_code_than_0_is_a_failure_with_what_it_said(tmp_path: Path) -> None:
    error = failed("echo pool is gone; exit 7", tmp_path)
    assert (error.message, error.log, error.exit_code) == ("exit code 7", "pool is gone\n", 3)
    assert failed("kill -KILL $$", tmp_path).message == "killed by signal 9"


@pytest.fixture
def marks(tmp_path: Path) -> Iterator[Path]:
    """Where processes of a test write their numbers; what is left of them is ended."""
    yield tmp_path
    for file in tmp_path.glob("*.pid"):
        with suppress(ProcessLookupError, ValueError):
            os.kill(int(file.read_text()), 9)


def gone(file: Path) -> bool:
    """Whether the process that wrote its number to FILE has ended, or ends soon."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        try:
            state = Path(f"/proc/{int(file.read_text())}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return True
        if state == "Z":
            return True
        time.sleep(_LOOK_EVERY_S)
    return False


_LOOK_EVERY_S = 0.05


def test_out_of_time_ends_it_with_everything_that_it_started_however_deaf(marks: Path) -> None:
    (marks / "deaf.sh").write_text("trap '' TERM\necho $$ >child.pid\nwhile :; do sleep 1; done\n")
    error = failed("trap '' TERM; echo begun; sh deaf.sh & while :; do sleep 1; done", marks, timeout=1)
    assert (error.message, error.log) == ("ran out of its 1 s", "begun\n")
    assert gone(marks / "child.pid")


def test_one_that_became_root_cannot_be_ended_and_is_named(marks: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(group: int, number: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("tasks.hooks.os.killpg", refused)
    monkeypatch.setattr("tasks.hooks._TERM_S", 0.1)
    error = failed("echo $$ >own.pid; exec sleep 600", marks, timeout=1)
    pid = (marks / "own.pid").read_text().strip()
    assert error.message == f"ran out of its 1 s; it may not be ended from here and goes on as process {pid}"


def test_a_child_that_stays_behind_holds_nothing_up_and_lives(marks: Path) -> None:
    (marks / "stays.sh").write_text("echo $$ >stays.pid\nexec sleep 60\n")
    assert run(hook("sh stays.sh & until [ -s stays.pid ]; do sleep 0.1; done; echo out"), {}, marks) == "out\n"
    assert Path(f"/proc/{int((marks / 'stays.pid').read_text())}").exists()


def test_a_message_that_nobody_reads_holds_nothing_up(tmp_path: Path) -> None:
    assert run(hook("echo done"), {"deployments": ["x" * 1000] * 1000}, tmp_path) == "done\n"


def test_what_it_says_is_cut_to_its_end_and_cannot_draw_on_the_terminal(tmp_path: Path) -> None:
    said = run(hook(r"printf '\033[2J\033[31mred\377\r\n'; "), {}, tmp_path)
    assert said == "?[2J?[31mred\ufffd?\n"
    long = run(hook("i=0; while [ $i -lt 9000 ]; do echo 0123456789; i=$((i + 1)); done; echo last"), {}, tmp_path)
    assert len(long) == 64 << 10 and long.endswith("last\n")


def test_ctrl_c_at_the_terminal_does_not_reach_it(tmp_path: Path) -> None:
    said = run(hook("echo $$; cut -d' ' -f5-6 /proc/$$/stat"), {}, tmp_path)
    own, groups = said.splitlines()
    assert groups.split() == [own, own]  # process group and session are its own


# What it is told.

PLANS = tuple(plan(phase(Phase.FETCH, step("x")), name=name) for name in ("one", "pair"))


def occasion(point: str, **changes: object) -> Occasion:
    values = {"hook": Hook(point, ("x",), 60, "prod"), "run": "r1", "command": "upgrade", "plans": PLANS, **changes}
    return Occasion(**values)  # type: ignore[arg-type]


def outcome(name: str, how: str, code: int = 0) -> Outcome:
    return Outcome(name, how, ("a", "b"), exit_code=code)


@pytest.mark.parametrize(
    ("outcomes", "word"),
    [
        ([outcome("one", "upgraded"), outcome("pair", "upgraded")], "upgraded"),
        ([outcome("one", "upgraded"), outcome("pair", "failed", 3)], "failed"),
        ([outcome("one", "failed", 130), outcome("pair", "not attempted", 130)], "interrupted"),
        ([outcome("one", "failed", 3), outcome("pair", "failed", 130)], "failed"),
        ([outcome("one", "upgraded"), outcome("pair", "not attempted", 130)], "interrupted"),
        ([outcome("one", "not attempted"), outcome("pair", "not attempted")], "not attempted"),
        ([], "failed"),
    ],
)
def test_one_word_for_all_that_a_hook_is_about(outcomes: list[Outcome], word: str) -> None:
    told = occasion("after-run", outcomes={each.name: each for each in outcomes}).message()
    assert told["outcome"] == word


def test_the_keys_are_the_same_on_every_occasion_and_a_plain_json_object() -> None:
    keys = {frozenset(occasion(point, batch=1, batches=2, host="a").message()) for point in HOOKS}
    keys |= {frozenset(occasion(point).message()) for point in HOOKS}
    assert len(keys) == 1
    told = json.loads(json.dumps(occasion("before-run").message()))
    assert [told[key] for key in ("schema", "batch", "deployment", "host", "from", "outcome")] == [
        *("stormlift.hook/1", None, None, None, None, None)
    ]


@pytest.mark.parametrize("point", HOOKS)
def test_every_failure_says_what_it_leaves_and_what_to_type(point: str) -> None:
    one = occasion(point, plans=PLANS[1:], batch=2, host="b" if point.endswith("host") else "")
    error = one.explained(HookFailed("exit code 1"), "log")
    assert error.leaves and error.hint and error.step == point
    whose = {"host": "b: ", "batch": "pair: ", "run": "pair: "}[point.partition("-")[2]]
    assert error.message == f"{whose}hook {point} of prod: exit code 1"
    assert ("st2 itself is fine" in error.leaves) == point.startswith("after-")


def test_hooks_are_due_at_their_point_for_their_deployments() -> None:
    one = Hook("before-batch", ("x",), 60, "prod", ("one",))
    other = Hook("before-batch", ("x",), 60, "old", ("pair",))
    assert due([one, other], "before-batch", ["pair", "web"]) == [other]
    assert due([one, other], "after-batch", ["one"]) == []
