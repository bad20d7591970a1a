"""Plans of the commands beside upgrade: Mistral's repair and upgrade, services stopped, started, restarted. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from rollout import actions, backup, catalogue, durations, mistral, preflight
from rollout.errors import PlanRefused
from rollout.facts import Facts, MistralFacts, mistral_host
from rollout.journal import Record, going_back, open_run
from rollout.model import Before, Deployment, DeploymentPlan, Kind, Phase, PhasePlan, Repeat, Scope, Step, UnitState
from rollout.versions import order

Hosts = Mapping[str, Facts]
Planner = Callable[[Deployment, Hosts], DeploymentPlan]


def _plan(
    deployment: Deployment,
    facts: Hosts,
    command: str,
    phases: Mapping[Phase, tuple[Step, ...]],
    notes: tuple[str, ...] = (),
    no_return: str = "",
    before: Mapping[str, Before] | None = None,
) -> DeploymentPlan:
    release = next((each.release for each in facts.values() if each.release), "")
    return DeploymentPlan(
        name=deployment.name,
        command=command,
        hosts=tuple(host.name for host in deployment.hosts),
        origin=release,
        target=release,
        phases=tuple(PhasePlan(command, phase, phases[phase]) for phase in Phase if phases.get(phase)),
        before=dict(before or {name: each.before for name, each in facts.items()}),
        notes=notes,
        point_of_no_return=no_return,
    )


def _again(before: Mapping[str, Before]) -> actions.Units:
    return {name: actions.wanted_units(each) for name, each in before.items()}


def only_mistral(before: Before) -> Before:
    """BEFORE, as far as Mistral's own units go; those that are enabled count as running."""
    units = {name: state for name, state in before.units.items() if name in catalogue.MISTRAL_UNITS}
    started = {
        name: UnitState("active", state.enabled) if state.enabled == "enabled" else state
        for name, state in units.items()
    }
    return Before(units=started, packages=before.packages)


def _stop_mistral(facts: Hosts) -> tuple[Step, ...]:
    def make(host: Facts) -> Step | None:
        present = tuple(unit for unit in catalogue.MISTRAL_UNITS if unit in host.units)
        return (
            Step(
                "stop.mistral",
                "stop mistral, mistral-api and mistral-server",
                Phase.STOP,
                ("systemctl", "stop", *present),
                settle=replace(actions.STOPPED, probe=("stormlift-host", "stopped", *present)),
                timeout=400,
                why="stopping the wrapper alone can leave mistral-api and mistral-server alive",
            )
            if present
            else None
        )

    everywhere = (
        Step(
            "stop.mistral-leftovers",
            "end what is left of mistral, and name it",
            Phase.STOP,
            ("stormlift-host", "mistral-leftovers"),
        ),
        Step(
            "stop.mistral-hold",
            "hold: mistral cannot start",
            Phase.STOP,
            ("stormlift-host", "hold", *catalogue.MISTRAL_UNITS),
            why="a reboot or puppet must not start it in the middle",
        ),
        Step(
            "stop.mistral-quiet",
            "no mistral process lives here",
            Phase.STOP,
            ("stormlift-host", "mistral-quiet"),
            kind=Kind.CHECK,
        ),
    )
    return (
        *actions.per_host(facts, make),
        *(replace(step, hosts=tuple(facts)) for step in everywhere),
    )


