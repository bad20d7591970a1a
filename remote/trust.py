"""Ask a host for its key, without logging in, and write it into known_hosts."""

import os
from dataclasses import dataclass
from pathlib import Path

from paramiko import Channel, HostKeys, PKey, Transport
from paramiko.ssh_exception import SSHException

from remote.connect import CONNECT_S, dial, fingerprint
from rollout.errors import Unreachable
from rollout.model import Host


@dataclass(frozen=True)
class Offered:
    """The key that a host offers; `standing` is trusted, new or changed."""

    host: str
    entry: str
    key: PKey
    known_hosts: Path
    standing: str

    @property
    def fingerprint(self) -> str:
        """The key as ssh-keygen -lf shows it."""
        return fingerprint(self.key)


def offered(host: Host, known_hosts: Path, through: Channel | None = None) -> Offered:
    """The key of HOST, compared with KNOWN_HOSTS. Raises Unreachable."""
    transport = Transport(through or dial(host))
    try:
        transport.start_client(timeout=CONNECT_S)
        key = transport.get_remote_server_key()
    except (SSHException, EOFError, OSError) as error:
        raise Unreachable(
            f"{host.name}: no SSH server answers at {host.address} port {host.port}: {error}", "check the address"
        ) from None
    finally:
        transport.close()
    entry = host.address if host.port == 22 else f"[{host.address}]:{host.port}"
    return Offered(host.name, entry, key, known_hosts, _standing(known_hosts, entry, key))


def _standing(known_hosts: Path, entry: str, key: PKey) -> str:
    if not known_hosts.exists():
        return "new"
    keys = HostKeys(str(known_hosts))
    if keys.check(entry, key):
        return "trusted"
    return "changed" if keys.lookup(entry) else "new"


def write(offer: Offered) -> None:
    """Put the key into known_hosts, in place of any other key of that host; whole or not at all, 0600."""
    keys = HostKeys(str(offer.known_hosts)) if offer.known_hosts.exists() else HostKeys()
    kept = [line for line in _lines(offer.known_hosts) if not _names(line, offer.entry, keys)]
    offer.known_hosts.parent.mkdir(parents=True, exist_ok=True)
    aside = offer.known_hosts.with_name(f"{offer.known_hosts.name}.new")
    aside.unlink(missing_ok=True)
    with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
        opened.write("\n".join([*kept, f"{offer.entry} {offer.key.get_name()} {offer.key.get_base64()}"]) + "\n")
    aside.replace(offer.known_hosts)


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def _names(line: str, entry: str, keys: HostKeys) -> bool:
    """True when LINE is about ENTRY, also where the name is hashed."""
    first = line.split(" ", 1)[0]
    if first == entry or entry in first.split(","):
        return True
    return first.startswith("|1|") and HostKeys.hash_host(entry, first) == first
