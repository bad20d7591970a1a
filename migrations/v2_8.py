"""StackStorm 2.8: st2workflowengine joins, and does not start without a section of its own in st2.conf."""

from rollout.model import Migration, Phase, Step

_SETTING = ("workflow_engine", "logging", "/etc/st2/logging.workflowengine.conf")

MIGRATION = Migration(
    release="2.8.0",
    title="st2workflowengine",
    steps=(
        Step(
            id="2.8.conf-workflow-engine",
            title="st2.conf says where st2workflowengine's logging is set",
            phase=Phase.CONFIG,
            needs="st2",
            argv=("stormlift-host", "setting", "default", *_SETTING),
            postcondition=("stormlift-host", "setting", "absolute", *_SETTING[:2]),
            until="2.10.0",
            why="its default is a relative path before 2.10, and an st2.conf that was edited is kept without the new section",
            source="st2common/st2common/config.py@v2.8.0; st2docs PR 760",
        ),
    ),
)
