"""Carry a backup: out of its folder as one tar on standard output, or into it from standard input. Python 2.7 and 3.

  carry.py send NAME FOLDER      a line of JSON after a mark, then the tar: the manifest first, then every file that it names
  carry.py receive NAME FOLDER   the same tar (carry_in.py)

Nothing is held in memory but a block, and sending writes nothing.
"""

import errno
import hashlib
import json
import os
import signal
import sys
import tarfile

from carry_in import BLOCK, MANIFEST, RECORD, Wrong, receive, told_by

MARK = b"@stormlift-backup "  # what a login shell may print comes before it


def send(name, folder):
    try:
        with open(os.path.join(folder, MANIFEST), "rb") as opened:
            text = opened.read()
    except EnvironmentError as error:
        raise Wrong("%s has no manifest, so it is not whole: %s" % (name, error.strerror))
    files = told_by(text, "%s/%s" % (name, MANIFEST))["files"]
    sizes = [(each, files[each]["bytes"]) for each in sorted(files)]
    for each, size in sizes:
        must_be(os.path.join(folder, each), "%s/%s" % (name, each), size)
    out = getattr(sys.stdout, "buffer", sys.stdout)
    head = {"name": name, "manifest": hashlib.sha256(text).hexdigest(), "bytes": sum(size for _, size in sizes)}
    out.write(MARK + json.dumps(head, sort_keys=True).encode("ascii") + b"\n")
    out.write(header_of(MANIFEST, len(text)) + text + padding(len(text)))
    for each, size in sizes:
        out.write(header_of(each, size))
        copy_out(os.path.join(folder, each), "%s/%s" % (name, each), size, out)
        out.write(padding(size))
    out.write(b"\0" * 2 * RECORD)
    out.flush()


def must_be(path, what, size):
    """Before anything is sent, for then it can be said in a sentence."""
    try:
        found = os.lstat(path).st_size
    except EnvironmentError as error:
        raise Wrong("%s cannot be read: %s" % (what, error.strerror))
    if os.path.islink(path) or not os.path.isfile(path):
        raise Wrong("%s is no plain file" % what)
    if found != size:
        raise Wrong("%s has %d bytes, its manifest says %d" % (what, found, size))


def header_of(name, size):
    member = tarfile.TarInfo(str(name))  # Python 2's json gives unicode, which its tar cannot spell
    member.size, member.mode = size, 0o600
    return member.tobuf(tarfile.GNU_FORMAT)


def padding(size):
    return b"\0" * (-size % RECORD)


def copy_out(path, what, size, out):
    left = size
    with open(path, "rb") as opened:
        while left:
            block = opened.read(min(BLOCK, left))
            if not block:
                raise Wrong("%s became shorter while it was sent" % what)
            out.write(block)
            left -= len(block)


def end(number, frame):
    raise SystemExit(143)  # through every `finally`


def main(verb, name, folder):
    os.umask(0o077)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end)
    try:
        {"send": send, "receive": receive}[verb](name, folder)
    except Wrong as error:
        sys.stderr.write("%s\n" % error)
        return 1
    except EnvironmentError as error:
        words = "No space left on device" if error.errno in (errno.ENOSPC, errno.EDQUOT) else error.strerror or str(error)
        sys.stderr.write("%s: %s\n" % (name, words))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
