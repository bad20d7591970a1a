"""StackStorm 3.3: Mistral is gone, and MongoDB 4.0 is needed."""

from rollout.model import Migration, Phase, Severity, Step, looked_at

_NOTES = "st2docs upgrade_notes.rst, v3.3"

MIGRATION = Migration(
    release="3.3.0",
    title="Mistral is gone; MongoDB 4.0; core.st2.action.file_written",
    steps=(
        looked_at(
            "3.3.mistral-removed",
            "no action uses Mistral",
            "mistral-actions",
            severity=Severity.INHIBITOR,
            # Orquesta came with 2.8 (StackStorm/orquesta v0.1): a workflow can be moved over only from 2.8 to 3.2.
            since="2.8.0",
            remedy="convert these workflows to Orquesta (orquestaconvert) while st2 is at a release that has both, 2.8 to 3.2",
            why="the runner mistral-v2 and the package st2mistral end with 3.2",
            source=f"{_NOTES}; st2 issue 4762",
        ),
        looked_at(
            "3.3.mongodb-4.0",
            "MongoDB is 4.0",
            "mongodb",
            severity=Severity.INHIBITOR,
            # Up to 2.9 mongoengine speaks $pushAll, which MongoDB 3.6 took away (st2 issue 4097).
            since="2.10.0",
            remedy="raise it one release at a time, 3.4, 3.6, 4.0; at each start mongod, then "
            'db.adminCommand({setFeatureCompatibilityVersion: "..."}) with that release',
            why="3.3 and later do not run on an older one, 2.9 and earlier do not run on 3.6 or later",
            source="st2docs upgrades.rst, v3.3; st2 issue 4097",
        ),
        looked_at(
            "3.3.file-watch-trigger",
            "rules name core.st2.action.file_written",
            "trigger-file-writen",
            remedy="write file_written for file_writen in these rules",
            why="the trigger was renamed",
            source=_NOTES,
        ),
        looked_at(
            "3.3.rbac-absent",
            "RBAC is off",
            "rbac",
            severity=Severity.INHIBITOR,
            needs="st2",
            until="3.4.0",
            remedy="go to 3.4.0 or later with --to, or set [rbac] enable = False if everybody may do everything at 3.3.0",
            why="bwc-enterprise, which brought RBAC, ends with 3.2, and st2 brings its own from 3.4 on: st2api of 3.3.0 "
            "ends with a ValueError when it starts",
            source="st2 CHANGELOG, 3.3.0 and 3.4.0 (PR 5086)",
        ),
        Step(
            id="3.3.mistral-units",
            title="Mistral does not start any more",
            phase=Phase.CONFIG,
            needs="st2mistral",
            distros=("xenial", "el7"),
            argv=("systemctl", "disable", "mistral", "mistral-api", "mistral-server"),
            why="st2 3.3 has no use for it; package and database are left for the operator to remove",
            source=_NOTES,
        ),
    ),
)
