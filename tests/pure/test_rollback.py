"""The way back is planned from what the run noted and kept: all of it, or why not."""

from dataclasses import replace
from typing import Any

import pytest

from rollout import codec, repairs
from rollout.batches import UNGATED
from rollout.errors import PlanRefused
from rollout.facts import BackupFacts, Facts
from rollout.journal import Record
from rollout.model import DeploymentPlan, Phase, Step
from rollout.plan import whole
from rollout.restore import Lost, parts_of, refuse_while_open, restore, verify
from rollout.rollback import rollback
from rollout.text import plan_text
from rollout.undone import undone
from tests.pure.boxes import box, broken_mistral, by_name, deployment, mistral, units, version, yum_box

PAIR = deployment("pair", "a", "b")
RUN = "20261123-r1"
SET = ("st2", "st2web", "st2chatops", "st2mistral")
OLD = {package: version(package, "1.4.0") for package in SET}
LOST = Lost("yesterday at noon", executions=3, workflows=0)


def journal(host: str, *steps: str, ended: bool = False, packages: tuple[str, ...] = SET) -> tuple[Record, ...]:
    """The journal of a run from 1.4.0 to 2.2.1 that has begun STEPS there."""
    before = codec.encode(box(host, "1.4.0", packages=packages).before)
    data = {"command": "upgrade", "from": "1.4.0", "to": "2.2.1", "before": before}
    opened = Record(1, RUN, "opened", 100, "pair", host, data=data)
    begun = [Record(1, RUN, "started", 101 + n, "pair", host, step=f"2.2.1:{step}") for n, step in enumerate(steps)]
    over = [Record(1, RUN, "settled", 900, "pair", host, data={"release": "2.2.1"}), Record(1, RUN, "closed", 901)]
    return (opened, *begun, *(over if ended else []))


def part(host: str, **changes: Any) -> BackupFacts:
    """What HOST holds of the backup of that run; the dumps lie on a."""
    dumps = {"mistral.dump": 1000, "store.archive": 2000} if host == "a" else {}
    states: dict[str, tuple[str, ...]] = {
        name: (state.active, state.enabled) for name, state in units("1.4.0", SET).items()
    }
    made = BackupFacts(f"{RUN}/2.2.1", 110, 5000, release="1.4.0", hosts="a,b", files={"files.tar": 100, **dumps},
                       packages=OLD, units=states)  # fmt: skip
    return replace(made, **changes)


def hosts(*steps: str, release: str = "2.2.1", ended: bool = False, **changes: Any) -> dict[str, Facts]:
    """Both hosts of the pair, with RELEASE installed, after a run that has begun STEPS."""
    return by_name(
        *(
            make(name, release, journal=journal(name, *steps, ended=ended), backups=(part(name),), **changes)
            for name, make in (("a", box), ("b", yum_box))
        )
    )


def planned(facts: dict[str, Facts], run: str = "") -> DeploymentPlan:
    return rollback(PAIR, facts, undone(PAIR, facts, run), LOST)


def steps(plan: DeploymentPlan) -> dict[str, Step]:
    return {f"{step.id} {','.join(step.hosts)}": step for phase in plan.phases for step in phase.steps}


def ids(plan: DeploymentPlan) -> list[str]:
    return list(dict.fromkeys(step.id for phase in plan.phases for step in phase.steps))


def test_everything_goes_back_under_the_hold_and_in_this_order() -> None:
    plan = planned(hosts("fetch.packages", "stop.units", "packages.set", "mistral.upgrade"))
    assert (plan.command, plan.origin, plan.target, plan.abandons) == ("rollback", "2.2.1", "1.4.0", RUN)
    order = ids(plan)
    for earlier, later in (
        ("backup.check", "stop.hold"),
        ("fetch.packages", "stop.hold"),
        ("stop.hold", "packages.back"),
        ("packages.back", "restore.files"),
        ("restore.files", "packages.quiet"),
        ("packages.quiet", "restore.mistral-kept"),
        ("restore.mistral-kept", "restore.mistral"),
        ("restore.store-kept", "restore.store"),
        ("restore.store", "start.release"),
        ("restore.units", "start.units"),
        ("verify.api", "settle.rolled-back"),
    ):
        assert order.index(earlier) < order.index(later), (earlier, later)


