"""What in packs and in st2.conf speaks against a later release. Reads only. Python 2.7 and 3, any of them.

evidence.py look [PACKS [CONF]]   KEY COUNT EXAMPLE, a line each, for every key with something to say
evidence.py KEY [PACKS [CONF]]    0 when there is nothing of KEY, else 1, and every place
"""

import io
import os
import re
import sys

try:
    from configparser import Error, RawConfigParser
except ImportError:
    from ConfigParser import Error, RawConfigParser

PACKS, CONF = "/opt/stackstorm/packs", "/etc/st2/st2.conf"
SHIPPED = ("core", "packs", "linux", "chatops")  # come with the package
BIGGEST = 1 << 20  # of a file; what is larger was not written by hand
DATA, CODE = (".yaml", ".yml", ".json"), (".py",)

_OLD_RUNNERS = "run-local|run-local-script|run-remote|run-remote-script|run-python|run-http"
_RUNNER = r"""^\s*(?:\{(?:.*,)?\s*)?["']?runner_type["']?\s*:\s*["']?(?:%s)["']?\s*(?:[,}].*|\#.*)?$"""
# What a single line gives away: endings of files, and the line.
LINES = (
    ("jinja-user-system", DATA + CODE, re.compile(r"\{\{[^}]*?(?<![\w.])(?:user|system)\.")),
    ("runner-paths", CODE, re.compile(r"\bst2actions\.runners\.pythonrunner\b")),
    ("runner-names", DATA, re.compile(_RUNNER % _OLD_RUNNERS)),
    ("removed-runners", DATA, re.compile(_RUNNER % "cloudslang|windows-cmd|windows-script")),
    ("mistral-actions", DATA, re.compile(_RUNNER % "mistral-v2")),
    ("trigger-file-writen", DATA, re.compile(r"\bcore\.st2\.action\.file_writen\b")),
    ("yaql-format", DATA, re.compile(r"<%.*?\bformat\(.*?%>")),
    ("scp-dest-server", DATA + CODE, re.compile(r"\bdest_server\b")),
)
_KEY = re.compile(r"""^(\s*)((?:-\s+)*)("[^"]*"|'[^']*'|[^\s#&*!|>'"%@`\[\]{},?:-][^:#]*?|-[^\s:#][^:#]*?)\s*:(?:\s+(.*))?$""")
_BLOCK = re.compile(r"(?:^|\s)[|>][+-]?\d*[+-]?\s*(?:#.*)?$")
_SEMVER = re.compile(r"^\d+\.\d+\.\d+(?:-[\w.-]+)?(?:\+[\w.-]+)?$")
_EMAIL = re.compile(r"^[^@\s]+@[^@\s]+\.[^@\s]+$")


def read(path):
    """The text of a file; "" for one that is gone by now or that root may not read, as on a share."""
    try:
        with io.open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except (IOError, OSError):
        return u""


def texts(packs):
    """(path, lines) of every file of a pack that somebody wrote."""
    for pack in sorted(os.listdir(packs)) if os.path.isdir(packs) else ():
        if pack in SHIPPED or not os.path.isdir(os.path.join(packs, pack)):
            continue
        for folder, folders, names in os.walk(os.path.join(packs, pack)):
            folders[:] = sorted(name for name in folders if name not in (".git", "node_modules", "virtualenv"))
            for name in sorted(names):
                path = os.path.join(folder, name)
                if name.endswith(DATA + CODE) and os.path.isfile(path) and os.path.getsize(path) <= BIGGEST:
                    yield path, read(path).splitlines()


def keys(lines):
    """(line number, indentation, whether a list's item begins there, key, value) of a YAML file's mappings."""
    skip = -1
    for number, line in enumerate(lines, 1):
        indent = len(line) - len(line.lstrip())
        if skip >= 0 and (not line.strip() or indent > skip):
            continue
        skip = -1
        found = _KEY.match(line)
        if not found:
            if _BLOCK.search(line) and line.strip().startswith("-"):
                skip = indent
            continue
        blanks, dashes, key, value = found.groups()
        column = len(blanks) + len(dashes)
        yield number, column, bool(dashes), key.strip("\"'"), (value or "").strip()
        if _BLOCK.search(value or ""):
            skip = column


def duplicates(lines):
    """The lines of a YAML file at which a key of a mapping comes a second time."""
    open_ = []  # (indentation, keys) of the mappings around
    for number, column, item, key, _ in keys(lines):
        while open_ and open_[-1][0] > column:
            open_.pop()
        if item and open_ and open_[-1][0] == column:
            open_.pop()
        if not open_ or open_[-1][0] < column:
            open_.append((column, set()))
        if key in open_[-1][1]:
            yield number
        open_[-1][1].add(key)


