"""What must be settled before any change: facts in, findings out. Pure."""

from collections.abc import Callable, Iterable, Iterator, Mapping

from rollout import catalogue, mistral, unfinished
from rollout.facts import Facts, back_hosts, mistral_host
from rollout.journal import Record, disagreement, open_run, settled
from rollout.model import Finding, Severity
from rollout.versions import PackageVersion, order

Hosts = Mapping[str, Facts]
Check = Callable[[str, Hosts, str], Iterator[Finding]]
_NEED_KIB = {"/var": 1 << 20, "/opt": 1 << 20}  # 1 GiB each: packages twice, and a dump


def inspect(deployment: str, facts: Hosts, target: str, stops: tuple[str, ...] = ()) -> tuple[Finding, ...]:
    """Everything that speaks against, or should be known before, taking DEPLOYMENT to TARGET by way of STOPS."""
    every, first = tuple(dict.fromkeys((*stops, target))), (stops or (target,))[:1]
    asked_of: dict[Check, tuple[str, ...]] = {_identity: every, _candidates: every, _versions: first, _journal: first}
    checks: tuple[Check, ...] = (
        _identity,
        _packages,
        _candidates,
        _versions,
        _journal,
        _mistral,
        _tools,
        _databases,
        _disk,
        unfinished.executions,
    )
    found = (
        finding
        for check in checks
        for stop in asked_of.get(check, (target,))
        for finding in check(deployment, facts, stop)
    )
    return tuple(dict.fromkeys(found))


def shared_databases(deployments: Mapping[str, Hosts]) -> tuple[Finding, ...]:
    """Two deployments on one database are one deployment that the inventory tears apart."""
    owners: dict[str, str] = {}
    findings = []
    for name, facts in deployments.items():
        for host, each in facts.items():
            identity = each.mistral.identity if each.mistral else ""
            if identity and owners.setdefault(identity, name) != name:
                findings.append(
                    _stop(
                        "database-shared",
                        host,
                        f"{name} and {owners[identity]} use one Mistral database",
                        "put the hosts of both into one deployment of the inventory",
                    )
                )
    return tuple(findings)


def of_dump(deployment: str, facts: Hosts) -> tuple[Finding, ...]:
    """What speaks against any work on the Mistral database of DEPLOYMENT: it cannot be dumped."""
    return tuple(_tools(deployment, facts, ""))


def _stop(key: str, host: str, cause: str, remedy: str) -> Finding:
    return Finding(key, Severity.INHIBITOR, host, cause, remedy)


def _identity(deployment: str, facts: Hosts, target: str) -> Iterator[Finding]:
    for name, each in facts.items():
        where = catalogue.DISTROS.get(each.distro)
        if where is None:
            yield _stop(
                "distro-unknown",
                name,
                f"{each.os_name or 'an unknown system'} is none that st2 was built for",
                "roll the content over to a new instance on a supported distribution",
            )
        elif not catalogue.built_for(where, target):
            yield _stop(
                "distro-ends",
                name,
                f"{target} was never built for {each.distro} (it reaches {where.last or 'newer'})",
                "choose an earlier target with --to, or roll the content over to a new host",
            )
        if not each.manager:
            yield _stop(
                "no-package-manager",
                name,
                "neither apt nor yum works there",
                "check `apt-get --version`, `yum --version`",
            )
        elif each.expected_manager and each.manager != each.expected_manager:
            yield _stop(
                "package-manager-differs",
                name,
                f"{each.os_name} should have {each.expected_manager}, the host has {each.manager}",
                "find out which one installed st2 before any change",
            )
        if each.init != "systemd":
            yield _stop(
                "init-unsupported",
                name,
                f"its init system is {each.init or 'unknown'}, this release needs systemd",
                "upgrade this host by hand, or move it to a systemd distribution",
            )


def _packages(deployment: str, facts: Hosts, target: str) -> Iterator[Finding]:
    for name, each in facts.items():
        if not each.installed:
            yield _stop(
                "nothing-installed",
                name,
                "no package of st2 is installed",
                "check the inventory: is this an st2 host?",
            )
        for line in each.unhealthy:
            fix = "dpkg --configure -a" if each.manager == "apt" else "yum check; yum remove --duplicates"
            yield _stop("packages-half-configured", name, line, f"repair it on the host: {fix}")
        for package in each.held:
            fix = f"apt-mark unhold {package}" if each.manager == "apt" else f"yum versionlock delete {package}"
            yield _stop("package-held", name, f"{package} is held at its version", f"release it: {fix}")


def _candidates(deployment: str, facts: Hosts, target: str) -> Iterator[Finding]:
    for name, each in facts.items():
        moving = {name: text for name, text in each.installed.items() if name in catalogue.packages(target)}
        for package, text in moving.items():
            offered = {PackageVersion.parse(v).release for v in each.available.get(package, ())}
            if PackageVersion.parse(text).release != target and target not in offered:
                lists = "apt-get update" if each.manager == "apt" else "yum clean expire-cache"
                yield _stop(
                    "candidate-missing",
                    name,
                    f"its repositories offer no {package} {target}",
                    f"check the repository, then: {lists}",
                )


def _went_first(facts: Hosts, stop: str) -> set[str]:
    """The front hosts that are further on their way to STOP than the others: an upgrade got to them, and was given up."""
    behind = [order(each.release) for each in back_hosts(facts).values() if each.release]
    front = {name: each for name, each in facts.items() if each.front and behind}
    return {name for name, each in front.items() if max(behind) < order(each.release) <= order(stop)}


