"""A real RabbitMQ beside the fleet, as mq.lab on its network."""

from collections.abc import Iterator
from contextlib import contextmanager

from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from lab.build import build_broker
from lab.docker import docker
from lab.fleet import Fleet

NAME, USER, PASSWORD = "mq.lab", "st2", "br0ker-s3cret"
QUEUE = "st2.notifiers.work"
URL = f"amqp://{USER}:{PASSWORD}@{NAME}:5672/"
PYTHON = "/opt/stackstorm/st2/bin/python"
# As st2 of a release before 2.3 makes it, with a message for every execution that changed its state.
FILLED = f"""
import sys
from kombu import Connection, Exchange, Producer, Queue
channel = Connection({URL!r}).channel()
exchange = Exchange("st2.liveaction.status", "topic")
Queue({QUEUE!r}, exchange, routing_key="#", channel=channel).declare()
for number in range(int(sys.argv[1])):
    Producer(channel).publish({{"number": number}}, exchange=exchange.name, routing_key="changed")
"""


class Broker:
    """The broker, through rabbitmqctl."""

    def __init__(self, container: str) -> None:
        self._container = container

    def ctl(self, *words: str, check: bool = True) -> str:
        """What `rabbitmqctl WORDS` prints."""
        return docker("exec", self._container, "rabbitmqctl", "-q", *words, check=check).stdout

    def answers(self) -> bool:
        """True when it is up."""
        return docker("exec", self._container, "rabbitmqctl", "-q", "await_startup", check=False).returncode == 0

    def queues(self) -> str:
        """Every queue, with its messages and those that a client holds, and how many clients there are."""
        columns = ("name", "messages_ready", "messages_unacknowledged", "consumers")
        return self.ctl("list_queues", "--no-table-headers", *columns)


@contextmanager
def broker(fleet: Fleet) -> Iterator[Broker]:
    """The broker of FLEET while the block runs; whatever removes the fleet removes one that was left over, too."""
    labels = (f"com.docker.compose.project={fleet.project}", "com.docker.compose.service=broker", "stormlift.lab=1")
    words = [word for label in labels for word in ("--label", label)]
    network = ("--network", f"{fleet.project}_default", "--network-alias", NAME, "--hostname", "mq")
    container = docker("run", "--detach", *words, *network, build_broker()).stdout.strip()
    try:
        made = Broker(container)
        Retrying(retry=retry_if_result(lambda up: not up), stop=stop_after_delay(90), wait=wait_fixed(0.3))(
            made.answers
        )
        made.ctl("add_user", USER, PASSWORD)
        made.ctl("set_permissions", "-p", "/", USER, ".*", ".*", ".*")
        yield made
    finally:
        docker("rm", "--force", "--volumes", container)


def use(fleet: Fleet, host: str) -> None:
    """Let the st2 of HOST use the broker, through a real kombu: the stand-in's virtualenv has none, Mistral's has."""
    fleet.execute(host, "sed", "-i", f"/^\\[messaging\\]/,/^\\[/s#^url *=.*#url = {URL}#", "/etc/st2/st2.conf")
    there = "import sysconfig; print(sysconfig.get_path('purelib'))"
    place = fleet.execute(host, PYTHON, "-c", there).stdout.strip()
    fleet.execute(host, "sh", "-c", f"echo /opt/lab/mistral-libs >{place}/kombu.pth")


def fill(fleet: Fleet, host: str, messages: int) -> None:
    """Leave MESSAGES for the notifier."""
    fleet.execute(host, PYTHON, "-", str(messages), stdin=FILLED)
