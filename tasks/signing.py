"""Signatures with an SSH key, made and checked by OpenSSH: whoever is shown a file needs nothing of ours to check it."""

import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from rollout.errors import UsageError
from rollout.quote import shell

NAMESPACE = "stormlift-certificate"
SUFFIX = ".sig"
_WAIT_S = 60.0  # for ssh-keygen: a key in hardware waits for a touch
_MOST_BYTES = 64 << 10  # of what it says
_FIRST = b"-----BEGIN SSH SIGNATURE-----"
_OLD = "is too old: signatures came with OpenSSH 8.2"
_INSTALL = "install OpenSSH 8.2 or later here"
_ASKS = "wants a passphrase, which nobody is asked for, and no agent has it"
_KEY = "name the file of a private key of OpenSSH that has no passphrase, or load it first: ssh-add KEY"


def sign(path: Path, key: Path) -> Path:
    """Sign the file PATH with the private KEY, or with an agent that has it; gives the signature's file, its owner's alone.

    Nobody is asked for a passphrase. Raises UsageError; no signature is left then.
    """
    found = Path(f"{path}{SUFFIX}")
    _readable(key, _KEY)
    _readable(path, "name a file that is there")
    with _written(found):
        found.unlink(missing_ok=True)  # it would ask whether to write over it
    try:
        with open(os.devnull, "rb") as nothing:
            code, _, said = _run(["sign", "-f", str(key), "-n", NAMESPACE, os.path.abspath(path)], nothing)
        if code or not found.is_file():
            asked = "passphrase" in said
            raise UsageError(f"{key}: {_ASKS if asked else f'cannot sign: {_why(said)}'}", _KEY)
        with _written(found):
            found.chmod(0o600)
            if not found.read_bytes().startswith(_FIRST):
                raise UsageError(f"{found}: what ssh-keygen wrote is no signature", _INSTALL)
    except BaseException:
        with suppress(OSError):
            found.unlink()
        raise
    return found


def how_to_verify(path: Path, key: Path) -> str:
    """One line of sh that checks the signature of PATH against the public half of KEY, wherever both are."""
    public = key if key.suffix == ".pub" else Path(f"{key}.pub")
    tell = ["cat", str(public)] if public.is_file() else ["ssh-keygen", "-y", "-f", str(key)]
    signers, sig = f"{path}.signers", f"{path}{SUFFIX}"
    check = ["ssh-keygen", "-Y", "verify", "-f", signers, "-I", "signer", "-n", NAMESPACE, "-s", sig]
    first = f"(printf 'signer '; {shell(tell)}) > {shell([signers])}"
    return f"{first} && {shell(check)} < {shell([str(path)])}"


def _readable(path: Path, hint: str) -> None:
    try:
        if not path.is_file():  # of a pipe, nobody waits for its other end
            raise FileNotFoundError(0, "it is no file that is there")
        with open(path, "rb"):
            pass
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}", hint) from None


@contextmanager
def _written(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror}", "sign a copy in another folder") from None


def _run(words: list[str], data: IO[bytes]) -> tuple[int, str, str]:
    """Its code and what ssh-keygen -Y says. No terminal, no window and no program can be asked by it: nobody need be there."""
    away = ("DISPLAY", "WAYLAND_DISPLAY", "SSH_ASKPASS")
    env = {name: value for name, value in os.environ.items() if name not in away}
    env |= {"SSH_ASKPASS_REQUIRE": "never", "LC_ALL": "C"}
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        try:
            process = subprocess.Popen(
                ["ssh-keygen", "-Y", *words],
                stdin=data,
                stdout=out,
                stderr=err,
                env=env,
                umask=0o077,
                start_new_session=True,
            )
        except OSError as error:
            raise UsageError(f"ssh-keygen cannot be run here: {error.strerror}", _INSTALL) from None
        try:
            code = process.wait(_WAIT_S)
        except BaseException as error:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)  # what it started for a key in hardware as well
            process.wait()
            if isinstance(error, subprocess.TimeoutExpired):
                raise UsageError(f"ssh-keygen did not answer in {_WAIT_S:.0f} s", _KEY) from None
            raise
        said = [_said(each) for each in (out, err)]
    if code and any(word in said[1] for word in ("unknown option", "illegal option", "Unsupported operation")):
        raise UsageError(f"ssh-keygen here {_OLD}", _INSTALL)
    return code, said[0], said[1]


def _said(file: IO[bytes]) -> str:
    file.seek(0)
    text = file.read(_MOST_BYTES).decode("utf-8", "replace")
    return "".join(each if each.isprintable() or each == "\n" else "?" for each in text)


def _why(said: str) -> str:
    """The first line of an error that is neither its frame nor what came before it."""
    lines = [line.strip() for line in said.splitlines() if line.strip(" @?")]
    lines = [line for line in lines if "WARNING: UNPROTECTED" not in line and not line.startswith("Signing ")]
    return lines[0].rstrip(".") if lines else "it does not say why"
