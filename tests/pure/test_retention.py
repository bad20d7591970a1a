"""Which backups go: what the rules say, what stays whatever they say, and that nobody is left without a way back."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from hypothesis import given
from hypothesis import strategies as st

from rollout import retention
from rollout.batches import UNGATED
from rollout.journal import Record
from rollout.model import Phase
from rollout.plan import whole
from rollout.retention import DAY_S, Rule, State, Stored, going, stored
from rollout.text import plan_text
from tests.pure.boxes import box, by_name, deployment

NOW = 1_800_000_000.0
HOSTS = ("a", "b")


@dataclass(frozen=True)
class Lies:
    """A part of a backup, as a host lists it."""

    name: str
    at: float = NOW
    bytes: int = 1 << 20
    wrong: str = ""
    external: str = ""
    hosts: str = ""
    files: Mapping[str, int] = field(default_factory=lambda: {"files.tar": 1, "mistral.dump": 1})


def one(run: str, days: float, hop: str = "2.2.1", hosts: tuple[str, ...] = ("a",), **more: object) -> Stored:
    """A backup that was made DAYS ago."""
    return replace(Stored(f"{run}/{hop}", hosts, NOW - days * DAY_S, 1 << 20, State.WHOLE), **more)  # type: ignore[arg-type]


def gone(backups: list[Stored], keep: int = 0, days: int = 0) -> list[str]:
    return [each.name for each in going(backups, Rule(keep, days), NOW)]


# What lies there.


def test_parts_on_several_hosts_are_one_backup() -> None:
    parts = {
        "a": (Lies("r1/2.2.1", NOW - 5, 10, hosts="a,b"), Lies("r2/2.2.1", external="snapshot")),
        "b": (Lies("r1/2.2.1", NOW, 20, hosts="a,b", files={"files.tar": 1, "store.archive": 1}),),
    }
    first, second = stored(parts, {"r2"})
    kinds = ("files.tar", "mistral.dump", "store.archive")
    assert first == Stored("r1/2.2.1", HOSTS, NOW, 30, State.WHOLE, kinds)
    assert (second.hosts, second.external, second.open, second.run) == (("a",), True, True, "r2")


def test_what_is_not_whole_is_told_apart() -> None:
    unsealed, odd = (
        "/x has no manifest, so it is not whole: No such file",
        "the manifest of /x is none of stormlift.backup/1",
    )

    def state(**parts: Lies) -> State:
        (found,) = stored({host: (part,) for host, part in parts.items()}, ())
        return found.state

    assert state(a=Lies("r/1", hosts="a,b")) is State.PARTIAL  # b was set up anew
    assert state(a=Lies("r/1"), b=Lies("r/1", wrong=unsealed)) is State.PARTIAL
    assert state(a=Lies("r/1", wrong=unsealed), b=Lies("r/1", wrong=unsealed)) is State.UNFINISHED
    assert state(a=Lies("r/1", wrong=unsealed), b=Lies("r/1", wrong=odd)) is State.UNKNOWN
    assert state(a=Lies("r/1", wrong="the manifest of /x is damaged")) is State.UNKNOWN
    assert state(a=Lies("r/my own copy", wrong=unsealed)) is State.UNKNOWN


def test_a_run_is_open_until_every_host_has_closed_it() -> None:
    def run(name: str, *events: str) -> tuple[Record, ...]:
        return tuple(Record(1, name, event, 1) for event in ("opened", *events))

    facts = by_name(
        replace(box("a", "2.2.1"), journal=(*run("r1", "closed"), *run("r2", "closed"), *run("r3", "started"))),
        replace(box("b", "2.2.1"), journal=(*run("r1", "closed"), *run("r2"), *run("r4", "abandoned"))),
    )
    assert retention.open_runs(facts) == {"r2", "r3"}


# The rules.


def test_without_a_rule_nothing_goes_but_what_was_never_finished() -> None:
    old, new = one("r0", 900, state=State.UNFINISHED), one("r3", 0.5, state=State.UNFINISHED)
    assert gone([one("r2", 800), one("r1", 900), new, old]) == [old.name]
    assert gone([one("r2", 800), replace(old, open=True)]) == []


def test_the_newest_runs_stay_by_count_and_the_oldest_go_first() -> None:
    backups = [one(f"r{n}", n) for n in range(6)]
    assert gone(backups, keep=3) == ["r5/2.2.1", "r4/2.2.1", "r3/2.2.1"]
    assert gone(backups, keep=9) == []


def test_the_young_stay_by_age() -> None:
    backups = [one(f"r{n}", n * 10) for n in range(6)]
    assert gone(backups, days=30) == ["r5/2.2.1", "r4/2.2.1"]


def test_a_run_stays_when_either_rule_keeps_it() -> None:
    backups = [one(f"r{n}", n * 10) for n in range(6)]
    assert gone(backups, keep=2, days=30) == gone(backups, keep=4, days=5) == ["r5/2.2.1", "r4/2.2.1"]


def test_the_way_back_of_a_run_of_several_hops_is_not_torn() -> None:
    hops = [one("r2", 2 + n / 100, f"2.{n}.0") for n in range(5)]
    backups = [one("r1", 1), *hops, one("r3", 3)]
    assert gone(backups, keep=2) == ["r3/2.2.1"]
    assert gone(backups, keep=1) == ["r3/2.2.1", *(each.name for each in reversed(hops))]


def test_each_host_s_newest_stays_though_its_deployment_has_newer_ones() -> None:
    """A front host that did not take part in the last two."""
    both, only_a = one("r9", 9, hosts=HOSTS), [one("r1", 1), one("r2", 2)]
    assert gone([both, *only_a, one("r8", 8)], keep=1) == ["r8/2.2.1", "r2/2.2.1"]


def test_what_must_never_go() -> None:
    newest = one("r1", 50)
    assert gone([newest], keep=1, days=1) == gone([newest], days=1) == []
    assert gone([newest, one("r2", 60, open=True), one("r3", 70, state=State.UNKNOWN)], days=1) == []
    # One without databases, and a repair of Mistral's alone, are no way back for st2's own.
    backups = [one("r1", 1, holds=("files.tar",), external=True), one("r2", 2, holds=("mistral.dump",)), one("r3", 3)]
    assert gone([*backups, one("r4", 4)], keep=1) == ["r4/2.2.1"]


def test_what_a_host_that_left_took_with_it_makes_the_rest_no_rubbish() -> None:
    """No older backup is whole any more then, and the newest of them may be all that there is."""
    backups = [one(f"r{n}", n, state=State.PARTIAL) for n in (2, 3, 4)]
    assert gone(backups, days=1) == ["r4/2.2.1", "r3/2.2.1"]
    assert gone([one("r1", 1), *backups], keep=2) == ["r4/2.2.1", "r3/2.2.1"]


ages = st.floats(0, 400, allow_nan=False).map(lambda days: NOW - days * DAY_S)
backups_ = st.lists(
    st.builds(
        Stored,
        name=st.builds("r{}/{}".format, st.integers(0, 8), st.sampled_from(["2.0.1", "2.2.1", "3.0.0"])),
        hosts=st.sampled_from([("a",), ("b",), HOSTS]),
        at=ages,
        bytes=st.integers(0, 1 << 40),
        state=st.sampled_from(State),
        holds=st.sampled_from([(), ("files.tar",), ("mistral.dump",), ("files.tar", "mistral.dump", "store.archive")]),
        open=st.booleans(),
    ),
    max_size=12,
    unique_by=lambda each: each.name,
)
rules = st.builds(Rule, st.integers(0, 5), st.integers(0, 90))


@given(backups_, rules)
def test_nobody_loses_a_way_back(backups: list[Stored], rule: Rule) -> None:
    gone = going(backups, rule, NOW)
    left = [each for each in backups if each not in gone]
    assert len(set(gone)) == len(gone) and set(gone) <= set(backups)
    assert not any(each.open or each.state is State.UNKNOWN for each in gone)
    for host in HOSTS:
        for kind in ("files.tar", "mistral.dump", "store.archive"):
            for states in ((State.WHOLE,), (State.WHOLE, State.PARTIAL)):
                held = [each for each in backups if host in each.hosts and kind in each.holds and each.state in states]
                assert not held or max(held, key=lambda each: (each.at, each.run)) in left
        whole = [each for each in backups if host in each.hosts and each.state is State.WHOLE]
        assert len({each.run for each in whole if each in left}) >= min(rule.keep, len({each.run for each in whole}))
    sealed = [each for each in backups if each.state is not State.UNFINISHED]
    assert all(each in left for each in sealed if rule.days and each.at >= NOW - rule.days * DAY_S)


@given(backups_, rules)
def test_what_goes_is_unfinished_or_goes_with_all_of_its_run(backups: list[Stored], rule: Rule) -> None:
    gone = going(backups, rule, NOW)
    sealed = [each for each in gone if each.state is not State.UNFINISHED]
    assert [each.state is State.UNFINISHED for each in gone] == sorted(
        (each.state is State.UNFINISHED for each in gone), reverse=True
    )
    assert all(NOW - each.at > DAY_S for each in gone if each.state is State.UNFINISHED)
    for each in sealed:
        assert all(o in gone for o in backups if o.run == each.run and o.state in (State.WHOLE, State.PARTIAL))
    assert not sealed or rule.keep or rule.days


@given(backups_, rules)
def test_what_was_removed_leaves_nothing_more_to_remove(backups: list[Stored], rule: Rule) -> None:
    left = [each for each in backups if each not in going(backups, rule, NOW)]
    assert going(left, rule, NOW) == ()


@given(backups_, st.integers(0, 5), st.integers(0, 90))
def test_whoever_keeps_more_loses_less(backups: list[Stored], keep: int, days: int) -> None:
    gone = set(going(backups, Rule(keep, days), NOW))
    assert set(going(backups, Rule(keep + 1 if keep else 0, days + 1 if days else 0), NOW)) <= gone


# As a plan.


def test_each_host_removes_its_own_parts_and_the_plan_says_what_stays() -> None:
    facts = by_name(box("a", "2.2.1"), box("b", "2.2.1"))
    backups = [
        one("r1", 1, hosts=HOSTS),
        one("r2", 20, hosts=HOSTS),
        one("r3", 30),
        one("r4", 40, state=State.UNFINISHED),
    ]
    made = retention.prune(deployment("main", "a", "b"), facts, backups, Rule(keep=1), NOW)
    (phase,) = made.phases
    assert phase.name is Phase.SETTLE and made.command == "backup.prune"
    forget = ("stormlift-host", "backup", "forget")
    assert {step.hosts: step.argv for step in phase.steps} == {
        ("a",): (*forget, "r4/2.2.1", "r3/2.2.1", "r2/2.2.1"),
        ("b",): (*forget, "r2/2.2.1"),
    }
    text = plan_text(whole([made], UNGATED))
    assert "note: goes: r2/2.2.1 on a, b: whole, 1.0 MiB, 20 days old" in text
    assert "note: goes: r4/2.2.1 on a: unfinished, 1.0 MiB, 40 days old" in text
    assert "note: stays: r1/2.2.1 on a, b: whole, 1.0 MiB, 1 day old" in text
    assert retention.prune(deployment("main", "a", "b"), facts, backups[:1], Rule(keep=1), NOW).empty


def test_a_run_that_takes_a_backup_counts_its_own_at_its_end() -> None:
    facts = by_name(box("a", "2.2.1"))
    backups = [one("r1", 1), one("r2", 2)]
    (step,) = retention.after(facts, backups, Rule(keep=1), NOW, "r0")
    assert step.argv[-2:] == ("r2/2.2.1", "r1/2.2.1")
    assert retention.after(facts, backups, Rule(keep=3), NOW, "r0") == ()
    # Its own has no databases in it: the newest that has some stays.
    (step,) = retention.after(facts, backups, Rule(keep=1), NOW, "r0", ("files.tar",))
    assert step.argv[-1] == "r2/2.2.1"
