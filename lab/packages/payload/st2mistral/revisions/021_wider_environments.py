"""Environments may be as long as their database allows: the 021 of 2.4, where PostgreSQL has nothing to do."""

revision = "021"
down_revision = "020"


def upgrade() -> None:
    """PostgreSQL's text has no limit."""
