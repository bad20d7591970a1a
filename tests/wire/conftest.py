"""Hosts for the wire tests: one that is up, or a fleet with an inventory directory."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.wire.fleet import WireFleet
from tests.wire.sshd import WireHost


@pytest.fixture
def wire_fleet(tmp_path: Path) -> Iterator[WireFleet]:
    """No host yet; add() starts some, write() names them in an inventory."""
    with WireFleet(tmp_path) as fleet:
        yield fleet


@pytest.fixture
def wire_host(tmp_path: Path) -> Iterator[WireHost]:
    """One host that is up."""
    with WireHost(tmp_path / "box") as host:
        yield host
