"""Hypothesis: deployments as they may be met, and ways between releases."""

from dataclasses import dataclass, replace

from hypothesis import strategies as st

from rollout import catalogue
from rollout.facts import Facts
from rollout.model import Deployment, UnitState
from rollout.versions import order
from tests.pure.boxes import SET, deployment, mistral, settled_at, units

HOSTS = ("a", "b", "c")
STATES = [
    UnitState("active", "enabled"),
    UnitState("activating", "enabled"),
    UnitState("active", "disabled"),
    UnitState("inactive", "enabled"),
    UnitState("inactive", "disabled"),
    UnitState("failed", "enabled"),
]
_OFFERED = tuple(f"{release}-1" for release in reversed(catalogue.RELEASES))
ways = st.lists(st.sampled_from(catalogue.RELEASES), min_size=2, max_size=3, unique=True).map(
    lambda several: tuple(sorted(several, key=order))
)


@dataclass(frozen=True)
class Site:
    """A deployment, the facts of its hosts, and the release that it is at."""

    deployment: Deployment
    facts: dict[str, Facts]
    release: str

    def at(self, release: str, *, settled: bool = True) -> "Site":
        """The same hosts after all of them went to RELEASE."""
        facts = {name: moved(each, release, settled) for name, each in self.facts.items()}
        return Site(self.deployment, facts, release)


def packages_at(release: str, packages: tuple[str, ...]) -> tuple[str, ...]:
    """PACKAGES, as far as RELEASE has them."""
    return tuple(p for p in packages if p != "st2mistral" or catalogue.mistral_head(release))


def moved(host: Facts, release: str, settled: bool) -> Facts:
    """HOST with everything at RELEASE, its units in the states that they were in."""
    there = packages_at(release, tuple(host.installed))
    brought = units(release, there)
    states = {**brought, **{unit: state for unit, state in host.units.items() if unit in brought}}
    return replace(
        host,
        installed=dict.fromkeys(there, f"{release}-1"),
        units=states,
        mistral=mistral(release) if "st2mistral" in there else None,
        journal=settled_at(release, host.host, "site") if settled else (),
    )


@st.composite
def sites(draw: st.DrawFn, release: str = "") -> Site:
    """Up to three hosts at one release, each with some of the packages and its units in any state."""
    at = release or draw(st.sampled_from(catalogue.RELEASES))
    names = HOSTS[: draw(st.integers(1, 3))]
    facts = {}
    for name in names:
        packages = packages_at(at, tuple(draw(st.lists(st.sampled_from(SET), min_size=1, unique=True)))) or ("st2",)
        apt = draw(st.booleans())
        here = units(at, packages)
        facts[name] = Facts(
            host=name,
            manager="apt" if apt else "yum",
            installed=dict.fromkeys(packages, f"{at}-1"),
            available=dict.fromkeys(packages, _OFFERED),
            units={unit: draw(st.sampled_from(STATES)) for unit in here} if draw(st.booleans()) else here,
            mistral=mistral(at) if "st2mistral" in packages else None,
            journal=settled_at(at, name, "site") if draw(st.booleans()) else (),
        )
    return Site(deployment("site", *names), facts, at)
