"""What a run keeps of configuration on its host, and how the operator's own goes back. Python 2.7 and 3."""

import os

from backup import FILES, as_json, read_json, written
from backup_files import ROOT, Wrong, opened_tar, put
from config_defaults import contents, is_digest

INDEX = "index.json"
BESIDE = ".rpmnew"


def place():
    """Where this run keeps the defaults of this hop."""
    return os.path.join(os.environ["STORMLIFT_RUN_DIR"], "defaults", os.path.basename(os.environ["STORMLIFT_BACKUP"]))


def index_here():
    """What `defaults` kept in this run: {} where it did not get that far."""
    where = os.path.join(place(), INDEX)
    return read_json(where) if os.path.exists(where) else {}


def keep(folder, path, data):
    """Keep DATA as PATH under a FOLDER of the run. Returns where."""
    where = os.path.join(place(), folder) + path
    if not os.path.isdir(os.path.dirname(where)):
        os.makedirs(os.path.dirname(where), 0o700)
    written(where, data)
    return where


def save(index, left):
    """Keep what is known of the defaults, and of what LEFT lay beside files before the packages."""
    if not os.path.isdir(place()):
        os.makedirs(place(), 0o700)
    written(os.path.join(place(), INDEX), as_json({"files": index, "left": left}))


def put_back(paths):
    """Put back each of PATHS that a package overwrote; what the package put there goes beside it."""
    archive = opened_tar(os.path.join(os.environ["STORMLIFT_BACKUP"], FILES))
    for path, member, state in kept_of(archive, paths):
        if state:
            print("%s %s" % (path, state))
            continue
        new = contents(path)
        if new is not None:
            there = os.stat(ROOT + path)
            written(ROOT + path + BESIDE, new)
            os.chown(ROOT + path + BESIDE, there.st_uid, there.st_gid)
            os.chmod(ROOT + path + BESIDE, there.st_mode & 0o7777)
            print("%s%s: what the package put in its place" % (path, BESIDE))
        put(archive, member, ROOT + path)
        print("%s is yours again, as it was before the packages" % path)


def as_kept(paths):
    """Raises Wrong when one of PATHS is not the operator's, and was not as shipped."""
    archive = opened_tar(os.path.join(os.environ["STORMLIFT_BACKUP"], FILES))
    wrong = ["%s is not what was kept of it" % path for path, _, state in kept_of(archive, paths) if not state]
    if wrong:
        raise Wrong("\n".join(wrong))


def kept_of(archive, paths):
    """(path, its member of the archive, why nothing is to be done or "") of each of PATHS."""
    members = dict((member.name, member) for member in archive)
    files = index_here().get("files", {})
    for path in paths:
        member = members.get(path.lstrip("/"))
        if member is None:
            yield path, None, "was not there before the packages"
        elif _is_as(archive, member, path):
            yield path, member, "is as it was"
        elif member.isreg() and is_digest(archive.extractfile(member).read(), files.get(path, {}).get("digest", "")):
            yield path, member, "was as shipped: the package's new one has its place"
        else:
            yield path, member, ""


def _is_as(archive, member, path):
    here = ROOT + path
    if member.issym() or os.path.islink(here):
        return member.issym() and os.path.islink(here) and os.readlink(here) == member.linkname
    return contents(path) == archive.extractfile(member).read()
