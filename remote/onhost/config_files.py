"""New defaults of packages, kept and shown beside the operator's own files; nothing of the operator's is changed by it.

Python 2.7 and 3 and nothing but its standard library.

  config_files.py defaults NAME=VERSION...   keep the installed packages' own defaults, as far as they can be had
  config_files.py put-back FILE...           the operator's FILE, which a package overwrote; the package's goes beside it
  config_files.py as-kept FILE...            0 when each FILE is the operator's, or was as shipped, else 1 and which is not
  config_files.py show NAME=VERSION...       what packages put beside the operator's files, as diffs, and keep it
  config_files.py look                       a line of JSON for every file that lies there unsettled
  config_files.py changed BEFORE NOW         a unified diff of two files
"""

from __future__ import print_function

import codecs
import glob
import json
import os
import sys

from backup import STATE, as_json, read_json, written
from backup_files import ROOT, Wrong, digest_of, kept_paths
from config_defaults import contents, from_package, is_digest, shipped
from config_diff import masked, unified
from config_kept import as_kept, index_here, keep, place, put_back, save
from config_text import VERDICTS, contents_of, described, lines_of

FOUND = "found.json"
# Whose a file is that lies beside another one: the package's new one, or the operator's, whose place the package took.
SUFFIXES = {
    ".dpkg-dist": "new", ".dpkg-new": "new", ".ucf-dist": "new", ".rpmnew": "new",
    ".dpkg-old": "yours", ".ucf-old": "yours", ".rpmsave": "yours", ".rpmorig": "yours",
}  # fmt: skip


def pairs(words):
    """NAME to version of those that are installed."""
    return dict(word.split("=", 1) for word in words if not word.endswith("="))


# --- before the packages -------------------------------------------------------------------------------------


def verb_defaults(words):
    index, missing, lying = {}, {}, leftovers()
    carried = unsettled(lying)
    for package, version in sorted(pairs(words).items()):
        for path, digest in shipped(package).items():
            same = is_digest(contents(path), digest)
            index[path] = row = {"package": package, "of": version, "same": same, "digest": digest, "base": "", "why": ""}
            if path in carried:  # what an earlier release brought was not taken over yet: it is still new to the operator
                row.update(of=carried[path]["of"], base=keep("base", path, contents_of(carried[path]["base"])))
            elif same:
                row.update(base=keep("base", path, contents(path)))
            else:
                missing.setdefault((package, version), []).append(path)
    left = dict((beside, digest_of(ROOT + beside)) for beside, _, _ in lying)
    save(index, left)
    for (package, version), paths in sorted(missing.items()):
        had, why = from_package(package, version, paths, os.path.join(place(), "unpacked"))
        for path in paths:
            if is_digest(had.get(path), index[path]["digest"]):
                index[path]["base"] = keep("base", path, had[path])
            else:
                index[path]["why"] = why or "the package that the repositories offer now ships another one"
        save(index, left)
    kept = [path for path in index if index[path]["base"]]
    print("the defaults of %d files are kept in %s" % (len(kept), place()))
    for path in sorted(set(index) - set(kept)):
        print("not to be had: the default of %s: %s" % (path, index[path]["why"]))


def unsettled(lying):
    """Path to the record of what an earlier upgrade left beside it, of LYING, where that still lies there and its base is kept."""
    found = dict((path, record_of(beside)) for beside, path, whose in lying if whose == "new")
    return dict((path, row) for path, row in found.items() if row and os.path.exists(row.get("base", "")))


# --- after them ----------------------------------------------------------------------------------------------


def leftovers():
    """(what lies beside, the file that it lies beside, whose it is), in order."""
    found = []
    for path in kept_paths():
        for suffix, whose in SUFFIXES.items():
            if path.endswith(suffix) and os.path.isfile(ROOT + path):
                found.append((path, path[: -len(suffix)], whose))
    return found


