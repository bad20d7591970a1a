"""Choose hosts and deployments by what the operator typed after --hosts."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from inventory.words import is_glob, listed, matching, split, unknown
from rollout.errors import UsageError
from rollout.model import Deployment, Hook, Host


@dataclass(frozen=True)
class Selection:
    """What was asked for: the deployments, the single hosts among theirs, and what the operator should know of it."""

    deployments: tuple[Deployment, ...]
    hosts: tuple[Host, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Inventory:
    """Who there is: deployments and groups in order, and how each host is reached.

    groups and environments   the names of the hosts that each stands for
    not_implied               the deployments that an empty --hosts never means
    gateways                  by the name of the host behind them
    trusted                   the known_hosts file of each host
    hooks                     the operator's own commands, each with the deployments of its file
    strays                    words that look like a name of this directory, with the reason why they are none
    """

    deployments: tuple[Deployment, ...]
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    environments: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    not_implied: Collection[str] = frozenset()
    gateways: Mapping[str, Host] = field(default_factory=dict)
    trusted: Mapping[str, Path] = field(default_factory=dict)
    strays: Mapping[str, str] = field(default_factory=dict)
    hooks: tuple[Hook, ...] = ()

    @property
    def hosts(self) -> tuple[Host, ...]:
        """Every host of every deployment, in order."""
        return tuple(host for deployment in self.deployments for host in deployment.hosts)

    @property
    def names(self) -> dict[str, tuple[str, ...]]:
        """Every word that --hosts knows, with the names of the hosts that it stands for."""
        whole = {each.name: tuple(host.name for host in each.hosts) for each in self.deployments}
        single = {host.name: (host.name,) for host in self.hosts}
        return {**self.environments, **self.groups, **whole, **single}

    def known_hosts(self, host_name: str) -> Path:
        """The file with the host keys that are trusted for HOST_NAME."""
        return self.trusted[host_name]

    def gateway(self, host_name: str) -> Host | None:
        """The machine through which HOST_NAME is reached; a gateway of the inventory may have one in its turn."""
        return self.gateways.get(host_name)

    def way(self, host_name: str) -> tuple[Host, ...]:
        """Every gateway on the way to HOST_NAME, the first to be reached first."""
        way: tuple[Host, ...] = ()
        while following := self.gateway(way[0].name if way else host_name):
            way = (following, *way)
        return way

    def select(self, words: str, *, whole: bool) -> Selection:
        """Choose by WORDS. With WHOLE, for what changes things, a host's name stands for its deployment.

        Hosts and deployments come in the order of the words; the first deployment is the first to be upgraded.
        """
        if not words.strip():
            return self._the_one()
        take, leave = split(words)
        names = self.names
        taken = list(dict.fromkeys(host for word in take for host in self._find(word, names)))
        notes: list[str] = []
        if whole:
            taken = self._widen(taken, notes)
        left_out = self._left_out(leave, names, taken, notes)
        if whole:
            self._refuse_split(taken, left_out)
        kept = [host for host in taken if host not in left_out]
        if not kept:
            raise UsageError(
                f"--hosts {words}: leaves out everything that it names", "name something that is not left out"
            )
        by_name = {host.name: host for host in self.hosts}
        return Selection(self._owners(kept), tuple(by_name[name] for name in kept), tuple(notes))

    def _the_one(self) -> Selection:
        candidates = [each for each in self.deployments if each.name not in self.not_implied]
        if len(candidates) == 1:
            return Selection((candidates[0],), candidates[0].hosts)
        names = list(self.names)
        count = f"{len(candidates)} deployments" if candidates else "no deployment that goes without saying"
        example = f"add --hosts NAME, as in --hosts {names[0]}; " if names else ""
        raise UsageError(f"which hosts? the inventory has {count}", f"{example}{listed(names)}")

    def _find(self, word: str, names: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
        if word in names:
            return names[word]
        hits = matching(word, names) if is_glob(word) else set()
        if hits:
            return tuple(host.name for host in self.hosts if host.name in hits)
        because = self.strays.get(word, "")
        if any(gateway.name == word for gateway in self.gateways.values()):
            because = f"{word} is only a gateway, no deployment holds it"
        raise unknown(word, names, because)

    def _owners(self, hosts: list[str]) -> tuple[Deployment, ...]:
        owner = {host.name: each for each in self.deployments for host in each.hosts}
        return tuple(dict.fromkeys(owner[host] for host in hosts))

    def _widen(self, taken: list[str], notes: list[str]) -> list[str]:
        widened: list[str] = []
        for deployment in self._owners(taken):
            members = [host.name for host in deployment.hosts]
            named = [host for host in taken if host in members]
            if len(named) < len(members):
                stands = "stands for its deployment" if len(named) == 1 else "stand for their deployment"
                notes.append(f"{', '.join(named)} {stands} {deployment.name}: {', '.join(members)}")
            widened += members
        return widened

    def _left_out(
        self, leave: list[str], names: Mapping[str, tuple[str, ...]], taken: list[str], notes: list[str]
    ) -> set[str]:
        left_out: set[str] = set()
        for word in leave:
            hosts = self._find(word, names)
            if not set(hosts) & set(taken):
                notes.append(f"!{word} leaves out nothing that was asked for")
            left_out.update(hosts)
        return left_out

    def _refuse_split(self, taken: list[str], left_out: set[str]) -> None:
        for deployment in self._owners(taken):
            members = [host.name for host in deployment.hosts]
            out = [host for host in members if host in left_out]
            if out and len(out) < len(members):
                what = f"leaving out {', '.join(out)} splits the deployment {deployment.name}: {', '.join(members)}"
                hint = f"hosts that share databases change together: leave out all of it with '!{deployment.name}'"
                raise UsageError(f"--hosts: {what}", hint)
