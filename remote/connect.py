"""Open one Fabric connection to a host: strict host keys, one login, and the error that says what to do."""

import socket
from base64 import b64encode
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

from fabric import Config, Connection
from paramiko import (
    AuthenticationException,
    BadHostKeyException,
    Channel,
    MissingHostKeyPolicy,
    PKey,
    SSHClient,
    SSHException,
)
from paramiko.hostkeys import InvalidHostKey
from paramiko.pkey import UnknownKeyType
from paramiko.ssh_exception import PasswordRequiredException

from rollout.errors import InventoryError, NoAnswer, Unreachable
from rollout.model import Host

CONNECT_S = 20.0
KEEPALIVE_S = 15
UNACKNOWLEDGED_MS = 40_000  # a link that answers nothing for this long is lost

Gateways = Callable[[Host], Channel | None]


class UnknownKey(SSHException):
    """The host's key is in no known_hosts."""

    def __init__(self, key: PKey) -> None:
        super().__init__("unknown host key")
        self.key = key


class Strict(MissingHostKeyPolicy):
    """Refuse an unknown key, keeping it for the message. Fabric's own choice is to accept any."""

    def missing_host_key(self, client: SSHClient, hostname: str, key: PKey) -> None:
        """Called by paramiko before anything is sent to the host."""
        raise UnknownKey(key)


def fingerprint(key: PKey) -> str:
    """KEY as ssh-keygen -lf shows it."""
    return f"{key.get_name()} SHA256:{b64encode(sha256(key.asbytes()).digest()).decode().rstrip('=')}"


def dial(host: Host) -> socket.socket:
    """A TCP connection to HOST: no delay for small packets, and an end when nothing is acknowledged any more."""
    try:
        link = socket.create_connection((host.address, host.port), timeout=CONNECT_S)
    except socket.gaierror:
        raise Unreachable(
            f"{host.name}: the name {host.address} cannot be resolved", "check `address` in the inventory"
        ) from None
    except TimeoutError:
        raise _no_connection(host, "does not answer") from None
    except OSError as error:
        raise _no_connection(host, (error.strerror or str(error)).lower()) from None
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNACKNOWLEDGED_MS)
    return link


def _no_connection(host: Host, why: str) -> NoAnswer:
    return NoAnswer(
        f"{host.name}: {host.address} port {host.port}: {why}",
        f"check that the host is up and that this works: ssh -p {host.port} {host.user}@{host.address}",
    )


def connect(host: Host, known_hosts: Path, through: Channel | None = None) -> Connection:
    """Log in to HOST, through a gateway's channel if one is given.

    Raises Unreachable: no answer, unknown or changed host key (with fingerprints), refused login.
    """
    login: dict[str, object] = {"sock": through or dial(host), "banner_timeout": CONNECT_S, "auth_timeout": CONNECT_S}
    if host.identity:
        login |= {"pkey": _identity(host), "allow_agent": False, "look_for_keys": False}
    config = Config(overrides={"load_ssh_configs": False})
    connection = Connection(host.address, user=host.user, port=host.port, config=config, connect_kwargs=login)
    _read_known_hosts(connection, known_hosts)
    connection.client.set_missing_host_key_policy(Strict())
    try:
        connection.open()
    except Exception as error:
        connection.close()
        raise _refusal(host, known_hosts, error) from None
    connection.transport.set_keepalive(KEEPALIVE_S)
    return connection


def _identity(host: Host) -> PKey:
    """The key of HOST's `identity`; by its own type, where paramiko's file name would be tried as every type in turn."""
    try:
        return PKey.from_path(host.identity)
    except FileNotFoundError:
        raise Unreachable(
            f"{host.name}: there is no key file {host.identity}", "check `identity` in the inventory"
        ) from None
    except (PasswordRequiredException, TypeError):  # TypeError: paramiko 5 on an encrypted PEM file
        raise Unreachable(
            f"{host.name}: the key {host.identity} has a passphrase",
            "add it to an agent: ssh-add, and leave `identity` out",
        ) from None
    except (UnknownKeyType, SSHException, OSError, ValueError) as error:
        raise Unreachable(
            f"{host.name}: the key file {host.identity} cannot be used: {error}", "check `identity` in the inventory"
        ) from None


def _read_known_hosts(connection: Connection, known_hosts: Path) -> None:
    if not known_hosts.exists():
        return
    try:
        connection.client.load_host_keys(str(known_hosts))
    except (OSError, InvalidHostKey, SSHException) as error:
        raise InventoryError(
            f"{known_hosts}: cannot be read: {error}", "write it anew with: invoke inventory.trust"
        ) from None


def _refusal(host: Host, known_hosts: Path, error: Exception) -> Exception:
    trust = (
        "compare it with the host's own (ssh-keygen -lf /etc/ssh/ssh_host_*.pub there), "
        f"then: invoke inventory.trust --hosts {host.name}"
    )
    where = f"{host.address} port {host.port}"
    if isinstance(error, UnknownKey):
        return Unreachable(f"{host.name}: the host key of {where} is unknown: {fingerprint(error.key)}", trust)
    if isinstance(error, BadHostKeyException):
        seen, kept = fingerprint(error.key), fingerprint(error.expected_key)
        return Unreachable(
            f"{host.name}: the host key of {where} has changed: {seen}, {known_hosts} holds {kept}",
            f"somebody may be in between; if the host was set up anew, {trust}",
        )
    if isinstance(error, AuthenticationException):
        return Unreachable(
            f"{host.name}: {where} refuses the login of {host.user}",
            f"check `user` and `identity` in the inventory with: ssh -p {host.port} {host.user}@{host.address}",
        )
    if isinstance(error, (SSHException, EOFError, OSError)):
        said = " ".join(str(error).split()) or type(error).__name__
        kind = NoAnswer if _timed_out(error) else Unreachable
        return kind(f"{host.name}: {where}: no SSH session: {said}", "check that an SSH server answers there")
    return error


def _timed_out(error: BaseException | None) -> bool:
    """True when nothing was said in time; paramiko wraps that in an error of its own."""
    while error is not None and not isinstance(error, TimeoutError):
        error = error.__context__
    return error is not None
