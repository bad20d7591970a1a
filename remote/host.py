"""One host: `probe` looks and changes nothing, `change` is start-or-attach. Links that break are taken up again."""

import secrets
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

from fabric import Connection
from paramiko import Channel
from paramiko.ssh_exception import ChannelException, SSHException
from tenacity import (
    Retrying,
    retry_if_exception_type,
    stop_after_attempt,
    stop_after_delay,
    stop_when_event_set,
    wait_fixed,
)

from remote import connect, program, shell
from remote.stream import Stream, readable
from rollout.codec import Malformed, canonical
from rollout.errors import LinkLost, NoAnswer, StepFailed, StormliftError, Unreachable
from rollout.execute import Job, Told, rest, taken_over
from rollout.journal import VERSION, Record, parse
from rollout.model import Host
from rollout.secret import Mask, Secret

RECONNECT_S = 300  # how long a lost link is tried again; the step on the host goes on meanwhile
RECONNECT_EVERY_S = 2
FRUITLESS = 20  # connections in a row that bring no news before the host counts as not taking the steps
REISSUE_WAIT_S = 2  # between two issues of a stop or a start
JOURNAL = "/var/lib/stormlift/journal"
_NOT_SETTLED, _TAKEN_OVER = 75, 77
_CONNECT_FAILED = 2  # SSH_OPEN_CONNECT_FAILED, RFC 4254 5.1


T = TypeVar("T")
Pour = Callable[[Callable[[bytes], None]], None]


class NotSettled(Exception):
    """A change ran, but what it is for did not come in time; it may be issued again."""


