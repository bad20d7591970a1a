"""What is found of packages: their manager, their sources, what is installed and what is offered. Pure."""

from collections.abc import Iterator, Mapping

from rollout import catalogue
from rollout.facts import Facts, back_hosts
from rollout.findings import found
from rollout.model import Finding
from rollout.versions import PackageVersion, order

Hosts = Mapping[str, Facts]
_OLD_S = 30 * 86400
_DAY_S = 86400


def health(deployment: str, facts: Hosts, target: str) -> Iterator[Finding]:
    """What keeps the package manager from working."""
    for name, each in facts.items():
        if not each.installed:
            yield found("nothing-installed", name, "no package of st2 is installed")
        for busy in {each.pid: each for each in reversed(each.busy)}.values():
            cause = f"{busy.command} (process {busy.pid}) holds {busy.lock}"
            yield found("package-manager-busy", name, cause, pid=busy.pid)
        for line in each.unhealthy:
            yield found("packages-half-configured", name, line, manager=each.manager)
        for package in each.held:
            cause = f"{package} is held at its version"
            yield found("package-held", name, cause, manager=each.manager, package=package)


def repositories(deployment: str, facts: Hosts, target: str) -> Iterator[Finding]:
    """Sources of packages that cannot be asked, or are not trusted."""
    for name, each in facts.items():
        around = each.around
        if around.key_refused:
            yield found("repository-key-refused", name, around.key_refused, manager=each.manager)
        elif around.fetch_failed:
            yield found("repository-unreachable", name, around.fetch_failed, manager=each.manager)
        elif around.lists_age > _OLD_S:
            cause = f"its lists of packages are {around.lists_age // _DAY_S} days old"
            yield found("lists-old", name, cause, manager=each.manager)


def candidates(deployment: str, facts: Hosts, target: str) -> Iterator[Finding]:
    """Packages of TARGET that a host would need and is not offered."""
    for name, each in facts.items():
        moving = {name: text for name, text in each.installed.items() if name in catalogue.packages(target)}
        for package, text in moving.items():
            offered = {PackageVersion.parse(v).release for v in each.available.get(package, ())}
            if PackageVersion.parse(text).release != target and target not in offered:
                cause = f"its repositories offer no {package} {target}"
                yield found("candidate-missing", name, cause, manager=each.manager)


def went_first(facts: Hosts, stop: str) -> set[str]:
    """The front hosts that are further on their way to STOP than the others: an upgrade got to them, and was given up."""
    behind = [order(each.release) for each in back_hosts(facts).values() if each.release]
    front = {name: each for name, each in facts.items() if each.front and behind}
    return {name for name, each in front.items() if max(behind) < order(each.release) <= order(stop)}


def versions(deployment: str, facts: Hosts, target: str) -> Iterator[Finding]:
    """Packages of several releases in one deployment."""
    seen: dict[str, list[str]] = {}
    for name, each in facts.items():
        if name in went_first(facts, target):
            continue
        for package, text in _current(each).items():
            seen.setdefault(PackageVersion.parse(text).release, []).append(f"{name}:{package}")
    if len(seen) > 1:
        what = "; ".join(f"{release}: {', '.join(where)}" for release, where in sorted(seen.items()))
        yield found("versions-mixed", deployment, f"packages of several releases in one deployment: {what}")


def _current(host: Facts) -> dict[str, str]:
    """What is installed, less what ended before the release that st2 is at: it stays where it was."""
    if host.release not in catalogue.RELEASES:
        return host.installed
    return {name: text for name, text in host.installed.items() if name in catalogue.packages(host.release)}