def verb_show(words):
    now, known = pairs(words), index_here()
    files, before = known.get("files", {}), known.get("left", {})
    records, told = [], []
    fresh = dict((path, (package, digest)) for package in now for path, digest in shipped(package).items())
    for beside, path, whose in leftovers():
        digest = digest_of(ROOT + beside)
        if before.get(beside) == digest:  # it lay there before, and no package of this run brought it
            record = record_of(beside) or {"beside": beside, "digest": digest}
        else:
            record = recorded(beside, path, whose, files.get(path) or unknown(fresh.get(path, ("", ""))[0]), now)
        records.append(record)
        told.append(described(beside, path, whose, record))
    written(os.path.join(place(), FOUND), as_json(records))
    for each in told:
        print("\n".join(each["text"]) + "\n")
    taken = [path for path in sorted(files) if path in fresh and replaced(path, files[path]["digest"], fresh[path][1])]
    summary(told, taken)


def replaced(path, old, new):
    """True for a file that was as shipped, and that the package manager itself put the new one in the place of."""
    return old != new and is_digest(contents(path), new)


def unknown(package):
    """What is known of a file that PACKAGE, if any, ships now and that was not told of before."""
    return {"package": package, "why": "the older package did not ship it" if package else ""}


def recorded(beside, path, whose, row, now):
    """What is remembered of BESIDE: between which versions it came, with the default before it, if it is kept, and its own."""
    package = row["package"]
    new = contents(beside if whose == "new" else path)
    record = {"beside": beside, "digest": digest_of(ROOT + beside), "package": package, "to": now.get(package, "")}
    record.update(of=row.get("of", ""), base=row.get("base", ""), why=row.get("why", ""), theirs=keep("new", path, new or b""))
    return record


def summary(told, taken):
    """Last, as an operator who follows the run is shown what stands behind these two words."""
    print("in short:")
    if taken:
        print("as shipped before, the new release's now: %s" % ", ".join(taken))
    for each in told:
        new = "; new in it: %s" % ", ".join(each["new"]) if each["new"] else ""
        print("%s: %s%s" % (each["beside"], VERDICTS[each["verdict"]], new))
    print("to read it all again: invoke config.diff" if told else "no package left a configuration file beside yours")


def record_of(beside):
    """The newest record of what lies at BESIDE now, of any run; None when no run left it so."""
    digest = digest_of(ROOT + beside)
    for where in sorted(glob.glob(STATE + "/*/defaults/*/" + FOUND), key=os.path.getmtime, reverse=True):
        try:
            rows = read_json(where)
        except ValueError:  # damaged; what is known of it rests on nothing
            continue
        for row in rows:
            if row["beside"] == beside and row["digest"] == digest:
                return row
    return None


def verb_look():
    for beside, path, whose in leftovers():
        print(json.dumps(described(beside, path, whose, record_of(beside) or {}), sort_keys=True))


def verb_changed(before, now):
    sides = [lines_of(contents_of(path)) for path in (before, now)]
    seen = [masked(each, sides) for each in sides]
    print("\n".join(["--- before", "+++ now"] + unified(sides[0], sides[1], seen[0], seen[1])))


# Nothing else rests on these two: a run must not end, st2 stopped, because a diff could not be made.
BEST_EFFORT = ("defaults", "show")


def main(words):
    os.umask(0o077)
    # A host's locale need not know more than ASCII, and a file may.
    sys.stdout = codecs.getwriter("utf-8")(getattr(sys.stdout, "buffer", sys.stdout), "replace")
    verb, rest = words[0], words[1:]
    verbs = {
        "defaults": lambda: verb_defaults(rest),
        "put-back": lambda: put_back(rest),
        "as-kept": lambda: as_kept(rest),
        "show": lambda: verb_show(rest),
        "look": verb_look,
        "changed": lambda: verb_changed(*rest),
    }
    try:
        verbs[verb]()
        return 0
    except (Wrong, EnvironmentError) as error:
        print("config %s: %s" % (verb, error))
    except Exception as error:
        if verb not in BEST_EFFORT:
            raise
        print("config %s: not done: %s" % (verb, type(error).__name__))
    return 0 if verb in BEST_EFFORT else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
