"""Take a backup from standard input: written aside, proved by its manifest while it comes, renamed when it is whole.

What comes in is believed in nothing: it holds plain files under plain names, those of its manifest, each once, or it is refused.
Python 2.7 and 3.
"""

import hashlib
import json
import os
import re
import shutil
import sys
import tarfile

READY = "@stormlift-ready"
THERE = "@stormlift-there"
SCHEMA = "stormlift.backup/1"
MANIFEST = "manifest.json"
PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}\Z")
SHA256 = re.compile(r"[0-9a-f]{64}\Z")
MOST_MANIFEST = 4 << 20
BLOCK = 1 << 18
RECORD = 512


class Wrong(Exception):
    """What is not as it must be, in words."""


def receive(name, folder):
    if os.path.lexists(folder):
        return say("%s %s" % (THERE, digest_there(name, folder)))
    parent = os.path.dirname(folder)
    if not os.path.isdir(parent):
        os.makedirs(parent, 0o700)
    aside = made_aside(folder)
    try:
        say(READY)
        files = taken(getattr(sys.stdin, "buffer", sys.stdin), name, aside)
        synced(aside)
        os.rename(aside, folder)
        synced(parent)
    finally:
        remove(aside)
    say("received %s: %d files, %d bytes, as its manifest says" % (name, len(files), sum(f["bytes"] for f in files.values())))


def made_aside(folder):
    """A new folder beside FOLDER, whose name begins with a dot: whoever looks for backups does not see it.

    What a dead program left there goes. One that still waits for a link that is lost keeps its own, and removes no other.
    """
    parent, stem = os.path.dirname(folder), ".%s.receiving." % os.path.basename(folder)
    for each in os.listdir(parent):
        if each.startswith(stem) and not os.path.exists("/proc/%s" % each[len(stem) :]):
            remove(os.path.join(parent, each))
    aside = os.path.join(parent, stem + str(os.getpid()))
    remove(aside)
    os.mkdir(aside, 0o700)
    return aside


def digest_there(name, folder):
    try:
        with open(os.path.join(folder, MANIFEST), "rb") as opened:
            return hashlib.sha256(opened.read()).hexdigest()
    except EnvironmentError:
        raise Wrong("%s is here, and not whole: %s has no manifest" % (name, folder))


def remove(path):
    if os.path.islink(path):
        os.unlink(path)
    shutil.rmtree(path, ignore_errors=True)


def say(text):
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def taken(source, name, aside):
    """The files of the manifest, each one on the disk in ASIDE and proved; the manifest is written last."""
    first, size = next_member(source, MANIFEST)
    if first != MANIFEST or size > MOST_MANIFEST:
        raise Wrong("what comes in does not begin with a manifest, but with %s" % first)
    text = exactly(source, size, MANIFEST)
    exactly(source, -size % RECORD, MANIFEST)
    manifest = told_by(text, "what comes in")
    if manifest.get("name") != name:
        raise Wrong("what comes in is %s, not %s" % (shown(manifest.get("name")), name))
    files = manifest["files"]
    need_room(aside, sum(each["bytes"] for each in files.values()))
    left = set(files)
    while left:
        each, size = next_member(source, sorted(left)[0])
        if each not in left:
            raise Wrong("%s is not in the manifest, or came twice" % shown(each))
        left.remove(each)
        if size != files[each]["bytes"]:
            raise Wrong("%s has %d bytes, its manifest says %d" % (each, size, files[each]["bytes"]))
        if copy_in(source, each, size, os.path.join(aside, each)) != files[each]["sha256"]:
            raise Wrong("%s came in damaged: its SHA-256 is not what the manifest says" % each)
        exactly(source, -size % RECORD, each)
    if exactly(source, 2 * RECORD, "the end").strip(b"\0"):
        raise Wrong("more comes in than the manifest names")
    while True:
        more = source.read(BLOCK)
        if more.strip(b"\0"):
            raise Wrong("something comes in behind the end")
        if not more:
            break
    written(os.path.join(aside, MANIFEST), text)
    return files


def next_member(source, expected):
    """Name and size of the next file. Raises Wrong: the archive ends, or it is no plain file with a plain name."""
    raw = exactly(source, RECORD, expected)
    if not raw.strip(b"\0"):
        raise Wrong("what comes in ends before %s" % expected)
    how = () if str is bytes else ("ascii", "strict")
    try:
        member = tarfile.TarInfo.frombuf(raw, *how)
    except (tarfile.TarError, ValueError):
        raise Wrong("what comes in is no tar where %s should begin" % expected)
    if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or not PLAIN.match(member.name) or member.size < 0:
        raise Wrong("%s is no plain file with a plain name: nothing of it is kept" % shown(member.name))
    return member.name, member.size


def shown(text):
    """TEXT of somebody else, fit for a terminal."""
    return repr(text)[:80]


def exactly(source, size, what):
    found = b""
    while len(found) < size:
        block = source.read(size - len(found))
        if not block:
            raise Wrong("what comes in is cut off in the middle of %s" % what)
        found += block
    return found


def need_room(place, size):
    found = os.statvfs(place)
    free = found.f_bavail * found.f_frsize
    if free < size:
        raise Wrong("No space left on device: %d MiB free under %s, %d MiB come in" % (free >> 20, place, size >> 20))


def copy_in(source, name, size, path):
    """SIZE bytes into the new file PATH, on the disk when this returns; their SHA-256."""
    found, left = hashlib.sha256(), size
    with created(path) as opened:
        while left:
            block = exactly(source, min(BLOCK, left), name)
            found.update(block)
            opened.write(block)
            left -= len(block)
        opened.flush()
        os.fsync(opened.fileno())
    return found.hexdigest()


def created(path):
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "wb")


def written(path, data):
    with created(path) as opened:
        opened.write(data)
        opened.flush()
        os.fsync(opened.fileno())


def synced(folder):
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def told_by(text, where):
    """The manifest in TEXT. Raises Wrong: it is none that this program reads."""
    try:
        found = json.loads(text.decode("utf-8"))
        files = found["files"]
        sound = found["schema"] == SCHEMA and all(sound_file(name, files[name]) for name in files)
    except (ValueError, KeyError, TypeError, AttributeError, RuntimeError):  # the last one: nested too deeply
        sound = False
    if not sound:
        raise Wrong("%s is no manifest of %s" % (where, SCHEMA))
    return found


def sound_file(name, told):
    size, whole = told["bytes"], isinstance(told["bytes"], int) and not isinstance(told["bytes"], bool)
    return PLAIN.match(name) and name != MANIFEST and whole and size >= 0 and SHA256.match(told["sha256"])
