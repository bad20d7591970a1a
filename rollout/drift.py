"""What of a host is not as the last settled run, or its own deployment, has it: docs/status.md says what counts. Pure."""

from collections.abc import Iterable, Iterator, Mapping

from rollout.facts import Facts
from rollout.journal import Record, going_back, open_run, settled
from rollout.versions import PackageVersion

Hosts = Mapping[str, Facts]
_RUNS = ("active", "activating", "reloading")


def drift(facts: Hosts) -> dict[str, tuple[str, ...]]:
    """Sentences by host, for the hosts of one deployment. While an upgrade is open nothing counts: it is on its way."""
    if any(going_back(each.journal) or open_run(each.journal) for each in facts.values()):
        return dict.fromkeys(facts, ())
    return {name: (*_versions(each), *_others(name, facts), *_units(each)) for name, each in facts.items()}


def _versions(host: Facts) -> Iterator[str]:
    at = settled(host.journal)
    if at and host.release and host.release != at:
        yield f"{host.release} is installed, {at} was settled"
    odd = {package: text for package, text in host.installed.items() if _release(text) != host.release}
    if odd:
        yield f"packages of another release: {', '.join(f'{package} {text}' for package, text in odd.items())}"


def _others(name: str, facts: Hosts) -> Iterator[str]:
    mine = facts[name].installed
    for other, each in facts.items():
        both = sorted(set(mine) & set(each.installed)) if other != name else []
        if differ := [f"{package} {each.installed[package]}" for package in both if _other(mine, each, package)]:
            yield f"{other} has {', '.join(differ)}"


def _other(mine: Mapping[str, str], host: Facts, package: str) -> bool:
    return _release(mine[package]) != _release(host.installed[package])


def _units(host: Facts) -> Iterator[str]:
    """Units that ran when the last settled run began, and so had to run when it was verified."""
    ran = _before(host.journal)
    down = [unit for unit in ran if unit in host.units and host.units[unit].active not in _RUNS]
    if down:
        yield f"down since the last settled run: {', '.join(down)}"


def _before(records: Iterable[Record]) -> tuple[str, ...]:
    """What the newest run that settled a release kept of the units that ran."""
    known = tuple(records)
    runs = [each.run for each in known if each.event == "settled"]
    kept = [each for each in known if each.event == "opened" and runs and each.run == runs[-1]]
    units = (kept[-1].data.get("before") or {}).get("units", {}) if kept else {}
    return tuple(name for name, state in units.items() if state.get("active") in _RUNS)


def _release(text: str) -> str:
    return PackageVersion.parse(text).release
