"""A host that carries only st2web and st2chatops goes first, and serves while the others are down."""

import pytest

from tests.lab.desk import Operator, write_inventory
from tests.lab.ground import Ground

pytestmark = pytest.mark.lab
# What is left on yum2 talks HTTP and nothing else.
BARE = "systemctl stop 'st2*' 'mistral*'; rpm -e --nodeps st2 st2mistral; systemctl daemon-reload; systemctl start st2chatops"


@pytest.fixture
def operator(ground: Ground, tmp_path_factory: pytest.TempPathFactory) -> Operator:
    folder = tmp_path_factory.mktemp("desk")
    fleet = ground.fresh("pair", release="2.1.1")  # none of its migrations restarts everything once more
    write_inventory(folder, fleet)
    fleet.execute("yum2", "sh", "-c", BARE)
    return Operator(folder, fleet)


def at(operator: Operator, host: str, event: str, key: str) -> float:
    """When the journal of HOST says EVENT of the step KEY, by the one clock of all containers."""
    (record,) = [r for r in operator.journal(host) if r["event"] == event and r.get("step") == key]
    return float(record["at"])


def test_a_front_host_is_through_before_the_others_stop_and_serves_meanwhile(operator: Operator) -> None:
    said = operator.types("upgrade", "--hosts", "pair", "--yes")
    assert said.code == 0, said.all
    assert "first, one by one, while the others serve: yum2" in said.err
    assert "pair: stop of yum2 alone" in said.err

    through = at(operator, "yum2", "finished", "2.2.1@yum2:verify.units")
    assert at(operator, "yum2", "finished", "2.2.1@yum2:start.units") <= through
    assert through <= at(operator, "apt2", "started", "2.2.1:before-stop.feeders")
    assert through <= at(operator, "apt2", "started", "2.2.1:stop.hold")
    # It is not stopped and held with the others.
    of_all = {r.get("step") for r in operator.journal("yum2") if r["event"] == "started"}
    assert not of_all & {f"2.2.1:{step}" for step in ("stop.hold", "stop.units", "packages.set", "mistral.quiet")}

    rows = {line.split()[0]: line for line in said.out.splitlines() if line.startswith(("apt2", "yum2"))}
    assert "one release  2.2.1    13 of 13 active  upgraded, 020 (head)  2 new" in rows["apt2"]
    assert "one release  2.2.1    1 of 1 active    -                     2 new" in rows["yum2"]
