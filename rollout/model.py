"""The nouns: hosts, deployments, steps, plans, findings. Plain frozen data; nothing here runs."""

from dataclasses import dataclass, field
from enum import Enum
from typing import Any


class Phase(str, Enum):
    """Steps between two barriers; the next phase starts when all hosts of the deployment are through."""

    PREFLIGHT = "preflight"
    FETCH = "fetch"
    BEFORE_STOP = "before-stop"
    STOP = "stop"
    BACKUP = "backup"
    PREPARE = "prepare"
    PACKAGES = "packages"
    MISTRAL = "mistral"
    MIGRATIONS = "migrations"
    CONFIG = "config"
    START = "start"
    VERIFY = "verify"
    POST_START = "post-start"
    SETTLE = "settle"


class Scope(str, Enum):
    """Where a step runs: on every host that it is for, or once for the whole deployment."""

    HOST = "host"
    DEPLOYMENT = "deployment"


class Kind(str, Enum):
    """run changes something; check only looks and may stop the run; ask is settled by a human."""

    RUN = "run"
    CHECK = "check"
    ASK = "ask"


class Repeat(str, Enum):
    """What happens to a step that was interrupted and whose outcome is unknown."""

    SAFE = "safe"
    PROBE = "probe"
    ASK = "ask"


class Severity(str, Enum):
    """An inhibitor stops before any change; a warning and a note are shown."""

    INHIBITOR = "inhibitor"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True)
class St2Auth:
    """Where the credentials for the st2 API of a host come from; never what they are.

    source          "host" (root's own st2 client there), "environment" or "prompt" (the operator is asked once)
    token, api_key  the variable of the controller's environment that holds the one or the other
    """

    source: str = "host"
    token: str = ""
    api_key: str = ""


@dataclass(frozen=True)
class Host:
    """One machine, and how to reach it and become root there.

    sudo: "nopasswd" (sudo never asks), "ask" (ask the operator once), "env:NAME" or "file:PATH" (the password is in an
    environment variable of the controller, or in a file that its owner alone may read), "root" (the login is root).
    """

    name: str
    address: str
    port: int = 22
    user: str = "root"
    identity: str = ""
    gateway: str = ""
    sudo: str = "nopasswd"
    st2_auth: St2Auth = St2Auth()


@dataclass(frozen=True)
class Deployment:
    """The hosts that share one MongoDB, RabbitMQ and PostgreSQL; a single box is a deployment of one."""

    name: str
    hosts: tuple[Host, ...]
    target: str = ""


@dataclass(frozen=True)
class Settle:
    """How long to wait for a change to take hold: PROBE every `every` seconds, `tries` times; then the change is
    issued again, `issues` times in all, before it counts as failed for good."""

    probe: tuple[str, ...]
    every: float
    tries: int
    issues: int = 1


@dataclass(frozen=True)
class Step:
    """One named change, as data.

    id          stable name, unique within a hop and host
    needs       the package that makes a host fit for it; "" means every host of the deployment
    argv        the command; a first word of stormlift-host stands for the program that stormlift keeps on the host
    settle      what to wait for after the command
    postcondition  a command that tells afterwards: 0 done, 1 not begun, anything else partial
    repair      run first when the step is tried again
    timeout     seconds
    releases    bands of releases, such as 2.1.0..3.0.1 or 3.5.0.., whose packages carry a working copy of what argv names
    distros, units  only on hosts of one of these distributions, or that run one of these units; empty means all
    until       only on the way to a release before this one
    since       the hop that crosses it begins at this release or a later one
    evidence    what must be true of a host's facts (rollout/evidence.py), or the step does not concern it
    changes     what it will change, as the facts show it, for the plan
    tells       the end of what it says is for the operator, who is shown it as the step ends
    severity, remedy  what a step of the preflight phase says to the operator: it is looked at or asked, never run
    """

    id: str
    title: str
    phase: Phase
    argv: tuple[str, ...] = ()
    scope: Scope = Scope.HOST
    kind: Kind = Kind.RUN
    needs: str = ""
    settle: Settle | None = None
    postcondition: tuple[str, ...] = ()
    repair: tuple[str, ...] = ()
    repeat: Repeat = Repeat.SAFE
    timeout: int = 600
    releases: tuple[str, ...] = ()
    distros: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    until: str = ""
    since: str = ""
    evidence: str = ""
    changes: str = ""
    tells: bool = False
    severity: Severity = Severity.NOTE
    remedy: str = ""
    why: str = ""
    source: str = ""
    hosts: tuple[str, ...] = ()


