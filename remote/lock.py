"""The lock of a deployment: taken on its hosts in one order, kept fresh by signs of life, given back in every ending."""

import os
import secrets
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from paramiko import Channel
from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from remote.facts import read_lock
from remote.host import RemoteHost
from remote.shell import Broken, hang_up
from rollout.codec import canonical
from rollout.errors import Locked, StormliftError
from rollout.facts import LockFacts
from rollout.locks import BEAT_S, DEAD_S, Me, decide


class DeploymentLock:
    """Held while the block runs. `lost` becomes true when somebody else took it over."""

    def __init__(
        self,
        deployment: str,
        hosts: Mapping[str, RemoteHost],
        me: Me,
        message: str,
        plan: str,
        fence: int,
        notice: Callable[[str], None],
    ) -> None:
        self.fence = fence
        self.lost = threading.Event()
        self._deployment = deployment
        self._hosts = [hosts[name] for name in sorted(hosts)]
        self._me = me
        self._message = message
        self._plan = plan
        self._notice = notice
        self._over = threading.Event()
        self._taken: list[RemoteHost] = []
        self._waited_for = ""
        self._beating: list[threading.Thread] = []

    def __enter__(self) -> "DeploymentLock":
        """Take the lock on every host, or on none. Raises Locked."""
        try:
            for host in self._hosts:
                self._take(host)
                self._taken.append(host)
        except BaseException:
            self._give_back()
            raise
        # A thread a host: one that does not answer must not make the lock on the others look dead.
        self._beating = [threading.Thread(target=self._beat, args=(host,), daemon=True) for host in self._hosts]
        for thread in self._beating:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Give it back."""
        self._over.set()
        for thread in self._beating:
            thread.join(BEAT_S)
        self._give_back()

    def _give_back(self) -> None:
        for host in reversed(self._taken):
            with suppress(StormliftError):  # a lock that cannot be given back dies with its last sign of life
                host.unlock()
        self._taken = []

    def _holder(self) -> str:
        return canonical(
            {
                "run": self._me.run,
                "by": self._me.by,
                "message": self._message,
                "plan": self._plan,
                "fence": self.fence,
                "pid": os.getpid(),
                "boot": boot_id(),
            }
        )

    def _take(self, host: RemoteHost) -> None:
        waiting = Retrying(
            retry=retry_if_result(lambda taken: not taken),
            wait=wait_fixed(1),
            stop=stop_after_delay(DEAD_S * 2),
            retry_error_callback=self._gave_up,
        )
        waiting(self._try, host)

    def _gave_up(self, _: object) -> bool:
        raise Locked(
            f"{self._deployment}: its lock did not come free; {self._waited_for}",
            f"look: invoke locks.show --hosts {self._deployment}",
        )

    def _try(self, host: RemoteHost) -> bool:
        lock = read_lock(host.probe("lock-show"))
        what, value = decide(self._deployment, lock, self._me, holder_runs_here(lock, self._me))
        if what == "wait":
            self._waited_for = f"{host.name}: waiting for the lock: {value}"
            self._notice(self._waited_for)
            return False
        said = host.lock(self.fence, secrets.token_hex(8), self._holder(), value, lock.age if lock else 0)
        if said.startswith("fence\n"):
            last = read_lock(said.removeprefix("fence\n"))
            who = f"{last.by}, run {last.run} ({last.message})," if last else "another run"
            raise Locked(f"{host.name}: {who} was here since the facts were read", "the same command again")
        return not said

    def _beat(self, host: RemoteHost) -> None:
        channel: Channel | None = None
        while not self._over.wait(BEAT_S):
            try:
                channel = channel or host.sign_of_life()
                channel.sendall(b"\n")
                if channel.recv_ready() and b"lost" in channel.recv(4096):
                    self.lost.set()
            except (StormliftError, Broken, OSError, EOFError):
                channel = None  # the link is gone; the next beat makes a new one
        if channel is not None:
            hang_up(channel)


def boot_id() -> str:
    """What tells this boot of this machine from any other; "" where the kernel does not say."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def holder_runs_here(lock: LockFacts | None, me: Me) -> bool | None:
    """Whether the process that holds LOCK runs on this machine; None when it is another machine's."""
    if lock is None or not lock.pid or lock.by != me.by or lock.boot != boot_id():
        return None
    try:
        os.kill(lock.pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
