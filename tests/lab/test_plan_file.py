"""A plan that is written, sent round and carried out on a real host: refused while a fact is moved, run when it is back."""

import json
import re
from pathlib import Path

import pytest

from lab.topology import DEPLOYMENTS, SUDO_PASSWORD
from rollout.durations import LAB
from tests.lab.desk import Operator, write_inventory
from tests.lab.ground import Ground

pytestmark = pytest.mark.lab
STATE = "/var/lib/stormlift"


def test_a_plan_is_kept_refused_while_a_fact_is_moved_and_carried_out_when_it_is_back(
    ground: Ground, tmp_path: Path
) -> None:
    fleet = ground.fresh("apt1")
    write_inventory(tmp_path, fleet)
    operator, place = Operator(tmp_path, fleet), tmp_path / "plan.json"

    said = operator.types("plan", "--hosts", "apt1", "--soak", "1", "--out", str(place))
    assert said.code == 0 and f"invoke upgrade --plan {place}" in said.err, said.all
    file = json.loads(place.read_text())
    assert said.out.rstrip().endswith(f"plan {file['hash'][:12]}")
    for secret in (SUDO_PASSWORD, *(p for d in DEPLOYMENTS for p in (d.mistral_password, d.st2_password))):
        assert secret not in place.read_text()

    fleet.execute("apt1", "systemctl", "disable", "--quiet", "st2garbagecollector")
    refused = operator.types("upgrade", "--plan", str(place), "--yes")
    assert refused.code == 2, refused.all
    assert "  apt1: unit st2garbagecollector: running, enabled -> running, disabled\n" in refused.err
    assert f"invoke plan --hosts apt1 --soak 1 --out {place}" in refused.err
    assert fleet.execute("apt1", "ls", STATE, check=False).returncode != 0
    fleet.execute("apt1", "systemctl", "enable", "--quiet", "st2garbagecollector")

    done = operator.types("upgrade", "--plan", str(place), "--yes")
    assert done.code == 0, done.all
    (plan,) = file["deployments"]
    for package, version in plan["packages"]["2.2.1"]["apt1"].items():
        assert fleet.execute("apt1", "dpkg-query", "-W", "-f", "${Version}", package).stdout == version
    steps = [f"{phase['hop']}:{step['id']}" for phase in plan["phases"] for step in phase["steps"]]
    journal = operator.journal("apt1")
    assert [each["step"] for each in journal if each["event"] == "finished"] == steps

    measured = operator.types("dev.durations", "--hosts", "apt1")
    here = {step.partition(":")[2] for step in steps}
    assert set(LAB) & here <= set(re.findall(r'^ {4}"(\S+)": \d+,$', measured.out, re.MULTILINE)), measured.all

    again = operator.types("upgrade", "--plan", str(place), "--yes")
    assert again.code == 0 and "nothing to do" in again.err, again.all
    assert operator.journal("apt1") == journal
