"""Look at the Mistral database, and change it. Runs in mistral's virtualenv: Python 2.7 and 3, psycopg2, SQLAlchemy.

  mistral.py look                       the state as JSON
  mistral.py ready                      0 when `upgrade head` can run now; waits for mistral's sessions, then says why not
  mistral.py at-head                    0 when the revision is the installed head and every table of it stands, else 1
  mistral.py dump                       pg_dump into the run's folder, read back
  mistral.py drop [--drop-rows] TABLE.. the repair of a broken database: drop what only pending revisions make; waits as well
  mistral.py repaired                   0 when nothing is left to drop, 1 when the database is broken
  mistral.py export [--dump FILE]       the rows of executions_v2, live or out of a dump, as mistral_export streams them
"""

from __future__ import print_function

import json
import os
import subprocess
import sys
import time

from mistral_chain import sentence
from mistral_database import Unusable, connect, counts, environment, look_at, look_safely, unusable
from mistral_export import export

FIRST_WITH_EXECUTIONS = "012"  # from here on the tables are the real store: dropping one loses executions
UPGRADABLE = ("empty", "old", "between", "upgraded", "recreated")
# The engine ends its last work for up to a minute after it was told to stop (oslo.service, graceful_shutdown_timeout).
PATIENCE_S = float(os.environ.get("STORMLIFT_SESSIONS_S", "90"))


def verb_look():
    look = look_safely(count=True)
    look["sentence"] = sentence(look)
    for key in ("missing", "made_anew", "error"):
        look.pop(key, None)
    print(json.dumps(look, sort_keys=True))


def verb_ready():
    look = waited_out(UPGRADABLE)
    print(sentence(look))
    if look["state"] not in UPGRADABLE:
        return 1
    return tell_sessions(look["sessions"])


def waited_out(states):
    """The look at the database, as soon as nobody else is on it; at once when it is in none of STATES."""
    deadline = time.time() + PATIENCE_S
    look = look_safely()
    while look["state"] in states and look["sessions"] and time.time() < deadline:
        time.sleep(1)
        look = look_safely()
    return look


def tell_sessions(found):
    for session in found:
        print("a session is open on it: user %(user)s from %(address)s (%(application)s)" % session)
    return 1 if found else 0


def verb_at_head():
    look = look_safely()
    print(sentence(look))
    return 0 if look["state"] in ("upgraded", "recreated") else 1


def verb_dump():
    """One custom-format dump, written aside, read back by pg_restore, then named."""
    connect().close()  # says better than pg_dump why nobody gets in
    folder = os.environ["STORMLIFT_BACKUP"]
    if not os.path.isdir(folder):
        os.makedirs(folder, 0o700)
    aside, final = os.path.join(folder, "mistral.dump.new"), os.path.join(folder, "mistral.dump")
    os.umask(0o077)
    try:
        tables = dumped_aside(aside)
        os.rename(aside, final)
    finally:
        if os.path.exists(aside):  # half a dump is of no use, and it may be what has filled the disk
            os.unlink(aside)
    print("dumped to %s: %d tables, %d bytes, read back" % (final, tables, os.path.getsize(final)))


def dumped_aside(path):
    """Dump the database to PATH and read all of it back; the number of tables whose data is in it."""
    ran("pg_dump", "-w", "--lock-wait-timeout=30000", "-Fc", "-f", path)
    listed = ran("pg_restore", "-l", path, out=subprocess.PIPE)
    # Reads every byte of the data, which the list alone does not.
    ran("pg_restore", "-f", os.devnull, path)
    with open(path, "rb") as opened:
        os.fsync(opened.fileno())
    return sum(1 for line in listed.splitlines() if b" TABLE DATA " in line)


def ran(*command, **how):
    """What a tool of PostgreSQL's says when OUT is a pipe; it is run on the database, and tells itself why it fails."""
    sys.stdout.flush()
    try:
        done = subprocess.Popen(command, env=environment(), stdout=how.get("out"))
    except OSError as error:
        raise SystemExit("%s cannot be run: %s" % (command[0], error.strerror))
    said = done.communicate()[0]
    if done.returncode:
        raise SystemExit("%s ended with exit code %d" % (command[0], done.returncode))
    return said


def verb_drop(tables, rows_too):
    """One statement, no CASCADE: whatever else depends on a table keeps it. All or nothing."""
    waited_out(("broken",))
    link = connect()
    import psycopg2

    try:
        refused = why_not_to_drop(link, tables, rows_too)
        if not refused:
            statement = "DROP TABLE %s" % ", ".join('"%s"' % name for name in tables)
            with link.cursor() as cursor:
                cursor.execute(statement)
            link.commit()
            print(statement)
    except psycopg2.Error as error:
        refused = " ".join(str(error).split())
    finally:
        link.close()
    if refused:
        print("nothing is dropped: %s" % refused)
    return 1 if refused else 0


def why_not_to_drop(link, tables, rows_too):
    """What stands against dropping TABLES, or ""; from here to the end of LINK's transaction nobody writes to them."""
    look = look_at(link, count=False)
    print(sentence(look))
    if look["state"] != "broken":
        return "only a broken database is repaired this way"
    if look["revision"] >= FIRST_WITH_EXECUTIONS:
        return "from revision %s on these tables are the real store" % FIRST_WITH_EXECUTIONS
    if look["drop"] != sorted(tables):
        return "the plan says %s, there is now %s" % (", ".join(sorted(tables)), ", ".join(look["drop"]))
    if tell_sessions(look["sessions"]):
        return "somebody works on the database"
    with link.cursor() as cursor:
        cursor.execute("LOCK TABLE %s IN ACCESS EXCLUSIVE MODE" % ", ".join('"%s"' % name for name in tables))
    filled = sorted((name, rows) for name, rows in counts(link, tables).items() if rows)
    if filled and not rows_too:
        return "rows stand in %s" % ", ".join("%s (%d)" % each for each in filled)
    return ""


def verb_repaired():
    look = look_safely()
    print(sentence(look))
    return {"broken": 1, "old": 0, "between": 0, "upgraded": 0}.get(look["state"], 2)


def main(words):
    verbs = {
        "look": verb_look,
        "ready": verb_ready,
        "at-head": verb_at_head,
        "dump": verb_dump,
        "drop": lambda: verb_drop([word for word in words[1:] if word[0] != "-"], "--drop-rows" in words),
        "repaired": verb_repaired,
        "export": lambda: export(words[1:]),
    }
    try:
        return verbs[words[0]]()
    except Unusable as error:
        print(sentence(unusable(error)))
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
