"""Two hosts on one database: migrated once, and no mistral lives on either while that happens. Watched, not trusted."""

import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from lab.fleet import Fleet
from tests.lab.desk import Operator, write_inventory
from tests.lab.ground import Ground

pytestmark = pytest.mark.lab
PAIR = ("apt2", "yum2")


@dataclass
class Watcher:
    """Looks at the process lists of both hosts through the engine, several times a second."""

    fleet: Fleet
    seen: list[tuple[float, str, str]] = field(default_factory=list)
    looks: list[tuple[float, str]] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def watch(self, host: str) -> None:
        while not self.over.is_set():
            at = time.time()
            said = self.fleet.execute(host, "ps", "axww", "-o", "args=", check=False)
            if said.returncode == 0:
                self.looks.append((at, host))
                self.seen += [(at, host, line) for line in said.stdout.splitlines() if is_mistral(line)]
            time.sleep(0.1)

    def __enter__(self) -> "Watcher":
        self._threads = [threading.Thread(target=self.watch, args=(host,)) for host in PAIR]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        for thread in self._threads:
            thread.join()


def is_mistral(line: str) -> bool:
    """A mistral service; the database tool, a look at the database and a search for processes are none."""
    program = " ".join(line.split()[:2])
    return "/opt/stackstorm/mistral/bin/mistral-server" in program or "/opt/stackstorm/mistral/bin/gunicorn" in program


@pytest.fixture
def operator(ground: Ground, tmp_path: Path) -> Operator:
    fleet = ground.fresh("pair")
    write_inventory(tmp_path, fleet)
    return Operator(tmp_path, fleet)


def records(operator: Operator, host: str, event: str, step: str) -> list[dict[str, object]]:
    return [r for r in operator.journal(host) if r["event"] == event and r.get("step") == f"2.2.1:{step}"]


def test_a_host_restarted_between_packages_and_database_starts_no_mistral(operator: Operator) -> None:
    # The other host is kept busy with its packages, so that the restart falls where it hurts.
    operator.fleet.execute("apt2", "sh", "-c", "mkdir -p /run/lab; echo 15 > /run/lab/register-sleep")
    with Watcher(operator.fleet) as watcher:
        run = operator.begins("upgrade", "--hosts", "pair", "--yes")
        operator.waits_for("yum2", "finished", "2.2.1:packages.set", run)
        operator.fleet.restart("yum2", ready=False)
        operator.fleet.execute("apt2", "rm", "/run/lab/register-sleep")  # the one under way goes on
        said, _ = run.communicate(timeout=600)
    assert run.returncode == 0, said

    quiet_from = max(float(str(records(operator, host, "finished", "stop.proved")[0]["at"])) for host in PAIR) + 1
    quiet_to = min(float(str(records(operator, host, "started", "start.release")[0]["at"])) for host in PAIR)
    assert quiet_to - quiet_from > 15
    for host in PAIR:
        looked = [at for at, name in watcher.looks if name == host and quiet_from <= at <= quiet_to]
        assert len(looked) > 30
    assert [each for each in watcher.seen if quiet_from <= each[0] <= quiet_to] == []
    assert any(at < quiet_from for at, _, _ in watcher.seen) and any(at > quiet_to for at, _, _ in watcher.seen)

    upgrades = records(operator, "apt2", "started", "mistral.upgrade")
    assert [(r["host"], r["attempt"]) for r in upgrades] == [("apt2", 1)]
    rows = operator.types("status", "--hosts", "pair", "--json").json["hosts"]
    assert [(row["settled"], row["mistral"]["revision"]) for row in rows] == [("2.2.1", "020")] * 2
    assert all(set(row["services"].values()) == {"active"} for row in rows)
