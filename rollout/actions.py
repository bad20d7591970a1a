"""The steps of one hop, phase by phase, for the hosts as their facts show them. Pure: facts in, steps out."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from rollout import catalogue, packages
from rollout.facts import MUTE, Facts, mistral_host
from rollout.mistral import revisions
from rollout.model import Before, Kind, Phase, Repeat, Scope, Settle, Step

Hosts = Mapping[str, Facts]
Units = Mapping[str, tuple[str, ...]]

_DB_MANAGE = ("/opt/stackstorm/mistral/bin/mistral-db-manage", "--config-file", "/etc/mistral/mistral.conf")
_REGISTER = ("/opt/stackstorm/st2/bin/st2-register-content", "--config-file", "/etc/st2/st2.conf")
_PAGE = "StackStorm upgrade page 2.2.1, upgrade procedure"

NOTHING_PENDING = "no revision is pending"
# Mistral's engine needs 61 s to end (oslo.service waits out graceful_shutdown_timeout); systemd gives up after 90.
# st2 is down while it is looked for whether it is: a look costs tens of milliseconds.
STOPPED = Settle(("stormlift-host", "stopped"), every=0.2, tries=500, issues=2)
SERVING = Settle(("stormlift-host", "serving"), every=1.0, tries=90, issues=2)


UPGRADE_MISTRAL = Step(
    "mistral.upgrade",
    "upgrade Mistral's database to head",
    Phase.MISTRAL,
    (*_DB_MANAGE, "upgrade", "head"),
    scope=Scope.DEPLOYMENT,
    needs="st2mistral",
    postcondition=("stormlift-host", "mistral", "at-head"),
    timeout=7200,
    why="one transaction for all revisions: interrupted, it is as if it never ran",
    source="StackStorm upgrade page 2.2.1, step 3; mistral/db/sqlalchemy/migration/cli.py@st2-2.2.1",
)
POPULATE_MISTRAL = Step(
    "mistral.populate",
    "populate Mistral's actions and workflows",
    Phase.MISTRAL,
    (*_DB_MANAGE, "populate"),
    scope=Scope.DEPLOYMENT,
    needs="st2mistral",
    timeout=1800,
    # That the database is at head was proved just before, and is asked again when st2 serves: here it would only cost time.
    why="rewrites the system actions, nothing else; its exit code proves nothing",
    source="StackStorm upgrade page 2.2.1, step 3",
)
REGISTER_ALL = Step(
    "config.register-all",
    "register all content",
    Phase.CONFIG,
    (*_REGISTER, "--register-all", "--register-fail-on-failure"),
    scope=Scope.DEPLOYMENT,
    needs="st2",
    timeout=1800,
    why="`Additional properties are not allowed` on core actions otherwise",
    source="st2docs PR 728; st2 issue 4718",
)
VIRTUALENVS = Step(
    "config.virtualenvs",
    "make the virtualenvs of packs anew",
    Phase.CONFIG,
    (*_REGISTER, "--register-recreate-virtualenvs"),
    needs="st2",
    units=("st2actionrunner", "st2sensorcontainer"),
    timeout=7200,
    why="the Python of st2 changes, and a virtualenv is bound to the one that it was made with",
    source="st2docs upgrades.rst, v3.4 and v3.7; st2docs PR 1120 (the flag is refused as the page first named it)",
)


def per_host(facts: Hosts, make: Callable[[Facts], Step | None]) -> tuple[Step, ...]:
    """One step for every host, equal ones folded into one with several hosts."""
    folded: dict[Step, list[str]] = {}
    for name, each in facts.items():
        if (step := make(each)) is not None:
            folded.setdefault(step, []).append(name)
    return tuple(replace(step, hosts=tuple(names)) for step, names in folded.items())


def fetch(facts: Hosts, versions: Mapping[str, Mapping[str, str]]) -> tuple[Step, ...]:
    """Refresh metadata and download the packages while st2 still serves."""

    def refresh(host: Facts) -> Step | None:
        if not versions[host.host]:
            return None
        argv = packages.commands(host.manager, versions[host.host]).refresh
        return Step("fetch.metadata", "refresh the package lists", Phase.FETCH, argv, timeout=900)

    def download(host: Facts) -> Step | None:
        if not versions[host.host]:
            return None
        argv = packages.commands(host.manager, versions[host.host]).fetch
        return Step("fetch.packages", "download the packages", Phase.FETCH, argv, timeout=3600)

    return (*per_host(facts, refresh), *per_host(facts, download))


def before_stop(facts: Hosts) -> tuple[Step, ...]:
    """Stop what feeds work in, so that nothing new begins."""

    def make(host: Facts) -> Step | None:
        feeding = tuple(unit for unit in catalogue.FEEDERS if unit in host.active())
        if not feeding:
            return None
        return Step(
            "before-stop.feeders",
            "stop what feeds work",
            Phase.BEFORE_STOP,
            ("systemctl", "stop", *feeding),
            why="sensors, rules, timers and chat start executions that the stop would cut off",
            source=_PAGE,
        )

    return per_host(facts, make)


def stop(facts: Hosts, run_hold: bool = True, at: str = "") -> tuple[Step, ...]:
    """Stop every st2 and mistral unit on every host, prove it, and hold them; AT is the release that an earlier hop left."""

    def units(host: Facts) -> Step | None:
        there = _units_at(host, at) if at else set(host.units)
        present = tuple(unit for unit in catalogue.all_units() if unit in there)
        if not present:
            return None
        return Step(
            "stop.units",
            "stop every st2 and mistral unit",
            Phase.STOP,
            ("systemctl", "stop", *present),
            settle=replace(STOPPED, probe=("stormlift-host", "stopped", *present)),
            timeout=400,
            source=_PAGE,
            why="`st2ctl stop` hides a component that did not stop, and leaves mistral-api alive",
        )

    def everywhere(step: Step) -> tuple[Step, ...]:
        return per_host(facts, lambda _: step)

    leftovers = Step(
        "stop.leftovers",
        "end what is left, and name it",
        Phase.STOP,
        ("stormlift-host", "leftovers"),
        why="workers that outlive their unit go on with old code",
        source="st2docs issue 653",
    )
    hold = Step(
        "stop.hold",
        "hold: nothing of st2 can start",
        Phase.STOP,
        ("stormlift-host", "hold", *catalogue.all_units()),
        postcondition=("stormlift-host", "held", *catalogue.all_units()),
        why="a package script, a reboot or puppet must not start Mistral before its database is upgraded",
        source="StackStorm upgrade page 2.2.1, warning of step 3; StackStorm/st2-packages issue 421",
    )
    quiet = Step(
        "stop.proved",
        "nothing of st2 runs",
        Phase.STOP,
        ("stormlift-host", "quiet"),
        kind=Kind.CHECK,
        why="the rest relies on it",
    )
    # The hold comes first: it does not stop what runs, and a reboot in the middle of the stop brings nothing back.
    first = everywhere(hold) if run_hold else ()
    return (*first, *per_host(facts, units), *everywhere(leftovers), *everywhere(quiet))


def once(facts: Hosts, needs: str, step: Step) -> Step:
    """STEP on the one host of the deployment that is fit for it."""
    fit = mistral_host(facts) if needs == "st2mistral" else next((n for n, f in facts.items() if f.fits(needs)), "")
    return replace(step, hosts=(fit,))


def install(facts: Hosts, versions: Mapping[str, Mapping[str, str]], held: bool = True) -> tuple[Step, ...]:
    """The whole set to exact revisions, read back; then the hold proved."""

    def make(host: Facts) -> Step | None:
        wanted = versions[host.host]
        if not wanted:
            return None
        commands = packages.commands(host.manager, wanted)
        return Step(
            "packages.set",
            "upgrade the packages as one set",
            Phase.PACKAGES,
            commands.install,
            postcondition=installed(wanted),
            repair=commands.repair,
            repeat=Repeat.PROBE,
            timeout=7200,
            why="all packages of a release move together, at exact revisions",
            source=_PAGE,
        )

    frees = packages_free(facts, lambda host: bool(versions[host.host]))
    return (*frees, *per_host(facts, make), *(packages_quiet(facts) if held else ()))


def packages_quiet(facts: Hosts) -> tuple[Step, ...]:
    """Prove that the hold held while packages were changed."""
    quiet = Step(
        "packages.quiet",
        "the hold held: nothing of st2 runs",
        Phase.PACKAGES,
        ("stormlift-host", "quiet"),
        kind=Kind.CHECK,
        why="package scripts restart services: %postun of the rpms, debs from 2.3.2 on",
        source="StackStorm/st2-packages rpmspec/helpers.spec; commit 9bfbbe8",
    )
    return per_host(facts, lambda _: quiet)


def packages_free(
    facts: Hosts, concerned: Callable[[Facts], bool] = lambda host: True, phase: Phase = Phase.PACKAGES
) -> tuple[Step, ...]:
    """Wait for whoever works with the package manager of the hosts that are CONCERNED; yum waits by itself.

    In a PHASE before the stop st2 serves meanwhile.
    """
    free = Step(
        f"{phase.value}.free",
        "the package manager is free",
        phase,
        ("stormlift-host", "package-manager-free"),
        kind=Kind.CHECK,
        why="unattended upgrades hold the lock of dpkg, and apt before 1.9.11 does not wait for it",
    )
    return per_host(facts, lambda host: free if concerned(host) and host.manager == "apt" else None)


def installed(wanted: Mapping[str, str]) -> tuple[str, ...]:
    """The probe that reads WANTED back from the package manager."""
    return ("stormlift-host", "installed", *(f"{name}={version}" for name, version in sorted(wanted.items())))


def mistral_quiet(facts: Hosts) -> tuple[Step, ...]:
    """Prove on every host that no mistral process lives there."""
    quiet = Step(
        "mistral.quiet",
        "no mistral process lives here",
        Phase.MISTRAL,
        ("stormlift-host", "mistral-quiet"),
        kind=Kind.CHECK,
        why="a mistral that starts on the new code makes its tables, and the upgrade then fails",
        source="StackStorm upgrade page 2.2.1, warning of step 3",
    )
    return per_host(facts, lambda _: quiet)


def mistral(facts: Hosts, head: str = "", at: str = "") -> tuple[Step, ...]:
    """Upgrade and populate Mistral's database, once, while no mistral process lives on any host.

    It goes to the revision HEAD, or without one to that of the package that is installed; AT is the revision that an
    earlier hop left, where it is not the one that the facts show.
    """
    if not mistral_host(facts):
        return ()
    ready = Step(
        "mistral.ready",
        "the database can be upgraded",
        Phase.MISTRAL,
        ("stormlift-host", "mistral", "ready"),
        kind=Kind.CHECK,
        scope=Scope.DEPLOYMENT,
        needs="st2mistral",
        why="a broken or damaged database needs another way than `upgrade head`",
    )
    patience = ("env", f"PGOPTIONS=-c {_patience(facts)}")
    argv = (*patience, *UPGRADE_MISTRAL.argv)
    upgrade = replace(UPGRADE_MISTRAL, argv=argv, changes=_pending(facts, head, at))
    return (
        *mistral_quiet(facts),
        *(once(facts, "st2mistral", s) for s in (ready, upgrade, POPULATE_MISTRAL)),
    )


def _pending(facts: Hosts, head: str, at: str) -> str:
    """The revisions that `upgrade head` will run, with the tables that they make."""
    state = facts[mistral_host(facts)].mistral
    if state is None or state.state in MUTE:
        return ""
    if head:
        creates = catalogue.mistral_pending(at or state.revision, head)
        state = replace(state, pending=tuple(creates), creates=creates)
    return f"pending revisions: {', '.join(revisions(state))}" if state.pending else NOTHING_PENDING


def _patience(facts: Hosts) -> str:
    """What keeps `upgrade head` from waiting for ever; lock_timeout came with PostgreSQL 9.3, el7 brings 9.2."""
    state = facts[mistral_host(facts)].mistral
    return "statement_timeout=3600s" if state and 0 < state.server < 90300 else "lock_timeout=30s"


def _changed(host: Facts, versions: Mapping[str, Mapping[str, str]]) -> tuple[str, ...]:
    """The packages of HOST that the hop replaces."""
    wanted = versions[host.host]
    return tuple(sorted(name for name in wanted if wanted[name] != host.installed.get(name)))


def defaults(facts: Hosts, versions: Mapping[str, Mapping[str, str]]) -> tuple[Step, ...]:
    """Keep, while st2 serves, the configuration that the older packages shipped: what an operator changed is told by it."""
    step = Step(
        "fetch.defaults",
        "keep the defaults that the installed packages shipped",
        Phase.FETCH,
        timeout=1800,
        why="a new default beside an edited file is read against the old one, which is in the old package alone; where that is "
        "no longer offered, two are compared and not three",
    )

    def make(host: Facts) -> Step | None:
        names = _changed(host, versions)
        return replace(step, argv=("stormlift-host", "config", "defaults", *names)) if names else None

    return per_host(facts, make)


WEB_CONFIG = "/opt/stackstorm/static/webui/config.js"


def put_back(facts: Hosts, versions: Mapping[str, Mapping[str, str]]) -> tuple[Step, ...]:
    """Put back what a package overwrites; its own goes beside it."""
    step = Step(
        "config.put-back",
        "put back what the package of the web interface overwrote",
        Phase.CONFIG,
        ("stormlift-host", "config", "put-back", WEB_CONFIG),
        postcondition=("stormlift-host", "config", "as-kept", WEB_CONFIG),
        tells=True,
        why="the rpm of st2web does not call config.js configuration, and replaces it",
        source="the rpm spec of StackStorm/st2web, which has no %config",
    )
    return per_host(
        facts, lambda host: step if host.manager == "yum" and "st2web" in _changed(host, versions) else None
    )


def show_defaults(facts: Hosts, versions: Mapping[str, Mapping[str, str]]) -> tuple[Step, ...]:
    """Show what packages put beside the operator's configuration, and keep it."""
    step = Step(
        "config.show",
        "show the new defaults that lie beside changed files",
        Phase.POST_START,
        tells=True,
        timeout=1800,
        why="what is new in them is the operator's to take over: invoke config.diff",
    )

    def make(host: Facts) -> Step | None:
        names = _changed(host, versions)
        return replace(step, argv=("stormlift-host", "config", "show", *names)) if names else None

    return per_host(facts, make)


