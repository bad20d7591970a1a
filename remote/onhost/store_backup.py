"""Dump st2's own database, prove the dump, and put it back. Python 2.7 and 3, in st2's virtualenv.

store.json tells each collection's documents, digest and indexes: the documents that the archive holds, and the digest that the
server gave both before and after the dump. A collection of which the two differ was written to meanwhile: it has no digest,
`exact` is false, and its restore is held against the number of documents in the archive alone. Under a running st2 that is
usual, and it is why a run dumps after the stop.
"""

from __future__ import print_function

import json
import os
import time

from store_archive import Damaged, documents_in
from store_content import DBHASH, WALK, content, count, differences, dropped, names_in
from store_server import Way, Wrong, client_of, refused, speaking
from store_tools import release_of, run_tool, said_by

ARCHIVE, CONTENT, SCHEMA = "store.archive", "store.json", "stormlift.store/1"
SCRATCH = "stormlift_scratch_"
LONGEST_NAME = 63  # bytes in the name of a database


class NotProved(Exception):
    """What cannot be tried here, and what would be needed."""


# --- dumping -------------------------------------------------------------------------------------------------


def dump(serving=""):
    """An archive of the database and store.json beside it, both whole or not there. Raises Wrong, Unusable."""
    folder = os.environ["STORMLIFT_BACKUP"]
    if not os.path.isdir(folder):
        os.makedirs(folder, 0o700)
    way, started = Way(), time.time()
    client = client_of(way)
    final = os.path.join(folder, ARCHIVE)
    aside = final + ".new"
    away(final, aside, os.path.join(folder, CONTENT))
    try:
        with speaking(way):
            db = client[way.db]
            told = dumped(way, db, aside, WALK if serving else DBHASH)
            told["release"] = client.server_info()["version"]
        synced(aside)
        keep(os.path.join(folder, CONTENT), told)
        os.rename(aside, final)
    except EnvironmentError as error:
        raise Wrong("the dump cannot be kept in %s: %s" % (folder, error.strerror))
    finally:
        away(aside)  # half a dump is of no use, and may be what has filled the disk
    remember(folder, time.time() - started)
    moved = sorted(name for name, each in told["collections"].items() if not each["digest"])
    said = (final, len(told["collections"]), os.path.getsize(final), told["digest"])
    print("dumped to %s: %d collections, %d bytes, read back; digests by %s" % said)
    if moved:
        print("written to meanwhile, and so without a digest: %s" % ", ".join(moved))


def dumped(way, db, path, method):
    """Dump DB to PATH, read all of it back, and tell what it was made of. Raises Wrong."""
    method, before = content(db, method)
    try:
        run_tool(way, "mongodump", "--db=%s" % way.db, "--archive=%s" % path)
    except Wrong as error:
        needs("mongodump", "--archive", "3.2")  # may say better why; not asked first, as st2 is down meanwhile
        raise error
    inside = read_back(path)
    _, after = content(db, method)
    found, wrong = {}, []
    for name in sorted(set(before) | set(after) | set(inside)):
        still = before.get(name) == after.get(name) and name in before
        documents = inside.get(name, 0)
        # The server's own note of the number is wrong after a crash: then they are counted.
        if still and documents != before[name][0] and documents != count(db, name, _id={"$exists": True}):
            wrong.append("%s has %d documents, the archive %d" % (name, before[name][0], documents))
        known = before.get(name) or after.get(name) or (0, "", [])
        found[name] = {"documents": documents, "digest": known[1] if still else "", "indexes": known[2]}
    if wrong:
        raise Wrong("mongodump ended well, but not all is in its archive: %s" % "; ".join(wrong))
    exact = all(each["digest"] for each in found.values())
    return {"schema": SCHEMA, "db": way.db, "digest": method, "exact": exact, "collections": found}


def read_back(path):
    """Collection to documents in the archive. Raises Wrong."""
    try:
        return dict((name, each) for name, each in documents_in(path).items() if not name.startswith("system."))
    except EnvironmentError as error:
        raise Wrong("%s cannot be read back: %s" % (path, error.strerror))
    except Damaged as error:
        raise Wrong(str(error))


def needs(tool, flag, first):
    """Raises Wrong where TOOL is not there, or older than the release FIRST that brought FLAG."""
    if not release_of(tool):
        raise Wrong("%s cannot be run: install mongodb-org-tools" % tool)
    if flag not in said_by(tool, "--help"):
        raise Wrong("%s %s knows no %s: install mongodb-org-tools %s or later" % (tool, release_of(tool), flag, first))


def synced(path):
    with open(path, "rb") as opened:
        os.fsync(opened.fileno())


def keep(path, value):
    """Write VALUE as JSON, whole or not at all."""
    try:
        with open(path + ".new", "w") as opened:
            json.dump(value, opened, sort_keys=True, indent=1)
            opened.flush()
            os.fsync(opened.fileno())
        os.rename(path + ".new", path)
    finally:
        away(path + ".new")


