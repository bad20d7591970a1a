"""Signatures: what ssh-keygen itself checks, made without a question to anybody."""

import stat
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from rollout.errors import UsageError
from tasks import signing

PASSPHRASE = "canary-passphrase"


def keygen(path: Path, passphrase: str = "") -> Path:
    argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-C", "x", "-f", str(path)]
    subprocess.run(argv, check=True, stdin=subprocess.DEVNULL)
    return path


def refused(action: Callable[[], object]) -> UsageError:
    with pytest.raises(UsageError) as caught:
        action()
    assert caught.value.hint and "\n" not in caught.value.message
    return caught.value


@pytest.fixture(autouse=True)
def _nobody_helps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return keygen(tmp_path / "key")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "-the certificate's.json"
    path.write_text("{}\n")
    return path


def checks(path: Path, key: Path) -> bool:
    """Whether the line for operators finds the signature of PATH good, and KEY's."""
    return (
        subprocess.run(["sh", "-c", signing.how_to_verify(path, key)], check=False, capture_output=True).returncode == 0
    )


def test_a_signature_is_its_key_s_over_the_file_as_it_was(path: Path, key: Path, tmp_path: Path) -> None:
    sig = signing.sign(path, key)
    assert sig == path.with_name(f"{path.name}.sig") and stat.S_IMODE(sig.stat().st_mode) == 0o600
    assert checks(path, key)
    signing.sign(path, other := keygen(tmp_path / "other"))  # again, over the first one
    assert checks(path, other) and not checks(path, key)
    path.write_text("{} \n")
    assert not checks(path, other)


@pytest.mark.parametrize("public", ["beside it", "gone", "itself named"])
def test_an_operator_checks_it_with_one_line(path: Path, key: Path, public: str) -> None:
    signing.sign(path, key)
    half = key.with_suffix(".pub")
    if public == "gone":
        half.unlink()
    line = signing.how_to_verify(path, half if public == "itself named" else key)
    said = subprocess.run(["sh", "-c", line], check=True, capture_output=True, text=True)
    assert 'Good "stormlift-certificate" signature for signer' in said.stdout
    path.write_text("edited")
    assert subprocess.run(["sh", "-c", line], check=False, capture_output=True).returncode != 0


def test_a_passphrase_is_not_waited_for(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    helper = tmp_path / "askpass"
    helper.write_text(f"#!/bin/sh\necho {PASSPHRASE}\ntouch {tmp_path}/asked\n")
    helper.chmod(0o700)
    monkeypatch.setenv("SSH_ASKPASS", str(helper))
    monkeypatch.setenv("SSH_ASKPASS_REQUIRE", "force")
    monkeypatch.setenv("DISPLAY", ":0")
    locked, begun = keygen(tmp_path / "locked", PASSPHRASE), time.monotonic()
    error = refused(lambda: signing.sign(path, locked))
    assert time.monotonic() - begun < 5 and "wants a passphrase" in error.message and "ssh-add" in error.hint
    assert not path.with_name(f"{path.name}.sig").exists() and not (tmp_path / "asked").exists()


def test_an_agent_that_has_the_key_signs(
    path: Path, tmp_path: Path, key: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    socket = tmp_path / "agent"
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", socket], stdout=subprocess.DEVNULL)
    try:
        monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
        deadline = time.monotonic() + 5
        while not socket.exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        subprocess.run(["ssh-add", "-q", key], check=True)
        key.unlink()
        signing.sign(path, key.with_suffix(".pub"))
        assert checks(path, key.with_suffix(".pub"))
    finally:
        agent.kill()
        agent.wait()


def test_a_key_that_is_none_is_said(path: Path, key: Path, tmp_path: Path) -> None:
    assert "no file that is there" in refused(lambda: signing.sign(path, tmp_path / "no")).message
    (tmp_path / "text").write_text("x")
    (tmp_path / "text").chmod(0o600)
    assert "cannot sign" in refused(lambda: signing.sign(path, tmp_path / "text")).message
    key.chmod(0o644)
    assert "are too open" in refused(lambda: signing.sign(path, key)).message


def alive(process: str) -> bool:
    said = subprocess.run(["ps", "-o", "stat=", "-p", process], check=False, capture_output=True, text=True).stdout
    return said.strip()[:1] not in ("", "Z")


def program(folder: Path, text: str) -> None:
    folder.mkdir()
    (folder / "ssh-keygen").write_text(f"#!/bin/sh\n{text}\n")
    (folder / "ssh-keygen").chmod(0o700)


@pytest.mark.parametrize("says", ["unknown option -- Y", 'Unsupported operation for -Y: "sign"'])
def test_one_that_is_too_old_is_said(
    path: Path, key: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: str
) -> None:
    program(tmp_path / "bin", f"echo '{says}' >&2; exit 1")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    error = refused(lambda: signing.sign(path, key))
    assert "too old" in error.message and "8.2" in error.hint


def test_one_that_lies_hangs_or_is_missing(
    path: Path, key: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sig = path.with_name(f"{path.name}.sig")
    for number, (does, says) in enumerate((("", "does not say why"), (f'echo no > "{sig}"', "is no signature"))):
        program(tmp_path / f"lies{number}", does)
        monkeypatch.setenv("PATH", f"{tmp_path / f'lies{number}'}:/usr/bin:/bin")
        assert says in refused(lambda: signing.sign(path, key)).message and not sig.exists()
    monkeypatch.setattr(signing, "_WAIT_S", 0.3)
    program(tmp_path / "hangs", f"touch \"{sig}\"; sleep 60 & echo $! > '{tmp_path}/child'; wait")
    monkeypatch.setenv("PATH", f"{tmp_path / 'hangs'}:/usr/bin:/bin")
    assert "did not answer" in refused(lambda: signing.sign(path, key)).message and not sig.exists()
    child, deadline = (tmp_path / "child").read_text().strip(), time.monotonic() + 5
    while alive(child) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not alive(child)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "cannot be run here" in refused(lambda: signing.sign(path, key)).message
