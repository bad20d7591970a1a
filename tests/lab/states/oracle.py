"""What a state must be, said a second time and by other means: from a list of who makes what, written by hand.

Source: alembic versions 001 to 020 of mistral 4.0.0, whose db folder is that of StackStorm's tags st2-2.2.0 and st2-2.2.1.
"""

MADE_BY = {
    "resource_members_v2": "010",
    "event_triggers_v2": "012",
    "workflow_executions_v2": "013",
    "task_executions_v2": "013",
    "action_executions_v2": "013",
    "named_locks": "017",
}
RELEASES = ("009", "010", "011")
HEAD = "020"


def expected(revision: str, tables: tuple[str, ...]) -> tuple[str, list[str]]:
    """(state, tables to drop) of a database at REVISION in which exactly TABLES of the later ones stand."""
    due = {name for name, by in MADE_BY.items() if by <= revision}
    early = sorted(set(tables) - due)
    if not due <= set(tables):
        return "damaged", early
    if early:
        return "broken", early
    if revision == HEAD:
        return "upgraded", []
    return ("old" if revision in RELEASES else "between"), []
