"""What only looks changes nothing: a picture of every host before and after, and whatever is not as it was is named."""

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pyrage.x25519 import Identity

from lab.fleet import Fleet
from tests.lab.desk import Operator, Said, write_inventory
from tests.lab.ground import Ground
from tests.lab.picture import changed, taken

pytestmark = pytest.mark.lab

HOSTS = ("apt1", "apt2", "yum2", "db1")
DEPLOYMENTS = ("--hosts", "apt1,pair")
LOOKS = (
    ("path", "--from", "1.4.0", "--to", "2.2.1", "--distro", "el7"),
    ("plan", *DEPLOYMENTS, "--to", "2.2.1"),
    ("upgrade", *DEPLOYMENTS, "--to", "2.2.1", "--dry"),
    ("status", *DEPLOYMENTS),
    ("health", *DEPLOYMENTS),
    ("mistral.status", *DEPLOYMENTS),
    ("mistral.upgrade", *DEPLOYMENTS, "--dry"),
    ("services.status", *DEPLOYMENTS),
    ("services.stop", *DEPLOYMENTS, "--dry"),
    ("locks.show", *DEPLOYMENTS),
    ("config.diff", *DEPLOYMENTS),
    ("pause", *DEPLOYMENTS, "--dry"),
    ("inventory.show",),
    ("migrations.list",),
    ("migrations.pending", *DEPLOYMENTS, "--to", "2.2.1"),
    ("migrations.baseline", *DEPLOYMENTS, "--release", "2.0.1", "--dry"),
    ("content.export", *DEPLOYMENTS, "--to", "away", "--encrypt-to", str(Identity.generate().to_public()), "--dry"),
    ("content.verify", "--source", "apt1", "--hosts", "pair"),  # the lab seeds both with the same keys
)
# All that may differ afterwards (docs/lab.md says the same): whose doing it is, and what it touches.
MAY = {
    "the login": r"/run|/run/motd\.dynamic|/run/user(/.*)?|/run/systemd(/(sessions|users|units|transient|seats)(/.*)?)?"
    r"|/var/log/(wtmp|btmp|lastlog)|unit (user|user-runtime-dir)@\d+\.service",
    "journald": r"/run/log/journal/.*|/run/systemd/journal/streams(/.*)?",
    "the services that go on meanwhile": r"/var/log/(st2|mistral)/[\w.-]+\.log",
    "PostgreSQL, whose rows are compared one by one, and its log of who called": r"/var/lib/postgresql/15/main/.*"
    r"|/var/log/postgresql/postgresql-15-main\.log",
    "PostgreSQL, whose workers share memory while a query runs": r"/dev/shm/PostgreSQL\.\d+",
    "rpm, which is asked through a file that all of its readers share": r"/var/lib/rpm/rpmdb\.sqlite-(shm|wal)",
    "a folder for metadata that came and went": r"/tmp",
}
COLD = "rm -rf /var/cache/apt/*.bin /var/cache/dnf/packages.db /var/cache/dnf/*.solv*"
# What a careless look could leave on a host, and the name that it must be told by.
TRACES = {
    "mkdir /var/lib/stormlift": "/var/lib/stormlift",
    "touch /etc/gone; rm /etc/gone": "/etc",
    "chmod o+w /etc/st2/st2.conf": "/etc/st2/st2.conf",
    "chown deploy /etc/mistral/mistral.conf": "/etc/mistral/mistral.conf",
    "mkdir /opt/stackstorm/packs/core/__pycache__": "/opt/stackstorm/packs/core/__pycache__",
    "echo plan >/home/deploy/.bash_history": "/home/deploy/.bash_history",
    "echo left >/tmp/left": "/tmp/left",
    "apt-mark hold st2": "package st2",
    "apt-cache policy st2": "/var/cache/apt/pkgcache.bin",
    "systemctl restart st2notifier": "unit st2notifier.service",
    "cd /; setpriv --reuid=postgres psql -d mistral -c 'delete from executions_v2'": "rows of mistral: public.executions_v2",
}


@pytest.fixture(scope="module")
def fleet_of_looks(ground: Ground) -> Fleet:
    """A single box and the pair as they were prepared, and nothing in the caches of their package managers."""
    fleet = ground.fresh("apt1", "pair")
    for host in HOSTS:
        fleet.execute(host, "sh", "-c", COLD)
    return fleet


def unexpected(differences: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """What differs and is not in the list."""
    may = re.compile("|".join(f"(?:{pattern})" for pattern in MAY.values()))
    return {(host, name) for host, name in differences if not may.fullmatch(name)}


def test_whoever_only_looks_leaves_nothing(fleet_of_looks: Fleet, tmp_path: Path) -> None:
    write_inventory(tmp_path, fleet_of_looks)
    desk = sorted(tmp_path.rglob("*"))
    operator = Operator(tmp_path, fleet_of_looks)
    before = taken(fleet_of_looks, HOSTS)
    with ThreadPoolExecutor(4) as pool:
        said: list[Said] = list(pool.map(lambda words: operator.types(*words), LOOKS))
    for each in said:
        assert each.code == 0, each.all
    assert unexpected(changed(before, taken(fleet_of_looks, HOSTS))) == set()
    assert sorted(tmp_path.rglob("*")) == desk


def test_every_trace_is_told_by_its_name(fleet_of_looks: Fleet) -> None:
    before = taken(fleet_of_looks, ("apt1",))
    for trace in TRACES:
        fleet_of_looks.execute("apt1", "sh", "-c", trace)
    told = {name for _, name in unexpected(changed(before, taken(fleet_of_looks, ("apt1",))))}
    assert set(TRACES.values()) - told == set()