def config(facts: Hosts) -> tuple[Step, ...]:
    """Register all content of the new release."""
    return (once(facts, "st2", REGISTER_ALL),) if any(each.fits("st2") for each in facts.values()) else ()


TIMERS = "st2timersengine"


def _units_at(host: Facts, release: str) -> set[str]:
    """The units of HOST once its packages are at RELEASE: an unknown one would fail a stop, a new one would be left running."""
    built = set(catalogue.components(release))
    ended = {unit for each in catalogue.RELEASES for unit in catalogue.components(each)} - built
    # A package that has ended stays installed, and its units with it.
    found = set(host.units) - (ended - set(catalogue.MISTRAL_UNITS))
    return found | (built - {*catalogue.MISTRAL_UNITS, "st2chatops"} if "st2" in host.installed else set())


def wanted_units(before: Before) -> tuple[str, ...]:
    """What is to run again: what was active, or what is enabled when nothing was active."""
    known = [unit for unit in catalogue.all_units() if unit in before.units]
    active = tuple(unit for unit in known if before.units[unit].active in ("active", "activating", "reloading"))
    return active or tuple(unit for unit in known if before.units[unit].enabled == "enabled")


def units_after(facts: Hosts, before: Mapping[str, Before], release: str) -> Units:
    """What is to run on each host at RELEASE: what ran, less what it took away, and what it brought.

    A service that is new starts where the rules engine runs, st2timersengine on one host alone: until 2.8 the rules engine
    kept the timers, and two of them would fire every timer twice.
    """
    gone = {unit for each in catalogue.RELEASES for unit in catalogue.components(each)} - {
        *catalogue.components(release)
    }
    found = {name: tuple(u for u in wanted_units(before[name]) if u not in gone) for name in facts}
    ruled = [name for name in facts if "st2rulesengine" in found[name]]
    timed = next((name for name in ruled if TIMERS in found[name]), ruled[0] if ruled else "")
    for name in ruled:
        had = catalogue.components(facts[name].release)
        new = [u for u in catalogue.components(release) if u not in (*had, *catalogue.MISTRAL_UNITS)]
        found[name] += tuple(u for u in new if u != TIMERS or name == timed)
    return found


