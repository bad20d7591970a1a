"""A workflow execution knows the one that all began with: the 023 of st2mistral 2.5."""

import sqlalchemy as sa
from alembic import op

revision = "023"
down_revision = "022"


def upgrade() -> None:
    """Executions that are there have none."""
    op.add_column("workflow_executions_v2", sa.Column("root_execution_id", sa.String(80), nullable=True))
