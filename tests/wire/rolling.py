"""An operator's desk over wire hosts: small upgrades of shell steps, carried out as `invoke upgrade` carries them out."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from invoke.config import Config
from invoke.context import Context

from rollout.batches import Pace
from rollout.events import Event
from rollout.facts import Facts
from rollout.model import Deployment, DeploymentPlan, Phase
from rollout.plan import whole
from rollout.roll import Outcome
from tasks.edge import ROOT, Desk
from tasks.work import Orders, Result, Work, carry_out, finish, open_work
from tests.pure.sketch import check, phase, plan, step
from tests.wire.fleet import ENVIRONMENT, WireFleet

HOOK = '#!/bin/sh\nset -e\ncd "${0%/*}"\ncat >>hooks.jsonl\n. ./told.sh\n'
UNGATED = Pace(soak_s=0, gate_deadline_s=0)


def small(deployment: Deployment) -> DeploymentPlan:
    """An upgrade whose steps write down that they ran; the check of its verify phase asks the host's API."""
    hosts = tuple(host.name for host in deployment.hosts)

    def noted(name: str, where: Phase) -> Any:
        return step(name, *hosts, phase=where, argv=("sh", "-c", f"echo {name} >>$WIRE_HOST/ran"))

    api = check("verify.api", *hosts, title="the API answers", argv=("stormlift-host", "answers", "2.2.1", "st2api"))
    return plan(
        phase(Phase.FETCH, noted("fetch.packages", Phase.FETCH)),
        phase(Phase.STOP, noted("stop.units", Phase.STOP)),
        phase(Phase.VERIFY, api, noted("settle.record", Phase.VERIFY)),  # one phase less is a round trip less
        name=deployment.name,
        hosts=hosts,
    )


@dataclass
class Sitting:
    """A desk over FLEET; `when` is called with every event, `said` is the talk."""

    fleet: WireFleet
    when: Callable[[Event], None] = lambda event: None
    events: list[Event] = field(default_factory=list)
    result: Result = field(default_factory=lambda: Result([]))
    desk: Desk | None = None

    def hooked(self, *points: str, timeout: int = 30) -> None:
        """Let POINTS append what they are told to hooks.jsonl; `tell` gives a hook more to do."""
        file = self.fleet.inventory / f"{ENVIRONMENT}.yml"
        hook = self.fleet.directory / "hook.sh"
        hook.write_text(HOOK)
        hook.chmod(0o755)
        self.tell("")
        text = yaml.safe_load(file.read_text())
        text["hooks"] = {point: {"command": [str(hook), point], "timeout": timeout} for point in points}
        file.write_text(yaml.safe_dump(text, sort_keys=False))

    def tell(self, script: str) -> None:
        """What every hook does at its end: SCRIPT, in sh; $1 is the point."""
        (self.fleet.directory / "told.sh").write_text(script + "\n")

    def heard(self) -> list[dict[str, Any]]:
        """What the hooks were told, in order."""
        file = self.fleet.directory / "hooks.jsonl"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    def points(self) -> list[str]:
        """The hooks that ran, in order, each with its host or deployment."""
        return [" ".join(filter(None, (each["hook"], each["host"] or each["deployment"]))) for each in self.heard()]

    def upgrade(self, pace: Pace = UNGATED) -> dict[str, Outcome]:
        """`invoke upgrade --hosts wire --yes`, with a small plan of each deployment; resumes what is open."""
        self.desk = desk = Desk(self.context())
        desk.sinks.append(self._take)
        try:
            deployments = desk.select(ENVIRONMENT, whole=True).deployments
            works = [self._work(desk, each) for each in deployments]
            planned = whole((work.plan for work in works), pace, hooks=desk.hooks)
            self.result = carry_out(desk, works, planned, Orders("upgrade", yes=True))
        finally:
            desk.close()
        return {each.name: each for each in self.result.outcomes}

    def context(self) -> Context:
        """What invoke gives to a task at this desk."""
        settings = {"inventory": str(self.fleet.inventory), "runs": str(self.fleet.directory / "runs")}
        return Context(Config(overrides={"stormlift": settings}))

    def code(self) -> int:
        """The exit code of what was done last."""
        assert self.desk is not None
        return finish(self.desk, self.result, Orders("upgrade"), "r")

    def types(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """`invoke WORDS` from a second shell, to its end."""
        environment = {**os.environ, "INVOKE_STORMLIFT_INVENTORY": str(self.fleet.inventory)}
        invoke = str(Path(sys.executable).with_name("invoke"))
        done = subprocess.run(
            [invoke, *words], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done

    def ran(self, host: str) -> list[str]:
        """The steps that ran on HOST, in order."""
        file = self.fleet[host].directory / "ran"
        return file.read_text().split() if file.exists() else []

    def titles(self, kind: str) -> list[str]:
        """The titles of the events of KIND."""
        return [event.title for event in self.events if event.kind == kind]

    def _work(self, desk: Desk, deployment: Deployment) -> Work:
        links = desk.fleet.reach(deployment.hosts)
        journals = {name: link.records() for name, link in links.items()}
        facts = {name: Facts(name, journal=journals[name], fence=self._fence(name)) for name in links}
        return open_work(desk, deployment, facts) or Work(
            deployment, small(deployment), facts, f"run-{len(self.events)}"
        )

    def _fence(self, host: str) -> int:
        file = self.fleet[host].state / "fence"
        return int(file.read_text().split()[0]) if file.exists() else 0

    def _take(self, event: Event) -> None:
        self.events.append(event)
        self.when(event)


def served(fleet: WireFleet, deployments: Mapping[str, tuple[str, ...]]) -> Sitting:
    """A desk over DEPLOYMENTS of new hosts, whose API answers until a file `sick` is there."""
    fleet.add(*(host for hosts in deployments.values() for host in hosts))
    for host in fleet.hosts.values():
        host.stub("curl", 'if [ -e "$WIRE_HOST/sick" ]; then printf 000; else printf 401; fi')
    fleet.write(deployments)
    return Sitting(fleet)