def test_the_packages_go_back_to_the_very_versions_on_each_host() -> None:
    made = steps(planned(hosts("packages.set")))
    (back,) = [step for step in made.values() if step.id == "packages.back"]
    pairs = tuple(f"{name}={OLD[name]}" for name in sorted(OLD))
    assert back.argv == ("stormlift-host", "set-back", "now", *pairs) and back.hosts == ("a", "b")
    assert back.postcondition == ("stormlift-host", "installed", *pairs)


def test_databases_go_back_once_from_where_the_dumps_lie() -> None:
    made = steps(planned(hosts("packages.set")))
    name = f"{RUN}/2.2.1"
    assert made["restore.mistral-kept a"].argv[1:] == ("mistral", "dump", "gone")
    assert made["restore.mistral a"].argv[1:] == ("mistral", "restore", name)
    assert made["restore.store a"].argv[1:] == ("store", "restore", name)
    assert made["restore.files a"].argv[1:] == ("backup", "put-back", name) and "restore.files b" in made


def test_what_ran_before_the_upgrade_runs_again_and_nothing_else() -> None:
    made = steps(planned(hosts("packages.set")))
    (started,) = [step for step in made.values() if step.id == "start.units"]
    assert set(started.argv[2:]) == set(units("1.4.0", SET)) and started.hosts == ("a", "b")
    (as_they_were,) = [step for key, step in made.items() if key == "restore.units a"]
    assert "st2api=enabled" in as_they_were.argv


@pytest.mark.parametrize("begun", [(), ("fetch.packages",), ("stop.units",), ("stop.units", "backup.databases")])
def test_before_the_packages_it_only_starts_what_ran_and_needs_no_backup(begun: tuple[str, ...]) -> None:
    facts = {name: replace(each, backups=()) for name, each in hosts(*begun, release="1.4.0").items()}
    plan = planned(facts)
    assert {phase.name for phase in plan.phases} == {Phase.START, Phase.VERIFY, Phase.SETTLE}
    assert plan.abandons == RUN and "nothing is put back" in plan.notes[0] and not plan.point_of_no_return


def test_it_says_what_is_lost_before_it_begins() -> None:
    text = plan_text(whole([planned(hosts("packages.set"))], UNGATED))
    assert "3 executions of st2 and 0 executions of Mistral" in text and "taken yesterday at noon by" in text
    assert "rollback 2.2.1 -> 1.4.0" in text and "point of no return: restore.mistral" in text
    unknown = rollback(PAIR, facts := hosts("packages.set"), undone(PAIR, facts), Lost("noon", None, 0))
    assert "executions of st2, whose number could not be counted" in " ".join(unknown.notes)


def test_an_upgrade_that_is_through_goes_back_as_well_and_nothing_is_abandoned() -> None:
    plan = planned(hosts("packages.set", "start.units", ended=True))
    assert plan.abandons == "" and "restore.mistral" in ids(plan)


def refusal(facts: dict[str, Facts], run: str = "") -> str:
    with pytest.raises(PlanRefused) as caught:
        planned(facts, run)
    assert caught.value.hint
    return caught.value.message


def test_where_no_upgrade_was_there_is_nothing_to_roll_back() -> None:
    assert "nothing to roll back" in refusal(by_name(box("a", "2.2.1"), yum_box("b", "2.2.1")))
    assert "no upgrade r9 is in its journals" in refusal(hosts("packages.set"), "r9")


def test_what_a_way_back_put_aside_is_no_backup_to_go_back_to_unless_it_is_named() -> None:
    """It is newer than the upgrade's, and holds what the upgrade left under a label that no package fits."""
    aside = part("a", name="20261124-r2/rollback", at=9000, hosts="", release="2.2.1")
    facts = hosts("packages.set")
    facts["a"] = replace(facts["a"], backups=(*facts["a"].backups, aside))
    assert {each.name for each in parts_of(PAIR, facts).values()} == {f"{RUN}/2.2.1"}
    assert set(parts_of(PAIR, facts, "20261124-r2")) == {"a"}


