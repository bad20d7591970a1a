"""Backups for tests: a folder as a host keeps it, and the stream in which a host sends it."""

import json
import tarfile
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

NAME = "20261101-020000-a1b2/2.2.1"
FILES = {
    "files.tar": bytes(range(256)) * 40,
    "files.json": b"{}\n",
    "mistral.dump": b"PGDMP" + b"\0\xff" * 70_000,
    "nothing.txt": b"",
    "packages.txt": b"st2 2.0.1-3\n" * 42 + b"12345678",  # 512 bytes: no padding behind it
}


def manifest(files: Mapping[str, bytes] = FILES, name: str = NAME, /, **more: object) -> bytes:
    """The manifest of FILES."""
    told = {each: {"bytes": len(data), "sha256": sha256(data).hexdigest()} for each, data in files.items()}
    about = {"schema": "stormlift.backup/1", "name": name, "deployment": "main", "release": "2.0.1", "at": 1793498400}
    said = {**about, "files": told, "seconds": {"seal": 0.4}, **more}
    digest = sha256(json.dumps(said, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
    return json.dumps({**said, "sha256": digest}).encode()


def member(name: str, data: bytes, kind: bytes = tarfile.REGTYPE, **more: object) -> bytes:
    """One file of a tar, or with KIND and MORE what only looks like one."""
    found = tarfile.TarInfo(name)
    found.size, found.mode, found.type = len(data), 0o600, kind
    for key, value in more.items():
        setattr(found, key, value)
    return found.tobuf(tarfile.GNU_FORMAT) + padded(data)


def padded(data: bytes) -> bytes:
    """DATA to the end of a tar's record."""
    return data + b"\0" * (-len(data) % 512)


END = b"\0" * 1024


def tar(files: Mapping[str, bytes] = FILES, text: bytes = b"") -> bytes:
    """The tar of FILES, with their manifest or with TEXT in its place."""
    inner = (member(each, data) for each, data in sorted(files.items()))
    return member("manifest.json", text or manifest(files)) + b"".join(inner) + END


def sent(files: Mapping[str, bytes] = FILES, *, name: str = NAME, text: bytes = b"", whole: bytes = b"") -> bytes:
    """The stream of `backup send`, after what a login shell may say; WHOLE in place of the tar."""
    text = text or manifest(files, name)
    head = {"name": name, "manifest": sha256(text).hexdigest(), "bytes": sum(map(len, files.values()))}
    return b"Welcome!\n@stormlift-backup " + json.dumps(head).encode() + b"\n" + (whole or tar(files, text))


def lay(state: Path, files: Mapping[str, bytes] = FILES, name: str = NAME, text: bytes = b"") -> Path:
    """A backup in the state directory of a host; its folder."""
    run, _, hop = name.partition("/")
    folder = state / run / "backup" / hop
    folder.mkdir(parents=True)
    for each, data in files.items():
        (folder / each).write_bytes(data)
    (folder / "manifest.json").write_bytes(text or manifest(files, name))
    return folder


HOSTILE = {
    "a name that leads out": member("../../../etc/cron.d/x", b"x"),
    "an absolute name": member("/etc/passwd", b"x"),
    "a folder's name": member("deep/files.tar", b"x"),
    "a folder": member("files.tar", b"", tarfile.DIRTYPE),
    "a link": member("files.tar", b"", tarfile.SYMTYPE, linkname="/etc/shadow"),
    "a hard link": member("files.tar", b"", tarfile.LNKTYPE, linkname="/etc/shadow"),
    "a device": member("files.tar", b"", tarfile.BLKTYPE, devmajor=8, devminor=0),
    "a pipe": member("files.tar", b"", tarfile.FIFOTYPE),
    "a file with holes": member("files.tar", b"", tarfile.GNUTYPE_SPARSE),
    "a name of 300 letters": member("x" * 300, b"x"),
    "a name of one byte that no terminal likes": member("a\x1bb", b"x"),
    "a hidden name": member(".profile", b"x"),
    "a file that no manifest names": member("more.txt", b"x"),
    "a second manifest": member("manifest.json", b"{}"),
    "a size below zero": member("files.tar", b"", size=-512),
    "a size of four terabytes": member("files.tar", b"", size=4 << 40),
    "no header at all": b"\x01" * 512,
}
"""What stands where the first file should, and must not be taken."""
