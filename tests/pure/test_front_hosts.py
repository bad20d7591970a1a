"""Hosts that carry only st2web or st2chatops go first, one by one: who does, what is left when one fails, how it goes on."""

from dataclasses import replace
from typing import Any

import pytest

import migrations
from rollout import preflight, repairs
from rollout.downtime import downtime
from rollout.errors import PlanRefused, StepFailed
from rollout.facts import Facts, front_hosts
from rollout.journal import Record
from rollout.model import DeploymentPlan, Phase, UnitState
from rollout.plan import plan as planned
from tasks.crew import failed
from tasks.work import Work
from tests.pure.boxes import box, by_name, deployment, settled_at, units, yum_box
from tests.pure.fleet import Fleet
from tests.pure.sketch import phase, plan, step

WEB, CHAT = ("st2web",), ("st2web", "st2chatops")
DOWN = UnitState("inactive", "enabled")


def web(name: str, release: str = "2.0.1", **changes: Any) -> Facts:
    return box(name, release, packages=WEB, **changes)


def chat(name: str, release: str = "2.0.1", **changes: Any) -> Facts:
    return yum_box(name, release, packages=CHAT, **changes)


def upgrade(*facts: Facts, target: str = "2.2.1") -> DeploymentPlan:
    hosts = by_name(*facts)
    return planned(deployment("site", *hosts), hosts, target, migrations.ALL)


def ahead(made: DeploymentPlan) -> list[str]:
    """The hosts that go through phases of their own, in order."""
    return list(dict.fromkeys(each.ahead for each in made.phases if each.ahead))


# Who goes first.


def test_hosts_with_nothing_but_web_or_chat_go_first_in_the_order_of_the_inventory() -> None:
    assert ahead(upgrade(box("all", "2.0.1"), web("web"), chat("chat"))) == ["web", "chat"]
    assert ahead(upgrade(chat("chat"), box("all", "2.0.1"), web("web"))) == ["chat", "web"]


def test_where_nobody_has_more_all_go_together() -> None:
    assert ahead(upgrade(web("one"), web("two"))) == []


def test_a_host_with_one_package_more_is_none_of_them() -> None:
    assert ahead(upgrade(box("all", "2.0.1"), box("b", "2.0.1", packages=(*WEB, "st2mistral"), units={}))) == []


def test_a_host_that_still_has_a_unit_of_st2_is_none_of_them() -> None:
    left = web("web", units=units("2.0.1", ("st2",)))
    assert front_hosts(by_name(box("all", "2.0.1"), left)) == ()


def test_a_chat_bot_goes_with_the_others_where_no_api_answers_it() -> None:
    down = box("all", "2.0.1", units=units("2.0.1", ("st2", "st2mistral"), DOWN))
    made = upgrade(down, chat("chat"), web("web"))
    assert ahead(made) == ["web"]
    assert next(s for p in made.phases for s in p.steps if s.id == "stop.proved" and not p.ahead).hosts == (
        "all",
        "chat",
    )


def test_a_host_that_is_there_already_does_not_go_again_but_is_verified_and_settled() -> None:
    made = upgrade(box("all", "2.0.1"), web("done", "2.2.1"), web("web"))
    assert ahead(made) == ["web"]
    of_done = {(p.name, s.id) for p in made.phases for s in p.steps if "done" in s.hosts and p.name is not Phase.FETCH}
    assert {name for name, _ in of_done} == {Phase.START, Phase.VERIFY, Phase.SETTLE}


def test_the_drain_stops_a_chat_bot_that_went_first_and_the_end_starts_it_again() -> None:
    made = upgrade(box("all", "2.0.1"), chat("chat"))
    later = [(p.name, s.id, s.argv) for p in made.phases if not p.ahead for s in p.steps if "chat" in s.hosts]
    assert (Phase.BEFORE_STOP, "before-stop.feeders", ("systemctl", "stop", "st2chatops")) in later
    assert (Phase.START, "start.units", ("systemctl", "start", "st2chatops")) in later
    assert not {Phase.STOP, Phase.PACKAGES, Phase.MISTRAL} & {name for name, _, _ in later}


def test_on_a_way_with_a_stop_they_are_ahead_by_one_release_at_most() -> None:
    made = upgrade(yum_box("all", "1.4.0"), chat("chat", "1.4.0"), target="2.0.1")
    legs = list(dict.fromkeys(each.leg for each in made.phases))
    assert legs == ["1.5.1", "1.5.1@chat", "2.0.1", "2.0.1@chat"]
    order = [(each.leg, each.name) for each in made.phases]
    assert order.index(("1.5.1", Phase.SETTLE)) < order.index(("2.0.1@chat", Phase.STOP))


# A failure, and giving up.

STOPPED = phase(Phase.STOP, step("stop.hold", "all"), step("stop.units", "all"))
ALONE = (
    phase(Phase.STOP, step("stop.hold", "web"), step("stop.units", "web"), ahead="web"),
    phase(Phase.PACKAGES, step("packages.set", "web"), ahead="web"),
    phase(Phase.START, step("start.release", "web"), step("start.units", "web"), ahead="web"),
    phase(Phase.VERIFY, step("look", "web"), ahead="web"),
)
SMALL = plan(
    phase(Phase.FETCH, step("fetch", "all", "web")),
    *ALONE,
    STOPPED,
    phase(Phase.PACKAGES, step("packages.set", "all")),
    phase(Phase.START, step("start.release", "all", "web"), step("start.units", "all", "web")),
    phase(Phase.SETTLE, step("settle", "all", "web")),
    hosts=("all", "web"),
)


