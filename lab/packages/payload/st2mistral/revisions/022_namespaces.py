"""Workflow definitions have a namespace: the 022 of st2mistral 2.4."""

import sqlalchemy as sa
from alembic import op

revision = "022"
down_revision = "021"


def upgrade() -> None:
    """Old definitions are in the namespace without a name."""
    op.add_column("workflow_definitions_v2", sa.Column("namespace", sa.String(255), nullable=True))
    op.execute("UPDATE workflow_definitions_v2 SET namespace = ''")
