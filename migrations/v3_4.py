"""StackStorm 3.4: Python 3 alone, so the virtualenvs of packs are made anew on xenial and el7; RBAC comes with st2."""

from rollout.model import Migration, Phase, Scope, Severity, Step, looked_at

MIGRATION = Migration(
    release="3.4.0",
    title="Python 3.6 on xenial and el7; RBAC comes with st2",
    steps=(
        looked_at(
            "3.4.python36-preflight",
            "Python 3.6 can be installed",
            "python36",
            severity=Severity.INHIBITOR,
            scope=Scope.HOST,
            distros=("xenial", "el7"),
            needs="st2",
            remedy="xenial: add the PPA deadsnakes; el7: enable the optional repository that has python3-devel",
            why="st2 of 3.4 depends on it, and neither system has it by itself",
            source="st2docs upgrades.rst, v3.4",
        ),
        Step(
            id="3.4.rbac-backend",
            title="st2.conf names the RBAC backend default",
            phase=Phase.CONFIG,
            needs="st2",
            argv=("stormlift-host", "setting", "set", "rbac", "backend", "default"),
            postcondition=("stormlift-host", "setting", "is", "rbac", "backend", "default"),
            evidence="rbac",
            why="the backend is called default from 3.3 on, and there is none before 3.4 brings it with st2",
            source="st2 CHANGELOG, 3.3.0 and 3.4.0 (PR 5086)",
        ),
    ),
)