_OFF = Step(
    "start.off",
    "what was disabled stays so, and timers are one host's",
    Phase.START,
    why="rpms enable what an administrator had disabled, and every package st2timersengine: after a reboot each timer would "
    "fire once a host",
    source="st2docs upgrades.rst, v2.9; StackStorm/st2-packages, rpmspec/helpers.spec and debhelper's dh_systemd_enable",
)


def start(facts: Hosts, running: Units, before: Mapping[str, Before] | None = None, at: str = "") -> tuple[Step, ...]:
    """Release the hold and start what is to run; wait until it is up and stays so. Of an upgrade BEFORE is what was found and
    AT the release that the packages are at now."""
    release = Step("start.release", "release the hold", Phase.START, ("stormlift-host", "release"))

    timed = any(TIMERS in units for units in running.values())

    def off(host: Facts) -> Step | None:
        if before is None:
            return None
        kept = {unit for unit, state in before[host.host].units.items() if state.enabled == "disabled"}
        kept |= {TIMERS} if timed and "st2" in host.installed and TIMERS not in running[host.host] else set()
        there = tuple(unit for unit in catalogue.all_units() if unit in kept & _units_at(host, at))
        return replace(_OFF, argv=("systemctl", "disable", *there)) if there else None

    def units(host: Facts) -> Step | None:
        wanted = running[host.host]
        if not wanted:
            return None
        return Step(
            "start.units",
            "start what ran before",
            Phase.START,
            ("systemctl", "start", *wanted),
            timeout=900,
            settle=replace(SERVING, probe=("stormlift-host", "serving", *wanted)),
            source=_PAGE,
            why="`st2ctl start` also starts what was disabled on purpose, and exits 0 whatever happens",
        )

    return (*per_host(facts, off), *per_host(facts, lambda _: release), *per_host(facts, units))


