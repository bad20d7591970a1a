"""The program that runs on hosts, put together from onhost/, and the texts that are sent with it."""

from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType

from rollout.execute import Job
from rollout.model import Step
from rollout.quote import shell
from rollout.secret import Secret

_PARTS = ("common", "runner", "lock", "services", "packages", "checks", "settings", "preflight", "facts")
_SCRIPTS = (
    ("mistral_chain", "mistral_database", "mistral_export", "mistral"),
    ("keys",),
    ("evidence",),
    ("mongodb",),
    ("queue",),
    ("executions",),
    ("reach",),
)
# Python 2.7 and 3. The modules need no path, and none on the host can stand before them or what they import: a script from
# standard input would look in the working directory first, which is the home of whoever logs in.
_LOADER = """import sys
sys.path = [place for place in sys.path if place]
import types
def _load(name, text):
    module = sys.modules[name] = types.ModuleType(name)
    exec(compile(text, name + ".py", "exec"), module.__dict__)
"""
_HERE = Path(__file__).with_name("onhost")
HOST_PROGRAM = "stormlift-host"


@cache
def library() -> str:
    """The functions alone: what a request sends along and calls."""
    parts = [(_HERE / f"{name}.sh").read_text() for name in _PARTS]
    scripts = [f"{names[-1].upper()}_PY={shell([python(*names)])}\n" for names in _SCRIPTS]
    return "\n".join([*parts, *scripts])


def python(*names: str) -> str:
    """The last of the modules NAMES as a script that carries the others along: a host gets no files."""
    *modules, main = ((name, (_HERE / f"{name}.py").read_text()) for name in names)
    loads = [f"_load({name!r}, {text!r})\n" for name, text in modules]
    return "".join([_LOADER, *loads, f"exec(compile({main[1]!r}, {main[0] + '.py'!r}, 'exec'))\n"])


@cache
def program() -> str:
    """The whole program, as it is kept on a host for the runner and its steps."""
    return library() + (_HERE / "main.sh").read_text()


def call(*words: str, given: Mapping[str, Secret] = MappingProxyType({})) -> str:
    """A script for `sh -s` that runs one verb of the program without leaving anything on the host.

    GIVEN are variables of the shell: no argument of a process, and no variable of one that it starts without being told.
    """
    values = "".join(f"{name}={shell([value.reveal()])}\n" for name, value in given.items())
    return f"{library()}\n{values}set -- {shell(words)}\n{(_HERE / 'main.sh').read_text()}"


def submission(run: str, segment: str, offset: int, request: str) -> str:
    """A script for `sh -s` that starts REQUEST as a segment of RUN, or attaches to it at OFFSET."""
    whole = shell([program()])
    words = shell([run, segment, str(offset)])
    return f'{library()}\nPROGRAM_TEXT={whole}\nsubmit {words} "$PROGRAM_TEXT" {shell([request])}\n'


def request(token: str, jobs: Iterable[Job]) -> str:
    """The jobs as the shell functions and calls that the runner sources; every value is quoted."""
    lines = [f"TOKEN={shell([token])}"]
    for number, job in enumerate(jobs, 1):
        lines += _job(number, job)
    return "\n".join(lines) + "\n"


def _job(number: int, job: Job) -> list[str]:
    step = job.todo.step
    lines = [_function(f"do_{number}", step.argv, step.timeout)]
    parts = []
    for name, argv in (
        ("settle", step.settle.probe if step.settle else ()),
        ("prove", step.postcondition),
        ("repair", step.repair),
    ):
        if argv:
            parts.append(name)
            lines.append(_function(f"{name}_{number}", argv, _limit(name, step)))
    settle = step.settle
    every, tries = (str(settle.every), str(settle.tries)) if settle else ("0", "0")
    words = [
        str(number),
        job.key,
        str(job.todo.attempt),
        "1" if job.todo.prove_first else "0",
        every,
        tries,
        str(step.timeout),
        " ".join(parts),
        job.head,
    ]
    return [*lines, f"step {shell(words)}"]


def _limit(part: str, step: Step) -> int:
    """Seconds for a step's probes; a repair may take as long as the step itself."""
    return step.timeout if part == "repair" else 120


def _function(name: str, argv: tuple[str, ...], seconds: int) -> str:
    words = shell(argv[1:] if argv[0] == HOST_PROGRAM else argv)
    how = 'sh "$PROGRAM" ' if argv[0] == HOST_PROGRAM else ""
    return f"{name}() {{ limit {seconds} {how}{words}; }}"
