"""What every command shares: flags to settings, errors to exit codes, Ctrl-C, secrets asked once, what is said and shown."""

import functools
import getpass
import os
import secrets
import signal
import socket
import stat
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import task

from rollout.batches import number
from rollout.errors import Interrupted, StormliftError, UsageError
from rollout.events import Event, Sink
from rollout.locks import Me
from rollout.model import Hook, Host, St2Auth
from rollout.secret import Mask, Secret

if TYPE_CHECKING:
    from inventory import Inventory, Selection
    from remote.fleet import Fleet

VERSION = "0.1.0"
ROOT = Path(__file__).resolve().parent.parent
DEFAULTS = {"inventory": "inventory", "runs": "runs"}
STOPPING = (
    "\nstormlift: stopping: the step that runs on each host is finished, no other begins; Ctrl-C again leaves at once\n"
)
LEFT_AT_ONCE = (
    "\nstormlift: left at once; steps that run on hosts go on by themselves, the same command picks them up\n"
)
_CURSOR = "\x1b[?25h"  # the live view hides it, and nobody is left to show it again
HOSTS_HELP = "who: environment file, group, deployment or host; commas, ! to leave out, globs"


def command(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """An invoke task whose errors end in a sentence, a hint and the right exit code; bugs keep their traceback."""

    def wrap(body: Callable[..., Any]) -> Any:
        @functools.wraps(body)
        def run(c: Context, *args: Any, **flags: Any) -> Any:
            try:
                return body(c, *args, **flags)
            except StormliftError as error:
                show_error(error)
                raise Exit(code=error.exit_code) from None
            except KeyboardInterrupt:
                print("stormlift: interrupted; nothing was changed", file=sys.stderr)
                raise Exit(code=Interrupted.exit_code) from None

        return task(auto_shortflags=False, positional=[], **options)(run)

    return wrap


def show_error(error: StormliftError) -> None:
    """Say what went wrong and what to type next, on stderr."""
    print(f"stormlift: error: {error.message}", file=sys.stderr)
    if error.hint:
        print(f"stormlift: hint: {error.hint}", file=sys.stderr)


def live() -> bool:
    """Whether stderr is a terminal that a live view can be drawn on."""
    return sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb"


class Desk:
    """Where the operator sits: the inventory, the fleet, the screen, and whether Ctrl-C was pressed."""

    def __init__(self, c: Context) -> None:
        settings = c.config.stormlift
        self.dry = bool(c.config.run.dry)
        self.mask = Mask()
        self.directory = ROOT / settings.inventory
        self.runs = ROOT / settings.runs
        self.by = f"{getpass.getuser()}@{socket.gethostname()}"
        self.stopping = False
        self.sinks: list[Sink] = []
        self._halts: list[Callable[[], None]] = []
        self._passwords: dict[str, Secret] = {}
        self._st2_auth: dict[St2Auth, Secret] = {}
        self._fleet: Fleet | None = None
        self._inventory: Inventory | None = None

    # --- who ---------------------------------------------------------------------------------------------

    def select(self, words: str, *, whole: bool) -> "Selection":
        """What --hosts names; notes go to the operator."""
        [selection] = self.select_each(words, whole=whole)
        return selection

    def select_each(self, *several: str, whole: bool) -> "list[Selection]":
        """What each of SEVERAL flags names, from one inventory: its hosts share the connections of this desk."""
        from inventory import load

        self._inventory = load(",".join(several), self.directory)
        selections = [self._inventory.select(words, whole=whole) for words in several]
        for note in dict.fromkeys(note for each in selections for note in each.notes):
            self.say(note)
        return selections

    @property
    def fleet(self) -> "Fleet":
        """The hosts, connected when they are first asked."""
        if self._fleet is None:
            from remote.fleet import Fleet

            assert self._inventory is not None
            inventory = self._inventory
            self._fleet = Fleet(
                self.mask, inventory.known_hosts, inventory.gateway, self.password, self._link, self.st2_auth
            )
        return self._fleet

    def known_hosts(self, name: str) -> Path:
        """The file with the trusted keys of the host NAME."""
        assert self._inventory is not None
        return self._inventory.known_hosts(name)

    @property
    def hooks(self) -> tuple[Hook, ...]:
        """The operator's own commands, as the inventory has them."""
        assert self._inventory is not None
        return self._inventory.hooks

    def password(self, host: Host) -> Secret | None:
        """The sudo password of HOST, asked once, or None where sudo does not ask."""
        kind, _, where = host.sudo.partition(":")
        if kind not in ("ask", "env", "file"):
            return None
        whose = f"{host.user} {host.sudo}"
        if whose not in self._passwords:
            self._passwords[whose] = self.mask.learn(Secret(self._read_password(host, kind, where)))
        return self._passwords[whose]

    def st2_auth(self, host: Host) -> dict[str, Secret]:
        """What the st2 API of HOST takes, as the variables of the program there; nothing where its own client is asked."""
        auth = host.st2_auth
        if auth.source == "host":
            return {}
        if auth not in self._st2_auth:
            self._st2_auth[auth] = self.mask.learn(Secret(self._read_st2_auth(host)))
        kinds = {"ST2_TOKEN": auth.token, "ST2_KEY": auth.api_key}
        return {name: self._st2_auth[auth] for name, variable in kinds.items() if variable or auth.source == "prompt"}

    def _read_st2_auth(self, host: Host) -> str:
        variable = host.st2_auth.token or host.st2_auth.api_key
        if variable:
            if not os.environ.get(variable):
                raise UsageError(
                    f"{host.name}: the environment has no {variable} with what its st2 API takes",
                    f"set it: read -rs {variable}; export {variable}",
                )
            return os.environ[variable]
        if not sys.stdin.isatty():
            raise UsageError(
                f"{host.name}: what its st2 API takes is to be asked, and this is no terminal",
                "st2_auth: {from: environment, api_key: NAME} in the inventory reads it from the environment",
            )
        return getpass.getpass("token or API key of st2 (asked once): ")

    def _read_password(self, host: Host, kind: str, where: str) -> str:
        if kind == "env":
            if where not in os.environ:
                raise UsageError(
                    f"{host.name}: the environment has no {where} with its sudo password",
                    f"set it: read -rs {where}; export {where}",
                )
            return os.environ[where]
        if kind == "file":
            return read_private(host.name, Path(where))
        if not sys.stdin.isatty():
            raise UsageError(
                f"{host.name}: its sudo password is to be asked, and this is no terminal",
                "sudo: env:NAME in the inventory reads it from the environment",
            )
        return getpass.getpass(f"sudo password of {host.user} (asked once): ")

    def me(self, run: str, abandons: str) -> Me:
        """Who holds a lock that this command takes."""
        return Me(self.by, run, abandons)

    # --- what is said ------------------------------------------------------------------------------------

    def say(self, text: str) -> None:
        """Talk, on stderr."""
        print(self.mask(text), file=sys.stderr, flush=True)

    def out(self, text: str) -> None:
        """Data, on stdout."""
        print(self.mask(text), flush=True)

    def tell(self, event: Event) -> None:
        """Give EVENT to every sink."""
        for sink in self.sinks:
            sink(event)

    def _link(self, kind: str, host: str) -> None:
        self.tell(Event(kind, time.time(), host=host))

    def confirm(self, question: str, yes: bool) -> None:
        """Go on only when the operator says so. Raises UsageError: refused, or nobody to ask."""
        if yes:
            return
        if not sys.stdin.isatty():
            raise UsageError(
                "nobody can be asked: this is no terminal, and --yes was not given", "read the plan, then add --yes"
            )
        sys.stderr.write(f"{question} [y/N] ")
        sys.stderr.flush()
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            raise UsageError("not confirmed; nothing was changed", "")

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """Ctrl-C once: what runs is finished, no step begins. Twice: leave at once; what runs on hosts goes on by itself."""

        def pressed(number: int, frame: object) -> None:
            if self.stopping:
                # Not through sys.stderr, which whoever was interrupted may be in the middle of.
                os.write(2, (_CURSOR if live() else "").encode() + LEFT_AT_ONCE.encode())
                os._exit(Interrupted.exit_code)
            self.stopping = True
            os.write(2, STOPPING.encode())
            for halt in self._halts[:]:
                halt()

        before = signal.signal(signal.SIGINT, pressed)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    @contextmanager
    def halting(self, halt: Callable[[], None]) -> Iterator[None]:
        """While the block runs, Ctrl-C calls HALT, which must return at once."""
        self._halts.append(halt)
        try:
            yield
        finally:
            self._halts.remove(halt)

    def close(self) -> None:
        """End every connection."""
        if self._fleet is not None:
            self._fleet.close()


@contextmanager
def desk(c: Context) -> Iterator[Desk]:
    """A desk for one command, left tidy."""
    sitting = Desk(c)
    try:
        yield sitting
    finally:
        sitting.close()


def read_private(host: str, path: Path) -> str:
    """The first line of a file that only its owner may read. Raises UsageError."""
    try:
        mode = path.stat().st_mode
        text = path.read_text()
    except OSError as error:
        raise UsageError(
            f"{host}: its sudo password cannot be read from {path}: {error.strerror}", "check `sudo` in the inventory"
        ) from None
    if stat.S_IMODE(mode) & 0o077:
        raise UsageError(f"{path}: others may read it, and it holds a password", f"chmod 600 {path}")
    return text.splitlines()[0] if text else ""


def new_run(clock: float) -> str:
    """A name for a run: when, and four letters that no other run of that second has."""
    return f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime(clock))}-{secrets.token_hex(2)}"


def whole_number(text: str, flag: str) -> int:
    """TEXT as a whole number from 0 on. Raises UsageError."""
    if (given := number(text)) is None:
        raise UsageError(f"--{flag} {text!r} is no whole number", f"expected something like --{flag} 0")
    return given


def moment(clock: float) -> str:
    """CLOCK, in seconds since 1970, as a person reads it."""
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(clock))
