"""StackStorm 2.10: st2scheduler joins; the signing key of the repositories, Node.js 10, the names of runners."""

from rollout.model import Migration, Scope, Severity, looked_at

_NOTES = "st2docs upgrade_notes.rst, v2.10"

MIGRATION = Migration(
    release="2.10.0",
    title="st2scheduler; a new signing key; Node.js 10; old names of runners are gone",
    steps=(
        looked_at(
            "2.10.gpg-key-2018",
            "the repositories' key of December 2018 is there",
            "repository-key",
            severity=Severity.INHIBITOR,
            scope=Scope.HOST,
            remedy="run packagecloud's script.deb.sh or script.rpm.sh for StackStorm/stable again (with a licence: for "
            "enterprise, too); the key is 2664b321ca26c6befe81aa46723cb7a7f6c28448",
            why="packagecloud changed its key in December 2018: lists signed with it are refused by an older set-up",
            source="st2docs upgrades.rst; st2docs PR 825 and 832",
        ),
        looked_at(
            "2.10.nodejs-10",
            "Node.js 10 can be installed",
            "nodejs",
            severity=Severity.INHIBITOR,
            scope=Scope.HOST,
            needs="st2chatops",
            until="3.5.0",
            remedy="deb: set up nodesource's setup_10.x; rpm: point its repository to pub_10.x, then rpm -e --nodeps npm",
            why="st2chatops of 2.10 to 3.4 depends on Node.js 8 to 10 and is held back without it",
            source="st2docs upgrades.rst, v2.10",
        ),
        looked_at(
            "2.10.conf-scheduler",
            "st2scheduler runs on at least one host",
            "scheduler-unset",
            severity=Severity.NOTE,
            remedy="nothing to do: the default of [scheduler] logging is an absolute path; keep one st2scheduler enabled",
            why="without a scheduler nothing is executed from 2.10 on",
            source=_NOTES,
        ),
        looked_at(
            "2.10.old-runner-names",
            "actions name their runner as 2.10 does",
            "runner-names",
            severity=Severity.INHIBITOR,
            remedy="in these files write local-shell-cmd for run-local, local-shell-script for run-local-script, "
            "remote-shell-cmd for run-remote, remote-shell-script for run-remote-script, python-script for run-python, "
            "http-request for run-http",
            why="the old names are gone: an action that uses one is no longer registered",
            source=_NOTES,
        ),
        looked_at(
            "2.10.custom-runners",
            "nothing of one's own lies in /opt/stackstorm/runners",
            "custom-runners",
            remedy="make these runners python packages and install them into /opt/stackstorm/st2 after the upgrade",
            why="2.10 does not look into /opt/stackstorm/runners any more",
            scope=Scope.HOST,
            source=_NOTES,
        ),
    ),
)
