"""A bad night on one box: each fault is got through, or the upgrade stops and says where, why and what to type next."""

from pathlib import Path

import pytest

from lab.fleet import Fleet
from tests.lab.crash.stage import Stage
from tests.lab.desk import Operator, write_inventory
from tests.lab.ground import Ground

pytestmark = pytest.mark.lab

STUBBORN = r"""
for name in st2notifier st2garbagecollector; do
  echo STOP_IGNORES_TERM=1 >>/etc/default/$name
  mkdir -p /etc/systemd/system/$name.service.d
  printf '[Service]\nTimeoutStopSec=3\n' >/etc/systemd/system/$name.service.d/stubborn.conf
done
echo SendSIGKILL=no >>/etc/systemd/system/st2garbagecollector.service.d/stubborn.conf
systemctl daemon-reload
# The one that is never killed would outlive a restart too.
systemctl kill -s KILL st2notifier st2garbagecollector
systemctl reset-failed
systemctl restart st2notifier st2garbagecollector
"""
TAMED = """
rm /etc/systemd/system/st2garbagecollector.service.d/stubborn.conf
sed -i /STOP_IGNORES_TERM/d /etc/default/st2garbagecollector
"""
HOLD_APT = (
    "import fcntl, time; f = open('/var/lib/dpkg/lock-frontend', 'w'); fcntl.lockf(f, fcntl.LOCK_EX); time.sleep(30)"
)
SMALL_DISK = "mkdir -p /var/lib/stormlift; mount -t tmpfs -o size=20m,mode=700 state /var/lib/stormlift"
CUT = "iptables -I INPUT -p tcp --dport 22 -j DROP; sleep 60; iptables -D INPUT -p tcp --dport 22 -j DROP"
UPGRADE = ("upgrade", "--hosts", "apt1", "--yes")


@pytest.fixture
def operator(ground: Ground, tmp_path: Path) -> Operator:
    fleet = ground.fresh("apt1")
    write_inventory(tmp_path, fleet)
    return Operator(tmp_path, fleet)


def in_background(fleet: Fleet, *argv: str) -> None:
    fleet.execute("apt1", "systemd-run", "--quiet", *argv)


def test_a_bad_night(operator: Operator) -> None:
    fleet = operator.fleet
    fleet.execute("apt1", "sh", "-c", STUBBORN)
    fleet.execute(
        "apt1", "sh", "-c", "mkdir -p /var/lib/stormlift; mount -t tmpfs -o size=20m,mode=700 state /var/lib/stormlift"
    )

    # The disk of the journal fills up when st2 is down.
    stage = Stage(operator, "apt1")
    stage.arm("apt1", "after", "2.2.1:stop.leftovers")
    run = stage.begins()
    stage.wait("apt1", run)
    fleet.execute("apt1", "dd", "if=/dev/zero", "of=/var/lib/stormlift/filler", "bs=64k", check=False)
    stage.go("apt1")
    said, _ = run.communicate(timeout=300)
    assert run.returncode == 3, said
    assert "apt1: FAILED: apt1: " in said and "No space left on device" in said, said
    assert "leaves: st2 is stopped and held" in said, said
    assert "next: free space on the host, then invoke upgrade --hosts apt1" in said, said

    # Neither service ended on TERM: systemd killed the one, what it left of the other is named.
    log = fleet.execute("apt1", "sh", "-c", "cat /var/lib/stormlift/*/*stop.leftovers*/log").stdout
    assert "did not end on TERM, killed" in log and "st2garbagecollector" in log and "st2notifier" not in log
    fleet.execute("apt1", "rm", "/var/lib/stormlift/filler")
    # `systemctl restart`, which 2.1 asks for later, would fail on a unit that nobody may end.
    fleet.execute("apt1", "sh", "-c", TAMED)

    # The same command: somebody holds apt's lock, the network goes away for a minute, sshd is restarted.
    in_background(fleet, "python3", "-c", HOLD_APT)
    run = operator.begins(*UPGRADE)
    operator.waits_for("apt1", "started", "2.2.1:packages.free", run)
    in_background(fleet, "sh", "-c", CUT)
    operator.waits_for("apt1", "started", "2.2.1:2.1.datastore-scopes", run)
    fleet.execute("apt1", "systemctl", "restart", "ssh")
    said, _ = run.communicate(timeout=300)
    assert run.returncode == 0, said
    waited = {r["event"]: r["at"] for r in operator.journal("apt1") if r.get("step") == "2.2.1:packages.free"}
    assert waited["finished"] - waited["started"] >= 20
    row = operator.types("status", "--hosts", "apt1", "--json").json["hosts"][0]
    assert (row["settled"], row["hold"], row["run"], row["lock"]) == ("2.2.1", "", "", "")
    assert set(row["services"].values()) == {"active"}
