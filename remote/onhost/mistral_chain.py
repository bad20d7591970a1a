"""What the installed migrations of Mistral make, and in which state that leaves a database. Python 2.7 and 3; asks nobody.

The tables that a repair drops are computed from here, never from a list: tables of the head, less tables of the
recorded revision, as far as they stand.
"""

import ast
import glob
import os

VERSIONS = "lib/python*/site-packages/mistral/db/sqlalchemy/migration/alembic_migrations/versions/*.py"
# The heads that StackStorm's packages carried: db/sqlalchemy/migration of its fork, tags st2-0.13 to st2-3.2.
SHIPPED = ("006", "007", "009", "010", "011", "020", "022", "024")


def text_of(node):
    return getattr(node, "s", None) or getattr(node, "value", None)


def migration(source):
    """(revision, the one before, tables made, tables dropped) of one migration file."""
    names, made, gone = {}, [], []
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            names[node.targets[0].id] = text_of(node.value)
        for what, words in operations(node):
            if what == "create_table":
                made.append(text_of(words[0]))
            elif what == "drop_table":
                gone.append(text_of(words[0]))
    return names.get("revision"), names.get("down_revision"), made, gone


def operations(node):
    """(name, arguments) of what `upgrade` calls, when NODE is it."""
    if isinstance(node, ast.FunctionDef) and node.name == "upgrade":
        for call in ast.walk(node):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.args:
                yield call.func.attr, call.args


def columns_at(home, links, revision):
    """The columns, as (table, column), that the migrations up to REVISION have added to tables that stand then."""
    known = [each for each, _, _ in links]
    done = known[: known.index(revision) + 1] if revision in known else []
    changes = dict((each, []) for each in done)
    for path in glob.glob(os.path.join(home, VERSIONS)) if done else ():
        with open(path, "rb") as opened:
            source = opened.read()
        changes.setdefault(migration(source)[0], []).extend(
            (what, text_of(words[0]), text_of((words[1].args or [None])[0] if what == "add_column" else words[1]))
            for node in ast.parse(source).body
            for what, words in operations(node)
            if what in ("add_column", "drop_column") and len(words) > 1
        )
    have = set()
    for what, table, column in (change for each in done for change in changes[each]):
        (have.add if what == "add_column" else have.discard)((table, column))
    standing = tables_at(links, revision)
    return set((table, column) for table, column in have if table in standing and column)


def chain(home):
    """[(revision, made, dropped)] in order, of the mistral that is installed under HOME; [] when the files are not whole.

    A power cut in the middle of an unpacking leaves files that are empty or cut off: what is left of the chain would end at
    the revision before, and a sound database would seem to be newer than the package.
    """
    after = {}
    for path in glob.glob(os.path.join(home, VERSIONS)):
        with open(path, "rb") as opened:
            try:
                revision, before, made, gone = migration(opened.read())
            except (SyntaxError, TypeError, ValueError):  # bytes of zero are the second in Python 2.7, the third in 3
                return []
        if revision:
            after[before] = (revision, made, gone)
        elif os.path.basename(path) != "__init__.py":
            return []
    links, at = [], None
    while at in after:
        links.append(after.pop(at))
        at = links[-1][0]
    return [] if after else links


def tables_at(links, revision):
    """The tables that stand after REVISION."""
    have = set()
    for each, made, gone in links:
        if revision is None:
            break
        have = (have - set(gone)) | set(made)
        if each == revision:
            break
    return have


def classify(links, revision, tables, made_anew=(), lacking=()):
    """The state of a database that has TABLES and records REVISION, seen from the migrations LINKS.

    MADE_ANEW are the tables that a service has made, which at the head means that somebody dropped them; LACKING are
    columns, as table.column, that REVISION should have added: then somebody recorded it without running it (`stamp`).
    """
    known = [each for each, _, _ in links]
    ever = set(name for _, made, _ in links for name in made)
    mine = set(tables) & ever
    head = known[-1] if known else ""
    look = {"revision": revision or "", "head": head, "pending": [], "creates": {}, "drop": [], "missing": []}
    if not known:
        return dict(look, state="half-installed", error="its migrations are missing or cut off")
    if revision is None:
        return dict(look, state="unmanaged" if mine else "empty", pending=known)
    if revision not in known:
        return dict(look, state="unknown-revision")
    pending = known[known.index(revision) + 1 :]
    look["pending"] = pending
    look["creates"] = dict((each, made) for each, made, _ in links if each in pending and made)
    look["drop"] = sorted(mine & (tables_at(links, head) - tables_at(links, revision)))
    look["missing"] = sorted(tables_at(links, revision) - mine) + sorted(lacking)
    if look["missing"]:
        return dict(look, state="damaged")
    if look["drop"]:
        return dict(look, state="broken")
    if pending:
        return dict(look, state="old" if revision in SHIPPED else "between")
    return dict(look, state="recreated", made_anew=list(made_anew)) if made_anew else dict(look, state="upgraded")


SENTENCES = {
    "empty": "Mistral's database is empty and was never set up",
    "old": "Mistral's database is at revision {revision}, the installed release wants {head}",
    "between": "Mistral's database is at revision {revision}, which no release of StackStorm shipped: somebody upgraded it "
    "that far by hand; the installed release wants {head}",
    "broken": "Mistral's database is broken: mistral started on the new code before the database was upgraded; revision "
    "{revision}, but {tables} of later revisions stand already, so `upgrade head` says that they exist",
    "upgraded": "Mistral's database is at its head revision {revision}",
    "recreated": "Mistral's database is at its head revision {revision}, but somebody dropped tables and a service made them "
    "anew, empty: {lost_tables}",
    "damaged": "Mistral's database is damaged: at revision {revision} there should be {missing_tables}",
    "unmanaged": "Mistral's database has tables but {records}",
    "unknown-revision": "Mistral's database is at revision {revision}, which the installed release does not know (its head "
    "is {head}): the database is newer than the package",
    "half-installed": "the package st2mistral is not whole: {error}",
    "unreachable": "Mistral's database cannot be looked at: {error}",
}


def sentence(look):
    several = look.get("recorded", [])
    none = "no recorded revision: a service made them, not mistral-db-manage"
    return SENTENCES[look["state"]].format(
        tables=", ".join(look.get("drop", [])),
        missing_tables=", ".join(look.get("missing", [])),
        lost_tables=", ".join(look.get("made_anew", [])),
        records="several recorded revisions (%s), and it can be at one only" % ", ".join(several) if several else none,
        **look
    )
