"""A backup on its host: what is the host's own kept, the whole sealed with a manifest, proved, listed, put back.

Python 2.7 and 3 and nothing but its standard library: it must run where st2's own virtualenv does not.

  backup.py files UNIT...              what does not change under a running st2: configuration, packages, units, packs, logs
  backup.py seal KEY=VALUE...          copy again what has changed since, read everything back, write the manifest
  backup.py check FOLDER               0 when every file is what the manifest says, else 1 and which is not
  backup.py same FOLDER                0 when the configuration here is what the backup holds, else 1 and what differs
  backup.py put-back FOLDER            the configuration, byte for byte; what was not there is moved into the run's folder
  backup.py list                       a line of JSON for every backup on this host
"""

from __future__ import print_function

import codecs
import glob
import hashlib
import json
import os
import subprocess
import sys
import time

from backup_files import STACK, Wrong, differences, digest_of, index_of, kept_paths, pack, packed_index, text_of, unpack

SCHEMA = "stormlift.backup/1"
STATE = os.environ.get("STORMLIFT_STATE", "/var/lib/stormlift")
MANIFEST, FILES, INDEX, SECONDS = "manifest.json", "files.tar", "files.json", "seconds."
PACKAGES, UNITS = "packages.txt", "units.json"
LOGS = os.environ.get("STORMLIFT_LOGS", "/var/log/st2")
_RPM = "%{NAME} %{EPOCHNUM}:%{VERSION}-%{RELEASE} %{ARCH}\n"


def folder():
    """The folder of the backup that this run takes."""
    found = os.environ["STORMLIFT_BACKUP"]
    if not os.path.isdir(found):
        os.makedirs(found, 0o700)
    return found


def said_by(*command):
    """What a program prints; nothing where it is missing or fails."""
    try:
        with open(os.devnull, "w") as nowhere:
            return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=nowhere).communicate()[0]
    except EnvironmentError:
        return b""


def written(path, data):
    """Write DATA aside, on the disk, and name it: whole or not at all."""
    aside = path + ".new"
    try:
        with open(aside, "wb") as opened:
            opened.write(data)
            opened.flush()
            os.fsync(opened.fileno())
        os.rename(aside, path)
    except EnvironmentError as error:
        if os.path.exists(aside):
            os.unlink(aside)
        raise Wrong("%s cannot be written: %s" % (path, error.strerror))


