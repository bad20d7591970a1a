"""The main job on real machines: four hosts of two families, from 2.0.1 to 2.2.1."""

import json
import re
from pathlib import Path

import pytest

from lab.fleet import Fleet
from tests.lab.desk import Operator, Said, write_inventory
from tests.lab.ground import Ground

pytestmark = pytest.mark.lab
ST2_HOSTS = ("apt1", "yum1", "apt2", "yum2")


@pytest.fixture(scope="module")
def operator(ground: Ground, tmp_path_factory: pytest.TempPathFactory) -> Operator:
    folder = tmp_path_factory.mktemp("desk")
    fleet = ground.fresh("apt1", "yum1", "pair")
    write_inventory(folder, fleet)
    return Operator(folder, fleet)


@pytest.fixture(scope="module")
def upgraded(operator: Operator) -> Said:
    """The fleet after `invoke upgrade --hosts lab`, typed once for all tests of this file; one box first, then the rest."""
    return operator.types("upgrade", "--hosts", "lab", "--yes", "--batch", "1,100%", "--soak", "1")


def keys(fleet: Fleet, host: str) -> list[dict[str, object]]:
    said = fleet.execute(host, "/opt/stackstorm/st2/bin/lab-store", "dump").stdout
    return [json.loads(line) for line in said.splitlines()]


def script_runs(fleet: Fleet, host: str) -> list[tuple[str, str]]:
    """(script, outcome) of every run of a migration script in a deployment's own log, in order."""
    said = fleet.execute(host, "/opt/stackstorm/st2/bin/lab-store", "log").stdout
    rows = [json.loads(line) for line in said.splitlines()]
    return [
        (row["script"], row["outcome"]) for row in rows if "migrate" in row["script"] and row["outcome"] != "started"
    ]


def test_the_fleet_is_at_the_new_release(operator: Operator, upgraded: Said) -> None:
    assert upgraded.code == 0, upgraded.all
    rows = operator.types("status", "--hosts", "lab", "--json").json["hosts"]
    assert {row["name"] for row in rows} == set(ST2_HOSTS)
    for row in rows:
        assert row["settled"] == "2.2.1"
        assert {text.split("-")[0] for text in row["installed"].values()} == {"2.2.1"}
        assert row["mistral"] == {"state": "upgraded", "revision": "020", "head": "020"}
        assert set(row["services"].values()) == {"active"}
        assert not row["hold"] and not row["lock"] and not row["run"] and not row["pending"]


@pytest.mark.parametrize("host", ST2_HOSTS)
def test_the_package_manager_itself_says_the_new_release(fleet: Fleet, upgraded: Said, host: str) -> None:
    """Not by our own probe: by the tool that the host's operator would use."""
    ask = (
        ("dpkg-query", "-W", "-f", "${Version}\n")
        if host.startswith("apt")
        else ("rpm", "-q", "--qf", "%{VERSION}-%{RELEASE}\n")
    )
    for package in ("st2", "st2web", "st2chatops", "st2mistral"):
        assert fleet.execute(host, *ask, package).stdout.startswith("2.2.1-")


def test_the_summary_names_every_deployment_its_downtime_and_how_much_of_it_was_the_backup(upgraded: Said) -> None:
    for name in ("apt1", "pair", "yum1"):
        line = next(line for line in upgraded.out.splitlines() if line.startswith(name))
        down, backup = (int(word) for word in re.findall(r"(\d+) s", line.partition("upgraded")[2]))
        assert 0 <= backup < down


def test_again_there_is_nothing_to_do_and_nothing_changes(operator: Operator, upgraded: Said) -> None:
    before = {host: fingerprint(operator.fleet, host) for host in ST2_HOSTS}
    said = operator.types("upgrade", "--hosts", "lab", "--yes")
    assert said.code == 0, said.all
    assert "nothing to do, each is at 2.2.1" in said.err and "pair (apt2, yum2): nothing to do" in said.err
    assert [line.split()[0] for line in said.out.splitlines() if "unchanged" in line] == ["apt1", "pair", "yum1"]
    assert {host: fingerprint(operator.fleet, host) for host in ST2_HOSTS} == before


FINGERPRINT = """{
  dpkg-query -W 2>/dev/null || rpm -qa | sort
  find /etc /var/lib/stormlift /opt/stackstorm -type f -not -name '*.pyc' -printf '%p %s %T@\\n' | sort
  systemctl show -p ExecMainStartTimestamp st2api mistral-server
} | sha256sum"""


def fingerprint(fleet: Fleet, host: str) -> str:
    """What a run could have changed: packages, configuration, state, when processes began."""
    return fleet.execute(host, "sh", "-c", FINGERPRINT).stdout


def test_the_scopes_were_renamed_once_per_deployment(fleet: Fleet, upgraded: Said) -> None:
    for host in ("apt1", "yum1", "apt2"):
        assert script_runs(fleet, host) == [("st2-migrate-datastore-scopes.py", "succeeded")]
        scopes = {key["scope"] for key in keys(fleet, host)}
        assert scopes == {"st2kv.system", "st2kv.user"}


def test_old_executions_are_still_there(operator: Operator, upgraded: Said) -> None:
    for row in operator.types("mistral.status", "--hosts", "lab", "--json").json["deployments"]:
        assert row["rows"]["executions_v2"] == 20
    assert "20 old records stay in the table executions_v2, 2 of them unfinished" in upgraded.err


def test_a_dump_and_the_configuration_were_kept(fleet: Fleet, upgraded: Said) -> None:
    for host in ST2_HOSTS:
        kept = fleet.execute(host, "sh", "-c", "ls -l /var/lib/stormlift/*/backup/*/").stdout
        assert "files.tar" in kept and "manifest.json" in kept
    dumps = [
        h
        for h in ("apt2", "yum2")
        if fleet.execute(h, "sh", "-c", "ls /var/lib/stormlift/*/backup/*/mistral.dump", check=False).stdout
    ]
    assert len(dumps) == 1


def test_no_secret_was_shown_or_kept(operator: Operator, upgraded: Said) -> None:
    """The databases' passwords stand in the hosts' configuration; nowhere in what the run said or wrote."""
    from lab.topology import DEPLOYMENTS, SUDO_PASSWORD

    secrets = [SUDO_PASSWORD, *(d.mistral_password for d in DEPLOYMENTS), *(d.st2_password for d in DEPLOYMENTS)]
    runs = "".join(path.read_text() for path in (operator.folder / "runs").rglob("*") if path.is_file())
    for secret in secrets:
        assert secret not in upgraded.out + upgraded.err + runs
        for host in ST2_HOSTS:
            found = operator.fleet.execute(
                host, "sh", "-c", 'grep -rlF -e "$1" /var/lib/stormlift --exclude-dir=backup', "sh", secret, check=False
            ).stdout
            assert not found, f"{secret} in {found}"


def test_from_any_subdirectory(operator: Operator, upgraded: Said) -> None:
    said = operator.types("upgrade", "--hosts", "apt1", "--yes", cwd=Path(__file__).parent)
    assert said.code == 0 and "nothing to do" in said.err
