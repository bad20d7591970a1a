"""Several wire hosts and the inventory directory that names them."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

import yaml

import inventory
from inventory import Inventory
from rollout.model import Host
from tests.wire.sshd import WireHost

ENVIRONMENT = "wire"


class WireFleet:
    """Hosts that run from `add` on; `write` puts them into `inventory/wire.yml` with their keys beside it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.inventory = directory / "inventory"
        self.known_hosts = self.inventory / "known_hosts"
        self.hosts: dict[str, WireHost] = {}
        self._running = ExitStack()

    def __enter__(self) -> "WireFleet":
        self.inventory.mkdir(parents=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._running.close()

    def __getitem__(self, name: str) -> WireHost:
        return self.hosts[name]

    def add(self, *names: str, shell: Sequence[str] = ("sh", "-c")) -> tuple[WireHost, ...]:
        """Start a host for each of NAMES."""
        for name in names:
            host = WireHost(self.directory / name, name, shell=shell)
            self.hosts[name] = self._running.enter_context(host)
        return tuple(self.hosts[name] for name in names)

    def write(
        self,
        deployments: Mapping[str, Sequence[str]] | None = None,
        *,
        target: str = "2.2.1",
        hosts: Mapping[str, Mapping[str, str]] | None = None,
        trusted: bool = True,
    ) -> Inventory:
        """Write the inventory, HOSTS being keys for some of them, and give it as it is loaded; not TRUSTED: no keys."""
        entries = {
            name: {
                "address": host.address,
                "port": host.port,
                "user": host.user,
                "identity": str(host.identity),
                **(hosts or {}).get(name, {}),
            }
            for name, host in self.hosts.items()
        }
        text = {
            "defaults": {"target": target},
            "hosts": entries,
            "deployments": {name: list(members) for name, members in (deployments or {}).items()},
        }
        (self.inventory / f"{ENVIRONMENT}.yml").write_text(yaml.safe_dump(text, sort_keys=False))
        lines = [host.known_hosts_line() for host in self.hosts.values()] if trusted else []
        self.known_hosts.write_text("".join(lines))
        return inventory.load(ENVIRONMENT, self.inventory)

    def host(self, name: str) -> Host:
        """The host as the written inventory has it."""
        loaded = inventory.load(ENVIRONMENT, self.inventory)
        gateways = {gateway.name: gateway for gateway in loaded.gateways.values()}
        return {**gateways, **{host.name: host for host in loaded.hosts}}[name]
