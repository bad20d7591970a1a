"""StackStorm 2.1: scopes move under st2kv, and runners are registered like other content."""

from rollout.model import Migration, Phase, Scope, Settle, Step, looked_at

# 3.1.0 took the scripts out of the package (st2common/setup.py@v3.1.0).
_SHIPPED_IN = ("2.1.0..3.0.1",)

_PAGE = "StackStorm upgrade page 2.2.1, section v2.1"
_REGISTER = ("/opt/stackstorm/st2/bin/st2-register-content", "--config-file", "/etc/st2/st2.conf")

MIGRATION = Migration(
    release="2.1.0",
    title="scopes become st2kv.system and st2kv.user; runners are content",
    steps=(
        Step(
            id="2.1.datastore-scopes",
            title="rename the scopes system and user to st2kv.system and st2kv.user",
            phase=Phase.MIGRATIONS,
            scope=Scope.DEPLOYMENT,
            needs="st2",
            argv=(
                "/opt/stackstorm/st2/bin/st2-migrate-datastore-scopes.py",
                "--config-file",
                "/etc/st2/st2.conf",
            ),
            postcondition=("stormlift-host", "keys", "renamed"),
            timeout=1800,
            releases=_SHIPPED_IN,
            why="2.1 looks for keys under st2kv.system and st2kv.user only when it lists them by scope; it must run "
            "before any new service starts, or a key of the same name blocks it for good",
            source=f"{_PAGE}; st2common/bin/migrations/v2.1/st2-migrate-datastore-scopes.py@v2.1.0",
        ),
        Step(
            id="2.1.runners",
            title="register the runners",
            phase=Phase.MIGRATIONS,
            scope=Scope.DEPLOYMENT,
            needs="st2",
            # st2-migrate-runners.sh trusts `st2ctl reload`, which hides every failure before 2.2.1; this is what it calls.
            argv=(*_REGISTER, "--register-runners", "--register-fail-on-failure"),
            timeout=1800,
            releases=_SHIPPED_IN,
            until="2.10.0",  # from there on services register the runners when they start
            why="from 2.1 an action whose runner is not registered cannot run",
            source=f"{_PAGE}; st2common/bin/migrations/v2.1/st2-migrate-runners.sh@v2.1.0, st2 commit bb3096248",
        ),
        Step(
            id="2.1.restart",
            title="restart the services",
            phase=Phase.POST_START,
            needs="st2",
            argv=("systemctl", "restart", "{units}"),
            settle=Settle(("stormlift-host", "serving", "{units}"), every=1.0, tries=120, issues=2),
            timeout=600,
            why="pack management of 2.1 works only after a restart and a reload",
            source=_PAGE,
        ),
        Step(
            id="2.1.reload",
            title="register all content again",
            phase=Phase.POST_START,
            scope=Scope.DEPLOYMENT,
            needs="st2",
            # `st2ctl reload` without arguments leaves policies out, and hides failure before 2.2.1.
            argv=(*_REGISTER, "--register-all", "--register-fail-on-failure"),
            timeout=1800,
            why="some pack management actions and workflows changed in 2.1",
            source=f"{_PAGE}; st2common/bin/st2ctl@v2.2.0 and @v2.2.1",
        ),
        looked_at(
            "2.1.pack-metadata-strict",
            "pack metadata is read strictly",
            "pack-metadata",
            remedy="mend version (semver), email, ref and parameter names in these files; packs that came from a directory of "
            "st2contrib are installed again from a repository of their own",
            why="2.1 wants a semantic version, a valid email, and word characters in names, and does not register the rest",
            source="st2docs upgrade_notes.rst, v2.1",
        ),
    ),
)
