"""Migration files as Mistral's releases carry them, written anew for tests: revision, table made, table dropped."""

from pathlib import Path

FOLDER = "lib/python2.7/site-packages/mistral/db/sqlalchemy/migration/alembic_migrations/versions"
# What each revision makes; the others only change columns. 001 makes the tables of the first API, 002 drops them.
MADE = {
    "001": ("workbooks_v2", "action_definitions_v2", "workflow_definitions_v2", "executions_v2", "environments_v2",
            "delayed_calls_v2", "cron_triggers_v2", "workbooks", "tasks"),
    "010": ("resource_members_v2",),
    "012": ("event_triggers_v2",),
    "013": ("action_executions_v2", "workflow_executions_v2", "task_executions_v2"),
    "017": ("named_locks",),
}  # fmt: skip
DROPPED = {"002": ("workbooks", "tasks")}
NEW = ("event_triggers_v2", "action_executions_v2", "workflow_executions_v2", "task_executions_v2", "named_locks")

_FILE = '''"""A revision.

Revision ID: {revision}
"""

# revision identifiers, used by Alembic.
revision = '{revision}'
down_revision = {before}

from alembic import op
import sqlalchemy as sa


def upgrade():
    op.add_column('any_table', sa.Column('name', sa.String(), nullable=True))
{body}

def downgrade():
    op.create_table('never_counted')
    op.drop_table('executions_v2')
'''


def write(home: Path, head: str) -> None:
    """Write the chain up to HEAD under HOME, as an installed mistral has it."""
    folder = home / FOLDER
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    for number in range(1, int(head) + 1):
        name = f"{number:03}"
        lines = [f"    op.create_table(\n        '{t}', sa.Column('id', sa.String(36)))" for t in MADE.get(name, ())]
        lines += [f"    op.drop_table('{table}')" for table in DROPPED.get(name, ())]
        before = f"'{number - 1:03}'" if number > 1 else "None"
        text = _FILE.format(revision=name, before=before, body="\n".join(lines))
        (folder / f"{name}_something.py").write_text(text)
