"""What of a host goes back byte for byte: which files, how they are told apart, kept and put back. Python 2.7 and 3."""

import glob
import hashlib
import io
import os
import re
import shutil
import stat
import subprocess
import sys
import tarfile

ROOT = os.environ.get("STORMLIFT_ROOT", "")
STACK = os.environ.get("STORMLIFT_STACK", "/opt/stackstorm")
CONF = os.environ.get("STORMLIFT_CONF", "/etc/st2/st2.conf")
# Whole folders: what is in them and was not, when they were kept, goes away again.
FOLDERS = ("/etc/st2", "/etc/mistral", STACK + "/configs")
SINGLE = (
    "/etc/default/st2*",
    "/etc/default/mistral*",
    "/etc/sysconfig/st2*",
    "/etc/sysconfig/mistral*",
    "/etc/logrotate.d/st2*",
    "/etc/logrotate.d/mistral*",
    "/etc/nginx/conf.d/st2*",
    "/etc/nginx/sites-available/st2*",
    "/etc/nginx/sites-enabled/st2*",
    "/etc/ssl/st2/*",
    STACK + "/static/webui/config.js*",
    STACK + "/chatops/st2chatops.env*",
    STACK + "/chatops/external-scripts.json*",
)
BLOCK = 1 << 20
_KEY_PATH = re.compile(r"^\s*encryption_key_path\s*[=:]\s*(\S+)", re.M)


class Wrong(Exception):
    """What is not as it must be, in words."""


def text_of(path):
    """PATH as text, whatever bytes are in it and whatever Python reads them: before 3.7 one takes names for ASCII here."""
    if str is bytes:
        return path if not isinstance(path, bytes) else path.decode("utf-8", "replace")
    return os.fsencode(path).decode("utf-8", "surrogateescape")


def digest_of(path):
    """SHA-256 of a file."""
    found = hashlib.sha256()
    with open(path, "rb") as opened:
        for block in iter(lambda: opened.read(BLOCK), b""):
            found.update(block)
    return found.hexdigest()


# --- which ---------------------------------------------------------------------------------------------------


def crypto_key():
    """The crypto key of the datastore, where st2.conf says that it lies elsewhere than in /etc/st2."""
    try:
        with io.open(ROOT + CONF, encoding="utf-8", errors="replace") as opened:
            found = _KEY_PATH.findall(opened.read())
    except EnvironmentError:
        return []
    return [path.strip("\"'") for path in found if path.startswith("/")]


def kept_paths():
    """Everything that is kept, as it is there now: folders before what is in them, without ROOT."""
    found = set()
    for top in FOLDERS:
        for folder, folders, names in os.walk(ROOT + top):
            found.add(folder)
            found.update(os.path.join(folder, name) for name in names)
            found.update(each for each in (os.path.join(folder, name) for name in folders) if os.path.islink(each))
    for pattern in SINGLE:
        found.update(each for each in glob.glob(ROOT + pattern) if not stat.S_ISDIR(os.lstat(each).st_mode))
    found.update(ROOT + each for each in crypto_key() if os.path.isfile(ROOT + each))
    return sorted(each[len(ROOT) :] for each in found if _keepable(each))


def _keepable(path):
    mode = os.lstat(path).st_mode
    return stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISLNK(mode)


def index_of(paths):
    """Path to [mode, owner, group, size, time, content]: the content as SHA-256, of a link where it points; a folder has
    neither size, time nor content, as they change with what is in it."""
    found = {}
    for path in paths:
        there = os.lstat(ROOT + path)
        row = [oct(stat.S_IMODE(there.st_mode)).replace("o", ""), there.st_uid, there.st_gid]
        if stat.S_ISLNK(there.st_mode):
            row += [0, 0, "-> " + text_of(os.readlink(ROOT + path))]
        elif stat.S_ISDIR(there.st_mode):
            row += [0, 0, "folder"]
        else:
            row += [there.st_size, int(there.st_mtime), digest_of(ROOT + path)]
        found[text_of(path)] = row
    return found


def differences(then, now):
    """What differs between two indexes, a line for each path."""
    lines = ["%s is gone" % path for path in sorted(set(then) - set(now))]
    lines += ["%s was not there" % path for path in sorted(set(now) - set(then))]
    names = ("mode", "owner", "group", "size", "time", "content")
    for path in sorted(set(then) & set(now)):
        odd = [name for name, a, b in zip(names, then[path], now[path]) if a != b]
        if odd:
            lines.append("%s differs in %s" % (path, ", ".join(odd)))
    return lines


# --- there and back ------------------------------------------------------------------------------------------


