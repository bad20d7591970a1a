"""Read the keys that say how a host is reached: address, port, user, identity, gateway, sudo."""

import ipaddress
import os
import re
from pathlib import Path

from inventory.document import Scalar, Value, mistake
from inventory.shapes import NAME, close, found, text

SUDO_WORDS = ("nopasswd", "ask", "root")

_HOST_NAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9._-]*[A-Za-z0-9_])?\.?")
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._\\+-]*\$?")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_RELEASE = re.compile(r"\d+\.\d+(\.\d+)?")
_PORT = re.compile(r"[1-9]\d{0,4}")
_JUMP = re.compile(r"(?P<user>[^@]+)@(?P<address>\[[^\]]+\]|[^:\[\]]+)(:(?P<port>.*))?")


def port(value: Value, key: str) -> int:
    """A TCP port."""
    expected = "expected a number from 1 to 65535"
    if not isinstance(value, Scalar):
        raise mistake(value.place, key, f"{expected}, found {found(value)}")
    # The digits themselves: YAML 1.1 reads 022 as 18 and 22:11 as 1331.
    if value.kind != "int" or not is_port(value.text):
        hint = "without quotes" if is_port(value.text) else ""
        raise mistake(value.place, key, f"{expected}, found {value.text!r}", hint)
    return int(value.text)


def is_port(word: str) -> bool:
    """True for the digits of a TCP port."""
    return bool(_PORT.fullmatch(word)) and int(word) <= 65535


def address(value: Value, key: str) -> str:
    """A DNS name or an IP address, without a user and without a port."""
    expected = "a DNS name or an IP address"
    word = text(value, key, expected).text
    if not is_address(word):
        hint = "user: and port: are keys of their own" if "@" in word or ":" in word else ""
        raise mistake(value.place, key, f"expected {expected}", hint)
    return word


def is_address(word: str) -> bool:
    """True for what a connection can be made to."""
    try:
        ipaddress.ip_address(word)
    except ValueError:
        # Four numbers that are no address, such as 10.0.0.256, are a mistyped address and not a name.
        return bool(_HOST_NAME.fullmatch(word)) and not re.fullmatch(r"[\d.]+", word)
    return True


def user(value: Value, key: str) -> str:
    """A login name."""
    word = text(value, key, "a login name").text
    if not _USER.fullmatch(word):
        raise mistake(value.place, key, "expected a login name")
    return word


def target(value: Value, key: str) -> str:
    """An st2 release; whether there is one of this name is the catalogue's to say."""
    word = text(value, key, "a release such as 2.2.1").text
    if not _RELEASE.fullmatch(word):
        raise mistake(value.place, key, f"expected a release such as 2.2.1, found {word!r}")
    return word


def path(value: Value, key: str) -> str:
    """An absolute path; a relative one counts from the inventory file, ~ is the operator's home."""
    return _resolved(text(value, key, "a path").text, value, key)


def _resolved(word: str, value: Value, key: str) -> str:
    try:
        given = Path(word).expanduser()
    except RuntimeError:
        raise mistake(value.place, key, "expected a path, found the home directory of nobody") from None
    # Links stay: a link that is swung from an old key to a new one must go on swinging.
    return os.path.abspath(value.place.path.parent / given)


def sudo(value: Value, key: str) -> str:
    """How to become root. What stands there is never shown: it may be a password in the wrong place."""
    expected = "nopasswd, ask, root, env:NAME or file:PATH"
    word = text(value, key, expected).text
    kind, _, rest = word.partition(":")
    if word in SUDO_WORDS or (kind == "env" and _VARIABLE.fullmatch(rest)):
        return word
    if kind == "file" and rest.strip():
        return f"file:{_resolved(rest.strip(), value, key)}"
    raise mistake(value.place, key, f"expected {expected}", close(word, SUDO_WORDS))


def gateway(value: Value, key: str) -> str:
    """The name of a host of the same file, user@address:port, or "" for the direct way."""
    if isinstance(value, Scalar) and value.kind == "str" and value.text == "":
        return ""
    expected = 'the name of a host, user@address:port, or "" for none'
    word = text(value, key, expected).text
    if NAME.fullmatch(word) or jump(word):
        return word
    raise mistake(value.place, key, f"expected {expected}")


def jump(word: str) -> tuple[str, str, int] | None:
    """User, address and port of user@address:port (an IPv6 address in brackets); None for any other word."""
    match = _JUMP.fullmatch(word)
    if not match or not _USER.fullmatch(match["user"]):
        return None
    where, number = match["address"].strip("[]"), "22" if match["port"] is None else match["port"]
    return (match["user"], where, int(number)) if is_address(where) and is_port(number) else None