def looked_at(
    id: str, title: str, evidence: str, *, remedy: str, why: str, source: str, severity: Severity = Severity.WARNING,
    scope: Scope = Scope.DEPLOYMENT, **more: Any,
) -> Step:  # fmt: skip
    """A step that is found out before any change: it concerns hosts whose facts show EVIDENCE, and says REMEDY there."""
    return Step(id, title, Phase.PREFLIGHT, kind=Kind.CHECK, scope=scope, evidence=evidence, severity=severity,
                remedy=remedy, why=why, source=source, **more)  # fmt: skip


def asked(
    id: str, title: str, *, remedy: str, why: str, source: str, severity: Severity = Severity.NOTE,
    scope: Scope = Scope.DEPLOYMENT, **more: Any,
) -> Step:  # fmt: skip
    """A step that only a human can do or judge: the plan says it, and REMEDY, whatever the hosts look like."""
    return Step(id, title, Phase.PREFLIGHT, kind=Kind.ASK, scope=scope, severity=severity, remedy=remedy, why=why,
                source=source, **more)  # fmt: skip


@dataclass(frozen=True)
class Migration:
    """What one release asks of whoever crosses it."""

    release: str
    title: str
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Finding:
    """What a check found; `waived` is the reason for which an operator goes on all the same."""

    key: str
    severity: Severity
    host: str
    cause: str
    remedy: str
    waived: str = ""


@dataclass(frozen=True)
class PhasePlan:
    """The steps of one phase of one hop, in order.

    `ahead` names the host that goes through this phase by itself, before the others of its deployment are stopped.
    """

    hop: str
    name: Phase
    steps: tuple[Step, ...]
    ahead: str = ""

    @property
    def leg(self) -> str:
        """The part of the way that the phase belongs to: a hop, or the hop of one host that goes ahead."""
        return f"{self.hop}@{self.ahead}" if self.ahead else self.hop

    @property
    def title(self) -> str:
        """The phase as an operator reads it: `stop`, or `stop of web1 alone`."""
        return f"{self.name.value} of {self.ahead} alone" if self.ahead else self.name.value


@dataclass(frozen=True)
class UnitState:
    """A unit as it was found: systemd's ActiveState and UnitFileState."""

    active: str
    enabled: str


@dataclass(frozen=True)
class Before:
    """A host as it was before the run: what start puts back, what rollback returns to."""

    units: dict[str, UnitState] = field(default_factory=dict)
    packages: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class DeploymentPlan:
    """What one run does to one deployment.

    `origin` is the settled release (or the baseline), `target` the new one; `abandons` an open run that ends with this one.
    `downtime_s` is how long st2 is expected to be down, `backup_s` how much of that for the backup, and `downtime_from` what
    that estimate rests on. `external` is why its databases are not dumped: somebody keeps them elsewhere.
    """

    name: str
    command: str
    hosts: tuple[str, ...]
    origin: str
    target: str
    phases: tuple[PhasePlan, ...]
    before: dict[str, Before] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()
    downtime_s: int = 0
    backup_s: int = 0
    downtime_from: str = ""
    point_of_no_return: str = ""
    abandons: str = ""
    external: str = ""

    @property
    def empty(self) -> bool:
        """True when there is nothing to do."""
        return not any(phase.steps for phase in self.phases)


HOOKS = ("before-run", "after-run", "before-batch", "after-batch", "before-host", "after-host")


@dataclass(frozen=True)
class Hook:
    """A command of the operator's own, run on the controller at a point of an upgrade.

    point        one of HOOKS
    timeout      seconds
    inventory    the environment file that it stands in
    deployments  who it is for: those of that file, and in a plan only those of the run
    """

    point: str
    argv: tuple[str, ...]
    timeout: int = 60
    inventory: str = ""
    deployments: tuple[str, ...] = ()
