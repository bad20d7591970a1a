"""StackStorm 3.2: Orquesta 1.1 cannot go on with what an older one paused."""

from rollout.model import Migration, Phase, Severity, Step, looked_at

_NOTES = "st2docs upgrade_notes.rst, v3.2"

MIGRATION = Migration(
    release="3.2.0",
    title="workflows must be through; `continue` is a word of Orquesta; pyasn1 for LDAP",
    steps=(
        looked_at(
            "3.2.drain-workflows",
            "no workflow is unfinished",
            "workflows-unfinished",
            severity=Severity.INHIBITOR,
            needs="st2",
            remedy="let them finish or cancel them: st2 execution list -s running (or paused, pausing, requested, "
            "scheduled, delayed, pending)",
            why="Orquesta 1.1 cannot go on with the with-items state that an older one wrote",
            source="st2docs PR 970",
        ),
        looked_at(
            "3.2.task-name-continue",
            "no task of a workflow is called continue",
            "task-continue",
            severity=Severity.WARNING,
            remedy="give these tasks another name",
            why="`continue` is a command of Orquesta from 3.2 on",
            source=_NOTES,
        ),
        Step(
            id="3.2.ldap-pyasn1",
            title="install pyasn1 for the LDAP backend",
            phase=Phase.MIGRATIONS,
            needs="st2",
            units=("st2auth",),
            evidence="ldap-backend",
            argv=("/opt/stackstorm/st2/bin/pip", "install", "pyasn1"),
            timeout=900,
            until="3.4.0",
            why="the community's LDAP backend needs it, and 3.2 no longer brings it",
            source=_NOTES,
        ),
    ),
)
