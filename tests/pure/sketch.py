"""Small plans for execution tests: phases of named steps on named hosts."""

from typing import Any

from rollout.model import DeploymentPlan, Kind, Phase, PhasePlan, Scope, Settle, Step

HOP = "2.2.1"
SETTLE = Settle(("stormlift-host", "stopped"), every=1.0, tries=10, issues=2)


def step(name: str, *hosts: str, **changes: Any) -> Step:
    """A step called NAME on HOSTS."""
    values: dict[str, Any] = {
        "id": name,
        "title": f"do {name}",
        "phase": Phase.PACKAGES,
        "argv": ("run", name),
        "hosts": hosts or ("a", "b"),
        **changes,
    }
    return Step(**values)


def once(name: str, host: str = "a", **changes: Any) -> Step:
    """A step that runs once for the deployment, on HOST."""
    return step(name, host, scope=Scope.DEPLOYMENT, **changes)


def check(name: str, *hosts: str, **changes: Any) -> Step:
    """A step that only looks."""
    return step(name, *hosts, kind=Kind.CHECK, **changes)


def phase(name: Phase, *steps: Step, hop: str = HOP, ahead: str = "") -> PhasePlan:
    """STEPS between two barriers."""
    return PhasePlan(hop, name, steps, ahead)


def plan(*phases: PhasePlan, hosts: tuple[str, ...] = ("a", "b"), **changes: Any) -> DeploymentPlan:
    """A plan of PHASES for the deployment `pair`."""
    values: dict[str, Any] = {
        "name": "pair",
        "command": "upgrade",
        "hosts": hosts,
        "origin": "2.0.1",
        "target": HOP,
        "phases": phases,
        **changes,
    }
    return DeploymentPlan(**values)


def packages(*steps: Step, hosts: tuple[str, ...] = ("a", "b")) -> DeploymentPlan:
    """A plan of one phase."""
    return plan(phase(Phase.PACKAGES, *steps), hosts=hosts)


def key(name: str, hop: str = HOP) -> str:
    """How the journal names the step NAME."""
    return f"{hop}:{name}"
