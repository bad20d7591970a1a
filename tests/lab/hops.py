"""One hop of the lab from release to release, as an operator does it: read the plan, do what it asks, upgrade, look again."""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from lab.topology import built, deployment, host
from tests.lab.desk import Operator
from tests.lab.standin import BIN, stored

# What an operator does when a plan says so. A finding that stops a hop and is not among these fails the test.
REMEDIES: dict[str, tuple[str, ...]] = {
    "2.4.nodejs-6": ("sh", "/opt/lab/hosts/repositories.sh", "{family}", "node6"),
    "2.10.nodejs-10": ("sh", "/opt/lab/hosts/repositories.sh", "{family}", "node10"),
    "3.5.nodejs-14": ("sh", "/opt/lab/hosts/repositories.sh", "{family}", "node14"),
    "3.9.nodejs-20": ("sh", "/opt/lab/hosts/repositories.sh", "{family}", "node20"),
    "3.4.python36-preflight": ("sh", "/opt/lab/hosts/repositories.sh", "{family}", "python36"),
    "3.3.mongodb-4.0": (f"{BIN}/lab-store", "mongodb", "4.0.28"),
}


@dataclass(frozen=True)
class Hop:
    """How one hop of one deployment went; `did` names the findings that were settled first, `ran` the releases' own steps."""

    deployment: str
    system: str
    origin: str
    target: str
    seconds: float
    down_s: int
    did: tuple[str, ...]
    ran: tuple[str, ...]


def hop(operator: Operator, names: Iterable[str], origin: str, target: str) -> list[Hop]:
    """Take the deployments NAMES from ORIGIN to TARGET, side by side, to a healthy end; fails when it is not one."""
    together = ",".join(names)
    before = {name: _keys(operator, name) for name in together.split(",")}
    did = _settled(operator, together, target)
    started = time.monotonic()
    said = operator.types("upgrade", "--hosts", together, "--to", target, "--batch", "100%", "--yes", "--json")
    seconds = time.monotonic() - started
    assert said.code == 0, said.all
    outcomes = {each["name"]: each for each in said.json["deployments"]}
    assert {each["outcome"] for each in outcomes.values()} == {"upgraded"}, said.all
    systems = _healthy(operator, together, target)
    again = operator.types("upgrade", "--hosts", together, "--to", target, "--yes", "--json")
    assert again.code == 0 and {each["outcome"] for each in again.json["deployments"]} == {"unchanged"}, again.all
    assert {name: _keys(operator, name) for name in before} == before, "keys were lost or changed"
    return [
        Hop(
            name,
            systems[name],
            origin,
            target,
            round(seconds, 1),
            outcomes[name]["downtime_s"],
            tuple(did.get(name, ())),
            tuple(_own_steps(operator, name, target)),
        )
        for name in before
    ]


def _plan(operator: Operator, names: str, target: str) -> tuple[int, list[dict[str, Any]]]:
    said = operator.types("plan", "--hosts", names, "--to", target, "--json")
    assert said.code in (0, 2), said.all
    return said.code, [each for each in said.json["findings"] if each["severity"] == "inhibitor"]


def _settled(operator: Operator, names: str, target: str) -> dict[str, list[str]]:
    """Do what stops the plan, on the hosts that it names; gives the findings by deployment."""
    code, stops = _plan(operator, names, target)
    did: dict[str, list[str]] = {}
    for each in stops:
        assert each["key"] in REMEDIES, each
        found = host(each["host"])
        operator.fleet.execute(found.name, *(word.format(family=found.family) for word in REMEDIES[each["key"]]))
        did.setdefault(found.deployment, []).append(each["key"])
    if code:
        code, stops = _plan(operator, names, target)
    assert (code, stops) == (0, []), stops
    return {name: list(dict.fromkeys(keys)) for name, keys in did.items()}


def _healthy(operator: Operator, names: str, target: str) -> dict[str, str]:
    """Every host is at TARGET, by its packages and its journal, and serves; gives the systems by deployment."""
    said = operator.types("status", "--hosts", names, "--json")
    assert said.code == 0, said.all
    systems: dict[str, list[str]] = {}
    for each in said.json["hosts"]:
        assert (each["release"], each["settled"], each["hold"], each["run"]) == (target, target, "", ""), each
        mistral = {unit for unit in each["services"] if unit.startswith("mistral")}
        down = {unit for unit, active in each["services"].items() if active != "active"}
        gone = set() if built(target).mistral else mistral
        # One host of a deployment has the timers.
        gone |= {"st2timersengine"} if each["name"] != deployment(each["deployment"]).hosts[0] else set()
        assert down - gone - {unit for unit in down if unit.endswith(".socket") or "@" in unit} == set(), each
        enabled = operator.fleet.execute(each["name"], "systemctl", "is-enabled", "st2timersengine", check=False).stdout
        assert (enabled.strip() == "enabled") == (each["services"].get("st2timersengine") == "active"), each
        systems.setdefault(each["deployment"], []).append(each["distro"])
    return {name: ", ".join(dict.fromkeys(found)) for name, found in systems.items()}


def _keys(operator: Operator, name: str) -> dict[str, Any]:
    return {key["name"]: key["value"] for key in stored(operator.fleet, deployment(name).primary)}


def _own_steps(operator: Operator, name: str, target: str) -> list[str]:
    """The steps of releases, and of Mistral's database, that the last run finished on the deployment's hosts."""
    found: dict[str, None] = {}
    for each in deployment(name).hosts:
        records = operator.journal(each)
        last = [record["run"] for record in records if record["event"] == "opened"][-1]
        for record in records:
            step = record.get("step", "").partition(":")[2]
            if (
                record["run"] == last
                and record["event"] == "finished"
                and (step[:1].isdigit() or step == "mistral.upgrade")
            ):
                found[step] = None
    return list(found)