def schemas(lines):
    """The lines of output_schema that hold properties alone."""
    found = list(keys(lines))
    for at, (number, column, _, key, value) in enumerate(found):
        if key != "output_schema" or value:
            continue
        inside = []
        for _, deeper, _, name, _ in found[at + 1 :]:
            if deeper <= column:
                break
            inside.append((deeper, name))
        first = min(inside)[0] if inside else 0
        names = set(name for deeper, name in inside if deeper == first)
        if names and not names & set(("type", "properties", "$schema", "$ref", "allOf", "anyOf", "oneOf")):
            yield number


def continues(lines):
    """The lines of an Orquesta workflow at which a task is called continue."""
    found = list(keys(lines))
    tasks = [at for at, each in enumerate(found) if each[1] == 0 and each[3] == "tasks"]
    orquesta = any(each[1] == 0 and each[3] == "version" and each[4].strip("'\"") == "1.0" for each in found)
    for at in tasks if orquesta else ():
        inside = []
        for each in found[at + 1 :]:
            if each[1] == 0:
                break
            inside.append(each)
        first = min(each[1] for each in inside) if inside else 0
        for each in inside:
            if each[1] == first and each[3] == "continue":
                yield each[0]


def pack_metadata(lines):
    """The lines of a pack.yaml that 2.1 does not take; without a ref the name is one."""
    found = list(keys(lines))
    refs = ("ref",) if any(key == "ref" and not column for _, column, _, key, _ in found) else ("name",)
    for number, column, _, key, value in found:
        value = value.split(" #")[0].strip().strip("\"'")
        if column or not value:
            continue
        wrong = (
            (key == "version" and not _SEMVER.match(value))
            or (key == "email" and not _EMAIL.match(value))
            or (key in refs and not re.match(r"^\w+$", value))
        )
        if wrong:
            yield number


def in_packs(packs):
    """(key, place) of everything in the packs."""
    for path, lines in texts(packs):
        yaml = path.endswith((".yaml", ".yml"))
        text = "\n".join(lines)
        for key, endings, pattern in LINES:
            if path.endswith(endings) and (key != "scp-dest-server" or "linux.scp" in text):
                for number, line in enumerate(lines, 1):
                    if pattern.search(line):
                        yield key, "%s:%d" % (path, number)
        looks = (("yaml-duplicates", duplicates), ("output-schema", schemas), ("task-continue", continues)) if yaml else ()
        if os.path.basename(path) == "pack.yaml":
            looks += (("pack-metadata", pack_metadata),)
        for key, look in looks:
            for number in look(lines):
                yield key, "%s:%d" % (path, number)
    if os.path.isdir(os.path.join(packs, "_global")):
        yield "pack-global", os.path.join(packs, "_global")


def lenient():
    """A parser that takes an option or a section that stands twice, as oslo.config does, for the last one."""
    try:
        return RawConfigParser(strict=False)
    except TypeError:  # Python 2.7 is never strict
        return RawConfigParser()


def in_conf(path):
    """(key, place) of everything in st2.conf."""
    if not os.path.isfile(path):
        return
    parser = lenient()
    try:
        getattr(parser, "read_file", getattr(parser, "readfp", None))(io.StringIO(read(path)))
    except Error:
        yield "conf-unreadable", path
        return

    def value(section, option):
        return parser.get(section, option).strip() if parser.has_option(section, option) else ""

    if value("rbac", "enable").lower() in ("true", "1", "yes", "on"):
        yield "rbac", "%s [rbac] enable" % path
    if not value("coordination", "url"):
        yield "coordination-unset", "%s [coordination] url" % path
    if not value("scheduler", "logging"):
        yield "scheduler-unset", "%s [scheduler] logging" % path
    if "ldap" in value("auth", "backend"):
        yield "ldap-backend", "%s [auth] backend" % path
    for option in ("ssl_keyfile", "ssl_certfile"):
        if value("database", option):
            yield "mongodb-ssl-files", "%s [database] %s" % (path, option)
    for section in ("api", "auth", "stream"):
        logging = value(section, "logging")
        if logging and "gunicorn" not in logging:
            yield "logging-before-gunicorn", "%s [%s] logging" % (path, section)
    for section in parser.sections():
        for option, text in parser.items(section):
            if re.search(r"%\(\w+\)s|%%", text):
                yield "conf-percent", "%s [%s] %s" % (path, section, option)


def say(text):
    """A line on stdout, whatever the locale, and whatever bytes somebody named a file by."""
    line = text if isinstance(text, bytes) else text.encode("utf-8", "backslashreplace")
    getattr(sys.stdout, "buffer", sys.stdout).write(line + b"\n")


def main(asked, packs=PACKS, conf=CONF):
    """Say what was found; the exit code."""
    found = {}
    for key, place in list(in_packs(packs)) + list(in_conf(conf)):
        found.setdefault(key, []).append(place)
    if asked == "look":
        for key in sorted(found):
            say("%s %d %s" % (key, len(found[key]), found[key][0]))
        return 0
    for place in found.get(asked, []):
        say(place)
    return 1 if asked in found else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
