"""StackStorm 1.5: keys of the datastore get a scope and a secret flag."""

from rollout.model import Migration, Phase, Scope, Step

MIGRATION = Migration(
    release="1.5.0",
    title="keys get a scope and a secret flag",
    steps=(
        Step(
            id="1.5.datastore-scope-secret",
            title="give every key a scope and a secret flag",
            phase=Phase.MIGRATIONS,
            scope=Scope.DEPLOYMENT,
            needs="st2",
            # Before 2.8 the script reads no configuration unless told: it would talk to the wrong database.
            argv=(
                "/opt/stackstorm/st2/bin/st2-migrate-datastore-to-include-scope-secret.py",
                "--config-file",
                "/etc/st2/st2.conf",
            ),
            postcondition=("stormlift-host", "keys", "scoped"),
            timeout=1800,
            # The copy in 1.6.0 to 2.0.1 fails on the first key (FieldDoesNotExist, mended in 2.1.0 by st2 PR 2800);
            # 3.1.0 took the script out of the package (st2common/setup.py@v3.1.0).
            releases=("1.5.0..1.5.1", "2.1.0..3.0.1"),
            why="1.5 stores a scope and a secret flag with every key; older keys have neither",
            source="StackStorm upgrade page 2.2.1, section v1.5; st2common/bin/migrations/v1.5@v2.2.1",
        ),
    ),
)