def recover(deployment: Deployment, facts: Hosts, drop_rows: bool) -> DeploymentPlan:
    """The repair of a broken Mistral database; refuses every other state, saying what it found.

    A repair that was cut off is planned anew from what is there now; past its drop it is an upgrade of the database.
    """
    host, state = _mistral_of(deployment, facts)
    cut_off = open_runs(facts, "mistral.recover")
    if cut_off and state.state in mistral.SOUND:
        return replace(_to_head(deployment, facts, "mistral.recover", state), abandons=cut_off)
    next_step = mistral.next_step(state, deployment.name, host)
    if state.state != "broken":
        raise PlanRefused(
            f"{deployment.name}: {state.sentence}; mistral.recover repairs a broken database only", next_step
        )
    if state.revision >= mistral.FIRST_WITH_EXECUTIONS:
        raise PlanRefused(
            f"{deployment.name}: {state.sentence}; nothing is dropped at revision "
            f"{mistral.FIRST_WITH_EXECUTIONS} or later",
            next_step,
        )
    filled = {table: state.rows[table] for table in state.drop if state.rows.get(table)}
    if filled and not drop_rows:
        what = ", ".join(f"{table} ({count})" for table, count in filled.items())
        raise PlanRefused(
            f"{deployment.name}: rows stand in tables that would be dropped: {what}",
            f"they are dumped first; to drop them: invoke mistral.recover --hosts {deployment.name} --drop-rows",
        )
    drop = Step(
        "mistral.drop",
        f"drop {', '.join(state.drop)}",
        Phase.MISTRAL,
        ("stormlift-host", "mistral", "drop", *(["--drop-rows"] if drop_rows else []), *state.drop),
        scope=Scope.DEPLOYMENT,
        needs="st2mistral",
        postcondition=("stormlift-host", "mistral", "repaired"),
        repeat=Repeat.PROBE,
        why="tables that only later revisions make, made by a service that started too early; one statement, no CASCADE",
        source="StackStorm upgrade page 2.2.1, section v2.2, whose five statements do not run in that order",
    )
    quiet, ready, upgrade, populate = actions.mistral(facts)[0], *actions.mistral(facts)[-3:]
    notes = (
        state.sentence,
        f"in one transaction, without CASCADE: DROP TABLE {', '.join(state.drop)}",
    )
    plan = _mistral_plan(
        deployment,
        facts,
        "mistral.recover",
        (quiet, actions.once(facts, "st2mistral", drop), ready, upgrade, populate),
        notes,
        "mistral.drop, whose tables are in the dump of the backup phase",
    )
    return replace(plan, abandons=cut_off)


def upgrade_mistral(deployment: Deployment, facts: Hosts) -> DeploymentPlan:
    """Bring Mistral's database to the head of the installed package; an empty plan when it is there and no run is open.

    A repair that was cut off past its drop is finished by this as well.
    """
    host, state = _mistral_of(deployment, facts)
    cut_off = open_runs(facts, "mistral.upgrade") or open_runs(facts, "mistral.recover")
    if state.state in ("upgraded", "recreated") and not cut_off:
        return _plan(deployment, facts, "mistral.upgrade", {})
    if state.state not in mistral.SOUND:
        raise PlanRefused(f"{deployment.name}: {state.sentence}", mistral.next_step(state, deployment.name, host))
    return replace(_to_head(deployment, facts, "mistral.upgrade", state), abandons=cut_off)


def _to_head(deployment: Deployment, facts: Hosts, command: str, state: MistralFacts) -> DeploymentPlan:
    return _mistral_plan(deployment, facts, command, actions.mistral(facts), (state.sentence,), "mistral.upgrade")


def _mistral_plan(
    deployment: Deployment,
    facts: Hosts,
    command: str,
    steps: tuple[Step, ...],
    notes: tuple[str, ...],
    no_return: str,
) -> DeploymentPlan:
    """STEPS on the database, with mistral stopped and held around them, a dump before, and a look at the end.

    A hold that an open upgrade put there stays, and nothing is started then: the upgrade goes on afterwards.
    Refused before anything stops where the dump could not be made.
    """
    for finding in preflight.of_dump(deployment.name, facts):
        raise PlanRefused(f"{finding.host}: {finding.cause}", finding.remedy)
    held = open_upgrade(facts)
    before = {host: _mistral_before(each) for host, each in facts.items()}
    looked_at = ("verify.mistral",) if held else ("verify.mistral", "verify.units")
    phases = {
        Phase.STOP: _stop_mistral(facts),
        Phase.BACKUP: backup.of_mistral(facts),
        Phase.MISTRAL: steps,
        Phase.START: () if held else actions.start(facts, _again(before)),
        Phase.VERIFY: tuple(
            step for step in actions.verify(facts, {h: {} for h in facts}, _again(before), "") if step.id in looked_at
        ),
    }
    if held:
        notes = (*notes, f"an upgrade is open ({held.run}): mistral stays held, go on with it afterwards")
    return _plan(deployment, facts, command, phases, notes, no_return, before)


