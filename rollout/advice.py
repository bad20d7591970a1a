"""What a failure leaves behind, and what to type next. Pure: from the step, its log and the deployment's name."""

import re

from rollout.journal import BACK
from rollout.model import DeploymentPlan, Phase, PhasePlan

_LEAVES = {
    Phase.PREFLIGHT: "nothing was changed",
    Phase.FETCH: "st2 serves as before; packages may be downloaded, none is installed",
    Phase.BEFORE_STOP: "st2 serves, but what feeds work into it may be stopped",
    Phase.STOP: "st2 is stopped, in part or whole, and may be held; packages and databases are as before",
    Phase.BACKUP: "st2 is stopped and held; packages and databases are as before",
    Phase.PREPARE: "st2 is stopped and held; packages and databases are as before",
    Phase.PACKAGES: "st2 is stopped and held; packages may be new in part; databases are as before",
    Phase.MISTRAL: "st2 is stopped and held; packages are new; Mistral's database is as it was before this step",
    Phase.MIGRATIONS: "st2 is stopped and held; packages and Mistral's database are new; the datastore in part",
    Phase.CONFIG: "st2 is stopped and held; packages and databases are new",
    Phase.START: "everything is upgraded; services may be started in part",
    Phase.VERIFY: "everything is upgraded and was started; what is said above does not hold",
    Phase.POST_START: "everything is upgraded and serves; the last steps are missing",
    Phase.SETTLE: "everything is upgraded and serves; the journal does not say so yet",
}
# Of a host that goes ahead; until it is through nothing of the others is stopped.
_LEAVES_AHEAD = {
    Phase.STOP: "{host} is stopped, in part or whole, and may be held; its packages are as before",
    Phase.BACKUP: "{host} is stopped and held; its packages are as before",
    Phase.PREPARE: "{host} is stopped and held; its packages are as before",
    Phase.PACKAGES: "{host} is stopped and held; its packages may be new in part",
    Phase.MIGRATIONS: "{host} is stopped and held; its packages are new",
    Phase.CONFIG: "{host} is stopped and held; its packages are new",
    Phase.START: "{host} is upgraded; its services may be started in part",
    Phase.VERIFY: "{host} is upgraded and was started; what is said above does not hold",
    Phase.POST_START: "{host} is upgraded and serves; its last steps are missing",
}
# Of the repair and the upgrade of Mistral's database alone.
_LEAVES_MISTRAL = {
    Phase.STOP: "mistral is stopped, in part or whole, and may be held; its database is as before",
    Phase.BACKUP: "mistral is stopped and held; its database is as before",
    Phase.MISTRAL: "mistral is stopped and held; each change of its database is whole or was never made",
    Phase.START: "Mistral's database is at its head; mistral may be started in part",
    Phase.VERIFY: "Mistral's database was brought to its head and mistral started; what is said above does not hold",
}
# Of a rollback and of backup.restore.
_LEAVES_BACK = {
    Phase.PREFLIGHT: "nothing was changed",
    Phase.FETCH: "nothing was changed but packages downloaded; st2 is as it was",
    Phase.STOP: "st2 is stopped, in part or whole, and may be held; nothing was put back yet",
    Phase.PACKAGES: "st2 is stopped and held; packages and configuration are put back in part; databases are as they were",
    Phase.MISTRAL: "st2 is stopped and held; packages and configuration are put back; Mistral's database whole or not at all",
    Phase.MIGRATIONS: "st2 is stopped and held; all is put back but st2's database, which may be so in part",
    Phase.CONFIG: "st2 is stopped and held; packages, configuration and databases are put back",
    Phase.START: "all is put back; services may be started in part",
    Phase.VERIFY: "all is put back and was started; what is said above does not hold",
    Phase.SETTLE: "all is put back and serves; the journal does not say so yet",
}
# Of what only takes or proves a backup.
_LEAVES_SERVING = "st2 serves as before; nothing of it was changed"


