"""A host can be wrecked, rebooted and put back: what a reset restores and what it leaves alone."""

import pytest

from lab.docker import LabError
from lab.fleet import Fleet
from lab.topology import HOSTS

pytestmark = [pytest.mark.lab, pytest.mark.usefixtures("as_prepared")]


def said(fleet: Fleet, host: str, *argv: str) -> str:
    return fleet.execute(host, *argv).stdout.strip()


def exists(fleet: Fleet, host: str, path: str) -> bool:
    return fleet.execute(host, "test", "-e", path, check=False).returncode == 0


def sql(fleet: Fleet, host: str, statement: str) -> str:
    return said(fleet, host, "su", "postgres", "-c", f'psql -XAtqd mistral -v ON_ERROR_STOP=1 -c "{statement}"')


def host_keys(fleet: Fleet) -> list[str]:
    return [said(fleet, host.name, "cat", "/etc/ssh/ssh_host_ed25519_key.pub").split()[1] for host in HOSTS]


def test_a_reset_restores_files_packages_and_rows_of_one_deployment_alone(fleet: Fleet) -> None:
    keys = host_keys(fleet)
    count = "select count(*) from executions_v2"
    before = sql(fleet, "apt1", count)
    assert int(before) > 0
    fleet.execute("apt1", "sh", "-c", "echo broken > /etc/st2/st2.conf; systemctl stop mistral-api")
    fleet.execute("apt1", "dpkg", "--purge", "--force-all", "st2web")
    sql(fleet, "apt1", "drop table executions_v2 cascade")
    fleet.execute("yum1", "touch", "/var/lib/mine")

    fleet.reset("apt1")

    assert sql(fleet, "apt1", count) == before
    assert "[database]" in said(fleet, "apt1", "cat", "/etc/st2/st2.conf")
    assert said(fleet, "apt1", "dpkg-query", "-W", "-f", "${Status}", "st2web") == "install ok installed"
    assert said(fleet, "apt1", "systemctl", "is-active", "mistral-api") == "active"
    assert exists(fleet, "yum1", "/var/lib/mine")
    assert host_keys(fleet) == keys
    fleet.execute("yum1", "rm", "/var/lib/mine")


def test_the_pair_is_reset_with_its_database_host(fleet: Fleet) -> None:
    sql(fleet, "db1", "delete from cron_triggers_v2")
    fleet.execute("yum2", "rpm", "-e", "--nodeps", "st2chatops")
    fleet.reset("pair")
    assert int(sql(fleet, "db1", "select count(*) from cron_triggers_v2")) > 0
    assert said(fleet, "yum2", "rpm", "-q", "--qf", "%{VERSION}", "st2chatops") == "2.0.1"


def test_up_puts_a_wrecked_fleet_back(fleet: Fleet) -> None:
    keys = host_keys(fleet)
    for host in HOSTS:
        fleet.execute(host.name, "touch", "/var/lib/mine")
    fleet.execute("yum1", "systemctl", "stop", "ssh")
    fleet.execute("db1", "sh", "-c", "kill -9 $(pgrep -u postgres)", check=False)

    fleet.up()  # says its seconds; docs/lab.md has what was measured

    assert not any(exists(fleet, host.name, "/var/lib/mine") for host in HOSTS)
    assert {(status.state, status.release) for status in fleet.status()} == {("running", "2.0.1"), ("running", "")}
    assert host_keys(fleet) == keys


def test_a_deployment_changes_to_another_release_while_the_others_stay(fleet: Fleet) -> None:
    try:
        fleet.reset("apt1", release="1.4.0")
        assert said(fleet, "apt1", "sh", "-c", '. /etc/os-release; echo "$ID $VERSION_ID"') == "debian 8"
        assert said(fleet, "apt1", "dpkg-query", "-W", "-f", "${Version}", "st2").startswith("1.4.0-")
        releases = {status.host: status.release for status in fleet.status() if status.release}
        assert releases == {"db1": "2.0.1", "apt1": "1.4.0", "yum1": "2.0.1", "apt2": "2.0.1", "yum2": "2.0.1"}
        fleet.reset("apt1")
        assert said(fleet, "apt1", "dpkg-query", "-W", "-f", "${Version}", "st2").startswith("1.4.0-")
    finally:
        fleet.reset("apt1", release="2.0.1")
    assert said(fleet, "apt1", "sh", "-c", ". /etc/os-release; echo $ID") == "ubuntu"


def test_an_unknown_release_is_refused_with_the_known_ones(fleet: Fleet) -> None:
    with pytest.raises(LabError, match=r"no release 9\.9\.9") as error:
        fleet.up("9.9.9")
    assert "2.2.1" in error.value.hint


def test_a_rebooted_host_keeps_its_disk_and_starts_its_services(fleet: Fleet) -> None:
    units = said(fleet, "yum2", "cat", "/opt/lab/units").split()
    fleet.execute("yum2", "sh", "-c", "touch /var/lib/kept /run/gone")
    try:
        fleet.restart("yum2")
        assert exists(fleet, "yum2", "/var/lib/kept")
        assert not exists(fleet, "yum2", "/run/gone")
        assert set(said(fleet, "yum2", "systemctl", "is-active", *units).split()) == {"active"}
    finally:
        fleet.execute("yum2", "rm", "-f", "/var/lib/kept")


def test_the_host_without_systemd_is_restarted_kept_and_put_back_as_the_others_are(fleet: Fleet) -> None:
    fleet.execute("sysv1", "sh", "-c", "touch /var/lib/kept /run/gone")
    fleet.restart("sysv1")
    assert exists(fleet, "sysv1", "/var/lib/kept") and not exists(fleet, "sysv1", "/run/gone")
    fleet.snapshot("half-way", "sysv1")
    try:
        fleet.reset("sysv1")
        assert not exists(fleet, "sysv1", "/var/lib/kept")
        fleet.boot_snapshot("half-way", "sysv1")
        assert exists(fleet, "sysv1", "/var/lib/kept")
    finally:
        fleet.reset("sysv1")
        fleet.forget_snapshot("half-way", "sysv1")


def test_a_snapshot_brings_back_what_was_on_the_disk(fleet: Fleet) -> None:
    fleet.execute("yum1", "sh", "-c", "touch /var/lib/kept; systemctl --quiet disable --now st2chatops")
    fleet.snapshot("half-way", "yum1")
    try:
        fleet.reset("yum1")
        assert not exists(fleet, "yum1", "/var/lib/kept")
        fleet.boot_snapshot("half-way", "yum1")
        assert exists(fleet, "yum1", "/var/lib/kept")
        assert fleet.execute("yum1", "systemctl", "is-active", "st2chatops", check=False).stdout.strip() == "inactive"
    finally:
        fleet.reset("yum1")
        fleet.forget_snapshot("half-way", "yum1")