def _mistral_before(host: Facts) -> Before:
    """What of Mistral is to run at the end: what ran before a repair or upgrade of the database that was cut off, else now."""
    opened = open_run(host.journal, "mistral.recover") or open_run(host.journal, "mistral.upgrade")
    kept = _kept(opened)
    return replace(kept, packages=host.before.packages) if kept else only_mistral(host.before)


def _mistral_of(deployment: Deployment, facts: Hosts) -> tuple[str, MistralFacts]:
    """The host whose view of the deployment's Mistral database counts, and the state that it sees.

    Refuses where there is none, where its hosts see different ones, or where somebody else works on it.
    """
    refuse_on_the_way_back(deployment, facts)
    host, state = mistral.view(facts)
    if state.state == "absent":
        raise PlanRefused(f"{deployment.name}: {state.sentence}", "check --hosts")
    if odds := mistral.at_odds(facts):
        raise PlanRefused(
            f"{deployment.name}: {host}: {state.sentence}; but {'; '.join(odds)}",
            "give its hosts one release of st2mistral and one [database] connection in /etc/mistral/mistral.conf, look: "
            f"invoke mistral.status --hosts {deployment.name}",
        )
    if others := mistral.outsiders(facts):
        raise PlanRefused(
            f"{deployment.name}: somebody else works on its Mistral database: {', '.join(map(mistral.told, others))}",
            "these addresses are no hosts of the deployment: end the sessions, or add the hosts to the inventory",
        )
    return host, state


def open_runs(facts: Hosts, command: str) -> str:
    """The run of COMMAND that is open on these hosts, or ""."""
    return next((found.run for each in facts.values() if (found := open_run(each.journal, command))), "")


def open_upgrade(facts: Hosts) -> Record | None:
    """The upgrade that is open on these hosts, if one is."""
    return next((found for each in facts.values() if (found := open_run(each.journal))), None)


def stop_services(deployment: Deployment, facts: Hosts) -> DeploymentPlan:
    """Stop everything of st2 and prove it; no hold: whoever starts it may."""
    return _plan(deployment, facts, "services.stop", {Phase.STOP: actions.stop(facts, run_hold=False)})


def start_services(deployment: Deployment, facts: Hosts) -> DeploymentPlan:
    """Release a hold and start what an abandoned upgrade stopped, else what is enabled.

    Refused when a hop of an open upgrade is between packages and start, where what runs would be half new, and when
    mistral would start on a database that is not at its head, which breaks it.
    """
    refuse_on_the_way_back(deployment, facts)
    opened = open_upgrade(facts)
    if opened and half_way(opened, facts):
        raise PlanRefused(
            f"{deployment.name}: an upgrade is open ({opened.run}) and the packages are changed",
            f"go on with it: invoke upgrade --hosts {deployment.name}",
        )
    refuse_early_mistral(deployment, facts)
    before = {name: _enabled(each, opened) for name, each in facts.items()}
    phases = {Phase.START: actions.start(facts, _again(before))}
    plan = _plan(deployment, facts, "services.start", phases, before=before)
    return replace(plan, abandons=opened.run if opened and not _served_again(opened, facts) else "")


