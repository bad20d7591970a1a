"""Who is in the lab: hosts, deployments, ports, identities, passwords. Plain data."""

from dataclasses import dataclass

from lab.packages.builder.releases import NODE_REPOSITORIES, Release
from lab.packages.builder.releases import RELEASES as BUILT

RELEASES = tuple(release.name for release in BUILT)
DEFAULT_RELEASE = "2.0.1"
SUDO_PASSWORD = "lab-sudo-pw"


@dataclass(frozen=True)
class LabHost:
    """One container. `family` is apt, yum, database or sysv (no systemd, no st2, no deployment); `offset` is its SSH
    port's distance from the fleet's base."""

    name: str
    family: str
    deployment: str
    offset: int | None = None
    asks_sudo_password: bool = False

    @property
    def has_st2(self) -> bool:
        """Whether st2 is installed on it."""
        return self.family in ("apt", "yum")

    @property
    def image_variable(self) -> str:
        """The variable of compose.yml that names this host's image."""
        return f"LAB_IMAGE_{self.name.upper()}"


@dataclass(frozen=True)
class LabDeployment:
    """Hosts on one set of databases, which live on `database_host`; `primary` is where its one-time work is done.

    The passwords are no secrets, but none is the packaged one; the pair's has to be quoted in a URL.
    """

    name: str
    hosts: tuple[str, ...]
    database_host: str
    database_address: str
    primary: str
    st2_password: str
    mistral_password: str


HOSTS = (
    LabHost("db1", "database", "pair"),
    LabHost("apt1", "apt", "apt1", offset=1),
    LabHost("yum1", "yum", "yum1", offset=2),
    LabHost("apt2", "apt", "pair", offset=3),
    LabHost("yum2", "yum", "pair", offset=4, asks_sudo_password=True),
    LabHost("sysv1", "sysv", "", offset=5),
)
PREPARED = tuple(host for host in HOSTS if host.family != "sysv")  # the others are the same at every release
DEPLOYMENTS = (
    LabDeployment("apt1", ("apt1",), "apt1", "localhost", "apt1", "kv-apt1-Tz4", "mist-apt1-9Qx"),
    LabDeployment("yum1", ("yum1",), "yum1", "localhost", "yum1", "kv-yum1-Bd8", "mist-yum1-4Lw"),
    LabDeployment("pair", ("apt2", "yum2"), "db1", "db1.lab", "apt2", "kv-pair-Rk2", "mist/pair@7%Z"),
)


def host(name: str) -> LabHost:
    """The host of this name, or a KeyError that lists the known ones."""
    for candidate in HOSTS:
        if candidate.name == name:
            return candidate
    raise KeyError(f"no lab host {name!r}; there are {', '.join(h.name for h in HOSTS)}")


def deployment(name: str) -> LabDeployment:
    """The deployment of this name, or a KeyError that lists the known ones."""
    for candidate in DEPLOYMENTS:
        if candidate.name == name:
            return candidate
    raise KeyError(f"no lab deployment {name!r}; there are {', '.join(d.name for d in DEPLOYMENTS)}")


def members(name: str) -> tuple[LabHost, ...]:
    """All containers of a deployment, the one with its databases first; or the host that is in none."""
    lone = tuple(h for h in HOSTS if not h.deployment and h.name == name)
    return lone or tuple(h for h in HOSTS if h.deployment == deployment(name).name)


# From which release on a fleet of a family says that it is this: st2 was built for it up to the next one's first
# (StackStorm/st2-packages), and the way from the last release before that is one that a real host could take.
_IDENTITIES = {
    "apt": ((0, 0, "debian-8"), (1, 6, "ubuntu-16.04"), (3, 4, "ubuntu-18.04"), (3, 8, "ubuntu-20.04")),
    "yum": ((0, 0, "centos-7"), (3, 8, "rocky-8")),
}


def identity(family: str, release: str) -> str:
    """What a host of a fleet at this release says it is."""
    at = tuple(int(part) for part in release.split(".")[:2])
    return [name for major, minor, name in _IDENTITIES[family] if (major, minor) <= at][-1]


def node_repository(release: str) -> str:
    """The repository of Node.js that an operator of this release has set up, "" where chatops takes what there is."""
    return next((name for band, name in NODE_REPOSITORIES if built(release).version in band), "")


def built(name: str) -> Release:
    """The release of this name, as the lab's packages have it."""
    return next(release for release in BUILT if release.name == name)
