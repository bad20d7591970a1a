"""Tasks are found by workflow execution and name: the 024 of st2mistral 2.5."""

from alembic import op

revision = "024"
down_revision = "023"


def upgrade() -> None:
    """One index more."""
    op.create_index(
        "task_executions_v2_workflow_execution_id_name", "task_executions_v2", ["workflow_execution_id", "name"]
    )
