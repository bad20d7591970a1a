"""StackStorm 3.6: addresses and ports come from st2.conf alone."""

from rollout.model import Migration, Scope, asked, looked_at

_NOTES = "st2docs upgrade_notes.rst, v3.6"

MIGRATION = Migration(
    release="3.6.0",
    title="socket units are made from st2.conf; a current RabbitMQ",
    steps=(
        looked_at(
            "3.6.socket-generator",
            "no unit says on its own where api, auth and stream listen",
            "socket-overrides",
            scope=Scope.HOST,
            distros=("bionic", "focal", "el7", "el8"),
            remedy="move host and port into [api], [auth] and [stream] of st2.conf; overrides of the socket units and of "
            "DAEMON_ARGS are no longer read",
            why="from 3.6 the socket units are generated from st2.conf",
            source=_NOTES,
        ),
        asked(
            "3.6.rabbitmq",
            "RabbitMQ's release",
            remedy="bring RabbitMQ to a release that its makers still support; recommended, not required",
            why="3.6 installs the upstream one",
            source=_NOTES,
        ),
    ),
)
