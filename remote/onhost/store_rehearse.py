"""Run the migrations of st2's database on a scratch copy, by the scripts of the new package unpacked aside. Python 2.7 and 3.

Each script is told of a configuration that is st2.conf but for the database's name: the real one is never named to it.
"""

from __future__ import print_function

import io
import json
import os
import re
import subprocess
import sys
import time

from store_backup import LONGEST_NAME, SCRATCH, NotProved, archive_of, begin, keep, needs, restored, told_by
from store_content import count, differences, dropped
from store_server import CONF, Way, Wrong, client_of, speaking

_SECTION = re.compile(r"^\s*\[\s*([^\]]+?)\s*\]")
_NAME = re.compile(r"^\s*db_name\s*[=:]")


def rehearse(folder, aside, *scripts):
    """Restore the archive of FOLDER into a scratch database and run SCRIPTS (ID=PATH) of the package in ASIDE on it.

    Raises Wrong where one fails or a document is lost, NotProved where there can be no scratch database.
    """
    then, way, took = told_by(folder), Way(), {}
    path = archive_of(folder, then)
    try:
        needs("mongorestore", "--nsFrom", "3.4")
    except Wrong as error:
        raise NotProved(str(error))
    client, name = client_of(way), (SCRATCH + way.db)[:LONGEST_NAME]
    conf = os.path.join(os.environ["STORMLIFT_RUN_DIR"], "scratch-st2.conf")
    with speaking(way):
        begin(client, way, name)
        try:
            started = time.time()
            restored(way, path, then, name)
            if differences(then["collections"], client[name], then["digest"]):
                raise Wrong("what was restored is not what was dumped")
            took["restore.store"] = round(time.time() - started, 1)
            written_conf(conf, name)
            for each in scripts:
                took[each.partition("=")[0]] = ran(aside, conf, each.partition("=")[2])
            lost(then, client[name])
        finally:
            dropped(client, name)
            remember(took)
            if os.path.exists(conf):  # the password is in it
                os.unlink(conf)
    print("rehearsed on a copy: %s" % ", ".join("%s %.1f s" % each for each in sorted(took.items())))


def written_conf(path, name):
    """st2.conf with another database in it."""
    with io.open(CONF, encoding="utf-8", errors="surrogateescape" if str is not bytes else "replace") as opened:
        lines, inside, done = [], False, False
        for line in opened:
            section = _SECTION.match(line)
            inside = section.group(1) == "database" if section else inside
            if not (inside and _NAME.match(line)):
                lines.append(line)
            if section and inside and not done:
                lines.append(u"db_name = %s\n" % name)
                done = True
    if not done:
        lines.append(u"\n[database]\ndb_name = %s\n" % name)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as opened:
        opened.write(u"".join(lines).encode("utf-8", "surrogateescape" if str is not bytes else "replace"))


def ran(aside, conf, script):
    """Run one script of the package in ASIDE by its own Python; the seconds that it took. Raises Wrong."""
    started = time.time()
    sys.stdout.flush()
    try:
        code = subprocess.call([aside + "/opt/stackstorm/st2/bin/python", aside + script, "--config-file", conf])
    except OSError as error:
        raise Wrong("%s of the new package cannot be run: %s" % (script, error.strerror))
    if code:
        raise Wrong("%s ended with exit code %d on the copy" % (script, code))
    return round(time.time() - started, 1)


def lost(then, db):
    """Raise Wrong where a collection has fewer documents than before."""
    fewer = []
    for name, each in sorted(then["collections"].items()):
        now = count(db, name, _id={"$exists": True})
        if now < each["documents"]:
            fewer.append("%s had %d documents, now %d" % (name, each["documents"], now))
    if fewer:
        raise Wrong("documents are lost: %s" % "; ".join(fewer))


def remember(took):
    place, known = os.path.join(os.environ["STORMLIFT_RUN_DIR"], "rehearsal.json"), {}
    if os.path.exists(place):
        with open(place) as opened:
            known = json.load(opened)
    keep(place, dict(known, **took))
