"""What speaks against an upgrade is found where it is, and gone when the operator has done what the finding says."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.fleet import Fleet
from lab.keys import ADDRESS
from lab.topology import host as lab_host
from tests.lab.desk import Operator, write_inventory
from tests.lab.ground import Ground
from tests.lab.provocations import ROUNDS, Provocation

pytestmark = pytest.mark.lab

Findings = list[dict[str, Any]]


@pytest.fixture(scope="module")
def troubled(ground: Ground) -> Fleet:
    """The whole fleet, to be brought into trouble."""
    return ground.fresh("apt1", "yum1", "pair")


@pytest.fixture
def operator(troubled: Fleet, tmp_path: Path) -> Operator:
    write_inventory(tmp_path, troubled)
    return Operator(tmp_path, troubled)


def looks(operator: Operator, hosts: str = "apt1,yum1,pair") -> Findings:
    said = operator.types("plan", "--hosts", hosts, "--to", "2.2.1", "--json")
    assert said.code in (0, 2) and said.out, said.all
    findings: Findings = said.json["findings"]
    return findings


def of(provocation: Provocation, findings: Iterable[dict[str, Any]]) -> Findings:
    """The findings that PROVOCATION is about."""
    where = (provocation.host, lab_host(provocation.host).deployment)
    return [
        each
        for each in findings
        if each["key"] == provocation.key and each["host"] in where and provocation.cause in each["cause"]
    ]


def each_host(fleet: Fleet, commands: Iterable[tuple[str, str]]) -> None:
    """Run the commands of every host in order, those of different hosts at the same time."""
    by_host: dict[str, list[str]] = {}
    for name, command in commands:
        by_host.setdefault(name, []).append(command)

    def run(name: str) -> None:
        for command in by_host[name]:
            fleet.execute(name, "sh", "-c", command)

    with ThreadPoolExecutor() as pool:
        list(pool.map(run, by_host))


def command_of(provocation: Provocation, finding: dict[str, Any]) -> str:
    """What the operator types: the command that the remedy names, or what its words ask for."""
    assert provocation.remedy in finding["remedy"]
    return provocation.follow or str(finding["remedy"]).rpartition(": ")[2]


def test_each_is_found_and_its_remedy_clears_it(operator: Operator) -> None:
    settled: tuple[Provocation, ...] = ()
    for provoked in (*ROUNDS, ()):
        each_host(operator.fleet, ((each.at or each.host, each.provoke) for each in reversed(provoked)))
        findings = looks(operator)
        left = [each for before in settled for each in of(before, findings)]
        assert left == [], "the remedy did not clear it"
        missed = [each.key for each in provoked if not of(each, findings)]
        assert missed == [], findings
        commands = [(each, command_of(each, of(each, findings)[0])) for each in provoked]
        mine = [words.split()[1:] for _, words in commands if words.startswith("invoke ")]
        each_host(
            operator.fleet, ((each.at or each.host, text) for each, text in commands if not text.startswith("invoke "))
        )
        for words in mine:
            said = operator.types(*words)
            assert said.code == 0, said.all
        settled = provoked


def arranged(operator: Operator, deployments: dict[str, list[str]]) -> None:
    """The inventory puts the hosts into DEPLOYMENTS, sysv1 being one of them."""
    file = operator.folder / "lab.yml"
    inventory = yaml.safe_load(file.read_text())
    port = operator.fleet.port_base + (lab_host("sysv1").offset or 0)
    inventory["hosts"]["sysv1"] = {"address": ADDRESS, "port": port}
    inventory["deployments"] = deployments
    file.write_text(yaml.safe_dump(inventory))


def test_hosts_that_the_inventory_puts_where_they_are_not(operator: Operator) -> None:
    arranged(operator, {"mixed": ["apt1", "yum1", "sysv1"], "half": ["apt2"], "other-half": ["yum2"]})
    found = {(each["key"], each["host"]): each for each in looks(operator, "mixed,half,other-half")}
    assert "each of them a deployment of its own" in found["databases-differ", "mixed"]["remedy"]
    assert "into one deployment" in found["database-shared", "yum2"]["remedy"]
    assert "a deployment of its own" in found["stores-differ", "mixed"]["remedy"]
    assert "into one deployment" in found["store-shared", "yum2"]["remedy"]
    assert "is this an st2 host?" in found["nothing-installed", "sysv1"]["remedy"]
    assert ("init-unsupported", "sysv1") in found

    write_inventory(operator.folder, operator.fleet)
    misplaced = {
        "databases-differ",
        "database-shared",
        "stores-differ",
        "store-shared",
        "nothing-installed",
        "init-unsupported",
    }
    assert not misplaced & {each["key"] for each in looks(operator)}
