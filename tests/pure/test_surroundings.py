"""What a host says of what is around st2: looked for by the program of hosts, read by the controller."""

import importlib.util
import os
import shlex
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

import remote
from remote import facts as parsers
from remote import program
from rollout.facts import Around, Busy, Restarter, Silent
from tests.pure.onhost import SHELLS

ANSWER = """
@busy
812 apt-get /var/lib/dpkg/lock
@repositories
lists-age 3600
fetch E: Failed to fetch http://repo/apt  Connection failed
@evidence
keys-unscoped 0
keys-both-scopes 1 user alice:a key
@content
rbac 1 /etc/st2/st2.conf:3
@reach
mongodb db1:27017,db2:27017 Connection refused
store db1:27017,db2:27017/st2
@restarters
unit puppet.service
process 71 puppet
process 99 monit
cron /etc/cron.d/keep:2 st2ctl
@conffiles
left /etc/st2/st2.conf.dpkg-dist
changed /etc/st2/st2.conf
@scripts
/opt/stackstorm/st2/bin/st2-migrate-runners.sh
@virtualenvs
gone old
missing aws
@clock
1000
@end
"""


def load(name: str) -> ModuleType:
    """A script of hosts as a module."""
    spec = importlib.util.spec_from_file_location(name, Path(remote.__file__).parent / "onhost" / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


REACH = load("reach")


def test_an_answer_is_read() -> None:
    facts = parsers.read("a", ANSWER, 1090.4)
    assert facts.busy == (Busy("812", "apt-get", "/var/lib/dpkg/lock"),) and facts.skew == -90
    assert facts.evidence == {"keys-unscoped": 0, "keys-both-scopes": 1, "rbac": 1}
    assert facts.places == {"keys-both-scopes": "user alice:a key", "rbac": "/etc/st2/st2.conf:3"}
    assert facts.around == Around(
        lists_age=3600,
        fetch_failed="E: Failed to fetch http://repo/apt  Connection failed",
        silent=(Silent("mongodb", "db1:27017,db2:27017", "Connection refused"),),
        store="db1:27017,db2:27017/st2",
        restarters=(
            Restarter("unit", "puppet.service", "puppet"),  # and not its process once more
            Restarter("process", "99", "monit"),
            Restarter("cron", "/etc/cron.d/keep:2", "st2ctl"),
        ),
        changed=("/etc/st2/st2.conf",),
        left=("/etc/st2/st2.conf.dpkg-dist",),
        scripts=("/opt/stackstorm/st2/bin/st2-migrate-runners.sh",),
        virtualenvs={"old": "gone", "aws": "missing"},
    )


def test_a_host_that_says_nothing_of_it_has_nothing_of_it() -> None:
    facts = parsers.read("a", "@os\n@end\n", 1090.4)
    assert facts.around == Around() and facts.busy == () and facts.skew == 0


@pytest.mark.parametrize(
    ("kind", "text", "found"),
    [
        ("mongodb", "db1", [("db1", 27017)]),
        ("mongodb", "mongodb://st2:p@ss@db1:27018,db2/st2?replicaSet=a", [("db1", 27018), ("db2", 27017)]),
        ("mongodb", "mongodb://[2001:db8::1]:27018/st2", [("2001:db8::1", 27018)]),
        ("rabbitmq", "amqp://guest:guest@127.0.0.1:5672/", [("127.0.0.1", 5672)]),
        ("rabbitmq", "amqp://u:p@q1:5671, amqp://u:p@q2", [("q1", 5671), ("q2", 5672)]),
        ("rabbitmq", "amqps://u:p@q1/, 'amqp://q2'", [("q1", 5671), ("q2", 5672)]),
        ("rabbitmq", "amqp://u:12,hunter2,x@q1:5672/", [("q1", 5672)]),  # no part of a password is a host
        ("rabbitmq", "", []),
    ],
)
def test_servers_are_found_in_what_st2_conf_may_say(kind: str, text: str, found: list[tuple[str, int]]) -> None:
    assert REACH.addresses(kind, text) == found


@pytest.mark.parametrize(
    ("conf", "mongodb", "rabbitmq"),
    [
        ("", [("127.0.0.1", 27017)], [("127.0.0.1", 5672)]),
        ("[database]\nhost = db1\nport = 27018\n", [("db1", 27018)], [("127.0.0.1", 5672)]),
        ("[database]\nhost = mongodb+srv://db.example.com/st2\n", None, [("127.0.0.1", 5672)]),
        ("[messaging]\nurl = x\ncluster_urls = amqp://q2:1,amqp://q3\n", [("127.0.0.1", 27017)], [("q2", 1), ("q3", 5672)]),
        ("no section", None, None),
    ],
)  # fmt: skip
def test_servers_are_the_ones_that_st2_would_take(
    tmp_path: Path, conf: str, mongodb: list[tuple[str, int]] | None, rabbitmq: list[tuple[str, int]] | None
) -> None:
    (tmp_path / "st2.conf").write_text(conf)
    found = dict(REACH.servers(str(tmp_path / "st2.conf")))
    assert (found.get("mongodb"), found.get("rabbitmq")) == (mongodb, rabbitmq)


def said(shell: str, stack: Path, function: str) -> list[str]:
    """What FUNCTION of the program of hosts prints, by one of the shells that hosts have."""
    words = [shell, "sh"] if shell == "busybox" else [shell]
    script = f"STORMLIFT_STACK={shlex.quote(str(stack))}\n{program.library()}\n{function}\n"
    done = subprocess.run([*words, "-s"], input=script, capture_output=True, text=True, timeout=20, check=False)
    assert done.stderr == ""
    return sorted(done.stdout.splitlines())


@pytest.mark.parametrize("shell", SHELLS)
def test_virtualenvs_and_scripts_are_told_apart(tmp_path: Path, shell: str) -> None:
    for folder in ("st2/lib/python3.8", "st2/bin", "packs/sound", "packs/bare", "packs/older", "virtualenvs/old/bin"):
        (tmp_path / folder).mkdir(parents=True)
    assert said(shell, tmp_path, "facts_scripts") == []
    for pack, python in (("sound", "3.8"), ("older", "3.6")):
        (tmp_path / "virtualenvs" / pack / f"lib/python{python}").mkdir(parents=True)
        (tmp_path / "virtualenvs" / pack / "bin").mkdir()
        (tmp_path / "virtualenvs" / pack / "bin/python").symlink_to("/bin/sh")
    (tmp_path / "virtualenvs/bare/bin").mkdir(parents=True)
    (tmp_path / "virtualenvs/bare/bin/python").symlink_to("/usr/bin/python-that-is-gone")
    assert said(shell, tmp_path, "facts_virtualenvs") == ["gone old", "missing bare", "other older"]
    (tmp_path / "st2/bin/st2-migrate-x").touch()
    assert said(shell, tmp_path, "facts_scripts") == [f"{tmp_path}/st2/bin/st2-migrate-x"]


@pytest.mark.parametrize("shell", SHELLS)
def test_a_changed_file_is_told_by_its_digest(tmp_path: Path, shell: str) -> None:
    (tmp_path / "same").write_text("a\n")
    (tmp_path / "ours").write_text("b\n")
    digest = "60b725f10c9c85c70d97880dfe8191b3"  # md5 of "a\n"
    shipped = "\n".join(f"{digest} {tmp_path}/{name}" for name in ("same", "ours", "gone"))
    command = f"printf '%s\\n' {shlex.quote(shipped)} | changed_files md5sum"
    assert said(shell, tmp_path, command) == [f"changed {tmp_path}/ours"]
    assert said(shell, tmp_path, "printf '' | changed_files md5sum") == []


CRON = {
    "* * * * * root puppet agent -t": "puppet",
    "*/5 * * * * root /usr/bin/monit reload": "monit",
    "@reboot root /usr/bin/st2ctl start": "st2ctl",
    "0 3 * * * root systemctl restart st2api": "systemctl",
    "# * * * * * root puppet agent -t": "",
    "* * * * * root /usr/bin/monitor-disk": "",
    "* * * * * root systemctl restart nginx": "",
    "* * * * * root systemctl status st2api": "",
    "0 4 * * * root /opt/backup # before puppet": "",
}


@pytest.mark.parametrize("shell", SHELLS)
def test_a_line_of_cron_that_starts_services_is_told(tmp_path: Path, shell: str) -> None:
    (tmp_path / "crontab").write_text("".join(f"{line}\n" for line in CRON))
    named = [(number, name) for number, name in enumerate(CRON.values(), 1) if name]
    told = [f"cron {tmp_path}/crontab:{number} {name}" for number, name in named]
    assert said(shell, tmp_path, f"cron_lines {tmp_path}/crontab {tmp_path}/none") == told


@pytest.mark.parametrize("shell", SHELLS)
def test_a_pid_without_a_newline_behind_it_is_read_as_yum_and_dnf_write_it(tmp_path: Path, shell: str) -> None:
    (tmp_path / "yum.pid").write_text(str(os.getpid()))
    (tmp_path / "left.pid").write_text("999999999")
    (line,) = said(shell, tmp_path, f"said_holders {tmp_path}/yum.pid {tmp_path}/left.pid {tmp_path}/none")
    assert line.split()[0] == str(os.getpid()) and line.endswith(f" {tmp_path}/yum.pid")


YUM = {
    "Error: No matching Packages to list": [],
    "Importing GPG key 0xC6F28448": ["fetch Error: it failed"],
    "Error: Failed to download metadata for repo 'StackStorm_stable'": [
        "fetch Error: Failed to download metadata for repo "
    ],
    "repomd.xml signature could not be verified for StackStorm_stable": [
        "fetch Error: it failed",
        "key repomd.xml signature",
    ],
}


@pytest.mark.parametrize("shell", SHELLS)
def test_what_yum_says_of_its_repositories_is_told_apart(tmp_path: Path, shell: str) -> None:
    """A repository without the packages is another matter (candidate-missing), and so is a key that was taken."""
    hosts = 'have() { [ "$1" = yum ]; }; limit() { shift; "$@"; }; _packages=st2'
    for line, told in YUM.items():
        more = "" if line.startswith("Error") else "echo 'Error: it failed' >&2;"
        yum = f"yum() {{ echo {shlex.quote(line)} >&2; {more} return 1; }}"
        found = said(shell, tmp_path, f"{hosts}; {yum}; facts_available; facts_repositories | grep -v lists-age")
        assert len(found) == len(told) and all(map(str.startswith, found, told)), found
    taken = "yum() { echo 'Importing GPG key 0xC6F28448' >&2; }"
    assert said(shell, tmp_path, f"{hosts}; {taken}; facts_available; facts_repositories | grep -v lists-age") == []
