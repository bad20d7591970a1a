"""What an operator takes upon themselves: by its name, with a reason that stays, and never what the promises rest on."""

from collections.abc import Iterable
from dataclasses import replace

import pytest

import migrations
from rollout.batches import Pace
from rollout.errors import Inhibited, UsageError
from rollout.facts import Facts
from rollout.findings import KNOWN
from rollout.model import DeploymentPlan, Finding, Phase, Severity
from rollout.plan import plan, whole
from rollout.text import findings_text
from rollout.waivers import Waiver, idle, waived
from rollout.waivers import read as read_with
from tasks.work import stop_if_inhibited
from tests.pure.boxes import by_name, deployment, yum_box
from tests.pure.fleet import Fleet
from tests.pure.sketch import packages, step

SHORT = Finding("disk-short", Severity.INHIBITOR, "a", "/opt has 1 MiB free", "free space under /opt")
ELSEWHERE = replace(SHORT, host="b")
FIXED = sorted(key for key, each in KNOWN.items() if each.severity is Severity.INHIBITOR and not each.waivable)
STEPS = [step for migration in migrations.ALL for step in migration.steps]
REASON = "the volume grows at noon"


def read(words: Iterable[str]) -> tuple[Waiver, ...]:
    """What an operator types, with every step that there is."""
    return read_with(words, STEPS)


def stops(findings: tuple[Finding, ...]) -> None:
    stop_if_inhibited(whole([replace(packages(step("one")), findings=findings)], Pace(), findings))


def test_a_waived_finding_stops_nothing_and_keeps_its_reason() -> None:
    with pytest.raises(Inhibited):
        stops((SHORT,))
    findings = waived([SHORT], read([f"disk-short={REASON}"]))
    assert [each.waived for each in findings] == [REASON]
    stops(findings)


def test_the_plan_shows_what_was_waived_and_why() -> None:
    text = findings_text(waived([SHORT, ELSEWHERE], read([f"disk-short@a={REASON}"])))
    assert text.splitlines() == [
        "inhibitor, waived: a: /opt has 1 MiB free [disk-short]",
        f"    waived: {REASON}",
        "inhibitor: b: /opt has 1 MiB free [disk-short]",
        "    free space under /opt",
    ]


@pytest.mark.parametrize(("place", "stopping"), [("", []), ("@a", ["b"]), ("@pair", []), ("@c", ["a", "b"])])
def test_a_waiver_holds_where_it_says(place: str, stopping: list[str]) -> None:
    findings = waived([SHORT, ELSEWHERE], read([f"disk-short{place}={REASON}"]), "pair")
    assert [each.host for each in findings if not each.waived] == stopping


@pytest.mark.parametrize("word", ["", "disk-short", "disk-short=", "disk-short= ", "=why", "disk-short@=why", "@a=why"])
def test_a_waiver_without_name_or_reason_is_refused(word: str) -> None:
    with pytest.raises(UsageError) as caught:
        read([word])
    assert repr(word) in caught.value.message and "KEY=REASON" in caught.value.hint


@pytest.mark.parametrize("key", FIXED)
def test_what_the_promises_rest_on_cannot_be_waived(key: str) -> None:
    finding = Finding(key, Severity.INHIBITOR, "a", "so it is", "do this")
    with pytest.raises(UsageError) as caught:
        waived([finding], read([f"{key}=I know"]))
    assert caught.value.message == f"a: {key} cannot be waived: so it is" and caught.value.hint == "do this"
    assert waived([finding], read(["disk-short=why"])) == (finding,)


def test_a_name_that_no_finding_has_is_refused_with_those_near_it() -> None:
    with pytest.raises(UsageError) as caught:
        read(["disk-shrot=why"])
    assert caught.value.message == "--waive disk-shrot: no finding is called so" and "disk-short" in caught.value.hint
    assert [each.key for each in read(["3.3.mistral-removed=none is used"])] == ["3.3.mistral-removed"]


def test_a_warning_may_be_waived_to_have_it_in_the_journal() -> None:
    warning = Finding("mistral-unfinished", Severity.WARNING, "a", "2 are unfinished", "let them finish")
    assert waived([warning], read(["mistral-unfinished=they are ours"]))[0].waived == "they are ours"


def test_a_waiver_of_nothing_is_told() -> None:
    waivers = read(["disk-short@a=why", "paused=why"])
    assert [str(each) for each in idle(waivers, waived([SHORT], waivers))] == ["paused"]


def test_the_journal_of_every_host_knows_what_was_waived() -> None:
    fleet = Fleet("a", "b")
    findings = waived([SHORT, ELSEWHERE], read([f"disk-short@a={REASON}"]))
    fleet.run(replace(packages(step("one")), findings=findings)).execute()
    for host in ("a", "b"):
        [opened] = [each for each in fleet.records(host) if each.event == "opened"]
        assert opened.data["waived"] == [{"key": "disk-short", "host": "a", "reason": REASON}]


def far(*hosts: Facts, waivers: tuple[Waiver, ...] = ()) -> DeploymentPlan:
    names = [each.host for each in hosts]
    return plan(deployment("pair", *names), by_name(*hosts), "3.8.1", migrations.ALL, waivers=waivers)


def gates(planned: DeploymentPlan) -> dict[str, tuple[str, ...]]:
    return {step.id: step.hosts for phase in planned.phases if phase.name is Phase.PREFLIGHT for step in phase.steps}


def test_what_was_waived_does_not_stop_a_later_hop() -> None:
    hosts = yum_box("a", "2.2.1"), yum_box("b", "2.2.1")
    key = "3.3.mistral-removed"
    before = gates(far(*hosts))
    assert len(before) > 1 and before[key] == ("a",)
    assert gates(far(*hosts, waivers=read([f"{key}=none of them is used"]))) == {
        step: places for step, places in before.items() if step != key
    }
    assert gates(far(*hosts, waivers=read([f"{key}@c=none of them is used"]))) == before
