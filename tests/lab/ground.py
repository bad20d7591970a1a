"""Which deployments of the tests' fleet are still as they were prepared, so that none is put back without need."""

from dataclasses import dataclass, field

from lab.fleet import Fleet
from lab.topology import DEFAULT_RELEASE, DEPLOYMENTS

USED = ""


@dataclass
class Ground:
    """Puts a deployment back when somebody needs it fresh, and not when somebody is through with it."""

    fleet: Fleet
    _state: dict[str, str] = field(default_factory=lambda: {each.name: DEFAULT_RELEASE for each in DEPLOYMENTS})

    def fresh(self, *deployments: str, release: str = DEFAULT_RELEASE) -> Fleet:
        """These deployments as they were prepared at RELEASE; from now on they count as used."""
        self._put_back(deployments, release)
        self._state |= dict.fromkeys(deployments, USED)
        return self.fleet

    def untouched(self) -> Fleet:
        """The whole fleet as it was prepared at the default release, and the caller will leave it so."""
        self._put_back(tuple(self._state), DEFAULT_RELEASE)
        return self.fleet

    def _put_back(self, deployments: tuple[str, ...], release: str) -> None:
        if stale := [name for name in deployments if self._state[name] != release]:
            self.fleet.reset(*stale, release=release)
            self._state |= dict.fromkeys(stale, release)
