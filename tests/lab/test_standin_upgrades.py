"""What the stand-in's packages do by themselves during an upgrade, and what 2.1 and 2.2 changed, as in reality."""

import re
import time

import pytest

from lab.fleet import Fleet
from tests.lab.ground import Ground
from tests.lab.standin import (
    BIN,
    CONFIG,
    DB_MANAGE,
    KEEP,
    NEW_TABLES,
    apt_upgrade,
    mistral_tables,
    parsed,
    property_of,
    said,
    shell,
    store_down,
    stored,
    tried,
    yum_upgrade,
)

pytestmark = pytest.mark.lab

SCOPES_SCRIPT = f"{BIN}/st2-migrate-datastore-scopes.py"
LOST_RACE = re.compile(r"already exists|pg_type_typname_nsp_index")
REGISTER = (f"{BIN}/st2-register-content", *CONFIG, "--register-runners", "--register-fail-on-failure")


@pytest.fixture
def apt1(ground: Ground) -> str:
    """A fresh host of the apt family."""
    ground.fresh("apt1")
    return "apt1"


@pytest.fixture
def yum1(ground: Ground) -> str:
    """A fresh host of the yum family."""
    ground.fresh("yum1")
    return "yum1"


def wait_for_api(fleet: Fleet, host: str) -> None:
    """A service that was started is not yet one that answers (st2-packages issue 429)."""
    shell(
        fleet, host, "n=300; until curl -s http://127.0.0.1:9101/ >/dev/null || [ $((n -= 1)) = 0 ]; do sleep 0.1; done"
    )


def wait_for_tables(fleet: Fleet, host: str) -> None:
    """The services of Mistral make the tables a second or two after they were started."""
    deadline = time.monotonic() + 60
    while not mistral_tables(fleet, host) >= NEW_TABLES:
        assert time.monotonic() < deadline, mistral_tables(fleet, host)
        time.sleep(0.2)


def test_the_deb_asks_about_an_edited_file_and_restarts_nothing(fleet: Fleet, apt1: str) -> None:
    """No TTY and no --force-conf*: exit code 100, half configured. Old processes run on with new files beneath them."""
    # A gunicorn that is still loading when its files are replaced does not survive it.
    shell(fleet, apt1, "curl -sf --retry 60 --retry-delay 1 --retry-connrefused http://127.0.0.1:8989/v2/workflows")
    before = property_of(fleet, apt1, "st2api", "MainPID"), property_of(fleet, apt1, "mistral-api", "MainPID")
    asked = apt_upgrade(fleet, apt1, "2.2.1")
    assert (asked.returncode, "end of file on stdin at conffile prompt" in asked.stdout + asked.stderr) == (100, True)
    assert shell(fleet, apt1, "dpkg-query -W -f '${db:Status-Abbrev}' st2").strip() == "iU"
    fleet.execute(apt1, "dpkg", "--configure", "-a", "--force-confold")
    assert shell(fleet, apt1, "ls /etc/st2/st2.conf.dpkg-dist /etc/mistral/mistral.conf.dpkg-dist")
    assert (property_of(fleet, apt1, "st2api", "MainPID"), property_of(fleet, apt1, "mistral-api", "MainPID")) == before


def test_the_postinst_of_2_2_1_fails_without_a_datastore_and_that_of_2_2_0_hides_it(fleet: Fleet, apt1: str) -> None:
    """2.1 to 2.9 register runners in postinst; `st2ctl reload` tells its failure from 2.2.1 on (st2-packages 453)."""
    fleet.execute(apt1, "st2ctl", "stop")
    store_down(fleet, apt1, down=True)
    assert apt_upgrade(fleet, apt1, "2.2.0", *KEEP).returncode == 0
    believed = tried(fleet, apt1, f"{BIN}/st2-migrate-runners.sh")
    assert (believed.returncode, believed.stdout.splitlines()[-1]) == (0, "Registered runners successfully.")
    # Hidden, not done: the runners of 2.0 cannot be loaded by 2.1 and later.
    store_down(fleet, apt1, down=False)
    fleet.execute(apt1, "st2ctl", "start")
    wait_for_api(fleet, apt1)
    assert tried(fleet, apt1, "st2", "run", "core.local", "--", "true").returncode == 1
    fleet.execute(apt1, *REGISTER)
    assert tried(fleet, apt1, "st2", "run", "core.local", "--", "true").returncode == 0
    store_down(fleet, apt1, down=True)
    failed = apt_upgrade(fleet, apt1, "2.2.1", *KEEP)
    assert (failed.returncode, "returned error exit status 1" in failed.stdout + failed.stderr) == (100, True)
    assert shell(fleet, apt1, "dpkg-query -W -f '${db:Status-Abbrev}' st2").strip() == "iF"
    told = tried(fleet, apt1, f"{BIN}/st2-migrate-runners.sh")
    assert (told.returncode, told.stdout.splitlines()[-1]) == (1, "Failed registering runners.")
    # The stamp that says "upgrade" is gone: a second attempt succeeds, and has registered nothing.
    fleet.execute(apt1, "dpkg", "--configure", "-a")
    store_down(fleet, apt1, down=False)


