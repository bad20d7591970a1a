"""StackStorm 3.1: nothing to run; what it ships as a migration is done by the scheduler when it starts."""

from rollout.model import Migration, asked

MIGRATION = Migration(
    release="3.1.0",
    title="executions in policy-delayed are cleaned up by the scheduler itself",
    steps=(
        asked(
            "3.1.policy-delayed-cleanup",
            "executions that stand in policy-delayed",
            remedy="nothing to do: the scheduler of 3.0.1 to 3.9 cleans them up when it starts",
            why="st2-cleanup-policy-delayed.py is in the repository and was never in a package",
            source="st2common/bin/migrations/v3.1@v3.1.0; st2common/setup.py@v3.1.0",
        ),
    ),
)
