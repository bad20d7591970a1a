"""StackStorm 2.4: chatops needs Node.js 6; st2kv() no longer decrypts by itself."""

from rollout.model import Migration, Phase, Scope, Severity, Step, asked, looked_at

MIGRATION = Migration(
    release="2.4.0",
    title="Node.js 6 for chatops; st2kv() decrypts only when told to",
    steps=(
        looked_at(
            "2.4.nodejs-6",
            "Node.js 6 can be installed",
            "nodejs",
            severity=Severity.INHIBITOR,
            scope=Scope.HOST,
            needs="st2chatops",
            until="2.10.0",
            remedy="deb: set up nodesource's setup_6.x; rpm: the same, then rpm -e --nodeps npm",
            why="st2chatops of 2.4 to 2.9 depends on Node.js 6 and is held back without it",
            source="st2docs upgrades.rst, v2.4; st2chatops debian/control@v2.4",
        ),
        Step(
            id="2.4.enterprise-ldap",
            title="put the LDAP backend of the enterprise package back",
            phase=Phase.MIGRATIONS,
            needs="bwc-enterprise",
            distros=("el6", "el7"),
            argv=(
                "/opt/stackstorm/st2/bin/pip",
                "install",
                "--find-links",
                "/opt/stackstorm/share/wheels",
                "--no-index",
                "--quiet",
                "--upgrade",
                "st2-enterprise-auth-backend-ldap",
            ),
            timeout=900,
            until="3.3.0",
            why="the rpm of st2 replaces its virtualenv, and the backend with it",
            source="st2docs upgrades.rst, v2.4",
        ),
        asked(
            "2.4.st2kv-decrypt",
            "workflows that read encrypted keys through st2kv()",
            remedy="pass decrypt=true to st2kv() where the plain value is wanted",
            why="st2kv() gives the encrypted value from 2.4 on",
            source="st2docs upgrade_notes.rst, v2.4",
        ),
    ),
)