def pack(paths, target):
    """Write PATHS into the tar archive TARGET."""
    archive = tarfile.open(target, "w", format=tarfile.GNU_FORMAT, **_as_files_are_named())
    try:
        for path in paths:
            archive.add(ROOT + path, arcname=path.lstrip("/"), recursive=False)
    finally:
        archive.close()


def opened_tar(path):
    return tarfile.open(path, "r:", **_as_files_are_named())


def _as_files_are_named():
    return {} if str is bytes else {"encoding": sys.getfilesystemencoding(), "errors": "surrogateescape"}


def packed_index(path):
    """The index of what the archive PATH holds, read to its last byte. Raises Wrong."""
    found = {}
    try:
        archive = opened_tar(path)
        for member in archive:
            row = [oct(member.mode).replace("o", ""), member.uid, member.gid]
            if member.issym():
                row += [0, 0, "-> " + text_of(member.linkname)]
            elif member.isdir():
                row += [0, 0, "folder"]
            elif member.isreg():
                row += [member.size, int(member.mtime), _member_digest(archive, member)]
            else:
                raise Wrong("%s holds %s, which is no file, folder or link" % (path, text_of(member.name)))
            found["/" + text_of(member.name)] = row
        archive.close()
    except (tarfile.TarError, EnvironmentError, EOFError) as error:
        raise Wrong("%s cannot be read back: %s" % (path, error))
    return found


def _member_digest(archive, member):
    found, opened = hashlib.sha256(), archive.extractfile(member)
    for block in iter(lambda: opened.read(BLOCK), b""):
        found.update(block)
    return found.hexdigest()


def unpack(path, aside):
    """Put back what the archive PATH holds, and keep in the folder ASIDE what differs from it or was not there when it was made.

    Each file is written beside its place and renamed, so that none is ever half there. Returns what was moved.
    """
    then = packed_index(path)
    archive = opened_tar(path)
    members = list(archive)
    names = set("/" + member.name for member in members)
    for member in members:
        place = "/" + member.name
        if os.path.lexists(ROOT + place) and index_of([place])[text_of(place)][-1] != then[text_of(place)][-1]:
            _set_aside(place, aside, stays=member.isreg())
        put(archive, member, ROOT + place)
    moved = [each for each in kept_paths() if each not in names]
    for each in reversed(moved):
        _move(each, aside)
    archive.close()
    if os.path.exists("/usr/sbin/restorecon") and not ROOT:  # SELinux labels go by the place, and a new file has its folder's
        subprocess.call(["/usr/sbin/restorecon", "-R"] + [each for each in FOLDERS if os.path.exists(each)])
    return moved


def put(archive, member, target):
    """Put MEMBER in the place TARGET, with its owner, mode and time: written beside it, then renamed."""
    if member.isdir():
        if not os.path.isdir(target):
            os.makedirs(target)
        os.chown(target, member.uid, member.gid)
        os.chmod(target, member.mode)
        return
    new = target + ".stormlift-new"
    if os.path.lexists(new):
        os.unlink(new)
    if not os.path.isdir(os.path.dirname(target)):
        os.makedirs(os.path.dirname(target))
    if member.issym():
        os.symlink(member.linkname, new)
        os.lchown(new, member.uid, member.gid)
    else:
        try:
            _write(archive.extractfile(member), member, new)
        except EnvironmentError:
            os.unlink(new)  # half of it, on a disk that may be full
            raise
    os.rename(new, target)


def _write(source, member, new):
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as opened:
        shutil.copyfileobj(source, opened, BLOCK)
        opened.flush()
        os.fchown(opened.fileno(), member.uid, member.gid)
        os.fchmod(opened.fileno(), member.mode)
        os.fsync(opened.fileno())
    os.utime(new, (member.mtime, member.mtime))


def _set_aside(path, aside, stays):
    """What is in the place PATH goes into ASIDE; a file that STAYS is there as well, until another is renamed onto it."""
    source, target = ROOT + path, _with_folder(aside + path)
    if stays and os.path.isfile(source) and not os.path.islink(source):
        shutil.copy2(source, target)
    else:
        shutil.move(source, target)


def _move(path, aside):
    """Out of the way, and not away."""
    source = ROOT + path
    if os.path.isdir(source) and not os.path.islink(source):
        try:
            os.rmdir(source)
        except OSError:
            pass  # something in it is none of what is kept
        return
    shutil.move(source, _with_folder(aside + path))


def _with_folder(path):
    if not os.path.isdir(os.path.dirname(path)):
        os.makedirs(os.path.dirname(path), 0o700)
    return path
