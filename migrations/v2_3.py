"""StackStorm 2.3: the queue st2.notifiers.work is no longer read, and grows for ever if it is left."""

from rollout.model import Migration, Phase, Scope, Severity, Step, asked, looked_at

_NOTES = "st2docs upgrade_notes.rst, v2.3"

MIGRATION = Migration(
    release="2.3.0",
    title="the queue st2.notifiers.work goes; linux.scp names its host destination",
    steps=(
        looked_at(
            "2.3.notifier-queue-empty",
            "the queue st2.notifiers.work is empty",
            "queue-notifiers",
            remedy="let st2notifier work it off (rabbitmqctl list_queues name messages), or give the notifications up: "
            "rabbitmqctl purge_queue st2.notifiers.work",
            why="what stands in the queue when it is deleted are notifications that nobody gets",
            source=f"{_NOTES}; st2 issue 3622",
        ),
        Step(
            id="2.3.notifier-queue",
            title="delete the queue st2.notifiers.work",
            phase=Phase.CONFIG,
            scope=Scope.DEPLOYMENT,
            needs="st2",
            argv=("stormlift-host", "queue", "delete", "st2.notifiers.work"),
            postcondition=("stormlift-host", "queue", "absent", "st2.notifiers.work"),
            timeout=120,
            why="nothing of 2.3 reads it, and what is sent to it fills RabbitMQ's disk",
            source=f"{_NOTES}; st2 issue 3622",
        ),
        looked_at(
            "2.3.scp-parameter",
            "linux.scp takes destination",
            "scp-dest-server",
            remedy="write destination for dest_server where these files call linux.scp",
            why="the parameter dest_server of linux.scp was renamed",
            source=_NOTES,
        ),
        asked(
            "2.3.st2client-query",
            "programs that use st2client's query()",
            remedy="take 2.3.2 rather than 2.3.0 or 2.3.1",
            why="2.3.0 and 2.3.1 changed what query() returns",
            severity=Severity.NOTE,
            until="2.3.2",
            source="st2 CHANGELOG, 2.3.1 and 2.3.2",
        ),
    ),
)
