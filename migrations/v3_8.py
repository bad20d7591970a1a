"""StackStorm 3.8: output schemas are whole schemas; RBAC covers keys; exporter's collections are left over."""

from rollout.model import Migration, Severity, asked, looked_at

_NOTES = "st2docs upgrade_notes.rst, v3.8"

MIGRATION = Migration(
    release="3.8.0",
    title="output_schema is a whole JSON schema; RBAC for keys",
    steps=(
        looked_at(
            "3.8.output-schema",
            "output_schema is a whole JSON schema",
            "output-schema",
            remedy="in these files put the properties of output_schema under type: object and properties:",
            why="a map of properties alone is ignored from 3.8 on, and secrets in the output are then shown in clear",
            source=_NOTES,
        ),
        asked(
            "3.8.rbac-kv",
            "rights on keys for those who run workflows",
            remedy="give users that run workflows rights on key_value_pair",
            why="RBAC covers keys from 3.8 on",
            evidence="rbac",
            severity=Severity.WARNING,
            source=_NOTES,
        ),
        asked(
            "3.8.exporter-collections",
            "what st2exporter left in MongoDB",
            remedy="nothing to do: the collections marker_d_b and dumper_marker_d_b are harmless",
            why="st2-drop-st2exporter-marker-collections is in no package, and the copy of 3.8.0 always fails",
            source="st2common/bin/migrations/v3.8@v3.8.0; st2common/setup.py@v3.8.1",
        ),
    ),
)