def synced(folder):
    """Have the names in FOLDER on the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def as_json(value):
    return json.dumps(value, sort_keys=True, indent=1).encode("ascii") + b"\n"


def read_json(path):
    with open(path) as opened:
        return json.load(opened)


# --- keeping -------------------------------------------------------------------------------------------------


def verb_files(units):
    started, here = time.time(), folder()
    configuration(here)
    written(os.path.join(here, PACKAGES), packages())
    freeze = said_by(STACK + "/st2/bin/pip", "freeze")
    written(os.path.join(here, "pip-freeze.txt"), freeze)
    written(os.path.join(here, "packs.json"), as_json(packs()))
    written(os.path.join(here, UNITS), as_json(units_of(units)))
    audit_logs(here)
    took(here, "files", started)
    print("kept in %s: %s" % (here, ", ".join(sorted(os.listdir(here)))))


def configuration(here):
    """The archive, unless the one that is there is just what would be made now. Returns True when it was made."""
    paths = kept_paths()
    index, place = index_of(paths), os.path.join(here, INDEX)
    if os.path.exists(place) and os.path.exists(os.path.join(here, FILES)) and read_json(place) == index:
        return False
    aside = os.path.join(here, FILES + ".new")
    try:
        pack(paths, aside)
        with open(aside, "rb") as opened:
            os.fsync(opened.fileno())
        found = packed_index(aside)
        if found != index:  # somebody wrote meanwhile, or the disk lies
            raise Wrong("the configuration changed while it was copied: %s" % "; ".join(differences(index, found)[:5]))
        os.rename(aside, os.path.join(here, FILES))
    except EnvironmentError as error:
        raise Wrong("the configuration could not be kept in %s: %s" % (here, error.strerror or error))
    finally:
        if os.path.exists(aside):
            os.unlink(aside)
    written(place, as_json(index))
    return True


def packages():
    """Every package with its exact version, of the one package manager that is here."""
    found = said_by("dpkg-query", "-W", "-f", "${Package} ${Version} ${Architecture} ${db:Status-Abbrev}\n")
    return b"".join(sorted((found or said_by("rpm", "-qa", "--qf", _RPM)).splitlines(True)))


def units_of(names):
    """Unit to [active, enabled] of those NAMES that are there."""
    found = {}
    for block in said_by("systemctl", "show", "-p", "Id,LoadState,ActiveState,UnitFileState", *names).decode().split("\n\n"):
        row = dict(line.partition("=")[::2] for line in block.splitlines())
        if row.get("LoadState") in ("loaded", "masked"):
            found[row["Id"].replace(".service", "")] = [row["ActiveState"], row["UnitFileState"]]
    return found


def packs():
    """Each pack: where it came from, at which commit, and whether somebody changed it since."""
    found = []
    for path in sorted(glob.glob(STACK + "/packs/*/")):
        row = {"pack": os.path.basename(path.rstrip("/")), "origin": "", "commit": "", "changed": False}
        if os.path.isdir(path + ".git"):
            row["origin"] = git(path, "config", "--get", "remote.origin.url")
            row["commit"] = git(path, "rev-parse", "HEAD")
            row["changed"] = bool(git(path, "status", "--porcelain"))
        found.append(row)
    return found


def git(path, *words):
    # Since 2.35.2 git refuses a folder of somebody else's, and packs belong to their own group.
    said = said_by("git", "-c", "safe.directory=*", "-C", path, *words)
    return said.decode("utf-8", "replace").strip()


def audit_logs(here):
    """Copied while st2 writes on; they stay where they are as well, for no upgrade touches them."""
    logs = sorted(glob.glob(LOGS + "/*audit.log*"))
    target = os.path.join(here, "audit.tar.gz")
    if not logs:
        return
    command = ["tar", "-czf", target + ".new", "-C", "/"] + [each.lstrip("/") for each in logs]
    with open(os.devnull, "w") as nowhere:
        code = subprocess.call(command, stderr=nowhere)
    if code > 1:  # 1: a file grew while it was read
        os.path.exists(target + ".new") and os.unlink(target + ".new")
        raise Wrong("the audit logs could not be kept in %s: tar ended with exit code %d" % (here, code))
    os.rename(target + ".new", target)


def took(here, part, started):
    """Remember how long PART took; the next plan tells it."""
    written(os.path.join(here, SECONDS + part), as_json(round(time.time() - started, 1)))


def seconds_of(here):
    """How long each part took: those of databases, which may be dumped side by side, in files of their own."""
    names = [name for name in os.listdir(here) if name.startswith(SECONDS) and not name.endswith(".new")]
    return dict((name[len(SECONDS) :], read_json(os.path.join(here, name))) for name in names)


# --- sealing and proving -------------------------------------------------------------------------------------


def verb_seal(words):
    """`needs=FILE` names what must be there and `set=PACKAGE` what is of st2; everything else is told in the manifest."""
    started, here = time.time(), folder()
    given = [text_of(word).partition("=")[::2] for word in words]
    for needed in [value for key, value in given if key == "needs"]:
        if not os.path.exists(os.path.join(here, needed)):
            raise Wrong("%s is not in %s: the backup is not whole" % (needed, here))
    if configuration(here):
        print("the configuration was copied, as it had changed or was not kept yet")
    if not os.path.exists(os.path.join(here, PACKAGES)):
        written(os.path.join(here, PACKAGES), packages())
    if packed_index(os.path.join(here, FILES)) != read_json(os.path.join(here, INDEX)):
        raise Wrong("%s does not hold what was copied into it" % os.path.join(here, FILES))
    names = [name for name in sorted(os.listdir(here)) if name != MANIFEST and not name.startswith(SECONDS) and not name.endswith(".new")]
    files = dict((name, described(os.path.join(here, name))) for name in names)
    took(here, "seal", started)
    manifest = {
        "schema": SCHEMA,
        "name": name_of(here),
        "at": int(begun(here)),
        "files": files,
        "packages": versions(here, [value for key, value in given if key == "set"]),
        "units": read_json(os.path.join(here, UNITS)) if UNITS in names else {},
        "seconds": seconds_of(here),
    }
    manifest.update((key, value) for key, value in given if key not in ("needs", "set"))
    head = json.loads(os.environ["STORMLIFT_HEAD"] + "}")  # the start of the step's line in the journal
    manifest.update((key, head[key]) for key in ("deployment", "host", "tool"))
    written(os.path.join(here, MANIFEST), as_json(dict(manifest, sha256=digest_of_manifest(manifest))))
    for each in (here, os.path.dirname(here), os.path.dirname(os.path.dirname(here))):
        synced(each)
    print("sealed %s: %d files, %d bytes" % (here, len(files), sum(each["bytes"] for each in files.values())))


def begun(here):
    """The moment that the backup is of: what st2 stored after the begin of a dump need not be in it."""
    took, moments = seconds_of(here), [time.time()]
    for part, name in (("mistral", "mistral.dump"), ("store", "store.archive")):
        path = os.path.join(here, name)
        if os.path.exists(path):
            moments.append(os.path.getmtime(path) - took.get(part, 0))
    return min(moments)


def versions(here, names):
    """Package to exact version of those NAMES that were installed, as the package managers write it without an epoch of 0."""
    with open(os.path.join(here, PACKAGES)) as opened:
        rows = [line.split() for line in opened]
    found = [row for row in rows if row[0] in names and (len(row) < 4 or row[3].startswith("ii") or row[3].startswith("hi"))]
    return dict((row[0], row[1][2:] if row[1].startswith("0:") else row[1]) for row in found)


def name_of(here):
    """RUN/HOP of a backup's folder."""
    run, _, hop = here[len(STATE) :].strip("/").partition("/backup/")
    return "%s/%s" % (run, hop)


