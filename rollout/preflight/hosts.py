"""What is found of the hosts themselves: system, disk, clock, and what starts services there. Pure."""

from collections.abc import Iterator, Mapping

from rollout import catalogue
from rollout.facts import Facts, Restarter, store_host
from rollout.findings import found
from rollout.model import Finding

Hosts = Mapping[str, Facts]
SKEW_S = 30  # clocks are read in whole seconds, and an answer may be under way for some
_NEED_KIB = {"/var": 1 << 20, "/opt": 1 << 20}  # 1 GiB each: packages twice, and a dump


def identity(deployment: str, facts: Hosts, target: str) -> Iterator[Finding]:
    """Systems that TARGET was not built for, or that cannot be worked on."""
    for name, each in facts.items():
        where = catalogue.DISTROS.get(each.distro)
        if where is None:
            yield found("distro-unknown", name, f"{each.os_name or 'an unknown system'} is none that st2 was built for")
        elif not catalogue.built_for(where, target):
            cause = f"{target} was never built for {each.distro} (it reaches {where.last or 'newer'})"
            yield found("distro-ends", name, cause)
        if not each.manager:
            yield found("no-package-manager", name, "neither apt nor yum works there")
        elif each.expected_manager and each.manager != each.expected_manager:
            cause = f"{each.os_name} should have {each.expected_manager}, the host has {each.manager}"
            yield found("package-manager-differs", name, cause)
        if each.init != "systemd":
            cause = f"its init system is {each.init or 'unknown'}, this release needs systemd"
            yield found("init-unsupported", name, cause)


def disk(deployment: str, facts: Hosts, target: str) -> Iterator[Finding]:
    """File systems with too little room."""
    for name, each in facts.items():
        dump = _dumps_kib(name, facts)
        for place, base in _NEED_KIB.items():
            need = base + (dump if place == "/var" else 0)
            free = each.free_kib.get(place)
            if free is not None and free < need:
                cause = f"{place} has {free >> 10} MiB free, {need >> 10} MiB are needed"
                yield found("disk-short", name, cause, place=place)


def _dumps_kib(name: str, facts: Hosts) -> int:
    """KiB of the dumps that a host makes for its deployment: of Mistral's database wherever that may be, st2's on one host."""
    each = facts[name]
    mistral = each.mistral.size if each.mistral else 0
    store = each.store.size if each.store and name == store_host(facts) else 0
    return (mistral + store) >> 10


def clocks(deployment: str, facts: Hosts, target: str) -> Iterator[Finding]:
    """Clocks that differ: between hosts, or else from the controller's."""
    skews = {name: each.skew for name, each in facts.items() if each.clock}
    if skews and max(skews.values()) - min(skews.values()) > SKEW_S:
        said = ", ".join(f"{name} is {_ahead(skew)}" for name, skew in skews.items())
        yield found("clocks-differ", deployment, f"against the controller's clock {said}")
        return
    for name, skew in skews.items():
        if abs(skew) > SKEW_S:
            yield found("clock-skew", name, f"against the controller's clock it is {_ahead(skew)}")


def _ahead(skew: int) -> str:
    return f"{abs(skew)} s {'behind' if skew < 0 else 'ahead'}"


def restarters(deployment: str, facts: Hosts, target: str) -> Iterator[Finding]:
    """Programs that start what they find stopped."""
    for name, each in facts.items():
        for restarter in each.around.restarters:
            if restarter.kind == "cron":
                cause = f"{restarter.where} runs {restarter.program}"
                yield found("restarter-cron", name, cause, where=restarter.where)
            else:
                yield found("restarter", name, f"{_who(restarter)} starts services", stop=_stop(restarter))


def _who(restarter: Restarter) -> str:
    unit = restarter.kind == "unit"
    return restarter.where if unit else f"{restarter.program} (process {restarter.where})"


def _stop(restarter: Restarter) -> str:
    return f"systemctl stop {restarter.where}" if restarter.kind == "unit" else f"kill {restarter.where}"