def away(*paths):
    for path in paths:
        if os.path.exists(path):
            os.unlink(path)


def remember(folder, seconds):
    """How long it took, for the next plan; in a file of its own, as the other database may be dumped at the same time."""
    keep(os.path.join(folder, "seconds.store"), round(seconds, 1))


# --- proving -------------------------------------------------------------------------------------------------


def told_by(folder):
    """What the archive in FOLDER was made of. Raises Wrong."""
    try:
        with open(os.path.join(folder, CONTENT)) as opened:
            found = json.load(opened)
        if found["schema"] != SCHEMA or found["digest"] not in (DBHASH, WALK):
            raise ValueError("it is none of %s" % SCHEMA)
        for each in found["collections"].values():
            each["documents"], each["digest"], each["indexes"]
        return found
    except EnvironmentError as error:
        raise Wrong("%s/%s cannot be read: %s" % (folder, CONTENT, error.strerror))
    except (ValueError, KeyError, TypeError, AttributeError):
        raise Wrong("%s/%s is damaged" % (folder, CONTENT))


def archive_of(folder, then):
    """The path of the archive, once all of it was read and holds what store.json says. Raises Wrong."""
    path = os.path.join(folder, ARCHIVE)
    inside = read_back(path)
    for name, each in sorted(then["collections"].items()):
        if inside.get(name, 0) != each["documents"]:
            raise Wrong("%s holds %d documents of %s, not %d" % (path, inside.get(name, 0), name, each["documents"]))
    return path


def same(folder):
    """Raises Wrong where the database does not hold what the archive in FOLDER was made of."""
    then, way = told_by(folder), Way()
    client = client_of(way)
    with speaking(way):
        odd = differences(then["collections"], client[way.db], then["digest"])
    if odd:
        raise Wrong("\n".join(odd))
    print("st2's database holds what %s was made of%s" % (os.path.join(folder, ARCHIVE), inexact(then)))


def inexact(then):
    moved = sorted(name for name, each in then["collections"].items() if not each["digest"])
    return "; by their number alone: %s" % ", ".join(moved) if moved else ""


def scratch(folder):
    """Restore the archive in FOLDER into a scratch database, compare, and drop that. Raises Wrong, NotProved."""
    then, way = told_by(folder), Way()
    path = archive_of(folder, then)
    try:
        needs("mongorestore", "--nsFrom", "3.4")
    except Wrong as error:
        raise NotProved(str(error))
    client, name = client_of(way), (SCRATCH + way.db)[:LONGEST_NAME]
    with speaking(way):
        begin(client, way, name)
        try:
            restored(way, path, then, name)
            odd = differences(then["collections"], client[name], then["digest"])
        finally:
            dropped(client, name)
    if odd:
        raise Wrong("what was restored is not what was dumped:\n%s" % "\n".join(odd))
    print("restored into a scratch database: %d collections are what was dumped%s" % (len(then["collections"]), inexact(then)))


def begin(client, way, name):
    """An empty scratch database; one that a killed process left is dropped first. Raises NotProved where the role may not."""
    from pymongo import errors

    try:
        dropped(client, name)
        client[name].command("create", "stormlift_probe")
        client[name].drop_collection("stormlift_probe")
    except errors.OperationFailure as error:
        if not refused(error):
            raise
        grant = 'db.getSiblingDB("%s").grantRolesToUser("%s", [{role: "readWrite", db: "%s"}])' % (way.source, way.user, name)
        words = (way.hidden(str(error)), grant)
        raise NotProved("the role may make no scratch database: %s; as MongoDB's administrator: %s" % words)


def restored(way, path, then, name):
    """Restore the archive at PATH into the database NAME, which is empty. Raises Wrong."""
    words = ["--archive=%s" % path, "--stopOnError"]
    if name != then["db"]:
        words += ["--nsFrom=%s.*" % then["db"], "--nsTo=%s.*" % name]
    run_tool(way, "mongorestore", *words)


# --- going back ----------------------------------------------------------------------------------------------


def restore(folder):
    """Put the archive in FOLDER in the place of every collection. Raises Wrong: of a damaged one before anything is dropped."""
    then, way = told_by(folder), Way()
    path = archive_of(folder, then)
    needs("mongorestore", "--archive", "3.2")
    if way.db != then["db"]:
        needs("mongorestore", "--nsFrom", "3.4")
    client = client_of(way)
    with speaking(way):
        if not differences(then["collections"], client[way.db], then["digest"]):
            print("st2's database holds what was dumped already: nothing is done")
            return
        for name in names_in(client[way.db]):  # the database itself may have users, and readWrite may not drop it
            client[way.db].drop_collection(name)
        restored(way, path, then, way.db)
    print("restored from %s" % path)
    same(folder)
