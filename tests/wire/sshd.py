"""A host for tests: an SSH server in this process, a real shell behind it, and programs that the test wrote."""

import contextlib
import os
import shutil
import signal
import socket
import struct
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

import paramiko

from tests.wire.login import Login, Transport
from tests.wire.session import Session

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
SUDO_RULES = ("nopasswd", "password", "refused", "requiretty")

# The separators of a stub's diary: signs that no argument of a test holds.
FIELD, RECORD = "\x1f", "\x1e"
_STUB = """\
#!/bin/sh
printf '%s\\037' "${{0##*/}}" "$@" "$(printf '\\036')" >>"$WIRE_HOST/calls"
{body}
"""


class WireHost:
    """A host at 127.0.0.1 with its own key, its own programs in bin/, and faults on demand.

    requests      the text of every exec request
    attempts      every login attempt: user and method
    connections   how many TCP connections were made
    delay         seconds before a new connection is greeted and before a command starts
    """

    def __init__(
        self, directory: Path, name: str = "box", *, user: str = "deploy", shell: Sequence[str] = ("sh", "-c")
    ) -> None:
        self.directory, self.name, self.user, self.shell = directory, name, user, tuple(shell)
        self.bin, self.state, self.home = directory / "bin", directory / "state", directory / "home"
        for each in (self.bin, self.home, directory / "root", directory / "units", directory / "stack"):
            each.mkdir(parents=True, exist_ok=True)
        self.address = "127.0.0.1"
        self.requests: list[str] = []
        self.attempts: list[tuple[str, str]] = []
        self.connections = 0
        self.delay = 0.0
        self.accepts_key = True
        self.password = ""
        self.env: dict[str, str] = {}
        self.user_key = paramiko.ECDSAKey.generate()
        self.identity = directory / "id_ecdsa"
        self.user_key.write_private_key_file(str(self.identity))
        self.host_key: paramiko.PKey = paramiko.ECDSAKey.generate()
        self.sudo("nopasswd")
        shutil.copyfile(Path(__file__).with_name("sudo.sh"), self.bin / "sudo")
        (self.bin / "sudo").chmod(0o755)
        self._silent = False
        self._lock = threading.Lock()
        self._sockets: set[socket.socket] = set()
        self.stopping = threading.Event()
        self._listener = self._bound(0)
        self.port: int = self._listener.getsockname()[1]

    def __enter__(self) -> "WireHost":
        self.accept_connections()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stopping.set()
        _shut(self._listener)
        self.crash()

    # What is on the host.

    def stub(self, name: str, body: str = "") -> Path:
        """Put a program into bin/: BODY is POSIX sh, every call is written down."""
        path = self.bin / name
        path.write_text(_STUB.format(body=body))
        path.chmod(0o755)
        return path

    def calls(self, name: str = "") -> list[tuple[str, ...]]:
        """The calls of the stubs (of one, when NAME is given), each as its argv, in order."""
        diary = self.directory / "calls"
        text = diary.read_text(errors="surrogateescape") if diary.exists() else ""
        calls = [tuple(record.split(FIELD)[:-1]) for record in text.split(RECORD + FIELD)[:-1]]
        return [call for call in calls if not name or call[0] == name]

    def sudo(self, rule: str, password: str = "") -> None:
        """Who may: nopasswd, password (with this one), refused (not in sudoers, has this password), requiretty."""
        assert rule in SUDO_RULES and "\n" not in password
        (self.directory / "sudoers").write_text(f"{rule}\n{password}\n")

    def passwords_tried(self) -> list[str]:
        """What sudo has taken for a password so far: each wrong one counts towards the lock of an account."""
        diary = self.directory / "tried"
        return diary.read_text(errors="surrogateescape").splitlines() if diary.exists() else []

    def environment(self) -> dict[str, str]:
        """What a login finds in its environment; the names in WIRE_KEEP survive sudo."""
        own = {
            "STORMLIFT_STATE": str(self.state),
            # Nothing of a test may reach the units or the st2 of the machine that runs it.
            "STORMLIFT_UNITS": str(self.directory / "units"),
            "STORMLIFT_STACK": str(self.directory / "stack"),
            "WIRE_HOST": str(self.directory),
            "WIRE_NAME": self.name,
            **self.env,
        }
        login = {"HOME": str(self.home), "USER": self.user, "LOGNAME": self.user, "SHELL": "/bin/sh"}
        path = f"{self.bin}:{SYSTEM_PATH}"
        return {"PATH": path, **login, **own, "WIRE_KEEP": " ".join([*own, "WIRE_KEEP"])}

    def processes(self) -> list[int]:
        """The pids of what runs on this host, also of what has left its session."""
        mark = f"WIRE_HOST={self.directory}".encode()
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdecimal():
                try:
                    variables = (entry / "environ").read_bytes().split(b"\0")
                except OSError:
                    continue
                if mark in variables:
                    found.append(int(entry.name))
        return found

    # What a client needs.

    def known_hosts_line(self) -> str:
        """The line of known_hosts that trusts this host."""
        return f"[{self.address}]:{self.port} {self.host_key.get_name()} {self.host_key.get_base64()}\n"

    def change_host_key(self) -> None:
        """From the next connection on this host has another key."""
        self.host_key = paramiko.ECDSAKey.generate()

    # Faults.

    def cut(self) -> None:
        """Every connection is gone at once, without a goodbye; what runs goes on."""
        with self._lock:
            sockets, self._sockets = self._sockets, set()
        for each in sockets:
            with contextlib.suppress(OSError):  # its client has just left by itself
                # Reset instead of a polite end.
                each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            _shut(each)

    def crash(self) -> None:
        """Power off: every process and every connection ends; files stay."""
        self.cut()
        while pids := self.processes():
            for pid in pids:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
            self.stopping.wait(0.01)

    def hang(self, silent: bool = True) -> None:
        """New connections are made and then hear nothing, not even a banner."""
        self._silent = silent

    def refuse_connections(self) -> None:
        """New connections are refused; the port stays this host's."""
        _shut(self._listener)
        self._listener = self._bound(self.port)

    def accept_connections(self) -> None:
        """Be reachable (again)."""
        self._listener.listen(100)
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    # The server.

    def _bound(self, port: int) -> socket.socket:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((self.address, port))
        return listener

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._sockets.add(connection)
                self.connections += 1
            if not self._silent:
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        self.stopping.wait(self.delay)
        try:
            transport = Transport(connection)
            transport.add_server_key(self.host_key)
            login = Login(self)
            transport.start_server(server=login)
        except (paramiko.SSHException, EOFError, OSError):
            _shut(connection)
            return
        login.attend(transport)
        with self._lock:
            self._sockets.discard(connection)

    def run(self, channel: paramiko.Channel, command: bytes) -> None:
        """Run one exec request on its channel, to its end."""
        self.requests.append(command.decode(errors="surrogateescape"))
        self.stopping.wait(self.delay)
        Session(channel, [*self.shell, command], self.environment(), self.home).run()


def _shut(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        # Wakes the thread that waits in accept or recv, which close alone does not.
        end.shutdown(socket.SHUT_RDWR)
    end.close()
