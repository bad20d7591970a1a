"""The keys of a fleet: one for user deploy, one host key per host. Made once, so that a reset changes none of them."""

from pathlib import Path

from lab.docker import run
from lab.topology import HOSTS, SUDO_PASSWORD, LabHost

ADDRESS = "127.0.0.1"


def make_keys(state_dir: Path, port_base: int) -> None:
    """Fill a fleet's state folder: id_ed25519, sudo-password, known_hosts, and ssh/<host>/, a host's /etc/ssh/lab."""
    state_dir.mkdir(parents=True, exist_ok=True)
    state_dir.chmod(0o700)
    _keep_or_make(state_dir / "id_ed25519", "stormlift lab, user deploy")
    password = state_dir / "sudo-password"  # inventory/lab.yml reads it for the one host whose sudo asks
    password.touch(mode=0o600)
    password.write_text(SUDO_PASSWORD + "\n")
    login = (state_dir / "id_ed25519.pub").read_text()
    for host in HOSTS:
        folder = state_dir / "ssh" / host.name
        folder.mkdir(parents=True, exist_ok=True)
        _keep_or_make(folder / "ssh_host_ed25519_key", f"root@{host.name}")
        (folder / "authorized_keys").write_text(login)
    lines = (_known_hosts_line(state_dir, host, port_base) for host in HOSTS)
    (state_dir / "known_hosts").write_text("".join(lines))


def _keep_or_make(key: Path, comment: str) -> None:
    if not key.exists():
        run(("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(key)))


def _known_hosts_line(state_dir: Path, host: LabHost, port_base: int) -> str:
    """Its published port, and its name inside the lab's network, which a client meets behind a gateway."""
    kind, key = (state_dir / "ssh" / host.name / "ssh_host_ed25519_key.pub").read_text().split()[:2]
    names = [host.name] if host.offset is None else [f"[{ADDRESS}]:{port_base + host.offset}", host.name]
    return f"{','.join(names)} {kind} {key}\n"
