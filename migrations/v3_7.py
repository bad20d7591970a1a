"""StackStorm 3.7: Python 3.8 on el8; a pack called _global is in the way; sensors need a right of their own."""

from rollout.model import Migration, Severity, asked, looked_at

_NOTES = "st2docs upgrade_notes.rst, v3.7"

MIGRATION = Migration(
    release="3.7.0",
    title="the name _global is taken; RBAC for sensors",
    steps=(
        looked_at(
            "3.7.pack-named-global",
            "no pack is called _global",
            "pack-global",
            severity=Severity.INHIBITOR,
            remedy="give the pack _global another name",
            why="3.7 keeps /opt/stackstorm/overrides/_global.yaml for itself",
            source=_NOTES,
        ),
        asked(
            "3.7.rbac-sensor-service",
            "the role of the user sensor_service",
            remedy="give the user sensor_service a role with rights on key_value_pair",
            why="with RBAC sensors can read no key otherwise",
            evidence="rbac",
            severity=Severity.WARNING,
            source=f"{_NOTES}; st2docs PR 1133",
        ),
    ),
)