@pytest.mark.parametrize("fails", ["stop.hold", "stop.units", "packages.set", "start.release", "start.units", "look"])
def test_a_host_ahead_that_fails_stops_the_deployment_before_the_others_are_touched(fails: str) -> None:
    fleet = Fleet("all", "web")
    fleet.world.fail("web", fails, 1)
    with pytest.raises(StepFailed) as caught:
        fleet.run(SMALL).execute()
    assert (caught.value.host, caught.value.step) == ("web", f"2.2.1@web:{fails}")
    assert {each.key for each in fleet.world.ran if each.host == "all"} == {"2.2.1:fetch"}


def test_the_operator_is_told_that_the_others_serve_and_how_to_go_on() -> None:
    fleet = Fleet("all", "web")
    fleet.world.fail("web", "packages.set", 100)
    run = fleet.run(SMALL)
    with pytest.raises(StepFailed) as caught:
        run.execute()
    outcome = failed(caught.value, Work(deployment("pair", "all", "web"), SMALL, {}, "r1"), run, "upgrade")
    assert outcome.failed_host == "web" and outcome.failed_step == "2.2.1@web:packages.set"
    assert (
        "web is stopped and held; its packages may be new in part; nothing of the other hosts was stopped"
        in outcome.error
    )
    assert outcome.hint.startswith("mend what the log says, then invoke upgrade --hosts pair; or give up and go back")


def test_what_is_through_stays_up_while_the_others_are_stopped_and_taken_up_again() -> None:
    fleet = Fleet("all", "web")
    fleet.world.fail("all", "packages.set", 1)
    with pytest.raises(StepFailed):
        fleet.run(SMALL).execute()
    before = len(fleet.world.ran)
    fleet.again(SMALL).execute()
    again = fleet.world.ran[before:]
    assert not [each for each in again if each.key.startswith("2.2.1@web:")]
    assert [each.key for each in again if each.host == "all"][:2] == ["2.2.1:stop.hold", "2.2.1:stop.units"]


def test_the_downtime_of_a_host_ahead_is_its_own() -> None:
    fleet = Fleet("all", "web")
    fleet.world.seconds = {"stop.units": 5.0, "packages.set": 60.0, "start.units": 7.0, "stop.hold": 0.0}
    fleet.world.seconds |= dict.fromkeys(("backup.databases", "backup.seal"), 0.0)
    run = fleet.run(SMALL)
    run.execute()
    web, all_ = (downtime(name, fleet.records(name), "r1") for name in ("web", "all"))
    assert {each.host: each for each in run.downtimes} == {"web": web, "all": all_}
    assert web.downtime_s == all_.downtime_s
    assert 72 <= web.downtime_s < 80  # not the time from the first host's stop to the last one's start


def opened(*steps: tuple[str, str]) -> tuple[Record, ...]:
    """A journal with an upgrade open: (event, step) after (event, step)."""
    first = replace(settled_at("2.2.1", "web", "site")[0], data={"command": "upgrade"})
    return (first, *(Record(1, "r0", event, step=each, host="web", attempt=1) for event, each in steps))


THROUGH = (("started", "2.2.1@web:packages.set"), ("started", "2.2.1@web:start.release"))


def test_nothing_is_started_while_the_packages_of_a_host_ahead_are_new_in_part() -> None:
    half = by_name(box("all", "2.0.1"), web("web", journal=opened(THROUGH[0])))
    with pytest.raises(PlanRefused, match="the packages are changed"):
        repairs.start_services(deployment("site", *half), half)


def test_an_upgrade_whose_hosts_ahead_are_through_can_be_given_up_and_planned_again() -> None:
    went = web("web", "2.2.1", journal=opened(*THROUGH, ("finished", THROUGH[1][1]), ("started", "2.2.1:stop.units")))
    hosts = by_name(box("all", "2.0.1"), went)
    assert repairs.start_services(deployment("site", *hosts), hosts).abandons == "r0"

    given_up = by_name(box("all", "2.0.1", settled="2.0.1"), web("web", "2.2.1", settled="2.0.1"))
    keys = {each.key for each in preflight.inspect("site", given_up, "2.2.1")}
    assert not keys & {"versions-mixed", "upgraded-by-hand"}
    assert ahead(upgrade(*given_up.values())) == []


@pytest.mark.parametrize(
    ("release", "target", "stops"),
    [("2.2.1", "2.1.1", ()), ("2.0.1", "2.0.1", ("1.5.1", "2.0.1")), ("1.4.0", "2.2.1", ())],
)
def test_a_host_that_is_further_than_the_way_goes_or_behind_is_still_a_question(
    release: str, target: str, stops: tuple[str, ...]
) -> None:
    origin = "1.4.0" if stops else "2.0.1"
    hosts = by_name(yum_box("all", origin), chat("chat", release))
    assert "versions-mixed" in {each.key for each in preflight.inspect("site", hosts, target, stops)}


def test_a_chat_host_that_serves_again_does_not_make_the_upgrade_count_as_serving() -> None:
    """The newest hop counts, not whoever was journalled last."""
    of_chat = (
        ("started", "2.2.1@chat:packages.set"),
        ("finished", "2.2.1@chat:start.release"),
        ("finished", "2.2.1@chat:start.units"),
        ("finished", "2.2.1@chat:verify.units"),
    )
    hosts = by_name(
        box("all", "2.0.1", journal=opened(("started", "2.2.1:stop.units"))), chat("chat", journal=opened(*of_chat))
    )
    assert repairs.start_services(deployment("site", *hosts), hosts).abandons == "r0"
