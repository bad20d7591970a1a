"""migrations.baseline: which release an operator may settle by hand, and how an upgrade that was overtaken by hand is left."""

from dataclasses import replace

import pytest

from rollout import baseline, journal
from rollout.errors import PlanRefused
from rollout.facts import Facts
from rollout.journal import Record
from rollout.model import Deployment
from tests.pure.boxes import box, by_name, deployment, settled_at

PAIR = deployment("pair", "a", "b")


def opened(name: str, release: str, run: str = "r1") -> Facts:
    """A host at RELEASE with an upgrade open."""
    begun = Record(1, run, "opened", 4, "pair", name, data={"command": "upgrade", "to": "2.1.1"})
    return box(name, release, journal=(*settled_at("2.0.1", name, "pair"), begun))


def told(facts: Facts, where: Deployment, release: str, abandons: str) -> Facts:
    """FACTS when the journal was told."""
    lines = baseline.lines(
        where, release, run="r2", abandons=abandons, reason="by hand", by="op@desk", tool="", at=9, fence=3
    )
    return replace(facts, journal=(*facts.journal, *journal.parse("\n".join(lines) + "\n")))


@pytest.mark.parametrize("release", ["2.2.1", "2.0.1", "1.4.0"])
def test_a_release_can_be_settled_that_is_there_or_older(release: str) -> None:
    facts = box("a", "2.2.1", settled="2.0.1")
    assert baseline.overtaken(deployment("a"), by_name(facts), release) == ""
    assert journal.settled(told(facts, deployment("a"), release, "").journal) == release


def test_a_release_that_is_not_there_yet_cannot_be_settled() -> None:
    """A planner that trusted it would say that there is nothing to do."""
    with pytest.raises(PlanRefused, match=r"b: 2\.0\.1 is installed") as caught:
        baseline.overtaken(PAIR, by_name(box("a", "2.2.1"), box("b", "2.0.1")), "2.2.1")
    assert caught.value.hint == "invoke upgrade --hosts pair --to 2.2.1"


def test_nothing_is_settled_while_an_upgrade_is_open_unless_it_is_abandoned() -> None:
    facts = by_name(opened("a", "2.2.1"), opened("b", "2.2.1"))
    with pytest.raises(PlanRefused, match="a: run r1 is open") as caught:
        baseline.overtaken(PAIR, facts, "2.2.1")
    assert caught.value.hint.endswith("migrations.baseline --hosts pair --release 2.2.1 --abandon")
    assert baseline.overtaken(PAIR, facts, "2.2.1", abandon=True) == "r1"


def test_an_abandoned_run_is_closed_on_every_host_by_name_and_with_a_reason() -> None:
    for each in (told(opened(name, "2.2.1"), PAIR, "2.1.1", "r1") for name in ("a", "b")):
        assert journal.open_run(each.journal) is None and journal.settled(each.journal) == "2.1.1"
        closed = next(record for record in each.journal if record.event == "abandoned")
        assert (closed.run, closed.by, closed.data["reason"], closed.data["for"]) == ("r1", "op@desk", "by hand", "r2")


def test_a_run_that_only_one_host_still_knows_as_open_is_abandoned_as_well() -> None:
    """The command was cut off between two hosts."""
    facts = by_name(told(opened("a", "2.2.1"), PAIR, "2.2.1", "r1"), opened("b", "2.2.1"))
    assert baseline.overtaken(PAIR, facts, "2.2.1", abandon=True) == "r1"


def test_no_run_is_abandoned_where_none_is_open() -> None:
    with pytest.raises(PlanRefused, match="no upgrade is open") as caught:
        baseline.overtaken(PAIR, by_name(box("a", "2.2.1"), box("b", "2.2.1")), "2.2.1", abandon=True)
    assert caught.value.hint == "without it: invoke migrations.baseline --hosts pair --release 2.2.1"


def test_no_run_is_abandoned_whose_step_is_at_work() -> None:
    busy = replace(opened("b", "2.2.1"), running="/var/lib/stormlift/r1/segments/s1")
    with pytest.raises(PlanRefused, match="b: a step of the run is at work there"):
        baseline.overtaken(PAIR, by_name(opened("a", "2.2.1"), busy), "2.2.1", abandon=True)


def test_of_two_runs_none_is_abandoned_in_the_dark() -> None:
    with pytest.raises(PlanRefused, match="different open runs: a r1, b r7"):
        baseline.overtaken(PAIR, by_name(opened("a", "2.2.1"), opened("b", "2.2.1", "r7")), "2.2.1", abandon=True)


def test_the_hold_of_an_abandoned_run_is_named_with_what_releases_it() -> None:
    held = replace(opened("b", "2.2.1"), hold="run r1")
    said = baseline.afterwards(PAIR, by_name(opened("a", "2.2.1"), held))
    assert said == "st2 is still held from starting on b; next: invoke services.start --hosts pair"
    assert baseline.afterwards(PAIR, by_name(opened("a", "2.2.1"))) == ""
