"""Encryption with age while data passes: what is written to a disk is never in clear, and no more than a block is held."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from rollout.codec import Malformed
from rollout.errors import StepFailed, UsageError

SUFFIX = ".age"
_KINDS = "age1..., ssh-ed25519 ..., ssh-rsa ..."
_ORDINALS = ("first", "second", "third")
Write = Callable[[bytes], None]


def recipients(words: Iterable[str]) -> tuple[Any, ...]:
    """The public keys in WORDS. Raises UsageError, which does not repeat a word: it may be a private key by mistake."""
    return tuple(_recipient(word.strip(), number) for number, word in enumerate(words))


def _recipient(word: str, number: int) -> Any:
    age = _age()
    which = f"the {_ORDINALS[number]} recipient" if number < len(_ORDINALS) else f"recipient {number + 1}"
    if "SECRET" in word.upper() or "PRIVATE" in word.upper():
        raise UsageError(
            f"--encrypt-to: {which} is a private key", "give its public key; this one has been on a command line now"
        )
    try:
        if word.startswith("age1"):
            return age.x25519.Recipient.from_str(word)
        if word.startswith(("ssh-ed25519 ", "ssh-rsa ")):
            return age.ssh.Recipient.from_str(word)
    except age.RecipientError:
        pass
    raise UsageError(f"--encrypt-to: {which} is no public key that age encrypts to", f"expected one of {_KINDS}")


def identities(path: str) -> tuple[Any, ...]:
    """The private keys in the file PATH: lines of AGE-SECRET-KEY-1..., or one key of OpenSSH. Raises UsageError."""
    age = _age()
    try:
        text = Path(path).read_bytes()
    except OSError as error:
        raise UsageError(
            f"--identity {path}: cannot be read: {error.strerror}", "name a file that age-keygen made"
        ) from None
    try:
        if b"PRIVATE KEY-----" in text:
            return (age.ssh.Identity.from_buffer(text),)
        lines = [line.strip() for line in text.decode("ascii", "replace").splitlines()]
        found = tuple(age.x25519.Identity.from_str(line) for line in lines if line and not line.startswith("#"))
    except age.IdentityError:
        found = ()
    if not found:
        what = "expected what age-keygen wrote, or a key of OpenSSH that has no passphrase"
        raise UsageError(f"--identity {path}: holds no private key that age decrypts with", what)
    return found


def seal(blocks: Iterator[bytes], write: Write, to: tuple[Any, ...]) -> None:
    """Encrypt BLOCKS to TO as they come. Raises what reading or writing them raises, and StepFailed."""
    age, source, target = _age(), _Source(blocks), _Target(write)
    try:
        age.encrypt_io(source, target, list(to))
    except (age.EncryptError, OSError) as error:
        raise source.error or target.error or StepFailed(f"age cannot encrypt: {error}") from None


def unseal(blocks: Iterator[bytes], write: Write, having: tuple[Any, ...]) -> None:
    """Decrypt BLOCKS with one of HAVING. Raises what reading or writing them raises, and Malformed: damaged, or for others."""
    age, source, target = _age(), _Source(blocks), _Target(write)
    try:
        age.decrypt_io(source, target, list(having))
    except (age.DecryptError, OSError) as error:
        why = str(error).partition("\n")[0].rstrip(".")
        raise source.error or target.error or Malformed(f"it cannot be decrypted: {why}") from None


def _age() -> Any:
    try:
        import pyrage
    except ImportError:
        raise UsageError("age is asked for, and its library is not installed", "./setup.sh installs pyrage") from None
    return pyrage


class _Source:
    """Blocks as the file that the library reads; it makes errors of its own out of all that is raised here."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._block, self._at = b"", 0
        self.error: BaseException | None = None

    def read(self, size: int) -> bytes:
        """Up to SIZE bytes; none at the end."""
        try:
            while self._at >= len(self._block):
                if (block := next(self._blocks, None)) is None:
                    return b""
                self._block, self._at = block, 0
        except BaseException as error:
            self.error = error
            raise
        part = self._block[self._at : self._at + size]
        self._at += len(part)
        return part


class _Target:
    """What the library writes to."""

    def __init__(self, write: Write) -> None:
        self._write = write
        self.error: BaseException | None = None

    def write(self, data: bytes) -> int:
        """Take all of DATA."""
        try:
            self._write(data)
        except BaseException as error:
            self.error = error
            raise
        return len(data)

    def flush(self) -> None:
        """Whoever opened the file sees to that."""