def verify(facts: Hosts, versions: Mapping[str, Mapping[str, str]], running: Units, release: str) -> tuple[Step, ...]:
    """Versions read back, units active, the API answering as the new release, Mistral at head, core.local."""

    def packages_(host: Facts) -> Step | None:
        wanted = versions[host.host]
        return (
            Step("verify.packages", "read the versions back", Phase.VERIFY, installed(wanted), kind=Kind.CHECK)
            if wanted
            else None
        )

    def serving(host: Facts) -> Step | None:
        wanted = running[host.host]
        argv = ("stormlift-host", "serving", *wanted)
        return (
            Step("verify.units", "every unit that ran before runs", Phase.VERIFY, argv, kind=Kind.CHECK)
            if wanted
            else None
        )

    def answers(host: Facts) -> Step | None:
        wanted = running[host.host]
        if not {"st2api", "st2auth", "st2stream"} & set(wanted):
            return None
        return Step(
            "verify.api",
            f"API, auth and stream answer, as {release}",
            Phase.VERIFY,
            kind=Kind.CHECK,
            timeout=300,
            argv=("stormlift-host", "answers", release, *wanted),
            source="st2-packages issue 429: slow first answer",
        )

    steps = (*per_host(facts, packages_), *per_host(facts, serving), *per_host(facts, answers))
    if any("st2api" in running[name] for name in facts):
        local = Step(
            "verify.core-local",
            "core.local succeeds, where root's st2 has credentials",
            Phase.VERIFY,
            ("stormlift-host", "core-local"),
            kind=Kind.CHECK,
            scope=Scope.DEPLOYMENT,
            needs="st2",
            timeout=300,
        )
        host = next(n for n in facts if "st2api" in running[n])
        steps += (replace(local, hosts=(host,)),)
    if mistral_host(facts) and (not release or catalogue.mistral_head(release)):
        head = Step(
            "verify.mistral",
            "Mistral's database is at head",
            Phase.VERIFY,
            ("stormlift-host", "mistral", "at-head"),
            kind=Kind.CHECK,
            scope=Scope.DEPLOYMENT,
            needs="st2mistral",
        )
        steps += (once(facts, "st2mistral", head),)
    return steps


def settle(facts: Hosts, release: str) -> tuple[Step, ...]:
    """Write the new release into every host's journal."""
    step = Step("settle.record", f"the journal settles {release}", Phase.SETTLE, ("stormlift-host", "settle", release))
    return per_host(facts, lambda _: step)
