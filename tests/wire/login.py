"""The server's side of one connection: who may log in, and what they may ask for."""

import logging
import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

import paramiko
from paramiko.common import (
    AUTH_FAILED,
    AUTH_SUCCESSFUL,
    MSG_CHANNEL_REQUEST,
    OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED,
    OPEN_FAILED_CONNECT_FAILED,
    OPEN_SUCCEEDED,
)

from tests.wire.session import CHUNK, LEFT

if TYPE_CHECKING:
    from tests.wire.sshd import WireHost

# A client that leaves in the middle is what these hosts are for, and nothing to print.
LOG = "wire.server"
logging.getLogger(LOG).setLevel(logging.CRITICAL + 1)


class Login(paramiko.ServerInterface):
    """One connection to a WireHost: its keys and passwords, its commands, and its ways to other hosts."""

    def __init__(self, host: "WireHost") -> None:
        self._host = host
        self._commands: dict[int, bytes] = {}
        self._ways: dict[int, socket.socket] = {}

    def get_allowed_auths(self, username: str) -> str:
        """As sshd lists them: password only where one is accepted."""
        return "publickey,password" if self._host.password else "publickey"

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        """The one user with the one key, unless the host was told to refuse it."""
        self._host.attempts.append((username, "publickey"))
        fits = username == self._host.user and key == self._host.user_key and self._host.accepts_key
        return AUTH_SUCCESSFUL if fits else AUTH_FAILED

    def check_auth_password(self, username: str, password: str) -> int:
        """The one user with the password, where there is one."""
        self._host.attempts.append((username, "password"))
        fits = username == self._host.user and self._host.password and password == self._host.password
        return AUTH_SUCCESSFUL if fits else AUTH_FAILED

    def check_channel_request(self, kind: str, chanid: int) -> int:
        """Sessions only."""
        return OPEN_SUCCEEDED if kind == "session" else OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED

    def check_channel_direct_tcpip_request(
        self, chanid: int, origin: tuple[str, int], destination: tuple[str, int]
    ) -> int:
        """A way through this host to another, which makes it a gateway."""
        try:
            self._ways[chanid] = socket.create_connection(destination, timeout=10)
        except OSError:
            return OPEN_FAILED_CONNECT_FAILED
        return OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        """Note the command; it starts when the client has been told that it may."""
        self._commands[channel.chanid] = command
        return True

    def start(self, channel: paramiko.Channel) -> None:
        """Start what was noted for this channel, if anything was."""
        if (command := self._commands.pop(channel.chanid, None)) is not None:
            threading.Thread(target=self._host.run, args=(channel, command), daemon=True).start()

    def attend(self, transport: paramiko.Transport) -> None:
        """Stay with the connection until it is gone."""
        # Paramiko itself holds channels weakly: one that nobody keeps is closed before its command comes.
        channels = []
        while transport.is_active() and not self._host.stopping.is_set():
            if channel := transport.accept(0.5):
                channels.append(channel)
                if way := self._ways.pop(channel.chanid, None):
                    _join(channel, way)


def _answer_then_start(channel: paramiko.Channel, message: paramiko.Message) -> None:
    channel._handle_request(message)  # type: ignore[attr-defined]
    login = channel.get_transport().server_object
    if isinstance(login, Login):
        login.start(channel)


class Transport(paramiko.Transport):
    """Paramiko asks the server before it answers the client; a quick command would end before its client knew of it."""

    _channel_handler_table = paramiko.Transport._channel_handler_table | {  # type: ignore[attr-defined]
        MSG_CHANNEL_REQUEST: _answer_then_start
    }

    def __init__(self, connection: socket.socket) -> None:
        super().__init__(connection)
        self.set_log_channel(LOG)


def _join(channel: paramiko.Channel, way: socket.socket) -> None:
    way.settimeout(None)
    threading.Thread(target=_pass_on, args=(channel, way), daemon=True).start()
    threading.Thread(target=_pass_on, args=(way, channel), daemon=True).start()


def _pass_on(source: paramiko.Channel | socket.socket, sink: paramiko.Channel | socket.socket) -> None:
    with suppress(*LEFT):
        while data := source.recv(CHUNK):
            sink.sendall(data)
    for end in (source, sink):
        with suppress(*LEFT):
            # Wakes the thread of the other direction, which close alone does not.
            end.shutdown(socket.SHUT_RDWR)
        with suppress(*LEFT):
            end.close()
