"""Run the real upgrade of Mistral's database on a scratch copy, with the new package unpacked aside. Python 2.7 and 3.

Runs in the virtualenv of the Mistral that is installed; the commands of the new one are those of the package aside, by its own
Python: a virtualenv finds its libraries by where its Python lies.
"""

from __future__ import print_function

import json
import os
import subprocess
import sys
import time

from mistral_backup import Wrong, filled, keep_content, told_by, with_scratch
from mistral_chain import chain, classify
from mistral_database import CONF, connect, counts, rows_of, url_of

OURS = ("upgrade", "head"), ("populate",)


def rehearse(folder, aside):
    """Restore the dump of FOLDER into a scratch database and bring that to the head of the package in ASIDE.

    How long each part took, and what it came to, is kept for `rehearse note`.
    """
    took = {}
    try:
        then = told_by(folder)
        with_scratch(lambda name: tried(folder, aside, name, then, took))
    except Wrong as error:
        print("the rehearsal of Mistral's upgrade failed: %s" % error)
        return 1
    finally:
        remember(took)
    print("rehearsed on a copy: %s" % ", ".join("%s %.1f s" % each for each in sorted(took.items())))
    return 0


def tried(folder, aside, name, then, took):
    started = time.time()
    filled(folder, name, then)
    took["restore.mistral"] = round(time.time() - started, 1)
    conf = os.path.join(os.environ["STORMLIFT_RUN_DIR"], "scratch-mistral.conf")
    try:
        written_conf(conf, name)
        for words in OURS:
            started = time.time()
            managed(aside, conf, words)
            took["mistral.%s" % words[0]] = round(time.time() - started, 1)
    finally:
        if os.path.exists(conf):  # the password is in it
            os.unlink(conf)
    arrived(aside, name, then)


def written_conf(path, name):
    """A configuration that is read behind mistral.conf and names the scratch database."""
    url = url_of()
    if hasattr(url, "set"):  # SQLAlchemy 1.4 and later: no change in place, and the text hides the password
        text = url.set(database=name).render_as_string(hide_password=False)
    else:
        url.database = name
        text = str(url)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as opened:
        opened.write("[database]\nconnection = %s\n" % text.replace("$", "$$"))


def managed(aside, conf, words):
    """`mistral-db-manage WORDS` of the package in ASIDE. Raises Wrong."""
    home = aside + "/opt/stackstorm/mistral/bin"
    command = [home + "/python", home + "/mistral-db-manage", "--config-file", CONF, "--config-file", conf]
    sys.stdout.flush()
    try:
        code = subprocess.call(command + list(words))
    except OSError as error:
        raise Wrong("%s/mistral-db-manage cannot be run: %s" % (home, error.strerror))
    if code:
        raise Wrong("mistral-db-manage %s ended with exit code %d" % (" ".join(words), code))


def arrived(aside, name, then):
    """Raise Wrong unless the scratch database is at the new package's head and has lost no row."""
    link = connect(name)
    try:
        have = [row[0] for row in rows_of(link, "select tablename from pg_tables where schemaname = current_schema()")]
        (recorded,) = [row[0] for row in rows_of(link, "select version_num from alembic_version")] or [None]
        look = classify(chain(aside + "/opt/stackstorm/mistral"), recorded, have)
        if look["state"] not in ("upgraded", "recreated"):
            raise Wrong("it ended at revision %s, and the database is %s then" % (recorded, look["state"]))
        # What populate makes anew may be fewer.
        kept = [table for table in then["tables"] if table in have and "definitions" not in table]
        now = counts(link, kept)
    finally:
        link.close()
    fewer = ["%s had %s rows, now %d" % (t, _rows(then, t), now[t]) for t in sorted(kept) if now[t] < _rows(then, t)]
    if fewer:
        raise Wrong("rows are lost: %s" % "; ".join(fewer))


def _rows(then, table):
    return int(then["tables"][table].split("-")[0])


def remember(took):
    place, known = os.path.join(os.environ["STORMLIFT_RUN_DIR"], "rehearsal.json"), {}
    if os.path.exists(place):
        with open(place) as opened:
            known = json.load(opened)
    keep_content(place, dict(known, **took))
