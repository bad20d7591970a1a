"""What decided a plan, and what of it has moved since: facts and plans in, sentences out. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from rollout import codec, journal
from rollout.execute import key_of
from rollout.facts import Facts
from rollout.model import Deployment, DeploymentPlan, Step
from rollout.plan import Plan, revisions
from rollout.quote import shell

Grounds = dict[str, dict[str, str]]

# How a fact is named, by its section. What stands in the first ones decides always; in the last ones, when a step changes.
_SAID = {
    "system": "{}",
    "packages": "package {}",
    "units": "unit {}",
    "mistral": "{} of Mistral's database",
    "journal": "{} of its journal",
}
_SAID_WITH_STEPS = {"data": "data that shows {}", "relies on": "release of {}"}
_RUNNING = ("active", "activating", "reloading")
_COMMANDS = ("upgrade", "mistral.upgrade", "mistral.recover")


def grounds(facts: Facts) -> Grounds:
    """What of FACTS decided the plan, by section, in an operator's words; what may move without a word is left out.

    Free disk, clocks, processes, sessions, locks and counts are: where one of them stops an upgrade, it is a finding.
    """
    mistral = facts.mistral
    runs = [found.run for command in _COMMANDS if (found := journal.open_run(facts.journal, command))]
    return {
        "system": {
            "distribution": facts.distro or facts.os_name,
            "init system": facts.init,
            "package manager": facts.manager,
            "machine id": facts.machine,
        },
        "packages": dict(facts.installed),
        "units": {
            name: f"{'running' if state.active in _RUNNING else 'stopped'}, {state.enabled or 'not enabled'}"
            for name, state in facts.units.items()
        },
        "mistral": {
            "state": mistral.state,
            "revision": mistral.revision,
            "head": mistral.head,
            "identity": mistral.identity,
        }
        if mistral
        else {},
        "journal": {
            "settled release": journal.settled(facts.journal),
            "open run": ", ".join(runs),
            "damage": facts.damage,
        },
        "data": {key: "found" for key, count in sorted(facts.evidence.items()) if count},
        "relies on": dict(facts.versions),
    }


def moved_hosts(then: Plan, now: Iterable[Deployment]) -> tuple[str, ...]:
    """How the deployments that the inventory names NOW differ from those of the plan."""
    before = {
        **{each.name: each.hosts for each in then.deployments},
        **{each.name: each.hosts for each in then.skipped},
    }
    after = {each.name: tuple(host.name for host in each.hosts) for each in now}
    return tuple(
        f"{name}: hosts in the inventory: {_hosts(before.get(name))} -> {_hosts(after.get(name))}"
        for name in dict.fromkeys((*before, *after))
        if before.get(name) != after.get(name)
    )


def _hosts(names: tuple[str, ...] | None) -> str:
    return "not among them" if names is None else ", ".join(names)


def moved_facts(then: Mapping[str, Grounds], now: Mapping[str, Grounds], *, steps_too: bool = False) -> tuple[str, ...]:
    """What moved between THEN and NOW, as `host: fact: before -> now`, a line each; for hosts that both know.

    With STEPS_TOO also what decides only where it makes or takes away a step.
    """
    said = {**_SAID, **(_SAID_WITH_STEPS if steps_too else {})}
    return tuple(
        f"{host}: {words.format(name)}: {before or 'none'} -> {after or 'none'}"
        for host in then
        if host in now
        for section, words in said.items()
        for name, before, after in _differing(then[host].get(section, {}), now[host].get(section, {}))
    )


def _differing(before: Mapping[str, str], now: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    for name in dict.fromkeys((*before, *now)):
        if before.get(name, "") != now.get(name, ""):
            yield name, before.get(name, ""), now.get(name, "")


def moved_plan(then: DeploymentPlan, now: DeploymentPlan) -> tuple[str, ...]:
    """How the plan that the facts make NOW differs in what is run: the revisions, or where these are the same the steps."""
    before, after = _run(then), _run(now)
    if list(before.items()) == list(after.items()):
        return ()
    return (
        _moved_revisions(then, now) or tuple(_moved_steps(before, after)) or (f"{then.name}: the order of its steps",)
    )


def _run(of: DeploymentPlan) -> dict[tuple[str, str], Step]:
    """What is run, in order, by host and step, without the words about it."""
    return {
        (host, key_of(phase, step)): replace(step, title="", why="", source="", changes="", hosts=())
        for phase in of.phases
        for step in phase.steps
        for host in step.hosts
    }


def _moved_revisions(then: DeploymentPlan, now: DeploymentPlan) -> tuple[str, ...]:
    before, after = _pinned(then), _pinned(now)
    return tuple(
        f"{host}: {package} {hop} in its repositories: {before.get(key) or 'none'} -> {after.get(key) or 'none'}"
        for key in dict.fromkeys((*before, *after))
        for hop, host, package in (key,)
        if before.get(key) != after.get(key)
    )


def _pinned(of: DeploymentPlan) -> dict[tuple[str, str, str], str]:
    return {
        (hop, host, package): version
        for hop, hosts in revisions(of).items()
        for host, packages in hosts.items()
        for package, version in packages.items()
    }


def _moved_steps(before: Mapping[tuple[str, str], Step], after: Mapping[tuple[str, str], Step]) -> Iterator[str]:
    for key in dict.fromkeys((*before, *after)):
        if before.get(key) != after.get(key):
            then, now = _command(before.get(key)), _command(after.get(key))
            yield f"{key[0]}: step {key[1]}: " + (
                f"{then} -> {now}" if then != now else "how it is waited for or proved"
            )


def _command(step: Step | None) -> str:
    return "not run" if step is None else shell(step.argv)


def standing(of: DeploymentPlan, facts: Mapping[str, Facts]) -> str:
    """How far the plan OF a file got: `done` and `open` when a run of just this plan is, `other` when another run is
    open, else `fresh`."""
    digest = codec.digest(of)
    opened = [found for each in facts.values() if (found := journal.open_run(each.journal))]
    if opened:
        return "open" if all(each.digest == digest for each in opened) else "other"
    return "done" if facts and all(_carried_out(digest, each) for each in facts.values()) else "fresh"


def _carried_out(digest: str, facts: Facts) -> bool:
    """True when a run of the plan with DIGEST was closed there, and nothing was opened since."""
    last = next((each for each in reversed(facts.journal) if each.event == "opened"), None)
    return bool(last and last.digest == digest) and any(
        each.event == "closed" and last and each.run == last.run for each in facts.journal
    )
