"""StackStorm 3.5: redis coordinates, YAML is read strictly, fields of the database are stored another way."""

from rollout.model import Kind, Migration, Phase, Scope, Severity, Step, asked, looked_at

_PAGE = "st2docs upgrades.rst, v3.5"
_NOTES = "st2docs upgrade_notes.rst, v3.5"

MIGRATION = Migration(
    release="3.5.0",
    title="Node.js 14; redis; stricter YAML; another form of stored objects",
    steps=(
        looked_at(
            "3.5.nodejs-14",
            "Node.js 14 can be installed",
            "nodejs",
            severity=Severity.INHIBITOR,
            scope=Scope.HOST,
            needs="st2chatops",
            until="3.9.0",
            remedy="deb: set up nodesource's setup_14.x; rpm: point its repository to pub_14.x, yum clean all, "
            "rpm -e --nodeps nodejs",
            why="st2chatops of 3.5 to 3.8 depends on Node.js 10 to 14 and is held back without it",
            source=_PAGE,
        ),
        asked(
            "3.5.nginx-tls",
            "nginx's ssl_protocols",
            remedy="set ssl_protocols TLSv1.2 TLSv1.3 in /etc/nginx/conf.d/st2.conf and restart nginx",
            why="the package never edits that file",
            scope=Scope.HOST,
            needs="st2web",
            source=_PAGE,
        ),
        looked_at(
            "3.5.coordination-redis",
            "st2.conf names a coordination backend",
            "coordination-unset",
            remedy="set [coordination] url, redis://127.0.0.1:6379 for a single box, one server for all hosts of a deployment",
            why="without it joins and with-items of workflows race",
            source=f"{_PAGE}; st2docs PR 1075; st2 issue 5226",
        ),
        looked_at(
            "3.5.duplicate-yaml-keys",
            "no file of a pack names a key twice",
            "yaml-duplicates",
            remedy="mend these files; from 3.5 on st2-validate-pack -p DIR says where",
            why="3.5 does not register a file in which a key stands twice",
            source=_NOTES,
        ),
        looked_at(
            "3.5.percent-in-conf",
            "st2.conf uses no interpolation",
            "conf-percent",
            severity=Severity.WARNING,
            scope=Scope.HOST,
            remedy="write out what %(name)s stands for, and a single % for %%",
            why="3.5 reads st2.conf without interpolation",
            source=_NOTES,
        ),
        Step(
            id="3.5.dict-field-values",
            title="store the executions of the last 30 days the new way",
            phase=Phase.POST_START,
            kind=Kind.ASK,
            scope=Scope.DEPLOYMENT,
            needs="st2",
            argv=("/opt/stackstorm/st2/bin/st2-migrate-db-dict-field-values", "--yes"),
            timeout=14400,
            remedy="dump MongoDB, then when st2 runs: st2-migrate-db-dict-field-values --yes, on one host; before 3.9.0 it "
            "ends with UnboundLocalError at an execution whose live action is gone",
            why="optional: older executions are read more slowly until then; 3.4 cannot read what it wrote",
            source="st2common/bin/migrations/v3.5@v3.5.0 and @v3.9.0; st2docs upgrades.rst, v3.5",
        ),
    ),
)
