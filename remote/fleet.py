"""The hosts of one command: connections opened at the same time and kept, passwords asked once, facts gathered."""

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from paramiko import Channel

from remote.facts import Auth, gather
from remote.host import RemoteHost
from rollout.errors import NoAnswer, StormliftError, Unreachable
from rollout.facts import Facts
from rollout.model import Host
from rollout.secret import Mask, Secret

POOL = 64
T = TypeVar("T")


class Fleet:
    """Connections by host name. `known_hosts` and `gateway` answer for a host's name, `password` for a host that asks,
    `st2_auth` for what the st2 API on a host takes."""

    def __init__(
        self,
        mask: Mask,
        known_hosts: Callable[[str], Path],
        gateway: Callable[[str], Host | None],
        password: Callable[[Host], Secret | None],
        notice: Callable[[str, str], None],
        st2_auth: Callable[[Host], Auth] = lambda host: {},
    ) -> None:
        self._st2_auth = st2_auth
        self._mask = mask
        self._known_hosts = known_hosts
        self._gateway = gateway
        self._password = password
        self._notice = notice
        self._open: dict[str, RemoteHost] = {}
        self._gateways: dict[Host, RemoteHost] = {}

    def reach(self, hosts: Iterable[Host]) -> dict[str, RemoteHost]:
        """Connect to HOSTS. Raises Unreachable that names every host that could not be reached."""
        wanted = tuple(hosts)
        made = {host.name: self._made(host) for host in wanted}
        self._all(made.values(), lambda each: each.open())
        return made

    def everywhere(self, hosts: Iterable[Host], action: Callable[[RemoteHost], T]) -> dict[str, T]:
        """What ACTION gives on each of HOSTS, by name, all at the same time; none is begun unless all are reached."""
        reached = self.reach(hosts)
        return dict(zip(reached, self._all(reached.values(), action), strict=True))

    def silent(self, hosts: Iterable[Host]) -> dict[str, NoAnswer]:
        """Those of HOSTS where nothing answers, by name. Raises any other error that reaching one of them meets."""
        made = {host.name: self._made(host) for host in hosts}

        found: dict[str, NoAnswer] = {}

        def tried(host: RemoteHost) -> None:
            try:
                host.open()
            except NoAnswer as error:
                found[host.name] = error

        self._all(made.values(), tried)
        return {name: found[name] for name in made if name in found}

    def facts(self, hosts: Iterable[Host], *, evidence: bool = True, work: bool = False) -> dict[str, Facts]:
        """Gather the facts of HOSTS, all at the same time; with WORK also what st2 has not finished."""
        wanted = tuple(hosts)
        auth = {host.name: self._st2_auth(host) if work else None for host in wanted}
        return self.everywhere(wanted, lambda each: gather(each, evidence=evidence, work=auth[each.name]))

    def auth(self, host: Host) -> Auth:
        """What the st2 API on HOST takes, for the program there."""
        return self._st2_auth(host)

    def __getitem__(self, name: str) -> RemoteHost:
        return self._open[name]

    def tunnel(self, host: Host) -> Channel | None:
        """A channel to HOST through its gateway, or None when it is reached straight."""
        gateway = self._through(host)
        return gateway.tunnel(host) if gateway else None

    def close(self) -> None:
        """End every connection."""
        for host in (*self._open.values(), *self._gateways.values()):
            host.close()
        self._open.clear()

    def _made(self, host: Host) -> RemoteHost:
        if host.name not in self._open:
            self._open[host.name] = RemoteHost(
                host, self._known_hosts(host.name), self._mask, self._password(host), self._through(host), self._notice
            )
        return self._open[host.name]

    def _through(self, host: Host) -> RemoteHost | None:
        """The one shared connection to the gateway of HOST."""
        gateway = self._gateway(host.name)
        if gateway is None:
            return None
        if gateway not in self._gateways:
            self._gateways[gateway] = RemoteHost(
                gateway, self._known_hosts(host.name), self._mask, None, self._through(gateway), self._notice
            )
        return self._gateways[gateway]

    def _all(self, hosts: Iterable[RemoteHost], action: Callable[[RemoteHost], T]) -> list[T]:
        def tried(host: RemoteHost) -> T | StormliftError:
            try:
                return action(host)
            except StormliftError as error:
                return error

        wanted = list(hosts)
        with ThreadPoolExecutor(max(1, min(POOL, len(wanted)))) as pool:
            results = list(pool.map(tried, wanted))
        errors = [each for each in results if isinstance(each, StormliftError)]
        if len(errors) > 1 and all(isinstance(each, Unreachable) for each in errors):
            raise Unreachable("\n".join(each.message for each in errors), errors[0].hint)
        if errors:
            raise errors[0]
        return [each for each in results if not isinstance(each, StormliftError)]


def reached(fleet: Fleet, names: Iterable[str]) -> Mapping[str, RemoteHost]:
    """The open connections to NAMES."""
    return {name: fleet[name] for name in names}
