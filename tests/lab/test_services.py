"""Services stopped, started, restarted, reloaded: judged by what runs. And who works on a deployment, and where it stands."""

import pytest

from lab.fleet import Fleet
from tests.lab.desk import Operator, Said, write_inventory
from tests.lab.ground import Ground

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def operator(ground: Ground, tmp_path_factory: pytest.TempPathFactory) -> Operator:
    folder = tmp_path_factory.mktemp("desk")
    fleet = ground.fresh("apt1")
    write_inventory(folder, fleet)
    return Operator(folder, fleet)


def done(said: Said) -> Said:
    assert said.code == 0, said.all
    return said


def running(fleet: Fleet, host: str) -> list[str]:
    return [
        line
        for line in fleet.execute(host, "ps", "axww", "-o", "args=").stdout.splitlines()
        if "/opt/stackstorm/" in line
    ]


def test_stop_also_ends_what_outlives_its_unit(operator: Operator) -> None:
    """mistral-api started by itself, which stopping the wrapper leaves alive, and a worker that ignores TERM."""
    fleet = operator.fleet
    worker = 'trap "" TERM; while :; do sleep 1; done'
    fleet.execute("apt1", "sh", "-c", f"printf '%s\\n' '{worker}' > /opt/stackstorm/packs/stuck.sh")
    fleet.execute("apt1", "sh", "-c", "setsid sh /opt/stackstorm/packs/stuck.sh >/dev/null 2>&1 &")
    fleet.execute("apt1", "systemctl", "stop", "mistral")
    fleet.execute("apt1", "systemctl", "start", "mistral-api")
    done(operator.types("services.stop", "--hosts", "apt1", "--yes"))
    assert running(fleet, "apt1") == []
    log = fleet.execute("apt1", "sh", "-c", "cat /var/lib/stormlift/*/*stop.leftovers*/log").stdout
    assert "did not end on TERM, killed" in log and "stuck.sh" in log
    units = operator.types("services.status", "--hosts", "apt1", "--json").json["units"]
    assert {unit["active"] for unit in units} <= {"inactive", "failed"}


def test_start_brings_back_what_is_enabled_and_again_changes_nothing(operator: Operator) -> None:
    operator.fleet.execute("apt1", "systemctl", "disable", "st2notifier")
    done(operator.types("services.start", "--hosts", "apt1", "--yes"))
    states = {
        u["unit"]: u["active"] for u in operator.types("services.status", "--hosts", "apt1", "--json").json["units"]
    }
    assert states.pop("st2notifier") in ("inactive", "failed")  # disabled on purpose: st2ctl start would start it
    assert set(states.values()) == {"active"}


def test_restart_and_reload(operator: Operator) -> None:
    fleet = operator.fleet
    since = fleet.execute("apt1", "systemctl", "show", "-p", "ExecMainPID", "st2api").stdout
    done(operator.types("services.restart", "--hosts", "apt1", "--yes"))
    assert fleet.execute("apt1", "systemctl", "show", "-p", "ExecMainPID", "st2api").stdout != since
    done(operator.types("services.reload", "--hosts", "apt1", "--yes"))


def test_a_held_lock_stops_the_second_operator_and_a_dead_one_is_released(operator: Operator) -> None:
    fleet = operator.fleet
    holder = '{"run":"r9","by":"bob@desk","message":"upgrade","fence":99,"pid":1,"boot":"x"}'
    make = f"cd /var/lib/stormlift && mkdir lock && echo '{holder}' > lock/holder && echo t > lock/token && touch lock/beat"
    fleet.execute("apt1", "sh", "-c", make)
    said = operator.types("upgrade", "--hosts", "apt1", "--yes")
    assert said.code == 4 and "bob@desk" in said.err and "invoke locks.show --hosts apt1" in said.err, said.all
    assert "bob@desk" in done(operator.types("locks.show", "--hosts", "apt1")).out
    said = operator.types("locks.release", "--hosts", "apt1", "--yes")
    assert said.code == 2 and "sign of life" in said.err
    fleet.execute("apt1", "touch", "-d", "10 minutes ago", "/var/lib/stormlift/lock/beat")
    assert "released" in done(operator.types("locks.release", "--hosts", "apt1", "--yes")).out
    assert "no lock is held" in done(operator.types("locks.release", "--hosts", "apt1", "--yes")).out
    assert any(record["event"] == "lock-released" for record in operator.journal("apt1"))