def refuse_early_mistral(deployment: Deployment, facts: Hosts) -> None:
    """Raise PlanRefused where a start of mistral would make tables: those of its new code in an old database, or those
    that are missing in a damaged one, empty, which hides what was lost.
    """
    name = mistral_host(facts)
    state = facts[name].mistral if name else None
    if state and state.state in ("old", "between", "empty", "broken", "damaged"):
        raise PlanRefused(
            f"{deployment.name}: {state.sentence}; mistral must not start on it",
            mistral.next_step(state, deployment.name, name),
        )


def refuse_on_the_way_back(deployment: Deployment, facts: Hosts) -> None:
    """Raise PlanRefused where a rollback or a restore is not through: what runs or is repaired now would be half old."""
    for each in facts.values():
        if back := going_back(each.journal):
            command = back.data.get("command")
            raise PlanRefused(
                f"{deployment.name}: {command} is not through ({back.run})",
                f"finish it: invoke {command} --hosts {deployment.name}",
            )


def half_way(opened: Record, facts: Hosts) -> bool:
    """True when some leg of the run has begun with the packages and has not started its services."""
    begun = _legs(opened, facts, ":packages.set", "started")
    # A host that went ahead may have no unit to start: it is through when its hold is released.
    released = {leg for leg in _legs(opened, facts, ":start.release", "finished") if "@" in leg}
    return bool(begun - released - _legs(opened, facts, ":start.units", "finished"))


def _legs(opened: Record, facts: Hosts, step: str, event: str) -> set[str]:
    """Hops (2.2.1) and the parts of one host that went ahead (2.2.1@web1) that have got as far as STEP."""
    records = (r for each in facts.values() for r in each.journal if r.run == opened.run)
    return {r.step.partition(":")[0] for r in records if r.step.endswith(step) and r.event == event and r.code == 0}


def _served_again(opened: Record, facts: Hosts) -> bool:
    """True when the newest hop of the run has started its services: only its last checks and steps are open."""
    hops = {leg.partition("@")[0] for leg in _legs(opened, facts, "", "started")}
    return bool(hops) and max(hops, key=order) in _legs(opened, facts, ":start.units", "finished")


def _kept(opened: Record | None) -> Before | None:
    """What ran on a host when the run that it noted as OPENED began; None when it did not keep that."""
    kept = (opened.data.get("before") or {}).get("units", {}) if opened else {}
    units = {name: UnitState(str(each.get("active")), str(each.get("enabled"))) for name, each in kept.items()}
    return Before(units) if units else None


def _enabled(host: Facts, opened: Record | None) -> Before:
    own = next((r for r in host.journal if opened and r.run == opened.run and r.event == "opened"), None)
    return _kept(own) or Before(
        {name: UnitState("active" if u.enabled == "enabled" else u.active, u.enabled) for name, u in host.units.items()}
    )


def restart_services(deployment: Deployment, facts: Hosts) -> DeploymentPlan:
    """Stop what runs, prove it, start the same again."""
    refuse_on_the_way_back(deployment, facts)
    refuse_early_mistral(deployment, facts)
    if opened := open_upgrade(facts):
        raise PlanRefused(
            f"{deployment.name}: an upgrade is open ({opened.run}), and it stops and starts what it needs",
            f"go on with it: invoke upgrade --hosts {deployment.name}",
        )
    before = {name: each.before for name, each in facts.items()}
    phases = {Phase.STOP: actions.stop(facts, run_hold=False), Phase.START: actions.start(facts, _again(before))}
    plan = _plan(deployment, facts, "services.restart", phases)
    down = durations.expected(plan.phases, facts)
    return replace(plan, downtime_s=down.seconds, backup_s=down.backup, downtime_from=down.basis)


def reload_services(deployment: Deployment, facts: Hosts) -> DeploymentPlan:
    """Register all content again; by the program that `st2ctl reload` calls, whose failure it hides before 2.2.1."""
    return _plan(deployment, facts, "services.reload", {Phase.CONFIG: actions.config(facts)})
