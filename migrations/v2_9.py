"""StackStorm 2.9: timers get a service of their own, of which one is active in a deployment."""

from rollout.model import Migration, Phase, Step, asked

_SETTING = ("timersengine", "logging", "/etc/st2/logging.timersengine.conf")

MIGRATION = Migration(
    release="2.9.0",
    title="st2timersengine; parameters of triggers are validated",
    steps=(
        Step(
            id="2.9.conf-timersengine",
            title="st2.conf says where st2timersengine's logging is set",
            phase=Phase.CONFIG,
            needs="st2",
            argv=("stormlift-host", "setting", "default", *_SETTING),
            postcondition=("stormlift-host", "setting", "absolute", *_SETTING[:2]),
            until="2.10.0",
            why="its default is a relative path before 2.10, and an st2.conf that was edited is kept without the new section",
            source="st2common/st2common/config.py@v2.9.0; st2docs upgrades.rst, v2.9",
        ),
        asked(
            "2.9.trigger-validation",
            "rules with parameters that their trigger does not know",
            remedy="look for rules that fail to register after the upgrade, and mend their trigger parameters",
            why="validate_trigger_parameters and validate_trigger_payload are on from 2.9",
            source="st2docs upgrade_notes.rst, v2.9",
        ),
    ),
)