def test_the_rpm_restarts_what_runs_and_mistral_makes_the_tables_too_early(fleet: Fleet, yum1: str) -> None:
    """try-restart in %postun is how `event_triggers_v2 already exists` comes about; populate succeeds all the same."""
    before = property_of(fleet, yum1, "st2api", "MainPID")
    fleet.execute(yum1, "systemctl", "stop", "st2notifier")
    fleet.execute(yum1, "systemctl", "disable", "st2notifier")
    shell(fleet, yum1, "echo '// mine' >> /opt/stackstorm/static/webui/config.js")
    assert not mistral_tables(fleet, yum1) & NEW_TABLES
    assert yum_upgrade(fleet, yum1, "2.2.1").returncode == 0
    assert property_of(fleet, yum1, "st2api", "MainPID") not in {"0", before}
    # Inactive ones are not started, but enabled again whatever the administrator had decided.
    assert property_of(fleet, yum1, "st2notifier", "ActiveState") == "inactive"
    assert said(fleet, yum1, "systemctl", "is-enabled", "st2notifier") == "enabled"
    assert shell(fleet, yum1, "ls /etc/st2/st2.conf.rpmnew /etc/mistral/mistral.conf.rpmnew")
    assert "mine" not in said(fleet, yum1, "cat", "/opt/stackstorm/static/webui/config.js")
    wait_for_tables(fleet, yum1)
    # API and engine make them at the same moment: of the two, one may lose, and has no Restart=.
    states = {unit: property_of(fleet, yum1, unit, "ActiveState") for unit in ("mistral-api", "mistral-server")}
    lost = [unit for unit, state in states.items() if state != "active"]
    assert len(lost) < 2, states
    for unit in lost:
        assert LOST_RACE.search(
            shell(fleet, yum1, f"journalctl -u {unit} -n 200; tail -n 200 /var/log/mistral/{unit}.log")
        )
    upgrade = tried(fleet, yum1, *DB_MANAGE, "upgrade", "head")
    assert (upgrade.returncode, 'relation "event_triggers_v2" already exists' in upgrade.stderr) == (1, True)
    assert fleet.execute(yum1, *DB_MANAGE, "current").stdout.strip() == "011"
    assert tried(fleet, yum1, *DB_MANAGE, "populate").returncode == 0


def test_a_failed_scriptlet_is_no_failure_to_yum(fleet: Fleet, yum1: str) -> None:
    """The rpm's %post registers runners too; rpm says so and exits 0."""
    fleet.execute(yum1, "st2ctl", "stop")
    store_down(fleet, yum1, down=True)
    told = yum_upgrade(fleet, yum1, "2.2.1")
    assert told.returncode == 0
    assert "scriptlet failed" in told.stdout + told.stderr
    assert said(fleet, yum1, "rpm", "-q", "--qf", "%{VERSION}", "st2") == "2.2.1"


def test_mistral_goes_from_011_to_020_when_nobody_came_first(fleet: Fleet, apt1: str) -> None:
    """Stopped, then packages, `upgrade head` and populate: executions_v2 keeps its rows, unseen by the API."""
    fleet.execute(apt1, "st2ctl", "stop")
    assert apt_upgrade(fleet, apt1, "2.2.1", *KEEP).returncode == 0
    assert not mistral_tables(fleet, apt1) & NEW_TABLES
    fleet.execute(apt1, *DB_MANAGE, "upgrade", "head")
    assert tried(fleet, apt1, *DB_MANAGE, "populate").returncode == 0
    assert fleet.execute(apt1, *DB_MANAGE, "current").stdout.strip() == "020 (head)"
    assert (
        int(shell(fleet, apt1, "su postgres -c 'psql -XAtqd mistral -c \"select count(*) from executions_v2\"'")) == 20
    )
    fleet.execute(apt1, "st2ctl", "start")
    listed = "curl -s --retry 60 --retry-delay 1 --retry-connrefused http://127.0.0.1:8989/v2/executions"
    assert parsed(fleet, apt1, "sh", "-c", listed) == {"executions": []}


def test_the_2_1_script_moves_scopes_and_is_stopped_by_a_key_made_too_early(fleet: Fleet, apt1: str) -> None:
    """uid = key_value_pair:SCOPE:NAME is unique: a new service that wrote the name first stands in the way."""
    fleet.execute(apt1, "st2ctl", "stop")
    assert apt_upgrade(fleet, apt1, "2.2.1", *KEEP, only=("st2",)).returncode == 0
    fleet.execute(apt1, "systemctl", "start", "st2api")
    wait_for_api(fleet, apt1)
    fleet.execute(apt1, "st2", "key", "set", "region", "too early")
    blocked = tried(fleet, apt1, SCOPES_SCRIPT, *CONFIG)
    assert blocked.returncode == 1
    assert "ERROR: Failed migrating datastore item with name: region" in blocked.stdout
    assert "NotUniqueError" in blocked.stderr
    # The server of 2.1 takes the old name of the scope for the new one.
    fleet.execute(apt1, "st2", "key", "delete", "-s", "system", "region")
    for _ in range(2):
        assert fleet.execute(apt1, SCOPES_SCRIPT, *CONFIG).stdout == "SUCCESS: Datastore items migrated successfully.\n"
    assert {item["scope"] for item in stored(fleet, apt1)} == {"st2kv.system", "st2kv.user"}
    assert parsed(fleet, apt1, "st2", "key", "get", "region", "-j")["value"] == "eu-central-1"


def test_a_script_that_is_killed_leaves_a_start_without_an_end(fleet: Fleet, apt1: str) -> None:
    """/run/lab/migration-sleep slows a script down, so that a test can end it in the middle."""
    fleet.execute(apt1, "st2ctl", "stop")
    assert apt_upgrade(fleet, apt1, "2.2.1", *KEEP, only=("st2",)).returncode == 0
    shell(fleet, apt1, "mkdir -p /run/lab; echo 0.2 > /run/lab/migration-sleep")
    assert tried(fleet, apt1, "timeout", "-s", "KILL", "2", SCOPES_SCRIPT, *CONFIG).returncode == 137
    scopes = {item["scope"] for item in stored(fleet, apt1)}
    assert {"system", "st2kv.system"} <= scopes
