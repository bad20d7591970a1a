"""The lock of a deployment: taken on its hosts in one order, kept fresh by signs of life, given back in every ending."""

import os
import secrets
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress

from paramiko import Channel
from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from remote.facts import read_lock
from remote.host import RemoteHost
from remote.shell import Broken
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
        self._beating: threading.Thread | None = None

    def __enter__(self) -> "DeploymentLock":
        """Take the lock on every host, or on none. Raises Locked."""
        try:
            for host in self._hosts:
                self._take(host)
                self._taken.append(host)
        except BaseException:
            self._give_back()
            raise
        self._beating = threading.Thread(target=self._beat, name=f"lock of {self._deployment}", daemon=True)
        self._beating.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Give it back."""
        self._over.set()
        if self._beating is not None:
            self._beating.join(BEAT_S)
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
            }
        )

    def _take(self, host: RemoteHost) -> None:
        waiting = Retrying(
            retry=retry_if_result(lambda taken: not taken), wait=wait_fixed(1), stop=stop_after_delay(DEAD_S * 3)
        )
        waiting(self._try, host)

    def _try(self, host: RemoteHost) -> bool:
        lock = read_lock(host.probe("lock-show"))
        what, value = decide(self._deployment, lock, self._me, holder_runs_here(lock, self._me))
        if what == "wait":
            self._notice(f"{host.name}: waiting for the lock: {value}")
            return False
        said = host.lock(self.fence, secrets.token_hex(8), self._holder(), value)
        if said.startswith("fence "):
            raise Locked(f"{host.name}: another run was here since the facts were read", "the same command again")
        return not said

    def _beat(self) -> None:
        channels: dict[str, Channel] = {}
        while not self._over.wait(BEAT_S):
            for host in self._hosts:
                self._one_beat(host, channels)
        for channel in channels.values():
            channel.close()

    def _one_beat(self, host: RemoteHost, channels: dict[str, Channel]) -> None:
        try:
            if host.name not in channels:
                channels[host.name] = host.sign_of_life()
            channel = channels[host.name]
            channel.sendall(b"\n")
            if channel.recv_ready() and b"lost" in channel.recv(4096):
                self.lost.set()
        except (StormliftError, Broken, OSError, EOFError):
            channels.pop(host.name, None)  # the link is gone; the next beat makes a new one


def holder_runs_here(lock: LockFacts | None, me: Me) -> bool | None:
    """Whether the process that holds LOCK runs on this machine; None when it is another machine's."""
    if lock is None or not lock.pid or lock.by != me.by:
        return None
    try:
        os.kill(lock.pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
