"""From release to release through all that st2 has had: each hop to a healthy end, on systems that it was built for."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from itertools import pairwise
from pathlib import Path

import pytest

from lab.fleet import Fleet
from tests.lab import hops_page
from tests.lab.broker import broker, use
from tests.lab.desk import Operator, write_inventory
from tests.lab.ground import Ground
from tests.lab.hops import Hop, hop

pytestmark = pytest.mark.lab

# What a chain starts from is prepared; a new one begins where a system must be left for the next (lab/topology.py).
CHAINS = (
    ("1.4.0", "1.6.0", "2.0.1", "2.1.1", "2.2.1"),
    ("2.2.1", "2.3.2", "2.8.1", "2.9.1", "2.10.4", "3.0.1", "3.2.0", "3.3.0", "3.4.1"),
    ("3.4.1", "3.8.1"),
    ("3.8.1", "3.9.0"),
)
ALL = ("apt1", "yum1", "pair")


@pytest.fixture
def operator(fleet: Fleet, tmp_path: Path) -> Operator:
    write_inventory(tmp_path, fleet)
    return Operator(tmp_path, fleet)


@contextmanager
def rabbit(fleet: Fleet) -> Iterator[None]:
    """A RabbitMQ for every host of the fleet: the step of 2.3 deletes a queue there."""
    with broker(fleet):
        for host in ("apt1", "yum1", "apt2", "yum2"):
            use(fleet, host)
        yield


def test_mistral_leaves_python_changes_and_node_js_grows(operator: Operator, ground: Ground) -> None:
    """Three hops of three kinds, on a box of each family; yum1 alone goes on, apt1's system ends at 3.4."""
    ground.fresh("apt1", "yum1", release="3.2.0")
    [box, _] = hop(operator, ("apt1", "yum1"), "3.2.0", "3.3.0")
    assert "3.3.mongodb-4.0" in box.did and "3.3.mistral-units" in box.ran
    [box, _] = hop(operator, ("apt1", "yum1"), "3.3.0", "3.4.1")
    assert "3.4.python36-preflight" in box.did
    [box] = hop(operator, ("yum1",), "3.4.1", "3.8.1")
    assert box.system == "el7"


@pytest.mark.long
def test_every_hop_on_both_families_and_the_page_of_them(operator: Operator, ground: Ground) -> None:
    done: list[Hop] = []
    for chain in CHAINS:
        fleet = ground.fresh(*ALL, release=chain[0])
        with rabbit(fleet) if chain[0] == "2.2.1" else nullcontext():
            for origin, target in pairwise(chain):
                done += hop(operator, ALL, origin, target)
    assert len(done) == len(ALL) * sum(len(chain) - 1 for chain in CHAINS)
    hops_page.write(done)
