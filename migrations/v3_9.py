"""StackStorm 3.9: MongoDB's TLS settings have new names; Node.js 20; YAQL's format() is gone."""

from rollout.model import Migration, Scope, Severity, looked_at

_NOTES = "st2docs upgrade_notes.rst, v3.9"

MIGRATION = Migration(
    release="3.9.0",
    title="tls_* settings of MongoDB; Node.js 20; no format() in YAQL",
    steps=(
        looked_at(
            "3.9.mongodb-tls",
            "st2.conf names no ssl_keyfile or ssl_certfile",
            "mongodb-ssl-files",
            severity=Severity.INHIBITOR,
            scope=Scope.HOST,
            remedy="put key and certificate into one PEM file and name it as [database] tls_certificate_key_file; the other "
            "old names still work",
            why="3.9 does not read ssl_keyfile and ssl_certfile, and cannot log in to MongoDB without them",
            source=_NOTES,
        ),
        looked_at(
            "3.9.nodejs-20",
            "Node.js 20 can be installed",
            "nodejs",
            severity=Severity.INHIBITOR,
            scope=Scope.HOST,
            needs="st2chatops",
            remedy="set up nodesource's repository for Node.js 20",
            why="st2chatops of 3.9 depends on Node.js 20 and is held back without it",
            source="st2chatops debian/control@v3.9",
        ),
        looked_at(
            "3.9.yaql-format",
            "no workflow uses format() of YAQL",
            "yaql-format",
            remedy="write these expressions without format(), with + or a Jinja expression",
            why="it is gone from 3.9 on",
            source=_NOTES,
        ),
    ),
)
