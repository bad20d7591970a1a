"""Run a script as root on a connected host and read what it says, line by line; nothing here decides."""

from collections.abc import Iterator
from contextlib import suppress

from fabric import Connection
from paramiko import Channel
from paramiko.ssh_exception import SSHException

from rollout.errors import Unreachable
from rollout.model import Host
from rollout.quote import shell
from rollout.secret import Secret

READY = "@stormlift-ready"
_WHOLE = "#whole"
NOT_WHOLE = 74
_ASKS = "@stormlift-password"
_IS_ROOT = "@stormlift-root"
_MAX_LINE = 1 << 20
_MOST_ERRORS = 1 << 14
_LOOK_ASIDE_S = 1.0


class Broken(Exception):
    """The link ended before the script did."""


class Deaf(Exception):
    """The script takes no more; what it said tells why."""


def start(connection: Connection, host: Host, script: str, password: Secret | None, *, apart: bool = False) -> Channel:
    """Begin SCRIPT as root; its output, errors included, comes over the channel that is given back; APART: not mixed.

    The script travels on standard input, so that it is in no argv and no login shell parses it; it runs only
    when it arrived whole. What is sent after it is the script's own standard input. A password is sent when sudo
    asks for it, and once: a second question means that it was wrong, and a third would lock some accounts.
    Raises Broken when the link ends, Unreachable when sudo refuses.
    """
    text = f"{script}\n{_WHOLE}".encode()
    inner = f's=$(head -c {len(text)}); case $s in *{_WHOLE}) eval "$s";; *) exit {NOT_WHOLE};; esac'
    try:
        channel: Channel = connection.create_session()
        # Together while sudo is answered. Without a password sudo may refuse at once: that must not be taken for data.
        channel.set_combine_stderr(not apart or password is not None)
        if password is None:
            channel.exec_command(("" if host.sudo == "root" else "sudo -n ") + shell(["sh", "-c", inner]))
        else:
            channel.exec_command(f"sudo -S -k -p {_ASKS} " + shell(["sh", "-c", f"echo {_IS_ROOT}; {inner}"]))
            _answer(channel, host, password)
        if apart:  # before the script is there: it has said nothing yet
            channel.set_combine_stderr(False)
        try:
            channel.sendall(text)
        except OSError:
            if not channel.exit_status_ready():
                raise  # else it ended before it read, and what it said tells why
    except (SSHException, EOFError, OSError) as error:
        raise Broken(str(error)) from None
    return channel


def _answer(channel: Channel, host: Host, password: Secret) -> None:
    said = ""
    answered = False
    while f"{_IS_ROOT}\n" not in said:
        block = channel.recv(4096)
        said += block.decode("utf-8", "replace")
        if _ASKS in said and answered:
            hang_up(channel)
            raise wrong_password(host)
        if not block and channel.recv_exit_status() == -1:
            raise Broken("the connection ended before sudo did")
        if not block:
            raise refused_root(host, said) or Unreachable(
                f"{host.name}: sudo ended: {said.strip()}", "try sudo there by hand"
            )
        if _ASKS in said:
            channel.sendall(password.reveal().encode() + b"\n")
            answered, said = True, ""


def lines(channel: Channel) -> Iterator[str]:
    """The script's output as lines; raises Broken when the link ended first."""
    rest = b""
    while True:
        try:
            block = channel.recv(1 << 16)
        except (OSError, EOFError, SSHException) as error:
            raise Broken(str(error)) from None
        if not block:
            break
        *whole, rest = (rest + block).split(b"\n")
        for line in whole:
            yield line.decode("utf-8", "surrogateescape")
        rest = rest[:_MAX_LINE]
    if rest:
        yield rest.decode("utf-8", "surrogateescape")
    if channel.recv_exit_status() == -1:
        raise Broken("the connection ended without an exit code")


def blocks(channel: Channel, errors: bytearray) -> Iterator[bytes]:
    """The script's output as it comes, bytes and no lines; the end of what it says beside it is left in ERRORS.

    No more is held than SSH's window. Raises Broken when the link ended first.
    """
    channel.settimeout(_LOOK_ASIDE_S)
    block: bytes | None = None
    while block != b"":
        try:
            block = channel.recv(1 << 16)
        except TimeoutError:
            block = None
        except (OSError, EOFError, SSHException) as error:
            raise Broken(str(error)) from None
        # Both streams share one window: complaints that nobody reads would stop the data.
        while channel.recv_stderr_ready():
            errors += channel.recv_stderr(1 << 16)
            del errors[:-_MOST_ERRORS]
        if block:
            yield block
    if channel.recv_exit_status() == -1:
        raise Broken("the connection ended without an exit code")


def asked(said: Iterator[str], before: list[str]) -> bool:
    """Whether the script asks for what it is to be given; what it says until then goes to BEFORE. Raises Broken.

    Nothing is sent before that: an old `head` takes more from its input than it was told to, and a script that refuses
    says so without being given a dump first.
    """
    for line in said:
        if line == READY:
            return True
        before.append(line)
    return False


def give(channel: Channel, data: bytes) -> None:
    """Send DATA, waiting while the script is slower; no more is held than SSH's window. Raises Deaf, Broken."""
    try:
        channel.sendall(data)
    except (OSError, EOFError, SSHException) as error:
        if channel.exit_status_ready():
            raise Deaf(str(error)) from None
        raise Broken(str(error)) from None


def end_input(channel: Channel) -> None:
    """Say that nothing more will be sent. Raises Broken when the link ended first."""
    try:
        channel.shutdown_write()
    except (OSError, EOFError, SSHException) as error:
        raise Broken(str(error)) from None


def hang_up(channel: Channel) -> None:
    """Close CHANNEL; on a link that is gone it is closed already, and saying so fails."""
    with suppress(OSError, EOFError, SSHException):
        channel.close()


def wrong_password(host: Host) -> Unreachable:
    """The error for a sudo password that is not right."""
    return Unreachable(
        f"{host.name}: sudo refuses the password of {host.user}", "check the password; nothing was changed"
    )


def refused_root(host: Host, said: str) -> Unreachable | None:
    """The error when SAID is sudo's refusal, else None."""
    if "incorrect password" in said or "Sorry, try again" in said or "no password was provided" in said:
        return wrong_password(host)
    if "a password is required" in said or "a terminal is required" in said:
        return Unreachable(f"{host.name}: sudo asks {host.user} for a password", "say so in the inventory: sudo: ask")
    if "is not in the sudoers file" in said or "is not allowed to execute" in said or "may not run sudo" in said:
        return Unreachable(
            f"{host.name}: {host.user} may not use sudo", "give the user a rule in /etc/sudoers.d on the host"
        )
    if "you must have a tty" in said:
        return Unreachable(
            f"{host.name}: sudo wants a terminal (requiretty)", f"add on the host: Defaults:{host.user} !requiretty"
        )
    if "sudo: not found" in said or "sudo: command not found" in said:
        return Unreachable(
            f"{host.name}: there is no sudo", "log in as root: user: root and sudo: root in the inventory"
        )
    return None
