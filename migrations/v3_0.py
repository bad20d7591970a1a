"""StackStorm 3.0: RBAC names its backend; cloudslang and the old windows runners are gone."""

from rollout.model import Migration, Phase, Scope, Severity, Step, looked_at

_NOTES = "st2docs upgrade_notes.rst, v3.0"

MIGRATION = Migration(
    release="3.0.0",
    title="RBAC names its backend; gunicorn's logging; two runners are gone",
    steps=(
        Step(
            id="3.0.rbac-backend",
            title="st2.conf names the RBAC backend enterprise",
            phase=Phase.CONFIG,
            needs="st2",
            argv=("stormlift-host", "setting", "set", "rbac", "backend", "enterprise"),
            postcondition=("stormlift-host", "setting", "is", "rbac", "backend", "enterprise"),
            until="3.3.0",
            evidence="rbac",
            why="with [rbac] enable and no backend st2api ends with a ValueError when it starts",
            source="st2docs PR 871 and 877",
        ),
        looked_at(
            "3.0.gunicorn-logging",
            "logging of api, auth and stream",
            "logging-before-gunicorn",
            severity=Severity.NOTE,
            scope=Scope.HOST,
            remedy="nothing to do: the files that it names are still there; the new ones are logging.*.gunicorn.conf",
            why="the packaged st2.conf names logging.*.gunicorn.conf from 3.0 on, an edited one is kept with the old names",
            source=f"{_NOTES}; conf/st2.package.conf@v3.0.0",
        ),
        looked_at(
            "3.0.removed-runners",
            "no action uses cloudslang or the old windows runners",
            "removed-runners",
            severity=Severity.INHIBITOR,
            remedy="convert these actions (winrm for windows) or remove them",
            why="the runners cloudslang, windows-cmd and windows-script are gone",
            source=_NOTES,
        ),
    ),
)