def test_a_backup_that_is_not_whole_is_no_way_back() -> None:
    facts = hosts("packages.set")
    lost = {**facts, "b": replace(facts["b"], backups=())}
    assert "b has no part of it" in refusal(lost)
    cut = {**facts, "a": replace(facts["a"], backups=(part("a", wrong="it has no manifest"),))}
    assert "a: it has no manifest" in refusal(cut)
    assert "a has no part of it; b has no part" in refusal(
        {name: replace(each, backups=()) for name, each in facts.items()}
    )


def test_old_packages_that_are_gone_from_the_repositories_are_named_before_anything_stops() -> None:
    facts = hosts("packages.set")
    offered = {**facts["b"].available, "st2": (version("st2", "2.2.1"),)}
    said = refusal({**facts, "b": replace(facts["b"], available=offered)})
    assert f"b: st2 {OLD['st2']}" in said and "st2web" not in said


def test_databases_that_somebody_else_keeps_are_a_way_back_until_they_are_touched() -> None:
    def kept_elsewhere(*begun: str) -> dict[str, Facts]:
        found = hosts(*begun)
        only = {"files.tar": 100}
        return {n: replace(f, backups=(part(n, external="snapshot 7", files=only),)) for n, f in found.items()}

    plan = planned(kept_elsewhere("packages.set"))
    assert "packages.back" in ids(plan) and not {"restore.mistral", "restore.store"} & set(ids(plan))
    for begun in ("mistral.upgrade", "2.1.datastore-scopes", "config.register-all", "start.units"):
        assert "snapshot 7" in refusal(kept_elsewhere("packages.set", begun))


def test_a_repair_in_between_touches_them_too() -> None:
    only = {"files.tar": 100}
    facts = {
        name: replace(
            each,
            backups=(part(name, external="snapshot 7", files=only),),
            journal=(
                *each.journal,
                Record(1, "r2", "started", 500, "pair", name, step="mistral.upgrade:mistral.upgrade"),
            ),
        )
        for name, each in hosts("packages.set").items()
    }
    assert "snapshot 7" in refusal(facts)


def test_a_run_that_was_rolled_back_is_not_rolled_back_twice() -> None:
    facts = hosts("packages.set", release="1.4.0")
    back = (
        Record(1, RUN, "abandoned", 950, "pair", data={"for": "r2"}),
        Record(1, "r2", "settled", 960, "pair", data={"release": "1.4.0", "rolled_back": RUN}),
    )
    again = {name: replace(each, journal=each.journal + back) for name, each in facts.items()}
    assert "was rolled back already" in refusal(again)


def test_a_run_on_which_a_later_one_stands_is_not_rolled_back_before_that() -> None:
    facts = hosts("packages.set", "start.units", ended=True)
    later = Record(1, "r2", "opened", 1000, "pair", data={"command": "upgrade", "from": "2.2.1", "to": "2.3.2"})
    again = {name: replace(each, journal=(*each.journal, later)) for name, each in facts.items()}
    assert f"run r2 came after run {RUN}" in refusal(again, RUN)
    back = Record(1, "r3", "settled", 1100, "pair", data={"release": "2.2.1", "rolled_back": "r2"})
    undone_too = {name: replace(each, journal=(*each.journal, back)) for name, each in again.items()}
    assert "restore.mistral" in ids(planned(undone_too, RUN))


def test_after_an_upgrade_by_hand_the_run_before_it_is_not_rolled_back() -> None:
    facts = hosts("packages.set", "start.units", ended=True)

    def settled_by_hand(release: str) -> dict[str, Facts]:
        said = Record(1, "r2", "settled", 1000, "pair", data={"release": release, "baseline": True})
        return {name: replace(each, journal=(*each.journal, said)) for name, each in facts.items()}

    assert "upgraded by hand" in refusal(settled_by_hand("2.3.2"))
    assert "restore.mistral" in ids(planned(settled_by_hand("2.2.1")))


