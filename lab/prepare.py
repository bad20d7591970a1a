"""Prepare every host at a release and keep each as an image, so that a fleet at that release starts in seconds."""

import time

from lab.build import CACHE, Images, Say, build, forget_older, to_stderr
from lab.containers import Containers, each
from lab.digest import digest_of, locked, tree_digest
from lab.docker import LAB, docker, image_exists
from lab.keys import make_keys
from lab.topology import (
    DEPLOYMENTS,
    HOSTS,
    PREPARED,
    SUDO_PASSWORD,
    LabDeployment,
    LabHost,
    built,
    identity,
    node_repository,
)

PROJECT = "stormlift-lab-prepare"
PORT_BASE = 22000
RELEASE_LABEL = "stormlift.release"
RECIPE = ("hosts", "prepare.py", "topology.py", "packages/seed")


def packages(host: LabHost, release: str) -> tuple[str, ...]:
    """What is installed on a host; yum1 is the one with a licence for the enterprise package, from 2.0 to 3.2."""
    found = built(release)
    mistral = ("st2mistral",) if found.mistral else ()
    licensed = (
        ("bwc-enterprise",) if host.name == "yum1" and found.enterprise_name == "bwc-enterprise" and mistral else ()
    )
    return ("st2", "st2web", "st2chatops", *mistral, *licensed)


def prepare(release: str, say: Say = to_stderr) -> dict[str, str]:
    """Make the prepared images of a release unless they are there; returns them by host, and the repo's as `repo`."""
    # Held from the first image to the last, so that nobody takes away what the next step starts from.
    with locked("prepare"):
        images = build(say)
        wanted = _prepared(images, release)
        if not all(image_exists(image) for image in wanted.values()):
            started = time.monotonic()
            _prepare(images, release, wanted)
            say(f"lab: {release}: prepared on {len(PREPARED)} hosts ({time.monotonic() - started:.1f} s)")
    return {**wanted, "repo": images.repo}


def _prepared(images: Images, release: str) -> dict[str, str]:
    """The image of each host at a release; the names change with everything that goes into them."""
    tag = f"{release}-{digest_of(images.apt, images.yum, images.repo, tree_digest(*RECIPE))}"
    bare = {host.name: images.of_family(host.family) for host in HOSTS if host not in PREPARED}
    return bare | {host.name: f"stormlift-lab/{host.name}:{tag}" for host in PREPARED}


def _prepare(images: Images, release: str, wanted: dict[str, str]) -> None:
    bare = {host.name: images.of_family(host.family) for host in HOSTS}
    containers = Containers(PROJECT, PORT_BASE, CACHE / "prepare", {**bare, "repo": images.repo})
    make_keys(containers.state_dir, PORT_BASE)
    containers.remove_all()
    try:
        containers.start(["repo", *(host.name for host in PREPARED)])
        _hosts(containers, release)
        _keep(containers, release, wanted)
    finally:
        containers.remove_all()
    for host in PREPARED:
        forget_older(wanted[host.name])


def _hosts(containers: Containers, release: str) -> None:
    st2_hosts = [host for host in HOSTS if host.has_st2]
    each(PREPARED, lambda host: _system(containers, host, release))
    database_hosts = [host for host in HOSTS if any(d.database_host == host.name for d in DEPLOYMENTS)]
    each(database_hosts, lambda host: _databases(containers, host))
    each(st2_hosts, lambda host: _packages(containers, host, release))
    primaries = [host for host in HOSTS if any(d.primary == host.name for d in DEPLOYMENTS)]
    each(primaries, lambda host: _script(containers, host, "content.sh", release))
    # Also on the hosts that are no primary: it puts the deployment's crypto key there.
    each(st2_hosts, lambda host: containers.execute(host.name, "/opt/stackstorm/st2/bin/lab-store", "init"))
    each(st2_hosts, lambda host: _script(containers, host, "services.sh", *packages(host, release)))
    containers.wait_ready(PREPARED)


def _system(containers: Containers, host: LabHost, release: str) -> None:
    target = containers.container(host.name)
    docker("cp", str(LAB / "hosts"), f"{target}:/opt/lab/hosts")
    docker("cp", str(LAB / "packages" / "seed" / "mistral-rows.sql"), f"{target}:/opt/lab/hosts/")
    containers.execute(host.name, "sh", "-c", "ls /lib/systemd/system/ssh.service >/dev/null 2>&1 "
                       "&& echo ssh.service > /opt/lab/units || echo sshd.service > /opt/lab/units")  # fmt: skip
    containers.wait_ready([host])
    if host.family != "database":
        containers.execute(host.name, "sh", "/opt/lab/setup/identity.sh", identity(host.family, release))
    if host.asks_sudo_password:
        rule = "deploy ALL=(ALL) ALL\n"
        containers.execute(host.name, "tee", "/etc/sudoers.d/10-deploy", stdin=rule)
        containers.execute(host.name, "chpasswd", stdin=f"deploy:{SUDO_PASSWORD}\n")


def _databases(containers: Containers, host: LabHost) -> None:
    reach = "network" if host.family == "database" else "local"
    deployment = next(d for d in DEPLOYMENTS if d.database_host == host.name)
    _script(containers, host, "databases.sh", reach, env=_passwords(deployment))


def _packages(containers: Containers, host: LabHost, release: str) -> None:
    deployment = next(d for d in DEPLOYMENTS if host.name in d.hosts)
    if node := node_repository(release):
        _script(containers, host, "repositories.sh", host.family, node)
    _script(containers, host, "install.sh", host.family, release, *packages(host, release))
    _script(containers, host, "settings.sh", deployment.database_address, env=_passwords(deployment))


def _passwords(deployment: LabDeployment) -> dict[str, str]:
    return {"ST2_PASSWORD": deployment.st2_password, "MISTRAL_PASSWORD": deployment.mistral_password}


def _script(containers: Containers, host: LabHost, name: str, *argv: str, env: dict[str, str] | None = None) -> None:
    containers.execute(host.name, "sh", f"/opt/lab/hosts/{name}", *argv, env=env, timeout=600)


def _keep(containers: Containers, release: str, wanted: dict[str, str]) -> None:
    """Shut each host down as a reboot would, and commit what is on its disk."""
    # The fleet brings its own; a key in the image would be the same in every fleet.
    forget = "rm -f /etc/ssh/ssh_host_* /etc/ssh/authorized_keys; "

    def keep(host: LabHost) -> None:
        containers.execute(host.name, "sh", "-c", forget)
        target = containers.container(host.name)
        docker("stop", "--time", "60", target)
        image = wanted[host.name]
        labels = {RELEASE_LABEL: release, "stormlift.lab": "1"}
        changes = [flag for key, value in labels.items() for flag in ("--change", f"LABEL {key}={value}")]
        docker("commit", *changes, target, image)

    # The databases last: services that stop still want to write to them.
    each([host for host in HOSTS if host.has_st2], keep)
    each([host for host in HOSTS if host.family == "database"], keep)
