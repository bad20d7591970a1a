"""Look at st2's own database, dump it, prove the dump, put it back. Runs in st2's virtualenv, Python 2.7 and 3.

  store.py release            `mongodb RELEASE`, which the server tells before anybody logs in
  store.py look               the state as JSON, on the last line; of a database that cannot be looked at, why
  store.py dump [serving]     mongodump into the run's folder, read back, with what stood there; `serving`: st2 runs meanwhile
  store.py scratch FOLDER     restore that archive into a database of another name, compare, drop it; 2: that cannot be tried
  store.py restore FOLDER     put it in the place of what the database holds; cut off, it may be run again
  store.py rehearse FOLDER ASIDE ID=SCRIPT...   the scripts of the package unpacked in ASIDE, on a scratch database made from that archive
  store.py same FOLDER        0 when the database holds what the archive in FOLDER was made of, else 1
  store.py since EPOCH        how many executions began after that second
"""

from __future__ import print_function

import json
import os
import sys

from store_backup import NotProved, dump, restore, same, scratch
from store_content import count, names_in
from store_rehearse import rehearse
from store_server import Unusable, Way, Wrong, client_of, speaking
from store_tools import release_of

EXECUTIONS = "action_execution_d_b"
PATIENCE = 20  # seconds, for an answer to a look
NOT_PROVED = 2


def verb_release():
    way = Way()
    with speaking(way):
        print("mongodb %s" % client_of(way, login=False, patience=PATIENCE).server_info()["version"])


def verb_look():
    found = {"kind": "mongodb", "tool": release_of("mongodump"), "restore_tool": release_of("mongorestore")}
    try:
        way = Way()
        client = client_of(way, patience=PATIENCE)
        found["db"] = way.db
        with speaking(way):
            found["release"] = client.server_info()["version"]
            db = client[way.db]
            found["size"] = int(db.command("dbStats")["dataSize"])
            found["collections"] = dict((name, count(db, name)) for name in names_in(db))
    except Unusable as error:
        found.update(cause=error.cause, sentence=str(error))
    except Exception as error:  # of a library that is half there, anything; its text may quote st2.conf
        found.update(cause="library", sentence="MongoDB cannot be looked at: %s" % type(error).__name__)
    print(json.dumps(found, sort_keys=True))


def verb_since(epoch):
    from bson.objectid import ObjectId

    way = Way()
    client = client_of(way, patience=PATIENCE)
    # The first four bytes of an id are the second in which it was made.
    last = ObjectId("%08x" % int(float(epoch)) + "f" * 16)
    with speaking(way):
        db = client[way.db]
        print(count(db, EXECUTIONS, _id={"$gt": last}) if EXECUTIONS in names_in(db) else 0)


def main(verb, *words):
    os.umask(0o077)
    verbs = {"release": verb_release, "look": verb_look, "dump": dump, "since": verb_since,
             "same": same, "scratch": scratch, "restore": restore, "rehearse": rehearse}  # fmt: skip
    try:
        verbs[verb](*words)
    except (Wrong, Unusable) as error:
        print(error, file=sys.stderr)
        return 1
    except NotProved as error:
        print("not proved: %s" % error, file=sys.stderr)
        return NOT_PROVED
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
