"""How a configuration file that lies beside another one is told to an operator. Python 2.7 and 3."""

import os

from config_defaults import contents
from config_diff import conflict_text, conflicts, lacking, masked, unified

_PRIVATE = ("/keys/", "htpasswd", "datastore_key", ".key", ".pem")
VERDICTS = {
    "same": "yours is the same: it can be removed",
    "nothing-new": "the release brought nothing new in it: it can be removed",
    "new": "new lines, none of them where you changed something",
    "conflict": "new lines, some of them where you changed something",
    "no-base": "differs from yours; what it was before is not known",
    "not-shown": "differs from yours; not shown, as there are secrets in it",
    "alone": "there is no such file of yours",
}


def short(version):
    """2.2.1 of 0:2.2.1-8."""
    return version.split(":")[-1].split("-")[0]


def contents_of(where):
    """The bytes of a file of ours."""
    with open(where, "rb") as opened:
        return opened.read()


def lines_of(data):
    """DATA as lines, whatever bytes are in it."""
    text = (data or b"").decode("utf-8", "replace")
    return [line.rstrip("\r") for line in (text[:-1] if text.endswith("\n") else text).split("\n")]


def described(beside, path, whose, record):
    """One file that lies unsettled, as an object: what it is, what is new in it, and a text without secrets."""
    ours, theirs = (path, beside) if whose == "new" else (beside, path)
    base = contents_of(record["base"]) if os.path.exists(record.get("base", "")) else None
    names = ["%s as shipped" % short(record[key]) if record.get(key) else "as shipped" for key in ("of", "to")]
    sides = [base, contents(ours), contents(theirs)]
    verdict = judged(path, *sides)
    new = lacking(lines_of(sides[1]), lines_of(sides[2])) if verdict in ("new", "conflict", "no-base") else []
    text = [heading(beside, path, whose, record)]
    text += ["  new in %s, and not in yours: %s" % (short(record.get("to", "")) or "it", ", ".join(new))] if new else []
    text += ["  " + line for line in body(verdict, sides, names, record)]
    found = {"file": path, "beside": beside, "whose": whose, "package": record.get("package", ""), "verdict": verdict}
    found.update({"from": record.get("of", ""), "to": record.get("to", ""), "new": new, "text": text})
    return found


def heading(beside, path, whose, record):
    package = " (%s %s)" % (record["package"], short(record["to"])) if record.get("package") else ""
    if whose == "new":
        return "%s: yours is kept; the package's new one%s is %s" % (path, package, beside)
    return "%s: the package's new one%s has its place; yours is %s" % (path, package, beside)


def judged(path, base, ours, theirs):
    """A word of VERDICTS for the three versions of PATH; BASE may be None."""
    if ours is None or theirs is None:
        return "alone"
    if ours == theirs:
        return "same"
    if base is not None and base == theirs:
        return "nothing-new"
    if any(word in path for word in _PRIVATE):
        return "not-shown"
    if base is None:
        return "no-base"
    return "conflict" if conflicts(*(lines_of(each) for each in (base, ours, theirs))) else "new"


def body(verdict, sides, names, record):
    """The lines of the diff that VERDICT asks for."""
    if verdict in ("same", "nothing-new", "not-shown", "alone"):
        return [VERDICTS[verdict]]
    base, ours, theirs = [lines_of(each) for each in sides]
    seen = [masked(each, (base, ours, theirs)) for each in (base, ours, theirs)]
    if verdict == "no-base":
        why = record.get("why") or "no run of this tool kept it"
        head = "the default that it came from could not be had (%s): yours and the new one, side by side" % why
        return [head, "--- yours", "+++ %s" % names[1]] + unified(ours, theirs, seen[1], seen[2])
    made = ["--- %s" % names[0], "+++ yours"] + unified(base, ours, seen[0], seen[1])
    made += ["", "--- %s" % names[0], "+++ %s" % names[1]] + unified(base, theirs, seen[0], seen[2])
    if verdict == "conflict":
        both = conflicts(base, ours, theirs)
        made += ["", "both changed these:"] + conflict_text(seen[0], seen[1], seen[2], both, names)
    return made