def leaves(plan: DeploymentPlan, at: PhasePlan) -> str:
    """What state a failure in the phase AT leaves the deployment of PLAN in."""
    if plan.command.startswith("mistral."):
        return f"{_LEAVES_MISTRAL[at.name]}; nothing else was touched"
    if plan.command in BACK:
        return _LEAVES_BACK[at.name]
    if plan.command.startswith("backup."):
        return _LEAVES_SERVING
    before = plan.phases[: plan.phases.index(at)]
    if at.name is Phase.PREFLIGHT and before:
        return f"st2 serves as {before[-1].hop}, settled; nothing of the way to {at.hop} is begun"
    through = [p.ahead for p in before if p.ahead and (p.hop, p.ahead) != (at.hop, at.ahead) and p.hop == at.hop]
    went = f"; {', '.join(dict.fromkeys(through))} went first: upgraded already, and serving" if through else ""
    if at.ahead:
        state = _LEAVES_AHEAD[at.name].format(host=at.ahead)
        return f"{state}{went}; nothing of the other hosts was stopped, databases are as before"
    return f"{_LEAVES[at.name]}{went}"


_REPAIR = "invoke mistral.recover --hosts {name}, then {again}"
# What a log says, in which phase (None: any), and what to do about it; the first that fits counts.
_SAYS: tuple[tuple[Phase | None, str, str], ...] = (
    (
        None,
        "session is open on it|somebody works on the database",
        "find who holds the session (another deployment on this database?), end it, then {again}",
    ),
    (None, "No space left on device", "free space on the host, then {again}"),
    (
        None,
        "password authentication failed|no password supplied",
        "make the password in /etc/mistral/mistral.conf and that of its role in PostgreSQL the same, check it: "
        "invoke mistral.status --hosts {name}, then {again}",
    ),
    (
        None,
        "aborting because of server version mismatch",
        "install the PostgreSQL client of the server's version on the host, then {again}",
    ),
    (
        None,
        "Can't locate revision identified by",
        "the database is newer than the package: install the st2mistral that made it, or restore the backup, then {again}",
    ),
    (
        None,
        "due to (lock|statement) timeout",
        "end the session that holds a lock on Mistral's tables (pg_stat_activity says which), then {again}",
    ),
    (
        None,
        "package st2mistral is not whole",
        "install st2mistral again, at the version that is there, then {again}",
    ),
    (
        Phase.MISTRAL,
        "(?i)connection refused|could not connect to server",
        "start PostgreSQL, check it: invoke mistral.status --hosts {name}, then {again}",
    ),
    (
        Phase.MISTRAL,
        "nothing is dropped: rows stand in",
        "they came after the plan was made; to drop them as well: {again} --drop-rows",
    ),
    (
        Phase.MISTRAL,
        "nothing is dropped: the plan says",
        "it is planned anew from what is there now: {again}",
    ),
    (
        Phase.MISTRAL,
        "other objects depend on",
        "remove what the log says depends on a table: it is none of Mistral's, then {again}",
    ),
    # Last, for the repair says at each failure of its own what it repairs.
    (
        Phase.MISTRAL,
        r"database is broken|relation \"?\w+\"? already exists",
        _REPAIR,
    ),
)


def flags(plan: DeploymentPlan) -> str:
    """The flags without which the command of PLAN would refuse when it is typed again."""
    rows_too = any("--drop-rows" in step.argv for phase in plan.phases for step in phase.steps)
    return " --drop-rows" if rows_too else ""


def next_command(command: str, deployment: str, phase: Phase, log: str, flags: str = "") -> str:
    """The exact command to type next after COMMAND failed on DEPLOYMENT in PHASE; FLAGS are those that it needs again."""
    again = f"invoke {command} --hosts {deployment}{flags}"
    for where, words, hint in _SAYS:
        if hint == _REPAIR and command == "mistral.recover":
            continue
        if where in (None, phase) and re.search(words, log):
            return hint.format(name=deployment, again=again)
    hint = f"mend what the log says, then {again}"
    return f"{hint}; or give up and go back: invoke rollback --hosts {deployment}" if command == "upgrade" else hint
