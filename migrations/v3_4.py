"""StackStorm 3.4: Python 3 alone, so the virtualenvs of packs are made anew on xenial and el7."""

from rollout.model import Migration, Scope, Severity, looked_at

MIGRATION = Migration(
    release="3.4.0",
    title="Python 3.6 on xenial and el7",
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
    ),
)
