"""The lab's hosts are what they claim: systemd, sshd, sudo, identities, package tools, databases, ports, memory."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from lab.docker import LAB, LabError, docker
from lab.fleet import Fleet
from lab.topology import HOSTS, PREPARED, SUDO_PASSWORD, LabHost

pytestmark = [pytest.mark.lab, pytest.mark.usefixtures("as_prepared")]

ST2_HOSTS = [host for host in HOSTS if host.has_st2]
SSH_HOSTS = [host for host in HOSTS if host.offset is not None]
every_host = pytest.mark.parametrize("host", [host.name for host in HOSTS])
every_systemd_host = pytest.mark.parametrize("host", [host.name for host in PREPARED])
every_ssh_host = pytest.mark.parametrize("host", SSH_HOSTS, ids=[host.name for host in SSH_HOSTS])
every_st2_host = pytest.mark.parametrize("host", ST2_HOSTS, ids=[host.name for host in ST2_HOSTS])
every_apt_host = pytest.mark.parametrize("host", [host.name for host in HOSTS if host.family == "apt"])
every_yum_host = pytest.mark.parametrize("host", [host.name for host in HOSTS if host.family == "yum"])


def said(fleet: Fleet, host: str, *argv: str) -> str:
    return fleet.execute(host, *argv).stdout.strip()


def ssh(
    fleet: Fleet, host: str, command: str, *, user: str = "deploy", stdin: str = "", known_hosts: Path | None = None
) -> subprocess.CompletedProcess[str]:
    argv = fleet.ssh(host, command, user=user, known_hosts=known_hosts)
    return subprocess.run(argv, input=stdin, capture_output=True, text=True, timeout=30, check=False)


def inspect(fleet: Fleet, host: str) -> dict[str, dict[str, Any]]:
    filters = (f"label=com.docker.compose.project={fleet.project}", f"label=com.docker.compose.service={host}")
    found = docker("ps", "--quiet", "--filter", filters[0], "--filter", filters[1]).stdout.strip()
    settings: dict[str, dict[str, Any]] = json.loads(docker("inspect", found).stdout)[0]
    return settings


@every_systemd_host
def test_systemd_is_pid_1_and_nothing_failed(fleet: Fleet, host: str) -> None:
    assert said(fleet, host, "cat", "/proc/1/comm") == "systemd"
    assert said(fleet, host, "systemctl", "is-system-running") == "running"
    assert said(fleet, host, "systemctl", "--failed", "--no-legend") == ""


def test_the_host_without_systemd_has_system_v_init_and_nothing_of_st2(fleet: Fleet) -> None:
    assert said(fleet, "sysv1", "readlink", "/proc/1/exe") == "/usr/sbin/init"
    foreign = "command -v systemctl systemd-run; ls -d /run/systemd /opt/stackstorm 2>/dev/null; :"
    assert said(fleet, "sysv1", "sh", "-c", foreign) == ""
    for shell in ("dash", "bash", "busybox"):
        assert said(fleet, "sysv1", "sh", "-c", f"command -v {shell}")


@every_host
def test_no_host_is_privileged(fleet: Fleet, host: str) -> None:
    config = inspect(fleet, host)["HostConfig"]
    assert config["Privileged"] is False
    capabilities = {str(name).removeprefix("CAP_") for name in config["CapAdd"]}
    assert capabilities == ({"NET_ADMIN"} if host == "sysv1" else {"NET_ADMIN", "SYS_ADMIN"})


@every_systemd_host
def test_systemd_ends_a_unit_with_all_its_processes(fleet: Fleet, host: str) -> None:
    """Holds only if systemd can write to a cgroup tree of its own."""
    stray = "systemd-run --quiet --unit=stray sh -c 'setsid sleep 987654 & exec sleep 987654'"
    fleet.execute(
        host, "sh", "-c", f"{stray}; until [ $(pgrep -fcx 'sleep 987654') = 2 ]; do sleep 0.1; done", timeout=10
    )
    fleet.execute(host, "systemctl", "stop", "stray")
    assert fleet.execute(host, "pgrep", "-fx", "sleep 987654", check=False).stdout == ""


@every_ssh_host
def test_sshd_shows_the_key_of_known_hosts(fleet: Fleet, host: LabHost) -> None:
    assert ssh(fleet, host.name, "hostname").stdout.strip() == host.name


def test_every_host_has_a_key_of_its_own_and_shows_no_other(fleet: Fleet, tmp_path: Path) -> None:
    keys = [line.split(" ", 1)[1] for line in (fleet.state_dir / "known_hosts").read_text().splitlines()]
    assert len(set(keys)) == len(HOSTS)
    swapped = tmp_path / "known_hosts"
    swapped.write_text(f"[127.0.0.1]:{fleet.port_base + 1} {keys[0]}\n")  # that of db1
    refused = ssh(fleet, "apt1", "hostname", known_hosts=swapped)
    assert refused.returncode == 255
    assert "Host key verification failed" in refused.stderr


def test_a_host_behind_another_one_is_known_by_its_name(fleet: Fleet, tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text(f"""\
Host *
  User deploy
  IdentityFile {fleet.state_dir}/id_ed25519
  UserKnownHostsFile {fleet.state_dir}/known_hosts
  StrictHostKeyChecking yes
