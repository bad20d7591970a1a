"""StackStorm 2.7: the old place of the python runner's Action is gone."""

from rollout.model import Migration, looked_at

MIGRATION = Migration(
    release="2.7.0",
    title="python actions import Action from st2common",
    steps=(
        looked_at(
            "2.7.runner-paths",
            "python actions import Action from st2common.runners.base_action",
            "runner-paths",
            remedy="import it from st2common.runners.base_action in these files",
            why="st2actions.runners.pythonrunner was deprecated in 1.6 and announced to go in 2.7",
            source="st2docs upgrade_notes.rst, v2.7",
        ),
    ),
)
