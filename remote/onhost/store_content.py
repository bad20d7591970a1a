"""What stands in st2's database: its collections, of each the documents, a digest of them, and the indexes. Python 2.7 and 3.

The digest is the server's own where it gives one: dbHash, which goes through a collection in the order of _id, and which the
role readWrite allows (MongoDB's manual, built-in roles). It keeps writers out while it counts (the manual's page of dbHash), so
under a running st2, and where a mongos or a server in a cloud knows no dbHash, the documents are walked through instead.
"""

import hashlib
import struct

from store_server import Unusable, refused

DBHASH, WALK = "dbHash", "walk"


def names_in(db):
    """The collections that documents are stored in, sorted."""
    # A pymongo takes any name that it does not know for a collection's.
    ask = db.list_collection_names if hasattr(type(db), "list_collection_names") else db.collection_names
    return sorted(name for name in ask() if not name.startswith("system."))


def count(db, name, **query):
    """The documents in a collection. Without a QUERY the server's note of it, which a crash can make wrong."""
    return int(db.command("count", name, query=query)["n"] if query else db.command("count", name)["n"])


def digests(db, way):
    """(method, collection to digest); WAY is the method, or the one to try first."""
    from pymongo import errors

    if way == DBHASH:
        try:
            return DBHASH, dict(db.command("dbHash")["collections"])
        except errors.ConnectionFailure:
            raise
        except errors.OperationFailure:  # not allowed, or not known there
            pass
    return WALK, dict((name, walked(db, name)) for name in names_in(db))


def content(db, way=DBHASH):
    """(method, collection to (documents, digest, names of the indexes))."""
    names = names_in(db)
    method, found = digests(db, way)
    return method, dict((name, (count(db, name), found.get(name, ""), indexes(db, name))) for name in names)


def indexes(db, name):
    """The names of a collection's indexes, sorted."""
    return sorted(db[name].index_information())


def walked(db, name):
    """The digest of a collection's values in the order of _id."""
    found = hashlib.md5()
    for each in db[name].find(sort=[("_id", 1)]):
        found.update(canonical(each))
    return found.hexdigest()


def canonical(value):
    """Bytes that are the same for a value whatever Python or pymongo read it; not the order of fields, which old ones lose."""
    if isinstance(value, dict):
        return b"{" + b"".join(canonical(name) + canonical(value[name]) for name in sorted(value)) + b"}"
    if isinstance(value, (list, tuple)):
        return b"[" + b"".join(canonical(each) for each in value) + b"]"
    if isinstance(value, float):
        return b"f" + struct.pack("<d", value)
    if isinstance(value, bytes):
        return b"b" + sized(value)
    if value is None or isinstance(value, bool):
        return b"c" + sized(str(value).encode("ascii"))
    if hasattr(value, "bit_length"):  # int, and what it is called elsewhere
        return b"i" + sized(("%d" % value).encode("ascii"))
    if isinstance(value, type(u"")):
        return b"s" + sized(value.encode("utf-8"))
    return b"o" + sized((u"%s:%s" % (type(value).__name__, value)).encode("utf-8"))


def sized(data):
    return str(len(data)).encode("ascii") + b":" + data


def differences(then, db, way):
    """What differs between THEN, collection to {documents, digest, indexes}, and the database, a line each."""
    method, now = content(db, way)
    if method != way:
        raise Unusable("rights", "MongoDB gives no dbHash here, by which the digests were made")
    lines = []
    for name in sorted(set(then) | set(now)):
        documents, digest, indexed = now.get(name, (0, "", []))
        told = then.get(name, {"documents": 0, "digest": "", "indexes": []})
        if documents != told["documents"]:
            lines.append("%s differs: %d documents in the backup, %d here" % (name, told["documents"], documents))
        elif documents and told["digest"] and digest != told["digest"]:
            lines.append("%s differs: its %d documents are not those of the backup" % (name, documents))
        elif documents and indexed != told["indexes"]:
            words = (name, ", ".join(told["indexes"]), ", ".join(indexed))
            lines.append("%s differs: the backup has the indexes %s, here are %s" % words)
    return lines


def dropped(client, name):
    """Take away every collection of the database NAME, and the database where the role may: readWrite may not."""
    from pymongo import errors

    for each in names_in(client[name]):
        client[name].drop_collection(each)
    try:
        client.drop_database(name)
    except errors.OperationFailure as error:
        if not refused(error):
            raise