def test_an_upgrade_by_hand_is_refused_until_somebody_says_where_it_stands(operator: Operator) -> None:
    done(
        operator.types("migrations.baseline", "--hosts", "apt1", "--release", "1.6.0", "--reason", "as found", "--yes")
    )
    assert operator.types("status", "--hosts", "apt1", "--json").json["hosts"][0]["settled"] == "1.6.0"
    steps = done(operator.types("plan", "--hosts", "apt1", "--json")).json["deployments"][0]
    assert (steps["from"], steps["to"]) == ("1.6.0", "2.2.1")
    listed = done(operator.types("migrations.list")).out
    assert "1.5.datastore-scope-secret" in listed and "2.1.runners" in listed


def test_what_is_pending_is_told_with_why_and_status_shows_what_drifted(operator: Operator) -> None:
    (row,) = done(operator.types("migrations.pending", "--hosts", "apt1", "--json")).json["deployments"]
    assert (row["at"], row["to"]) == ("1.6.0", "2.2.1")
    (scopes,) = [each for each in row["steps"] if each["id"] == "2.1.datastore-scopes"]
    assert scopes["hosts"] == ["apt1"] and scopes["why"] == "on the way from 1.6.0 to 2.2.1"
    assert "2.1.datastore-scopes" in done(operator.types("migrations.pending", "--hosts", "apt1")).out
    (host,) = done(operator.types("status", "--hosts", "apt1", "--json")).json["hosts"]
    assert "2.1.datastore-scopes" in host["pending"]
    assert host["drift"] == ["2.0.1 is installed, 1.6.0 was settled"]


def test_a_run_that_was_overtaken_by_hand_is_abandoned_under_the_lock(operator: Operator) -> None:
    fleet, base = operator.fleet, ("migrations.baseline", "--hosts", "apt1", "--release", "2.0.1", "--yes")
    opened = '{"v":1,"run":"r8","event":"opened","by":"bob@desk","deployment":"apt1","data":{"command":"upgrade","to":"1.6.1"}}'
    fleet.execute("apt1", "sh", "-c", f"echo '{opened}' >>/var/lib/stormlift/journal")
    said = operator.types(*base)
    assert said.code == 2 and "run r8 is open" in said.err and f"{' '.join(base[:-1])} --abandon" in said.err, said.all
    said = operator.types(*base, "--abandon")
    assert said.code == 2 and "--reason is missing" in said.err, said.all
    out = done(operator.types(*base, "--abandon", "--reason", "finished by hand")).out
    assert "run r8 is abandoned, settled at 2.0.1" in out
    closed = [each for each in operator.journal("apt1") if each["event"] == "abandoned" and each["run"] == "r8"]
    assert [each["data"]["reason"] for each in closed] == ["finished by hand"]
    assert fleet.execute("apt1", "test", "-e", "/var/lib/stormlift/lock", check=False).returncode == 1
    (host,) = done(operator.types("status", "--hosts", "apt1", "--json")).json["hosts"]
    assert (host["run"], host["settled"], host["drift"]) == ("", "2.0.1", [])


def test_health_says_what_does_not_serve(operator: Operator) -> None:
    done(operator.types("health", "--hosts", "apt1", "--exercise"))
    operator.fleet.execute("apt1", "systemctl", "stop", "st2stream")
    said = operator.types("health", "--hosts", "apt1", "--json")
    assert said.code == 2, said.all
    (host,) = said.json["hosts"]
    assert not host["healthy"]
    assert {each["id"] for each in host["checks"] if not each["ok"]} == {"verify.units", "verify.api"}
    operator.fleet.execute("apt1", "systemctl", "start", "st2stream")


def test_who_there_is(operator: Operator) -> None:
    shown = done(operator.types("inventory.show", "--hosts", "lab")).out
    assert all(name in shown for name in ("apt1", "yum1", "apt2", "yum2", "pair"))
    assert len(done(operator.types("inventory.show", "--hosts", "pair", "--json")).json["deployments"]) == 1