class RemoteHost:
    """A host of a run, over one held connection.

    `password` gives the sudo password of a host that wants one; `notice` is told about links lost and back.
    """

    def __init__(
        self,
        host: Host,
        known_hosts: Path,
        mask: Mask,
        password: Secret | None = None,
        gateway: "RemoteHost | None" = None,
        notice: Callable[[str, str], None] = lambda kind, host: None,
        reconnect_s: float = RECONNECT_S,
    ) -> None:
        self.host = host
        self.token = ""
        self._known_hosts = known_hosts
        self._mask = mask
        self._password = password
        self._gateway = gateway
        self._notice = notice
        self._reconnect_s = reconnect_s
        self._connection: Connection | None = None
        self._opening = threading.Lock()
        self._impatient = threading.Event()  # no lost link is waited for any more
        self._halted = ""
        self._following = ""
        self._keeps_program = False

    @property
    def name(self) -> str:
        """The host's name in the inventory."""
        return self.host.name

    # --- looking -----------------------------------------------------------------------------------------

    def probe(self, *words: str, given: Mapping[str, Secret] = MappingProxyType({})) -> str:
        """What the program on the host says to WORDS; changes nothing. Raises Unreachable, StepFailed."""
        return self._ask(*words, given=given)

    def _ask(self, *words: str, given: Mapping[str, Secret] = MappingProxyType({})) -> str:
        code, text = program.NOT_KEPT, ""
        if self._keeps_program:
            code, text = self._call(program.call(*words, given=given, there=True))
        if code == program.NOT_KEPT:
            self._keeps_program = False
            code, text = self._call(program.call(*words, given=given))
        if code == _TAKEN_OVER:
            raise taken_over(self.name)
        if code != 0:
            raise self._failed(words, code, text)
        return text

    def _failed(self, words: tuple[str, ...], code: int, said: str) -> StepFailed:
        text = self._mask(said)
        return StepFailed(f"{self.name}: {words[0]}: {_last(text) or f'exit code {code}'}", host=self.name, log=text)

    def _link_lost(self, error: shell.Broken) -> Unreachable:
        return Unreachable(f"{self.name}: the connection was lost: {error}", "the same command again")

    def stream(self, *words: str) -> Generator[bytes, None, None]:
        """What the program on the host writes to its standard output for WORDS, as it comes; changes nothing.

        Bytes as they are, in bounded memory. Raises Unreachable, StepFailed with the end of what it said on stderr.
        """
        said, channel = bytearray(), None
        try:
            channel = self._start(program.call(*words), apart=True)
            shell.end_input(channel)
            yield from shell.blocks(channel, said)
            code = channel.recv_exit_status()
        except shell.Broken as error:
            self._drop()
            raise self._link_lost(error) from None
        finally:
            if channel is not None:  # whoever reads no further lets the program there end
                shell.hang_up(channel)
        if code != 0:
            text = readable(said.decode("utf-8", "surrogateescape"))
            raise shell.refused_root(self.host, text) or self._failed(words, code, text)

    def records(self) -> tuple[Record, ...]:
        """The host's journal, read now."""
        try:
            return parse(self._retrying(lambda: self.probe("journal")))
        except Malformed as error:
            raise StepFailed(f"{self.name}: {error}", f"look at {JOURNAL} on {self.name}", host=self.name) from None

    # --- changing ----------------------------------------------------------------------------------------

    def record(self, lines: Iterable[str]) -> None:
        """Append journal LINES that are not there yet."""
        self._retrying(lambda: self._ask("record", self.token, *lines))

    def keep(self, run: str, name: str, text: str) -> None:
        """Keep TEXT as a file of RUN on the host."""
        self._retrying(lambda: self._ask("keep", self.token, run, name, text))

    def deliver(self, pour: Pour, *words: str, given: Mapping[str, Secret] = MappingProxyType({})) -> list[str]:
        """What the program on the host says to WORDS, in lines. POUR is called when that asks for bytes, with what sends them.

        The other way round than `stream`, in as little memory. WORDS tell the lock's token: whoever lost it is not heard.
        A program that ends early, or a POUR that raises, leaves the bytes without their end, which the program must know
        how to tell. Raises Unreachable, StepFailed, and what POUR raises.
        """
        channel = None
        try:
            channel = self._start(program.call(*words, given=given))
            said: list[str] = []
            lines = shell.lines(channel)
            if shell.asked(lines, said):
                with suppress(shell.Deaf):
                    pour(partial(shell.give, channel))
            shell.end_input(channel)
            said += lines
            code = channel.recv_exit_status()
        except shell.Broken as error:
            self._drop()
            raise self._link_lost(error) from None
        finally:
            if channel is not None:
                shell.hang_up(channel)
        if code == _TAKEN_OVER:
            raise taken_over(self.name)
        if code != 0:
            text = readable("\n".join(said))
            raise shell.refused_root(self.host, text) or self._failed(words, code, text)
        return said

    def change(self, run: str, jobs: tuple[Job, ...]) -> Iterator[Told]:
        """Start JOBS, in order, or attach to what runs here already; a stop or start that did not settle is issued again.

        Tells what happens and ends after the last job, the first failure, or an interruption (then the journal says
        what is left to do). Raises LinkLost when the host cannot be reached again in time.
        """
        left = jobs
        issues = {job.key: job.todo.step.settle.issues for job in jobs if job.todo.step.settle}
        for attempt in Retrying(retry=retry_if_exception_type(NotSettled), wait=wait_fixed(REISSUE_WAIT_S)):
            with attempt:
                for each in self._segment(run, left):
                    if each.kind == "finished" and each.code == _NOT_SETTLED and issues.get(each.key, 1) > 1:
                        issues[each.key] -= 1
                        left = rest(left, each.key)
                        raise NotSettled
                    yield each

    def _segment(self, run: str, jobs: tuple[Job, ...]) -> Iterator[Told]:
        """One submission, followed to its end over as many connections as it takes."""
        # Said before it is asked whether to halt, as `halt` does it the other way round: one of them notices the other.
        self._following = f"s{secrets.token_hex(6)}"
        try:
            if self._halted == run:
                yield Told("halted", jobs[0].key)
            else:
                yield from self._followed(run, self._following, jobs)
        finally:
            self._following = ""

    def _followed(self, run: str, segment: str, jobs: tuple[Job, ...]) -> Iterator[Told]:
        request, stream, fruitless = program.request(self.token, jobs), Stream(self._mask), 0
        known, doing = {job.key: job for job in jobs}, jobs[0]
        while not stream.over:
            at = stream.offset
            try:
                self._connect_again(run, doing)
                offset = 0 if stream.foreign else stream.offset
                script = program.submission(run, segment, offset, request, there=self._keeps_program)
                channel = self._start(script)
                for told in self._follow(channel, stream):
                    doing = known.get(told.key, doing)
                    yield told
            except shell.Broken:
                self._drop()
                self._notice("link-lost", self.name)
            fruitless = fruitless + 1 if stream.offset == at else 0
            if fruitless >= FRUITLESS and not stream.over:
                raise self._not_taken(stream)

    def halt(self, run: str) -> None:
        """Let RUN begin no further step here, over a channel of its own. Raises Unreachable when the link is down."""
        self._halted = run
        self._impatient.set()
        link, segment = self._connection, self._following
        if not segment:
            return
        if link is None or not link.is_connected:
            raise Unreachable(f"{self.name}: the link is down", "what runs there goes on by itself")
        self._ask("halt", run, segment)

    def _follow(self, channel: Channel, stream: Stream) -> Iterator[Told]:
        stream.connected()
        for line in shell.lines(channel):
            self._keeps_program = self._keeps_program or line == "@follow own"
            if (told := stream.read(line)) is not None:
                yield told
            if stream.over:
                shell.hang_up(channel)
                return
        code = channel.recv_exit_status()
        if code == program.NOT_KEPT and self._keeps_program:
            self._keeps_program = False
        elif code != 0:
            raise self._not_taken(stream)

    def _not_taken(self, stream: Stream) -> StormliftError:
        said = "\n".join(stream.noise)
        return shell.refused_root(self.host, said) or StepFailed(
            f"{self.name}: the host did not take the steps: {_last(said) or 'it said nothing'}",
            host=self.name,
            log=said,
        )

    def _connect_again(self, run: str, doing: Job) -> None:
        try:
            self._retrying(self.open)
            if self._halted == run:  # said while the link was down
                self._retrying(lambda: self._ask("halt", run, self._following))
        except Unreachable as error:
            self._reconnect_s = 0  # waited for once, not again for its journal and for its lock
            raise LinkLost(
                f"{self.name}: the link was lost during {doing.todo.step.title!r} and did not come back: {error.message}",
                "what runs on the host goes on by itself; the same command again picks it up",
                host=self.name,
                step=doing.key,
            ) from None

    # --- the lock ----------------------------------------------------------------------------------------

    def lock(self, fence: int, token: str, holder: str, stale: str = "", age: int = 0) -> str:
        """Take the deployment's lock here: "" when taken, else what the host said about who holds it.

        STALE is the token of a dead holder, whose last sign of life was AGE seconds ago: a newer one saves its lock.
        """
        code, text = self._call(program.call("lock-take", str(fence), token, holder, stale, str(age)))
        if code == 0 and "taken" in text.split():
            self.token = token
            return ""
        return text.strip() or f"exit code {code}"

    def unlock(self) -> None:
        """Give the lock back, if it is still ours."""
        if self.token:
            self._retrying(lambda: self._ask("lock-release", self.token))
            self.token = ""

    def release(self, token: str, by: str) -> None:
        """Take the lock TOKEN away from its dead holder, and journal who did."""
        line = canonical({"v": VERSION, "run": "-", "event": "lock-released", "by": by, "data": {"token": token}})
        self._ask("record", "", line)
        self._ask("lock-release", token)

    def sign_of_life(self) -> Channel:
        """A channel on which every line sent keeps the lock fresh."""
        return self._start(program.call("lock-keep", self.token))

    # --- the link ----------------------------------------------------------------------------------------

    def open(self) -> Connection:
        """The connection, made if there is none. Raises Unreachable."""
        with self._opening:
            if self._connection is None or not self._connection.is_connected:
                through = self._gateway.tunnel(self.host) if self._gateway else None
                self._connection = connect.connect(self.host, self._known_hosts, through)
            return self._connection

    def tunnel(self, to: Host) -> Channel:
        """A channel through this host to another one."""
        try:
            channel: Channel = self.open().transport.open_channel(
                "direct-tcpip", (to.address, to.port), ("127.0.0.1", 0)
            )
            return channel
        except (SSHException, EOFError, OSError) as error:
            connected = not (isinstance(error, ChannelException) and error.code == _CONNECT_FAILED)
            raise (Unreachable if connected else NoAnswer)(
                f"{to.name}: no way through {self.name}: {error}", "check `gateway` in the inventory"
            ) from None

    def close(self) -> None:
        """End the connection."""
        self._drop()

    def _drop(self) -> None:
        with self._opening:
            if self._connection is not None:
                self._connection.close()
            self._connection = None

    def _start(self, script: str, *, apart: bool = False) -> Channel:
        return shell.start(self.open(), self.host, script, self._password, apart=apart)

    def _call(self, script: str) -> tuple[int, str]:
        try:
            channel = self._start(script)
            shell.end_input(channel)
            text = readable("\n".join(shell.lines(channel)))
            code = channel.recv_exit_status()
        except shell.Broken as error:
            self._drop()
            raise self._link_lost(error) from None
        if code != 0 and (refusal := shell.refused_root(self.host, text)):
            raise refusal
        return code, text

    def _retrying(self, action: Callable[[], T]) -> T:
        """ACTION, again and again while the host cannot be reached; for the middle of a run."""
        attempts = Retrying(
            retry=retry_if_exception_type(Unreachable),
            stop=stop_after_delay(self._reconnect_s) | stop_when_event_set(self._impatient) & stop_after_attempt(2),
            wait=wait_fixed(RECONNECT_EVERY_S),
            reraise=True,
        )
        return attempts(action)


def _last(text: str) -> str:
    said = [line for line in text.splitlines() if line.strip()]
    return said[-1] if said else ""
