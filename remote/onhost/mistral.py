"""Look at the Mistral database, and change it. Runs in mistral's virtualenv: Python 2.7 and 3, psycopg2, SQLAlchemy.

  mistral.py look                       the state as JSON
  mistral.py ready                      0 when `upgrade head` can run now; waits for mistral's sessions, then says why not
  mistral.py at-head                    0 when the revision is the installed head and every table of it stands, else 1
  mistral.py dump [gone]                pg_dump into the run's folder, read back, with the digests of what was dumped; `gone`: where there is none, that is well
  mistral.py same FOLDER                0 when the database holds what the dump in FOLDER was made of, else 1
  mistral.py scratch FOLDER             restore that dump into a scratch database, compare, and drop it again
  mistral.py restore FOLDER             put it in the place of what the database holds, in one transaction
  mistral.py rehearse FOLDER ASIDE      the upgrade to the package unpacked in ASIDE, on a scratch database made from that dump
  mistral.py since EPOCH                how many executions began after that moment
  mistral.py drop [--drop-rows] TABLE.. the repair of a broken database: drop what only pending revisions make; waits as well
  mistral.py repaired                   0 when nothing is left to drop, 1 when the database is broken
  mistral.py export [--dump FILE]       the rows of executions_v2, live or out of a dump, as mistral_export streams them
"""

from __future__ import print_function

import json
import os
import sys
import time

import mistral_database
from mistral_chain import sentence
from mistral_database import Unusable, connect, counts, look_at, look_safely, unusable

FIRST_WITH_EXECUTIONS = "012"  # from here on the tables are the real store: dropping one loses executions
IN_HASTE = ("ready", "at-head", "dump")
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
    while look["state"] in states and look.get("sessions") and time.time() < deadline:
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


def verb_restore(folder):
    """Whoever is still on the database is waited for, whatever state it is in."""
    look = waited_out((look_safely()["state"],))
    return tell_sessions(look.get("sessions", ())) or later("mistral_backup", "restore", folder)


def verb_repaired():
    look = look_safely()
    print(sentence(look))
    return {"broken": 1, "old": 0, "between": 0, "upgraded": 0}.get(look["state"], 2)


def later(module, name, *words):
    """What most verbs do without is read by those that do not."""
    return getattr(__import__(module), name)(*words)


def main(words):
    verbs = {
        "look": verb_look,
        "ready": verb_ready,
        "at-head": verb_at_head,
        "dump": lambda: later("mistral_backup", "dump", *words[1:]),
        "same": lambda: later("mistral_backup", "same", words[1]),
        "scratch": lambda: later("mistral_backup", "scratch", words[1]),
        "restore": lambda: verb_restore(words[1]),
        "rehearse": lambda: later("mistral_rehearse", "rehearse", words[1], words[2]),
        "since": lambda: later("mistral_backup", "since", int(words[1])),
        "drop": lambda: verb_drop([word for word in words[1:] if word[0] != "-"], "--drop-rows" in words),
        "repaired": verb_repaired,
        "export": lambda: later("mistral_export", "export", words[1:]),
    }
    mistral_database.in_haste = words[0] in IN_HASTE
    try:
        return verbs[words[0]]()
    except Unusable as error:
        print(sentence(unusable(error)))
    except EnvironmentError as error:  # a full disk, most likely
        print("%s: %s" % (words[0], error))
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
