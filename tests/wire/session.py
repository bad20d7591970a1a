"""Run one exec request as sshd does: a shell on pipes, its ends closed one by one, its exit told as it was."""

import os
import select
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

import paramiko
from paramiko.common import cMSG_CHANNEL_REQUEST

CHUNK = 32768

# What paramiko raises when the other side has just left.
LEFT = (OSError, EOFError, paramiko.SSHException)


class Session:
    """One command on one channel. A lost connection closes the pipes and nothing else: what runs goes on by itself."""

    def __init__(
        self,
        channel: paramiko.Channel,
        command: Sequence[bytes | str],
        environment: Mapping[str, str],
        home: Path,
    ) -> None:
        self._channel = channel
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            cwd=home,
            start_new_session=True,
            bufsize=0,
        )
        # Readable as soon as the channel is closed, by whichever side and for whatever reason.
        self._gone, self._tell_gone = os.pipe()

    def run(self) -> None:
        """Serve the channel until the command has ended and its output is through, or the channel is gone."""
        process = self._process
        assert process.stdin and process.stdout and process.stderr
        watch = _thread(self._watch)
        feed = _thread(self._feed, process.stdin)
        drains = [
            _thread(self._drain, process.stdout, self._channel.sendall),
            _thread(self._drain, process.stderr, self._channel.sendall_stderr),
        ]
        code = process.wait()
        with suppress(*LEFT):
            self._tell_exit(code)
        # Like sshd: a child in the background that holds the output open holds the channel open.
        for thread in drains:
            thread.join()
        with suppress(*LEFT):
            self._channel.close()
        for thread in (watch, feed):
            thread.join()
        os.close(self._gone)

    def _watch(self) -> None:
        # On this side of a channel nothing but its end sets the event.
        self._channel.status_event.wait()
        os.close(self._tell_gone)

    def _is_gone(self, fd: int, event: int) -> bool:
        poll = select.poll()
        poll.register(fd, event)
        poll.register(self._gone, select.POLLIN)
        return any(ready == self._gone for ready, _ in poll.poll())

    def _feed(self, pipe: IO[bytes]) -> None:
        os.set_blocking(pipe.fileno(), False)
        with pipe, suppress(*LEFT):
            while data := self._channel.recv(CHUNK):
                if not self._write(pipe.fileno(), data):
                    return

    def _write(self, fd: int, data: bytes) -> bool:
        while data:
            if self._is_gone(fd, select.POLLOUT):
                return False
            try:
                data = data[os.write(fd, data) :]
            except BlockingIOError:
                continue
            except BrokenPipeError:
                return False
        return True

    def _drain(self, pipe: IO[bytes], send: Callable[[bytes], object]) -> None:
        with pipe:
            while not self._is_gone(pipe.fileno(), select.POLLIN) and (data := os.read(pipe.fileno(), CHUNK)):
                try:
                    send(data)
                except LEFT:
                    return

    def _tell_exit(self, code: int) -> None:
        if self._channel.closed:
            return
        message = paramiko.Message()
        message.add_byte(cMSG_CHANNEL_REQUEST)
        message.add_int(self._channel.remote_chanid)
        message.add_string("exit-status" if code >= 0 else "exit-signal")
        message.add_boolean(False)
        if code >= 0:
            message.add_int(code)
        else:
            message.add_string(signal.Signals(-code).name.removeprefix("SIG"))
            message.add_boolean(False)
            message.add_string("")
            message.add_string("")
        self._channel.get_transport()._send_user_message(message)  # type: ignore[attr-defined]


def _thread(work: Callable[..., object], *arguments: object) -> threading.Thread:
    thread = threading.Thread(target=work, args=arguments, daemon=True)
    thread.start()
    return thread
