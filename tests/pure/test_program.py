"""The texts that are sent to hosts: whole programs, quoted values, steps as functions that a POSIX shell reads."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import migrations
from remote import program
from rollout import plan as planner
from rollout import repairs
from rollout.codec import canonical
from rollout.execute import Job
from rollout.journal import Todo
from rollout.model import Settle, Step
from tests.pure.boxes import box, broken_mistral, by_name, deployment
from tests.pure.onhost import OnHost
from tests.pure.sketch import key, step

HEAD = '{"v":1,"run":"r1"'
# Answers for the functions that a request calls: every word on a line of its own, ended by a mark.
_STUBS = """
fresh() { :; }
limit() { printf 'limit'; for each in "$@"; do printf '<%s>' "$each"; done; printf ';'; }
step() {
  printf 'step'; for each in "$@"; do printf '<%s>' "$each"; done; printf ';'
  for part in do settle prove repair; do
    if command -v "${part}_$1" >/dev/null; then printf '%s:' "$part"; "${part}_$1"; fi
  done
}
PROGRAM=the-program
"""


def sh(script: str, *words: str) -> str:
    """What this machine's sh makes of SCRIPT."""
    done = subprocess.run(["sh", "-s", *words], input=script.encode(), capture_output=True, timeout=20, check=True)
    return done.stdout.decode("utf-8", "surrogateescape")


def job(made: Step, attempt: int = 1, prove_first: bool = False, head: str = HEAD) -> Job:
    return Job(Todo(made, attempt, prove_first), key(made.id), head)


def told(*jobs: Job, token: str = "t1") -> str:
    """What the runner would be told by the request of JOBS."""
    return sh(f"{_STUBS}\n{program.request(token, jobs)}\nprintf 'token<%s>' \"$TOKEN\"")


def angled(*words: object) -> str:
    return "".join(f"<{word}>" for word in words)


# Whole programs.


