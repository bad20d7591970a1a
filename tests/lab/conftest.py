"""The tests' own fleet: prepared by lab.fleet, started and removed by pytest-docker, beside any other fleet.

Nothing is skipped where Docker is missing: the lab installs and starts an engine, or the tests fail. Under pytest-xdist
each worker has a fleet to itself, so a test never meets what another one is doing.
"""

import os
from collections.abc import Iterator

import pytest

from lab.digest import locked
from lab.docker import COMPOSE_FILE, LAB, compose_command
from lab.fleet import Fleet
from lab.topology import DEFAULT_RELEASE
from tests.lab.ground import Ground

PORT_BASE = 22110


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The lab first, as it takes longest; in it those who only look, so that they find the fleet untouched."""

    def rank(item: pytest.Item) -> tuple[bool, bool]:
        return "/lab/" not in str(item.path), "as_prepared" not in getattr(item, "fixturenames", ())

    items.sort(key=rank)


@pytest.fixture(scope="session")
def worker_number() -> int:
    """Which of xdist's workers this is, from 0; 0 where there are none."""
    return int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))


@pytest.fixture(scope="session")
def prepared_fleet(worker_number: int) -> Iterator[Fleet]:
    """The fleet's images and keys, with compose.yml's variables set, and nothing left of a session that was killed."""
    project = f"stormlift-test{worker_number}"
    fleet = Fleet(project, PORT_BASE + 10 * worker_number, LAB / "state" / project)
    fleet.prepare(DEFAULT_RELEASE)
    # A second session on this machine, of another checkout say, waits for the first: they would share containers.
    with locked(project), pytest.MonkeyPatch.context() as patch:
        fleet.down()
        for name, value in fleet.environment().items():
            patch.setenv(name, value)
        yield fleet


@pytest.fixture(scope="session")
def docker_compose_command(prepared_fleet: Fleet) -> str:
    """Compose v1 or v2, known only when the engine has been installed."""
    return " ".join(compose_command())


@pytest.fixture(scope="session")
def docker_compose_file(prepared_fleet: Fleet) -> str:
    """The lab's one compose file; its variables stay set until pytest-docker has cleaned up."""
    return str(COMPOSE_FILE)


@pytest.fixture(scope="session")
def docker_compose_project_name(prepared_fleet: Fleet) -> str:
    """A fixed name, so that a later session finds what a killed one has left."""
    return prepared_fleet.project


@pytest.fixture(scope="session")
def docker_setup() -> list[str]:
    """The images are there; docker-compose 1.29 knows no --wait."""
    return ["up -d --no-build"]


@pytest.fixture(scope="session")
def docker_cleanup() -> list[str]:
    """The hosts' disks are thrown away: no need to let their databases shut down."""
    return ["down --volumes --remove-orphans --timeout 0"]


@pytest.fixture(scope="session")
def fleet(prepared_fleet: Fleet, request: pytest.FixtureRequest) -> Fleet:
    """The running fleet, in whatever state the tests before have left it."""
    try:
        request.getfixturevalue("docker_services")
        prepared_fleet.wait_ready()
    except BaseException:
        # pytest-docker runs no clean-up when its own set-up fails.
        prepared_fleet.down()
        raise
    return prepared_fleet


@pytest.fixture(scope="session")
def ground(fleet: Fleet) -> Ground:
    """Deployments as they were prepared, for tests that change them: `ground.fresh("apt1", release="2.1.1")`."""
    return Ground(fleet)


@pytest.fixture(scope="module")
def as_prepared(ground: Ground) -> None:
    """The whole fleet as it was prepared at the default release, for files that only look, or put back what they change."""
    ground.untouched()
