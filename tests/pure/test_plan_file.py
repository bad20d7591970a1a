"""A plan kept in a file: what it holds, when it is believed, and what of the hosts counts as moved."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import migrations
from rollout import preflight
from rollout.batches import Pace
from rollout.codec import digest
from rollout.errors import PlanFileError
from rollout.facts import Facts, LockFacts, Session
from rollout.journal import Record
from rollout.model import DeploymentPlan, Finding, Hook, Severity, UnitState
from rollout.moved import grounds, moved_facts, moved_plan, standing
from rollout.plan import Plan, plan, revisions, whole
from rollout.plan_file import Asked, PlanFile, read
from rollout.secret import Mask, Secret
from tests.pure.boxes import box, by_name, deployment, mistral, settled_at, yum_box
from tests.pure.strategies import Site
from tests.pure.test_plan_properties import journeys

FAST = settings(max_examples=15, deadline=None)
TOOL = "stormlift 0.1.0"


def planned(facts: dict[str, Facts], target: str = "2.2.1") -> DeploymentPlan:
    who = deployment("who", *facts)
    found = preflight.inspect("who", facts, target)
    return replace(plan(who, facts, target, migrations.ALL), findings=found)


def file_of(facts: dict[str, Facts], target: str = "2.2.1", hooks: tuple[Hook, ...] = ()) -> PlanFile:
    made = planned(facts, target)
    held = whole((made,), Pace("25%", 1), made.findings, hooks)
    return PlanFile(Asked("prod", target, Pace("25%", 1)), {name: grounds(each) for name, each in facts.items()}, held)


def text_of(file: PlanFile) -> str:
    return file.text(TOOL, Mask())


PAIR = by_name(box("apt2", "2.0.1"), yum_box("yum2", "2.0.1"))

# What it holds.


@FAST
@given(journeys)
def test_what_was_written_is_read_back_equal(journey: tuple[Site, tuple[str, ...]]) -> None:
    site, way = journey
    file = file_of(site.facts, way[-1])
    assert read("plan.json", text_of(file)) == file
    assert digest(read("plan.json", text_of(file)).plan.deployments[0]) == digest(file.plan.deployments[0])


@FAST
@given(journeys, st.randoms())
def test_the_order_in_which_hosts_answer_changes_neither_hash_nor_file(
    journey: tuple[Site, tuple[str, ...]], random: Any
) -> None:
    site, way = journey
    names = list(site.facts)
    random.shuffle(names)
    shuffled = {name: site.facts[name] for name in names}
    first, second = (
        whole((plan(site.deployment, facts, way[-1], migrations.ALL),), Pace()) for facts in (site.facts, shuffled)
    )
    assert first.hash == second.hash
    texts = {
        PlanFile(Asked("x", "", Pace()), {n: grounds(f) for n, f in facts.items()}, held).text(TOOL, Mask())
        for facts, held in ((site.facts, first), (shuffled, second))
    }
    assert len({json.loads(text)["seal"] for text in texts}) == 1


def test_it_is_what_plan_json_prints_and_the_facts_beside_it() -> None:
    file = file_of(PAIR)
    data, printed = json.loads(text_of(file)), json.loads(json.dumps(file.plan.to_json()))
    assert {key: data[key] for key in printed if key != "schema"} == {
        key: value for key, value in printed.items() if key != "schema"
    }
    assert data["facts"]["yum2"]["packages"]["st2mistral"] == "2.0.1-4"
    assert data["facts"]["apt2"]["mistral"]["revision"] == "011"
    assert data["deployments"][0]["packages"]["2.2.1"]["apt2"]["st2"] == "2.2.1-8"
    assert data["deployments"][0]["downtime_s"] == data["downtime_s"] > 0


def test_the_revisions_are_those_that_the_package_manager_is_told() -> None:
    made = planned(PAIR)
    (apt, yum) = (s for p in made.phases for s in p.steps if s.id == "packages.set")
    for step, sign in ((apt, "="), (yum, "-")):
        wanted = revisions(made)["2.2.1"][step.hosts[0]]
        assert [f"{name}{sign}{version}" for name, version in sorted(wanted.items())] == list(step.argv[-4:])


def test_a_secret_in_a_hook_is_not_written() -> None:
    hook = Hook("before-run", ("curl", "https://ops:s3cret@lb/drain"), inventory="prod", deployments=("who",))
    text = text_of(file_of(PAIR, hooks=(hook,)))
    assert "s3cret" not in text and read("plan.json", text).plan.rollout.hooks[0].argv[1] == "https://[secret]@lb/drain"


def test_a_password_that_is_a_word_of_every_command_spoils_none_of_them() -> None:
    mask, file = Mask(), file_of(PAIR)
    mask.learn(Secret("stackstorm"))
    again = read("plan.json", file.text(TOOL, mask))
    assert [each.phases for each in again.plan.deployments] == [each.phases for each in file.plan.deployments]


def test_what_a_finding_quotes_of_a_host_is_masked() -> None:
    file = file_of(PAIR)
    found = Finding("k", Severity.WARNING, "apt2", "mongodb://st2:s3cret@db is slow", "look")
    held = replace(file.plan, findings=(found,), deployments=(replace(file.plan.deployments[0], findings=(found,)),))
    assert "s3cret" not in replace(file, plan=held).text(TOOL, Mask())


def test_a_url_without_a_secret_does_not_run_into_what_stands_behind_it() -> None:
    hook = Hook("before-run", ("curl", "http://lb", "a@b"), inventory="prod", deployments=("who",))
    assert read("plan.json", text_of(file_of(PAIR, hooks=(hook,)))).plan.rollout.hooks == (hook,)


def test_the_command_that_writes_it_anew_has_every_flag_that_is_not_the_usual() -> None:
    assert file_of(PAIR).again("my plan.json") == (
        "invoke plan --hosts prod --to 2.2.1 --batch 25% --max-failures 1 --out 'my plan.json'"
    )


# When it is believed.


def edited(change: Callable[[dict[str, Any]], object]) -> str:
    data = json.loads(text_of(file_of(PAIR)))
    change(data)
    return json.dumps(data)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (text_of(file_of(PAIR))[:-300], "is no file of a plan, or is cut off"),
        ("", "is no file of a plan"),
        ("[" * 100_000, "is no file of a plan"),
        ("[1]", "is no file of a plan"),
        ('{"schema": 7}', "is no file of a plan"),
        (json.dumps(file_of(PAIR).plan.to_json()), "is what `plan --json` prints"),
        (
            edited(lambda data: data.update(schema="stormlift.plan-file/2", tool="stormlift 9")),
            "written by stormlift 9",
        ),
        (edited(lambda data: data.update(holds="stormlift.plan/9")), "this one reads stormlift.plan-file/1"),
        (edited(lambda data: data["asked"].update(hosts="dev")), "was changed after it was written"),
        (edited(lambda data: data["deployments"][0]["hosts"].reverse()), "was changed after it was written"),
        (edited(lambda data: data["facts"]["apt2"]["packages"].update(st2="2.1.1-1")), "its seal does not fit"),
        (edited(lambda data: data.pop("seal")), "its seal does not fit"),
    ],
)
def test_what_is_not_just_what_was_written_is_refused(text: str, why: str) -> None:
    with pytest.raises(PlanFileError) as caught:
        read("plan.json", text)
    assert caught.value.message.startswith("plan.json ") and why in caught.value.message
    assert "invoke plan" in caught.value.hint and caught.value.exit_code == 2


def test_a_file_that_fits_its_seal_and_not_its_shape_is_told_by_the_place() -> None:
    data = json.loads(text_of(file_of(PAIR)))
    del data["seal"], data["deployments"][0]["name"]
    with pytest.raises(PlanFileError, match=r"plan\.json cannot be read: \$\.deployments\[0\]"):
        read("plan.json", json.dumps({**data, "seal": digest(data)}))


# What counts as moved.


def settled_anew(host: Facts) -> Facts:
    record = replace(settled_at("2.2.0", host.host, "who")[1], run="r7")
    return replace(host, journal=(*host.journal, record))


def opened(host: Facts) -> Facts:
    return replace(host, journal=(*host.journal, Record(1, "r9", "opened", data={"command": "mistral.recover"})))


def unit(active: str, enabled: str) -> Callable[[Facts], Facts]:
    return lambda host: replace(host, units={**host.units, "st2api": UnitState(active, enabled)})


DECIDE: dict[str, tuple[Callable[[Facts], Facts], str]] = {
    "package": (
        lambda host: replace(host, installed={**host.installed, "st2": "2.1.1-9"}),
        "package st2: 2.0.1-8 -> 2.1.1-9",
    ),
    "package gone": (
        lambda host: replace(host, installed={k: v for k, v in host.installed.items() if k != "st2web"}),
        "package st2web: 2.0.1-3 -> none",
    ),
    "unit down": (unit("inactive", "enabled"), "unit st2api: running, enabled -> stopped, enabled"),
    "unit off": (unit("active", "disabled"), "unit st2api: running, enabled -> running, disabled"),
    "revision": (
        lambda host: replace(host, mistral=mistral("2.0.1", revision="015")),
        "revision of Mistral's database: 011 -> 015",
    ),
    "database": (
        lambda host: replace(host, mistral=mistral("2.0.1", identity="7/mistral")),
        "identity of Mistral's database: 6841000000000000001/mistral -> 7/mistral",
    ),
    "no database": (lambda host: replace(host, mistral=None), "state of Mistral's database: upgraded -> none"),
    "settled": (settled_anew, "settled release of its journal: none -> 2.2.0"),
    "repair": (opened, "open run of its journal: none -> r9"),
    "machine": (lambda host: replace(host, machine="f00"), "machine id: none -> f00"),
    "distribution": (lambda host: replace(host, distro="el8"), "distribution: "),
    "manager": (lambda host: replace(host, manager=""), "package manager: "),
    "init": (lambda host: replace(host, init="upstart"), "init system: systemd -> upstart"),
}
LEAVE: dict[str, Callable[[Facts], Facts]] = {
    "disk": lambda host: replace(host, free_kib={"/var": 7 << 20, "/opt": 6 << 20}),
    "clock": lambda host: replace(host, clock=host.clock + 86_400),
    "processes": lambda host: replace(host, processes=("4711 python st2api",)),
    "sessions": lambda host: replace(
        host, mistral=mistral("2.0.1", sessions=(Session("127.0.0.1/32", "x", "mistral"),))
    ),
    "work": lambda host: replace(host, mistral=mistral("2.0.1", rows={"executions_v2": 999}, unfinished=7, size=99)),
    "lock": lambda host: replace(host, lock=LockFacts("r", "ann", "", 1, 1), fence=9),
    "more offers": lambda host: replace(
        host, available={name: ("2.3.0-1", *offers) for name, offers in host.available.items()}
    ),
    "starting": lambda host: replace(host, units={**host.units, "st2api": UnitState("activating", "enabled")}),
    "keys": lambda host: replace(host, evidence={"keys-old-scope": 12}),
    "addresses": lambda host: replace(host, addresses=("10.0.0.9",)),
}


@FAST
@given(st.sampled_from(sorted(DECIDE)), st.sampled_from(sorted(PAIR)), st.sets(st.sampled_from(sorted(LEAVE) or [""])))
def test_whatever_decided_and_moved_is_named_with_its_host_before_and_now(what: str, host: str, also: set[str]) -> None:
    change, said = DECIDE[what]
    now = PAIR[host]
    for name in sorted(also - ({"sessions", "work", "starting"})):
        now = LEAVE[name](now)
    now = change(now)
    moved = moved_facts(file_of(PAIR).facts, {**{n: grounds(f) for n, f in PAIR.items()}, host: grounds(now)})
    assert all(line.startswith(f"{host}: ") for line in moved)
    assert [line for line in moved if line.startswith(f"{host}: {said}")], moved


@pytest.mark.parametrize("what", sorted(LEAVE))
def test_what_decided_nothing_may_move(what: str) -> None:
    now = {**PAIR, "apt2": LEAVE[what](PAIR["apt2"])}
    assert moved_facts(file_of(PAIR).facts, {name: grounds(each) for name, each in now.items()}) == ()
    assert moved_plan(planned(PAIR), planned(now)) == ()


def test_a_new_revision_of_just_this_set_is_named() -> None:
    offers = {**PAIR["yum2"].available, "st2": ("2.2.1-9", "2.2.1-8", "2.0.1-8")}
    now = {**PAIR, "yum2": replace(PAIR["yum2"], available=offers)}
    assert moved_plan(planned(PAIR), planned(now)) == ("yum2: st2 2.2.1 in its repositories: 2.2.1-8 -> 2.2.1-9",)
    gone = {**PAIR, "yum2": replace(PAIR["yum2"], available={**offers, "st2": ("2.0.1-8",)})}
    assert moved_plan(planned(PAIR), planned(gone)) == ("yum2: st2 2.2.1 in its repositories: 2.2.1-8 -> none",)


def test_data_that_makes_a_step_is_named_and_where_no_fact_is_the_step() -> None:
    before = by_name(box("a", "2.1.0"))
    after = by_name(box("a", "2.1.0", evidence={"keys-old-scope": 3}))
    assert moved_plan(planned(before), planned(after)) == (
        "a: step 2.2.1:2.1.datastore-scopes: not run -> /opt/stackstorm/st2/bin/st2-migrate-datastore-scopes.py "
        "--config-file /etc/st2/st2.conf",
    )
    then, now = ({"a": grounds(each["a"])} for each in (before, after))
    assert moved_facts(then, now) == ()
    assert moved_facts(then, now, steps_too=True) == ("a: data that shows keys-old-scope: none -> found",)


# How far it is.


def with_journal(*records: Record) -> dict[str, Facts]:
    return {name: replace(each, journal=records) for name, each in PAIR.items()}


def test_a_run_of_just_this_plan_is_known_by_its_digest() -> None:
    made = planned(PAIR)
    begun = Record(1, "r1", "opened", digest=digest(made), data={"command": "upgrade"})
    closed = Record(1, "r1", "closed", data={"outcome": "done"})
    assert standing(made, PAIR) == "fresh"
    assert standing(made, with_journal(begun)) == "open"
    assert standing(made, with_journal(begun, closed)) == "done"
    assert standing(made, with_journal(replace(begun, digest="another"))) == "other"
    assert standing(made, with_journal(begun, replace(closed, event="abandoned"))) == "fresh"
    repaired = Record(1, "r2", "opened", digest="another", data={"command": "services.restart"})
    assert standing(made, with_journal(begun, closed, repaired, replace(closed, run="r2"))) == "fresh"


def test_a_whole_plan_survives_its_json() -> None:
    held = file_of(PAIR).plan
    assert Plan.from_json(json.loads(json.dumps(held.to_json()))) == held