@pytest.mark.parametrize("text", [program.program(), program.library(), program.call("facts", "a b", "c", "evidence")])
@pytest.mark.parametrize("shell", [("dash",), ("bash", "--posix"), ("busybox", "sh")])
def test_what_is_sent_is_posix_sh(text: str, shell: tuple[str, ...]) -> None:
    checked = subprocess.run([*shell, "-n"], input=text, capture_output=True, text=True, timeout=20, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")


def test_every_word_that_a_plan_says_to_the_program_is_a_verb_of_it() -> None:
    facts = by_name(box("a", "1.4.0"))
    broken = by_name(box("a", "2.2.1", mistral=broken_mistral()))
    plans = [
        planner.plan(deployment("a"), facts, "2.2.1", migrations.ALL),
        repairs.recover(deployment("a"), broken, True),
        repairs.restart_services(deployment("a"), facts),
    ]
    steps = [step for plan in plans for phase in plan.phases for step in phase.steps]
    argvs = [a for s in steps for a in (s.argv, s.postcondition, s.repair, s.settle.probe if s.settle else ())]
    verbs = {argv[1] for argv in argvs if argv and argv[0] == program.HOST_PROGRAM}
    main = program.program()[len(program.library()) :]
    known = {word.strip() for line in main.splitlines() if ")" in line for word in line.split(")")[0].split("|")}
    assert verbs and verbs <= known


def test_an_unknown_verb_is_refused() -> None:
    script = program.call("no-such-verb")
    done = subprocess.run(["sh", "-s"], input=script, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 1 and "unknown verb no-such-verb" in done.stderr


def test_the_program_holds_its_python_whole() -> None:
    text = sh(f'{program.library()}\nprintf %s "$MISTRAL_PY"; printf @@@; printf %s "$KEYS_PY"')
    mistral, keys = text.split("@@@")
    compile(mistral, "mistral.py", "exec")
    compile(keys, "keys.py", "exec")


@pytest.mark.parametrize("module", ["ast", "glob", "types"])
def test_what_lies_in_the_working_directory_is_not_imported(tmp_path: Path, module: str) -> None:
    """A file of an operator's own in the home that sudo leaves us in."""
    (tmp_path / f"{module}.py").write_text("raise SystemExit('not that one')\n")
    text = program.python("mistral_chain")
    words = ["python3", "-"]
    done = subprocess.run(words, input=text, cwd=tmp_path, capture_output=True, text=True, timeout=20, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("text", ["", "a", "one\ntwo\n", "\xe9" * 1000])
def test_the_checksum_is_that_of_the_hosts_own_tool(text: str) -> None:
    found = subprocess.run(["cksum"], input=text.encode(), capture_output=True, check=True).stdout.split()[0]
    assert program.cksum(text.encode()) == int(found)


@pytest.mark.parametrize("shell", ["dash", "bash", "busybox"])
def test_a_kept_program_does_what_a_sent_one_does_and_nothing_is_done_without_it(shell: str, tmp_path: Path) -> None:
    real = OnHost(tmp_path, shell)

    def asked() -> tuple[int, str]:
        script = program.call("no-such-verb", there=True)
        done = real.begin(["-c", script])
        said = done.communicate(timeout=20)
        return done.returncode, said[1].strip()

    assert asked() == (program.NOT_KEPT, "")
    (real.state / "bin").mkdir()
    place = real.state / "bin" / program.kept()
    place.write_text(program.program())
    assert asked() == (1, "stormlift-host: unknown verb no-such-verb")
    place.write_text(program.program()[:-1])
    assert asked() == (program.NOT_KEPT, "")


# Requests.


def test_a_step_becomes_functions_and_a_call() -> None:
    made = step(
        "x",
        argv=("apt-get", "-y", "install"),
        settle=Settle(("stormlift-host", "stopped", "st2api"), every=1.5, tries=7),
        postcondition=("stormlift-host", "installed", "st2=2.2.1-8"),
        repair=("dpkg", "--configure", "-a"),
        timeout=77,
    )
    assert told(job(made, 2, True, HEAD)) == (
        f"step{angled(1, '2.2.1:x', 2, 1, 1.5, 7, 77, 'settle prove repair', HEAD)};"
        f"do:limit{angled(77, 'apt-get', '-y', 'install')};"
        f"settle:limit{angled(120, 'sh', 'the-program', 'stopped', 'st2api')};"
        f"prove:limit{angled(120, 'sh', 'the-program', 'installed', 'st2=2.2.1-8')};"
        f"repair:limit{angled(77, 'dpkg', '--configure', '-a')};"
        "token<t1>"
    )


def test_a_plain_step_has_only_its_command() -> None:
    assert told(job(step("x", argv=("stormlift-host", "quiet"), timeout=5)), token="") == (
        f"step{angled(1, '2.2.1:x', 1, 0, 0, 0, 5, '', HEAD)};do:limit{angled(5, 'sh', 'the-program', 'quiet')};token<>"
    )


def test_steps_stand_in_order_and_do_not_share_their_parts() -> None:
    first = job(step("one", argv=("a",), postcondition=("p",)))
    second = job(step("two", argv=("b",), repair=("r",)))
    said = told(first, second)
    assert said.index("<2.2.1:one>") < said.index("<2.2.1:two>")
    assert f"step{angled(2, '2.2.1:two', 1, 0, 0, 0, 600, 'repair', HEAD)};do:limit{angled(600, 'b')};repair:" in said


words = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
hostile = st.sampled_from(["$(id)", "`id`", "'", '"', "a b", "\n", "\\", "", "-n", "*", "}", "#", "; exit 3", "!", "~"])


@settings(max_examples=30, deadline=None)
@given(st.lists(words | hostile, min_size=1, max_size=5), words | hostile, words | hostile)
def test_no_value_is_read_as_shell(argv: list[str], token: str, name: str) -> None:
    head: dict[str, Any] = {"v": 1, "by": name, "host": argv[-1]}
    text = canonical(head)[:-1]
    made = Step(id="x", title="t", phase=step("x").phase, argv=("run", *argv))
    assert told(Job(Todo(made, 1), name, text), token=token) == (
        f"step{angled(1, name, 1, 0, 0, 0, 600, '', text)};do:limit{angled(600, 'run', *argv)};token<{token}>"
    )


@settings(max_examples=15, deadline=None)
@given(st.lists(words | hostile, min_size=1, max_size=4))
def test_a_call_gives_the_verb_its_words(said: list[str]) -> None:
    script = program.call("quiet", *said).replace(program.library(), "quiet() { printf '<%s>' \"$@\"; }")
    assert sh(script) == angled(*said)


@settings(max_examples=15, deadline=None)
@given(words | hostile, words | hostile)
def test_a_submission_hands_over_program_and_request_unchanged(run: str, request: str) -> None:
    script = program.submission(run, "s1", 12, request)
    assert script.startswith(program.library())
    said = sh('submit() { printf \'<%s>\' "$1" "$2" "$3" "$5"; }' + script[len(program.library()) :])
    assert said == angled(run, "s1", 12, request)
