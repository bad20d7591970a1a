"""Jumps over several releases run what the skipped ones asked for, once, in order; and nothing else."""

from pathlib import Path

import pytest

from lab.fleet import Fleet
from tests.lab.desk import Operator, write_inventory
from tests.lab.ground import Ground
from tests.lab.test_upgrade import keys, script_runs

pytestmark = pytest.mark.lab


@pytest.fixture
def operator(fleet: Fleet, tmp_path: Path) -> Operator:
    write_inventory(tmp_path, fleet)
    return Operator(tmp_path, fleet)


def test_from_1_4_the_steps_of_1_5_and_2_1_run_once_per_deployment_in_order(operator: Operator, ground: Ground) -> None:
    ground.fresh("pair", "apt1", release="1.4.0")
    before = {key["name"]: key["value"] for key in keys(operator.fleet, "apt2")}
    assert all("scope" not in key for key in keys(operator.fleet, "apt2"))
    said = operator.types("upgrade", "--hosts", "pair,apt1", "--yes", "--json", "--batch", "100%")
    assert said.code == 0, said.all
    assert [each["outcome"] for each in said.json["deployments"]] == ["upgraded", "upgraded"]
    for host in ("apt1", "apt2"):
        assert script_runs(operator.fleet, host) == [
            ("st2-migrate-datastore-to-include-scope-secret.py", "succeeded"),
            ("st2-migrate-datastore-scopes.py", "succeeded"),
        ]
        after = keys(operator.fleet, host)
        assert {key["scope"] for key in after} == {"st2kv.system"}
        assert all("secret" in key for key in after)
    assert {key["name"]: key["value"] for key in keys(operator.fleet, "apt2")} == before
    ran = [r["host"] for r in operator.journal("yum2") if r["event"] == "finished" and "datastore" in r["step"]]
    assert ran == ["apt2", "apt2"]  # a copy stands on the host that did not run it


def test_from_2_1_1_neither_runs(operator: Operator, ground: Ground) -> None:
    ground.fresh("yum1", release="2.1.1")
    said = operator.types("upgrade", "--hosts", "yum1", "--yes")
    assert said.code == 0, said.all
    assert script_runs(operator.fleet, "yum1") == []
    steps = {record["step"] for record in operator.journal("yum1") if record["event"] == "finished"}
    assert not any(":1.5." in step or ":2.1." in step for step in steps)
    assert "2.2.1:mistral.upgrade" in steps