def test_a_restore_waits_for_an_open_upgrade_and_for_the_other_way_back() -> None:
    with pytest.raises(PlanRefused, match=f"run {RUN} is open"):
        refuse_while_open(PAIR, hosts("stop.units", release="1.4.0"))
    refuse_while_open(PAIR, hosts("packages.set", ended=True))
    back = Record(1, "r2", "opened", 950, "pair", data={"command": "rollback"})
    with pytest.raises(PlanRefused, match="rollback is not through"):
        refuse_while_open(PAIR, {n: replace(f, journal=(back,)) for n, f in hosts().items()})


def test_nothing_else_begins_while_a_way_back_is_open() -> None:
    facts = hosts("packages.set")
    opened = Record(1, "r2", "opened", 950, "pair", data={"command": "rollback"})
    back = {name: replace(each, journal=(*each.journal, opened)) for name, each in facts.items()}
    for planner in (
        repairs.start_services,
        repairs.restart_services,
        repairs.upgrade_mistral,
        lambda d, f: repairs.recover(d, f, False),
    ):
        with pytest.raises(PlanRefused, match="rollback is not through") as caught:
            planner(PAIR, back)
        assert caught.value.hint == "finish it: invoke rollback --hosts pair"


# backup.restore and backup.verify


def test_a_restore_keeps_the_packages_and_refuses_a_backup_of_another_release() -> None:
    facts = hosts(release="1.4.0")
    parts = {name: part(name) for name in facts}
    plan = restore(PAIR, facts, parts, LOST)
    assert "packages.back" not in ids(plan) and ids(plan).index("stop.hold") < ids(plan).index("restore.files")
    with pytest.raises(PlanRefused, match=r"is of 1\.4\.0, but a has 2\.2\.1, b has 2\.2\.1") as caught:
        restore(PAIR, hosts(), parts, LOST)
    assert "invoke rollback --hosts pair" in caught.value.hint


def test_a_database_that_is_broken_or_gone_does_not_stand_in_the_way_of_its_own_restore() -> None:
    for state in (broken_mistral(), mistral("1.4.0", state="unreachable"), None):
        facts = {name: replace(each, mistral=state) for name, each in hosts(release="1.4.0").items()}
        assert "restore.mistral" in ids(restore(PAIR, facts, {name: part(name) for name in facts}, LOST))


def test_a_backup_is_proved_where_its_dumps_lie_while_st2_serves() -> None:
    plan = verify(PAIR, hosts(release="1.4.0"), RUN)
    assert [(step.id, step.hosts) for phase in plan.phases for step in phase.steps] == [
        ("backup.check", ("a",)),
        ("backup.check", ("b",)),
        ("verify.mistral-scratch", ("a",)),
        ("verify.store-scratch", ("a",)),
    ]
    with pytest.raises(PlanRefused, match="there is no backup r9"):
        verify(PAIR, hosts(release="1.4.0"), "r9")


def test_a_host_that_went_ahead_goes_back_alone_while_the_others_serve() -> None:
    ahead = (
        journal("web", packages=("st2web",))[0],
        Record(1, RUN, "started", 101, "site", "web", step="2.2.1:fetch.packages"),
        Record(1, RUN, "started", 102, "site", "web", step="2.2.1@web:packages.set"),
    )
    mine = part("web", hosts="", packages={"st2web": OLD["st2web"]}, files={"files.tar": 1}, units={})
    others = replace(part("a"), wrong="it has no manifest", files={}, hosts="")
    facts = by_name(
        box("web", "2.2.1", packages=("st2web",), journal=ahead, backups=(mine,)),
        box("a", "1.4.0", journal=journal("a", "fetch.packages"), backups=(others,)),
    )
    site = deployment("site", "web", "a")
    plan = rollback(site, facts, undone(site, facts), LOST)
    made = steps(plan)
    assert {step.hosts for step in made.values() if step.phase in (Phase.STOP, Phase.PACKAGES)} == {("web",)}
    assert "restore.mistral a" not in made and "packages.back web" in made