def _current(host: Facts) -> dict[str, str]:
    """What is installed, less what ended before the release that st2 is at: it stays where it was."""
    if host.release not in catalogue.RELEASES:
        return host.installed
    return {name: text for name, text in host.installed.items() if name in catalogue.packages(host.release)}


def _versions(deployment: str, facts: Hosts, target: str) -> Iterator[Finding]:
    seen: dict[str, list[str]] = {}
    for name, each in facts.items():
        if name in _went_first(facts, target):
            continue
        for package, text in _current(each).items():
            seen.setdefault(PackageVersion.parse(text).release, []).append(f"{name}:{package}")
    if len(seen) > 1:
        what = "; ".join(f"{release}: {', '.join(where)}" for release, where in sorted(seen.items()))
        yield _stop(
            "versions-mixed",
            deployment,
            f"packages of several releases in one deployment: {what}",
            "finish what was begun: bring all of them to one release by the package manager, services stopped",
        )


def _journal(deployment: str, facts: Hosts, target: str) -> Iterator[Finding]:
    journals = {name: each.journal for name, each in facts.items()}
    if sentence := disagreement(journals):
        yield _stop("journal-disagrees", deployment, sentence, f"look with: invoke status --hosts {deployment}")
    for name, each in facts.items():
        if each.damage:
            yield _stop("journal-damaged", name, each.damage, "look at /var/lib/stormlift/journal on the host")
        at, last = settled(each.journal), _last_settled(each.journal)
        by_hand = at and each.release and each.release != at and open_run(each.journal) is None
        if by_hand and name not in _went_first(facts, target) and not (last and last.data.get("baseline")):
            yield _stop(
                "upgraded-by-hand",
                name,
                f"{each.release} is installed, the journal settled {at}, and no run is open",
                f"say which release's migrations were run last: invoke migrations.baseline --hosts {deployment} --release {at} "
                f"(or {each.release})",
            )
        if each.hold and open_run(each.journal) is None:
            cure = next(
                (c for c in ("mistral.recover", "mistral.upgrade") if open_run(each.journal, c)), "services.start"
            )
            yield _stop(
                "held",
                name,
                f"st2 is held from starting ({each.hold}), and no upgrade is open",
                f"go on with what holds it: invoke {cure} --hosts {deployment}",
            )


def _last_settled(records: Iterable[Record]) -> Record | None:
    return next((record for record in reversed(tuple(records)) if record.event == "settled"), None)


def _tools(deployment: str, facts: Hosts, target: str) -> Iterator[Finding]:
    name = mistral_host(facts)
    missing = [tool for tool in ("pg_dump", "pg_restore") if name and tool not in facts[name].tools]
    if missing:
        yield _stop(
            "dump-tools-missing",
            name,
            f"{' and '.join(missing)} would be needed to dump Mistral's database",
            "install the PostgreSQL client of the server's version there",
        )


def _mistral(deployment: str, facts: Hosts, target: str) -> Iterator[Finding]:
    host = mistral_host(facts)
    state = facts[host].mistral if host else None
    if state is None:
        return
    remedy = mistral.next_step(state, deployment, host)
    if state.state not in mistral.SOUND:
        yield _stop(f"mistral-{state.state}", host, state.sentence, remedy)
    if state.state == "between":
        yield Finding(
            "mistral-between", Severity.WARNING, host, state.sentence, "nothing to do: the upgrade goes on from there"
        )
    if others := mistral.outsiders(facts):
        yield _stop(
            "mistral-shared",
            host,
            f"somebody else works on Mistral's database: {', '.join(map(mistral.told, others))}",
            "these addresses are no hosts of the deployment: end the sessions, or add the hosts to the inventory",
        )
    if state.state == "recreated":
        yield Finding(
            "mistral-recreated",
            Severity.WARNING,
            host,
            state.sentence,
            remedy,
        )
    if state.unfinished and order(target) >= order("2.2.0") and state.revision < "020":
        yield Finding(
            "mistral-unfinished",
            Severity.WARNING,
            host,
            f"{state.unfinished} executions of Mistral are unfinished and will stay so for ever",
            "let them finish first, or accept that they are lost",
        )


def _databases(deployment: str, facts: Hosts, target: str) -> Iterator[Finding]:
    seen = {each.mistral.identity: name for name, each in facts.items() if each.mistral and each.mistral.identity}
    if len(seen) > 1:
        where = ", ".join(f"{name} uses {identity}" for identity, name in seen.items())
        yield _stop(
            "databases-differ",
            deployment,
            f"its hosts use different Mistral databases: {where}",
            "make each of them a deployment of its own, or mend [database] connection in mistral.conf",
        )


def _disk(deployment: str, facts: Hosts, target: str) -> Iterator[Finding]:
    for name, each in facts.items():
        dump = each.mistral.size >> 10 if each.mistral else 0
        for place, base in _NEED_KIB.items():
            need = base + (dump if place == "/var" else 0)
            free = each.free_kib.get(place)
            if free is not None and free < need:
                yield _stop(
                    "disk-short",
                    name,
                    f"{place} has {free >> 10} MiB free, {need >> 10} MiB are needed",
                    f"free space under {place}",
                )
