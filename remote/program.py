"""The program that runs on hosts, put together from onhost/, and the texts that are sent with it."""

import zlib
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType

from rollout.execute import Job
from rollout.model import Step
from rollout.quote import shell
from rollout.secret import Secret

_PARTS = (
    "common",
    "runner",
    "lock",
    "services",
    "packages",
    "checks",
    "backup",
    "carry",
    "content",
    "config",
    "settings",
    "preflight",
    "facts",
)
_SCRIPTS = (
    ("mistral_chain", "mistral_database", "mistral_export", "mistral_backup", "mistral_rehearse", "mistral"),
    ("backup_files", "backup"),
    ("carry_in", "carry"),
    ("backup_files", "backup", "config_defaults", "config_diff", "config_kept", "config_text", "config_files"),
    ("keys",),
    ("evidence",),
    ("store_server", "store_tools", "store_content", "store_archive", "store_backup", "store_rehearse", "store"),
    ("queue",),
    ("st2_api", "executions"),
    ("store_server", "st2_api", "content_read", "content_apply", "content_move"),
    ("reach",),
)
# Python 2.7 and 3. The modules need no path, and none on the host can stand before them or what they import: a script from
# standard input would look in the working directory first, which is the home of whoever logs in. Each is compiled when it is
# imported: between stop and start of st2 the time that a verb takes to begin counts.
_LOADER = """import sys
sys.path = [place for place in sys.path if place]
import types
_texts = {}
class _Texts(object):
    def find_spec(self, name, path=None, target=None):
        if name not in _texts:
            return None
        from importlib.machinery import ModuleSpec
        return ModuleSpec(name, self)
    def find_module(self, name, path=None):
        return self if name in _texts else None
    def create_module(self, spec):
        return None
    def exec_module(self, module):
        exec(compile(_texts[module.__name__], module.__name__ + ".py", "exec"), module.__dict__)
    def load_module(self, name):
        module = sys.modules[name] = types.ModuleType(name)
        self.exec_module(module)
        return module
sys.meta_path.insert(0, _Texts())
"""
_HERE = Path(__file__).with_name("onhost")
HOST_PROGRAM = "stormlift-host"
NOT_KEPT = 78  # the exit code of a script that relies on the kept program, where that is not, or not whole
_MIRRORED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


@cache
def library() -> str:
    """The functions alone: what a request sends along and calls."""
    parts = [(_HERE / f"{name}.sh").read_text() for name in _PARTS]
    scripts = [f"{names[-1].upper()}_PY={shell([python(*names)])}\n" for names in _SCRIPTS]
    return "\n".join([*parts, *scripts])


def python(*names: str) -> str:
    """The last of the modules NAMES as a script that carries the others along: a host gets no files."""
    *modules, main = ((name, (_HERE / f"{name}.py").read_text()) for name in names)
    loads = [f"_texts[{name!r}] = {text!r}\n" for name, text in modules]
    return "".join([_LOADER, *loads, f"exec(compile({main[1]!r}, {main[0] + '.py'!r}, 'exec'))\n"])


@cache
def program() -> str:
    """The whole program, as it is kept on a host for the runner and its steps."""
    return library() + (_HERE / "main.sh").read_text()


@cache
def kept() -> str:
    """Under which name hosts keep the program: what cksum says of it, so that they can tell whether it is whole."""
    text = program().encode()
    return f"{cksum(text)}-{len(text)}"


def cksum(data: bytes) -> int:
    """The checksum of POSIX's cksum: zlib's with the bits of every byte the other way round, over the length as well."""
    length = len(data).to_bytes((len(data).bit_length() + 7) // 8, "little")
    found = zlib.crc32((data + length).translate(_MIRRORED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{found:032b}"[::-1], 2) ^ 0xFFFFFFFF


def call(*words: str, given: Mapping[str, Secret] = MappingProxyType({}), there: bool = False) -> str:
    """A script for `sh -s` that runs one verb of the program without leaving anything on the host.

    GIVEN are variables of the shell: no argument of a process, and no variable of one that it starts without being told.
    THERE: by the program that the host keeps, which is not sent; the script ends with NOT_KEPT where there is none.
    """
    values = "".join(f"{name}={shell([value.reveal()])}\n" for name, value in given.items())
    if there:
        return f'{_find()}{values}set -- {shell(words)}\n. "$KEPT"\n'
    return f"{library()}\n{values}set -- {shell(words)}\n{(_HERE / 'main.sh').read_text()}"


def _find() -> str:
    # Read into the same shell: as words of a process a request would stand in its argv.
    place = f'KEPT="${{STORMLIFT_STATE:-/var/lib/stormlift}}/bin/{kept()}"'
    return f"""{place}
[ "$(cksum 2>/dev/null <"$KEPT" | tr ' ' -)" = {kept()} ] || exit {NOT_KEPT}
"""


def submission(run: str, segment: str, offset: int, request: str, *, there: bool = False) -> str:
    """A script for `sh -s` that starts REQUEST as a segment of RUN, or attaches to it at OFFSET; THERE: as for `call`."""
    words = [run, segment, str(offset)]
    if there:
        return f'{_find()}set -- submit {shell(words)} "" {shell([request])}\n. "$KEPT"\n'
    return f'{library()}\nPROGRAM_TEXT={shell([program()])}\nsubmit {shell(words)} "$PROGRAM_TEXT" {shell([request])}\n'


def request(token: str, jobs: Iterable[Job]) -> str:
    """The jobs as the shell functions and calls that the runner sources; every value is quoted."""
    known = tuple(jobs)
    decided = [word for job in known for word in (job.key, str(job.todo.attempt), "1" if job.todo.unended else "0")]
    lines = [f"TOKEN={shell([token])}", f"fresh {shell(decided)}"]
    for number, job in enumerate(known, 1):
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
