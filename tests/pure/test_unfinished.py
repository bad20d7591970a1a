"""What st2 has not finished when an upgrade is planned, as the plan's findings say it."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import migrations
import remote
from rollout import concerns, preflight
from rollout.facts import Facts
from rollout.model import Finding, Severity
from rollout.plan import hops_of
from tests.pure.boxes import box, by_name

RUNNING: dict[str, Any] = {
    "evidence": {"executions-unfinished": 3},
    "places": {"executions-unfinished": "2 running, 1 paused"},
}
UNASKED: dict[str, Any] = {
    "evidence": {"executions-unknown": 1},
    "places": {"executions-unknown": "the API wants credentials"},
}


def found(*facts: Facts) -> list[Finding]:
    said = preflight.inspect("pair", by_name(*facts), "2.2.1")
    return [each for each in said if each.key.startswith("executions-")]


def queue(**facts: Any) -> list[tuple[str, Severity, str]]:
    host = box("a", "2.2.1", packages=("st2",), **facts)
    said = concerns.findings(by_name(host), hops_of(by_name(host), "2.3.2", migrations.ALL))
    return [(each.key, each.severity, each.cause) for each in said if "notifier" in each.key]


def test_what_st2_has_not_finished_is_told_once_for_a_deployment() -> None:
    (finding,) = found(box("a", "2.0.1", **RUNNING), box("b", "2.0.1", **RUNNING))
    assert (finding.key, finding.severity) == ("executions-unfinished", Severity.WARNING)
    assert finding.cause == "3 executions of st2 are unfinished (2 running, 1 paused)"
    assert "st2 execution cancel" in finding.remedy


def test_one_host_that_could_be_asked_is_enough() -> None:
    assert [each.key for each in found(box("a", "2.0.1", **UNASKED), box("b", "2.0.1", **RUNNING))] == [
        "executions-unfinished"
    ]
    assert found(box("a", "2.0.1", **UNASKED), box("b", "2.0.1")) == []


def test_where_nobody_could_ask_the_plan_says_so_and_how_to() -> None:
    (finding,) = found(box("a", "2.0.1", **UNASKED), box("web", "2.0.1", packages=("st2web",)))
    assert (finding.key, finding.severity) == ("executions-unknown", Severity.NOTE)
    assert "the API wants credentials" in finding.cause and "st2_auth" in finding.remedy


def test_messages_for_the_notifier_are_told_on_the_way_over_2_3() -> None:
    left = {"evidence": {"queue-notifiers": 4}, "places": {"queue-notifiers": "st2.notifiers.work at mq:5672"}}
    ((key, severity, cause),) = queue(**left)
    assert (key, severity) == ("2.3.notifier-queue-empty", Severity.WARNING)
    assert "4 messages stand in st2.notifiers.work at mq:5672" in cause


def test_a_broker_that_nobody_can_ask_is_told_as_such() -> None:
    silent = {"evidence": {"queue-unknown": 1}, "places": {"queue-unknown": "RabbitMQ at mq:5672: timed out"}}
    ((_, _, cause),) = queue(**silent)
    assert "could not be asked (RabbitMQ at mq:5672: timed out)" in cause


def test_an_empty_queue_is_no_finding() -> None:
    assert queue() == []


def test_no_part_of_a_password_with_a_comma_is_told_as_a_place(tmp_path: Path) -> None:
    (tmp_path / "kombu.py").write_text("def Connection(*_, **__):\n    raise OSError('refused')\n")
    (tmp_path / "st2.conf").write_text("[messaging]\nurl = amqp://u:12,hunter2,x@q1:5672/\n")
    script = Path(remote.__file__).parent / "onhost" / "queue.py"
    around = {**os.environ, "PYTHONPATH": str(tmp_path), "STORMLIFT_CONF": str(tmp_path / "st2.conf")}
    words = [
        sys.executable,
        "-",
        "count",
        "st2.notifiers.work",
    ]  # as on hosts: beside it lies a `queue` of Python's own
    done = subprocess.run(words, input=script.read_text(), env=around, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "RabbitMQ at q1:5672: refused\n")