def described(path):
    with open(path, "rb") as opened:
        os.fsync(opened.fileno())
        if hasattr(os, "posix_fadvise"):  # what is read back shall come from the disk, not out of memory
            os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    return {"bytes": os.path.getsize(path), "sha256": digest_of(path)}


def digest_of_manifest(manifest):
    """SHA-256 of what MANIFEST says beside it, however its text is laid out: Python 2 lays out otherwise."""
    said = dict((key, manifest[key]) for key in manifest if key != "sha256")
    return hashlib.sha256(json.dumps(said, sort_keys=True, separators=(",", ":")).encode("ascii")).hexdigest()


def manifest_of(here):
    """The manifest of a backup. Raises Wrong where there is none that can be read."""
    try:
        found = read_json(os.path.join(here, MANIFEST))
    except EnvironmentError as error:
        raise Wrong("%s has no manifest, so it is not whole: %s" % (here, error.strerror))
    except (ValueError, RuntimeError):  # the last one: nested too deeply
        raise Wrong("the manifest of %s is damaged" % here)
    if not isinstance(found, dict) or found.get("schema") != SCHEMA or not isinstance(found.get("files"), dict):
        raise Wrong("the manifest of %s is none of %s" % (here, SCHEMA))
    if found.get("sha256") != digest_of_manifest(found):
        raise Wrong("the manifest of %s is damaged: it is not what was written" % here)
    return found


def verb_check(here):
    wrong = []
    for name, told in sorted(manifest_of(here)["files"].items()):
        path = os.path.join(here, name)
        if not os.path.exists(path):
            wrong.append("%s is missing" % path)
        elif os.path.getsize(path) != told["bytes"]:
            wrong.append("%s has %d bytes, not %d" % (path, os.path.getsize(path), told["bytes"]))
        elif digest_of(path) != told["sha256"]:
            wrong.append("%s is not what was written: its SHA-256 differs" % path)
    if wrong:
        raise Wrong("\n".join(wrong))
    print("%s is what its manifest says" % here)


def verb_list():
    for here in sorted(glob.glob(STATE + "/*/backup/*/")):
        here = here.rstrip("/")
        row = {"name": name_of(here), "bytes": size_of(here), "wrong": ""}
        try:
            found = manifest_of(here)
            row.update((key, found[key]) for key in found if key not in ("schema", "name", "files"))
            row["files"] = dict((name, told["bytes"]) for name, told in found["files"].items())
        except Wrong as error:
            row.update(wrong=str(error), at=int(os.path.getmtime(here)))
        print(json.dumps(row, sort_keys=True))


def size_of(here):
    """A backup that is being taken changes while it is looked at."""
    paths = [os.path.join(here, name) for name in os.listdir(here)]
    return sum(os.path.getsize(path) for path in paths if os.path.exists(path))


# --- going back ----------------------------------------------------------------------------------------------


def verb_same(here):
    odd = differences(read_json(os.path.join(here, INDEX)), index_of(kept_paths()))
    if odd:
        raise Wrong("\n".join(odd))
    print("the configuration is what %s holds" % here)


def verb_put_back(here):
    verb_check(here)
    aside = os.path.join(os.environ["STORMLIFT_RUN_DIR"], "moved-away")
    for each in unpack(os.path.join(here, FILES), aside):
        print("moved to %s%s: it was not there when the backup was taken" % (aside, text_of(each)))
    verb_same(here)


def main(words):
    os.umask(0o077)
    # A host's locale need not know more than ASCII, and a file's name may.
    sys.stdout = codecs.getwriter("utf-8")(getattr(sys.stdout, "buffer", sys.stdout), "replace")
    verb, rest = words[0], words[1:]
    verbs = {
        "files": lambda: verb_files(rest),
        "seal": lambda: verb_seal(rest),
        "check": lambda: verb_check(rest[0]),
        "same": lambda: verb_same(rest[0]),
        "put-back": lambda: verb_put_back(rest[0]),
        "list": verb_list,
    }
    try:
        verbs[verb]()
    except (Wrong, EnvironmentError) as error:
        print(error.args[0] if isinstance(error, Wrong) else error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
