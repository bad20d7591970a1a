"""Three versions of a configuration file as a text that an operator reads, without a secret in it. Python 2.7 and 3; pure.

BASE is what the older package shipped, OURS the operator's file, THEIRS what the newer package ships.
"""

import difflib
import re

CONTEXT = 2
MASK = "[secret]"
_SECRET = (
    r"[\w.-]*(?:pass(?:w|phrase|(?![a-z]))|pwd?(?![a-z])|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|credential|webhook"
    r"|income[_-]?url|dsn)[\w.-]*"
)
_NAME = re.compile(r"^([\s#;]*(?:export\s+)?[\"']?(?:%s)[\"']?\s*[=:]\s*)(.*)$" % _SECRET, re.I)
# Within a value: JSON, options of a command, a query of a URL.
_INSIDE = re.compile(r"([\"']?\b%s[\"']?\s*[=:]\s*)(\"[^\"]*\"|'[^']*'|[^\s,;&}\])]+)" % _SECRET, re.I)
# All of it up to the last @: a password may hold any character, in a list of URLs too.
_USERINFO = re.compile(r"([a-z][a-z0-9+.-]*://)\S.*@", re.I)
_HASH = re.compile(r"(\{(?:SHA|SSHA)\}|\$(?:apr1|2[aby]|5|6)\$)\S+")
_PEM = re.compile(r"-----(BEGIN|END) [A-Z ]*PRIVATE KEY")
# `mask_secrets = True` and `token_ttl = 86400` are worth reading; of a password nothing is.
_SWITCH = re.compile(r"^(true|false|yes|no|none|null|on|off)$", re.I)
_COUNTS = re.compile(r"ttl|timeout|expir|length|size|interval", re.I)
_NEVER = re.compile(r"pass|pwd?(?![a-z])", re.I)
_SHORTEST = 6  # a secret that is shorter is masked where it stands, not wherever its letters do


# --- secrets -------------------------------------------------------------------------------------------------


def masked(lines, others=()):
    """LINES without what they hold of secrets, as many as there were; what is secret in OTHERS is so here, too."""
    found = []
    for text in (lines,) + tuple(others):
        found += _values(text)
    known = sorted(set(value for value in found if len(value) >= _SHORTEST), key=len, reverse=True)
    made, hiding, in_key = [], False, False
    for line in lines:
        in_key, private = _pem(line, in_key)
        hiding = _goes_on(line) and hiding
        match = _NAME.match(line)
        if private or hiding:
            made.append(_indent(line) + MASK)
            continue
        hiding = bool(match) and not _plain(*match.groups())
        made.append(match.group(1) + MASK if hiding else _mask_inside(line, known))
    return made


def _mask_inside(line, known):
    line = _USERINFO.sub(lambda match: match.group(1) + MASK + "@", line)
    line = _HASH.sub(lambda match: match.group(1) + MASK, line)
    line = _INSIDE.sub(lambda match: match.group(0) if _plain(*match.groups()) else match.group(1) + MASK, line)
    for value in known:
        line = line.replace(value, MASK)
    return line


def _plain(name, value):
    """True for a value that is no secret, whatever its NAME sounds like."""
    value = value.strip().rstrip(",").strip("\"'")
    if not value or (_COUNTS.search(name) and value.isdigit()):
        return True
    return bool(_SWITCH.match(value)) and not _NEVER.search(name)


def _values(lines):
    """The values of LINES that are secret by their names, or stand in a URL."""
    found = []
    for line in lines:
        match = _NAME.match(line)
        pairs = ([match.groups()] if match else []) + _INSIDE.findall(line)
        found += [value.strip().strip("\"'") for name, value in pairs if not _plain(name, value)]
        for userinfo in re.findall(r"[a-z][a-z0-9+.-]*://([^\s/@]+)@", line, re.I):
            found.append(userinfo.partition(":")[2])
    return found


def _pem(line, in_key):
    """Whether LINE leaves us inside a private key, and whether it is a line of one."""
    marks = _PEM.findall(line)
    if not marks:
        return in_key, in_key
    return marks[-1] == "BEGIN", True


def _goes_on(line):
    """True for a line that goes on with the value of the one before, as in st2.conf."""
    return line[:1] in (" ", "\t") and bool(line.strip())


def _indent(line):
    return line[: len(line) - len(line.lstrip())]


# --- what is new ---------------------------------------------------------------------------------------------


def options(lines):
    """(section, option) of every option that is set in LINES, in order; without sections the first is ""."""
    section, found = "", []
    for line in lines:
        if line.startswith("["):
            section = line.strip().strip("[]")
            found.append((section, ""))
        elif line[:1] not in ("", " ", "\t", "#", ";") and re.match(r"^[^\s=:{}()]+(\s+[^\s=:{}()]+)?\s*[=:]", line):
            found.append((section, re.split(r"\s*[=:]", line, 1)[0]))
    return found


def lacking(ours, theirs):
    """What THEIRS sets and OURS does not: `[section] option`, a section without options by its name alone."""
    have, told = set(options(ours)), []
    for section, option in options(theirs):
        if (section, option) not in have and not (not option and (section, "") in have):
            told.append((section, option))
    full = set(section for section, option in told if option)
    words = ["[%s] %s" % each if each[0] else each[1] for each in told if each[1]]
    return words + ["[%s]" % section for section, option in told if not option and section not in full]


# --- differences ---------------------------------------------------------------------------------------------


def changes(before, after):
    """The opcodes of what differs, without what is equal."""
    found = difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes()
    return [each for each in found if each[0] != "equal"]


def unified(before, after, seen_before, seen_after):
    """A unified diff of BEFORE and AFTER that shows their masked lines, SEEN_BEFORE and SEEN_AFTER."""
    made = []
    for group in difflib.SequenceMatcher(None, before, after, autojunk=False).get_grouped_opcodes(CONTEXT):
        first, last = group[0], group[-1]
        made.append("@@ -%s +%s @@" % (_range(first[1], last[2]), _range(first[3], last[4])))
        for word, a, b, c, d in group:
            if word == "equal":
                made += [" " + line for line in seen_before[a:b]]
                continue
            made += ["-" + line for line in seen_before[a:b]]
            made += ["+" + line for line in seen_after[c:d]]
    return made


def _range(start, end):
    return "%d,%d" % (start + 1 if end > start else start, end - start)


def conflicts(base, ours, theirs):
    """Where OURS and THEIRS changed the same lines of BASE in different ways: (base lines, ours, theirs) as ranges."""
    left, right = changes(base, ours), changes(base, theirs)
    found = []
    for _, a, b, c, d in left:
        for _, e, f, g, h in right:
            if _meet(a, b, e, f) and not (ours[c:d] == theirs[g:h] and (a, b) == (e, f)):
                found.append(((min(a, e), max(b, f)), (c, d), (g, h)))
    return found


def _meet(a, b, e, f):
    """Two ranges of lines share one, or are both put in at the same place; what stands side by side does not meet."""
    if a == b or e == f:
        return (a, b) == (e, f) or (a == b and e < a < f) or (e == f and a < e < b)
    return a < f and e < b


def conflict_text(base, ours, theirs, found, names):
    """The conflicts FOUND with all three sides, masked lines given; NAMES of base and theirs."""
    made = []
    for (a, b), (c, d), (e, f) in found:
        made.append("<<<<<<< yours, line %d" % (c + 1))
        made += ours[c:d]
        made.append("||||||| %s" % names[0])
        made += base[a:b]
        made.append("=======")
        made += theirs[e:f]
        made.append(">>>>>>> %s" % names[1])
    return made
