"""What st2 has not finished: executions, asked of its API, and the notifier's queue, on a real RabbitMQ."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

import migrations
from inventory import load
from lab.fleet import Fleet
from remote.fleet import Fleet as Reached
from rollout import concerns
from rollout.facts import Facts
from rollout.model import Finding
from rollout.plan import hops_of
from rollout.secret import Mask
from tests.lab.broker import PASSWORD, QUEUE, Broker, broker, fill, use
from tests.lab.desk import Operator, write_inventory
from tests.lab.ground import Ground
from tests.lab.standin import shell

pytestmark = pytest.mark.lab

WORD = "st2-s3cret-word"
LOGIN = f"curl -sf -u testu:{WORD} -X POST http://127.0.0.1:9100/tokens"


@pytest.fixture(scope="module")
def prepared(ground: Ground) -> Fleet:
    return ground.fresh("apt1")


@pytest.fixture(scope="module")
def operator(prepared: Fleet, tmp_path_factory: pytest.TempPathFactory) -> Operator:
    folder = tmp_path_factory.mktemp("desk")
    write_inventory(folder, prepared)
    return Operator(folder, prepared)


@pytest.fixture(scope="module")
def rabbit(prepared: Fleet) -> Iterator[Broker]:
    with broker(prepared) as made:
        use(prepared, "apt1")
        yield made


def asked(operator: Operator) -> dict[str, Facts]:
    """The facts of apt1, as a plan has them."""
    inventory = load("apt1", operator.folder)
    hosts = inventory.select("apt1", whole=True).hosts
    reached = Reached(Mask(), inventory.known_hosts, inventory.gateway, lambda host: None, lambda kind, host: None)
    try:
        return reached.facts(hosts, work=True)
    finally:
        reached.close()


def over_2_3(facts: dict[str, Facts]) -> list[Finding]:
    """What stands in the way to 2.3.2 of the notifier's queue."""
    found = concerns.findings(facts, hops_of(facts, "2.3.2", migrations.ALL))
    return [each for each in found if each.key == "2.3.notifier-queue-empty"]


def of_executions(operator: Operator, **environment: str) -> list[dict[str, str]]:
    """The findings of a plan that are about executions."""
    desk = Operator(operator.folder, operator.fleet, environment)
    said = desk.types("plan", "--hosts", "apt1", "--to", "2.2.1", "--json")
    assert said.code == 0, said.all
    assert not [value for value in environment.values() if value in said.all]
    return [each for each in said.json["findings"] if each["key"].startswith("executions-")]


def tokens(fleet: Fleet) -> str:
    """How many there are in the datastore of apt1."""
    query = "select count(*) from content_d_b where kind = 'tokens'"
    return shell(
        fleet,
        "apt1",
        f'cd / && setpriv --reuid=postgres --clear-groups --regid=postgres psql -XAtq -d st2 -c "{query}"',
    )


def test_messages_for_the_notifier_are_found_and_the_remedy_clears_them(
    operator: Operator, prepared: Fleet, rabbit: Broker
) -> None:
    fill(prepared, "apt1", 3)
    before = rabbit.queues()
    facts = asked(operator)
    (finding,) = over_2_3(facts)
    assert "3 messages stand in st2.notifiers.work at mq.lab:5672" in finding.cause
    assert PASSWORD not in repr(facts)
    # The look took no message, made no queue and left nobody connected.
    assert rabbit.queues() == before == f"{QUEUE}\t3\t0\t0\n"
    command = finding.remedy.partition("rabbitmqctl purge_queue ")[2]
    rabbit.ctl("purge_queue", command)
    assert over_2_3(asked(operator)) == []


def test_the_queue_is_deleted_for_good_and_a_queue_that_is_gone_is_no_error(operator: Operator, rabbit: Broker) -> None:
    inventory = load("apt1", operator.folder)
    host = inventory.select("apt1", whole=True).hosts
    reached = Reached(Mask(), inventory.known_hosts, inventory.gateway, lambda host: None, lambda kind, host: None)
    try:
        link = reached.reach(host)["apt1"]
        assert "is deleted at mq.lab:5672" in link.probe("queue", "delete", QUEUE)
        assert rabbit.queues() == ""
        link.probe("queue", "absent", QUEUE)
        link.probe("queue", "delete", QUEUE)
    finally:
        reached.close()


def test_a_broker_that_lets_nobody_in_is_told_without_its_password(
    operator: Operator, prepared: Fleet, rabbit: Broker
) -> None:
    rabbit.ctl("change_password", "st2", "another")
    facts = asked(operator)
    (finding,) = over_2_3(facts)
    assert "could not be asked (RabbitMQ at mq.lab:5672" in finding.cause and "ACCESS_REFUSED" in finding.cause
    assert PASSWORD not in repr(facts)


def test_executions_that_are_not_through_are_counted_and_gone_when_they_are_cancelled(
    operator: Operator, prepared: Fleet
) -> None:
    assert of_executions(operator) == []
    shell(prepared, "apt1", "systemctl stop st2actionrunner")
    ids = [shell(prepared, "apt1", "st2 run core.local -a -- date").split()[-1] for _ in range(2)]
    (finding,) = of_executions(operator)
    assert finding["key"] == "executions-unfinished"
    assert "2 executions of st2 are unfinished (2 requested)" in finding["cause"]
    assert "st2 execution cancel ID" in finding["remedy"]
    for id_ in ids:
        shell(prepared, "apt1", f"st2 execution cancel {id_}")
    assert of_executions(operator) == []


def test_an_api_that_asks_who_it_is_takes_the_credentials_that_the_inventory_names(
    operator: Operator, prepared: Fleet, tmp_path: Path
) -> None:
    shell(
        prepared,
        "apt1",
        f"python3 -c \"import base64,hashlib; print('testu:{{SHA}}'+base64.b64encode(hashlib.sha1(b'{WORD}').digest())"
        ".decode())\" >/etc/st2/htpasswd; sed -i '/^\\[auth\\]/,/^\\[/s/^enable.*/enable = True/' /etc/st2/st2.conf; "
        "systemctl restart st2api st2auth; for i in $(seq 100); do "
        + LOGIN
        + " >/tmp/token && break; sleep 0.2; done; "
        "curl -s -o /dev/null --retry 30 --retry-connrefused --retry-delay 1 http://127.0.0.1:9101/",
    )
    token = json.loads(shell(prepared, "apt1", "cat /tmp/token"))["token"]
    before = tokens(prepared)
    (finding,) = of_executions(operator)
    assert (finding["key"], finding["severity"]) == ("executions-unknown", "note")
    assert "wants credentials" in finding["cause"] and "st2_auth" in finding["remedy"]
    # Nobody logged in: a token would be a row.
    assert tokens(prepared) == before

    path = operator.folder / "lab.yml"
    text = yaml.safe_load(path.read_text())
    text["hosts"]["apt1"]["st2_auth"] = {"from": "environment", "token": "ST2_WORD"}
    path.write_text(yaml.safe_dump(text))
    assert of_executions(operator, ST2_WORD=token) == []
    assert [each["key"] for each in of_executions(operator, ST2_WORD="wr0ng-and-l0ng")] == ["executions-unknown"]

    text["hosts"]["apt1"]["st2_auth"] = {"from": "host"}
    path.write_text(yaml.safe_dump(text))
    shell(prepared, "apt1", "mkdir -p -m 700 /root/.st2; cp /tmp/token /root/.st2/token-testu")
    assert of_executions(operator) == []
