"""What a failure leaves behind, and what to type next. Pure: from the step, its log and the deployment's name."""

import re

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
    Phase.START: "{host} is upgraded; its services may be started in part",
    Phase.VERIFY: "{host} is upgraded and was started; what is said above does not hold",
    Phase.POST_START: "{host} is upgraded and serves; its last steps are missing",
}
_UNDO = (Phase.FETCH, Phase.BEFORE_STOP, Phase.STOP, Phase.BACKUP, Phase.PREPARE)


def leaves(plan: DeploymentPlan, at: PhasePlan) -> str:
    """What state a failure in the phase AT leaves the deployment of PLAN in."""
    before = plan.phases[: plan.phases.index(at)]
    through = [p.ahead for p in before if p.ahead and (p.hop, p.ahead) != (at.hop, at.ahead) and p.hop == at.hop]
    went = f"; {', '.join(dict.fromkeys(through))} went first: upgraded already, and serving" if through else ""
    if at.ahead:
        state = _LEAVES_AHEAD[at.name].format(host=at.ahead)
        return f"{state}{went}; nothing of the other hosts was stopped, databases are as before"
    return f"{_LEAVES[at.name]}{went}"


def next_command(command: str, deployment: str, phase: Phase, log: str) -> str:
    """The exact command to type next after COMMAND failed on DEPLOYMENT in PHASE."""
    again = f"invoke {command} --hosts {deployment}"
    if phase is Phase.MISTRAL and re.search(r"database is broken|relation \"?\w+\"? already exists", log):
        return f"invoke mistral.recover --hosts {deployment}, then {again}"
    if "session is open on it" in log:
        return f"find who holds the session (another deployment on this database?), end it, then {again}"
    if "connection refused" in log.lower() and phase is Phase.MISTRAL:
        return f"start PostgreSQL, check it: invoke mistral.status --hosts {deployment}, then {again}"
    if "No space left on device" in log:
        return f"free space on the host, then {again}"
    hint = f"mend what the log says, then {again}"
    return (
        hint
        if phase not in _UNDO or command != "upgrade"
        else f"{hint}; or give up and serve again: invoke services.start --hosts {deployment}"
    )