Host apt1
  HostName 127.0.0.1
  Port {fleet.port_base + 1}
Host yum2
  ProxyJump apt1
""")
    behind = subprocess.run(["ssh", "-F", config, "yum2", "hostname"], capture_output=True, text=True, check=True)
    assert behind.stdout.strip() == "yum2"


@every_ssh_host
def test_ssh_is_published_on_the_loopback_address_alone(fleet: Fleet, host: LabHost) -> None:
    port = str(fleet.port_base + (host.offset or 0))
    assert inspect(fleet, host.name)["NetworkSettings"]["Ports"] == {
        "22/tcp": [{"HostIp": "127.0.0.1", "HostPort": port}]
    }


@every_ssh_host
def test_sudo_asks_whom_it_should(fleet: Fleet, host: LabHost) -> None:
    free = ssh(fleet, host.name, "sudo -n id -u")
    if host.asks_sudo_password:
        assert free.returncode == 1
        assert "a password is required" in free.stderr
        answered = ssh(fleet, host.name, "sudo -S -p '' id -u", stdin=f"{SUDO_PASSWORD}\n")
        assert answered.stdout.strip() == "0"
    else:
        assert free.stdout.strip() == "0"


def test_the_other_users_are_there_for_sudo_that_fails(fleet: Fleet) -> None:
    assert "a password is required" in ssh(fleet, "apt1", "sudo -n id -u", user="operator2").stderr
    asked = ssh(fleet, "apt1", "sudo -S -p '' id -u", user="operator2", stdin="s3cret-sudo\n")
    assert asked.stdout.strip() == "0"
    assert ssh(fleet, "apt1", "sudo -S -p '' id -u", user="operator2", stdin="wrong\n").returncode == 1
    assert ssh(fleet, "apt1", "sudo -n id -u", user="nosudo").returncode == 1


@every_apt_host
def test_an_apt_host_is_a_xenial_with_apt_and_no_rpm(fleet: Fleet, host: str) -> None:
    assert said(fleet, host, "sh", "-c", '. /etc/os-release; echo "$ID $VERSION_ID"') == "ubuntu 16.04"
    assert said(fleet, host, "lsb_release", "-cs") == "xenial"
    assert said(fleet, host, "apt-get", "--version").startswith("apt ")
    assert said(fleet, host, "dpkg-query", "-W", "-f", "${Status}", "st2") == "install ok installed"
    assert said(fleet, host, "sh", "-c", "command -v rpm yum dnf dnf-3 || echo none") == "none"


@every_yum_host
def test_a_yum_host_is_an_el7_with_rpm_and_nothing_of_debian(fleet: Fleet, host: str) -> None:
    assert said(fleet, host, "sh", "-c", '. /etc/os-release; echo "$ID $VERSION_ID"') == "centos 7"
    assert said(fleet, host, "cat", "/etc/redhat-release") == "CentOS Linux release 7.9.2009 (Core)"
    assert said(fleet, host, "rpm", "-E", "%dist") == ".el7"
    assert said(fleet, host, "rpm", "-q", "--qf", "%{NAME}", "st2") == "st2"
    assert "st2." in said(fleet, host, "yum", "list", "--installed", "st2")
    assert (
        said(fleet, host, "sh", "-c", "command -v apt apt-get dpkg dpkg-query lsb_release dnf || echo none") == "none"
    )
    debian = "ls -d /etc/apt /var/lib/dpkg /etc/debian_version 2>/dev/null || echo none"
    assert said(fleet, host, "sh", "-c", debian) == "none"


@every_st2_host
def test_only_the_labs_repository_is_known(fleet: Fleet, host: LabHost) -> None:
    places = "/etc/apt/sources.list /etc/apt/sources.list.d" if host.family == "apt" else "/etc/yum.repos.d"
    found = said(fleet, host.name, "sh", "-c", f"grep -rhoE 'https?://[^ ]+' {places} 2>/dev/null | sort -u")
    assert found == f"http://repo.lab/{host.family}"


def test_the_pair_shares_one_database_server_and_the_boxes_have_their_own(fleet: Fleet) -> None:
    servers = {host.name: database_server(fleet, host.name) for host in ST2_HOSTS}
    assert servers["apt2"] == servers["yum2"]
    assert len(set(servers.values())) == 3


def database_server(fleet: Fleet, host: str) -> str:
    """Asked with the settings that Mistral uses, none of which is the packaged one."""
    url = said(fleet, host, "sed", "-n", "s/^connection *= *//p", "/etc/mistral/mistral.conf")
    assert "StackStorm" not in url
    return said(fleet, host, "psql", "-XAtqd", url, "-c", "select system_identifier from pg_control_system()")


@every_st2_host
def test_every_unit_of_the_packages_is_enabled_and_active(fleet: Fleet, host: LabHost) -> None:
    units = said(fleet, host.name, "cat", "/opt/lab/units").split()
    assert {"st2api.service", "st2chatops.service", "mistral-api.service", "mistral-server.service"} <= set(units)
    assert set(said(fleet, host.name, "systemctl", "is-active", *units).split()) == {"active"}
    assert set(said(fleet, host.name, "systemctl", "is-enabled", *units).split()) == {"enabled"}


def test_a_fleet_at_rest_fits_into_four_gigabytes(fleet: Fleet) -> None:
    """The proportional set size of every process in every host; docs/lab.md has the figures."""
    sizes = "cat /proc/[0-9]*/smaps_rollup 2>/dev/null | awk '/^Pss:/ { sum += $2 } END { print int(sum / 1024) }'"
    used = {host.name: int(said(fleet, host.name, "sh", "-c", sizes)) for host in HOSTS}
    print(f"MiB: {used}, sum {sum(used.values())}")
    assert sum(used.values()) < 4096


def test_a_failing_command_names_the_host_and_ends_with_its_last_words(fleet: Fleet) -> None:
    with pytest.raises(LabError, match=r"(?s)yum1: .*ended with 3\nno such thing"):
        fleet.execute("yum1", "sh", "-c", "echo no such thing >&2; exit 3")


def test_an_engine_that_answers_is_left_alone_even_by_two_at_once(fleet: Fleet) -> None:
    argv = (str(LAB / "engine.sh"), "up")
    both = [subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    for engine in both:
        assert engine.communicate(timeout=60)[0].splitlines()[-1].startswith("engine: answers")
        assert engine.returncode == 0
    assert {status.state for status in fleet.status()} == {"running"}
