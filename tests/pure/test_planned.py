"""upgrade --plan at a desk whose hosts answer from memory: just that plan, or a refusal that names what is wrong."""

import json
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from rollout.batches import Pace
from rollout.codec import canonical, digest
from rollout.errors import FactsMoved, Inhibited, PlanFileError, PlanRefused, UnknownName, UsageError
from rollout.facts import Facts
from rollout.journal import Record
from rollout.model import Deployment, Finding, Hook, Severity
from rollout.plan import Plan
from rollout.plan_file import Asked, read
from rollout.secret import Mask
from tasks.edge import Desk
from tasks.plan import works_of
from tasks.plan_file import file_of, place_of, write
from tasks.planned import Flags, works_of_file
from tasks.work import Work, stop_if_inhibited
from tests.pure.boxes import box, by_name, deployment, settled_at, yum_box

NOTHING = Flags("", "", {})
PACE = Pace("1,100%", 1)


@dataclass
class Estate:
    """As much of a desk as planning takes: the inventory, what hosts answer, and what was said."""

    facts: dict[str, Facts]
    deployments: dict[str, Deployment]
    hooks: tuple[Hook, ...] = ()
    said: list[str] = field(default_factory=list)
    mask: Mask = field(default_factory=Mask)
    kept: str = ""

    def desk(self) -> Desk:
        """The same, as the tasks take it."""
        return cast(Desk, self)

    def select(self, words: str, *, whole: bool) -> Any:
        """All deployments for `prod`, else those that are named."""
        names = list(self.deployments) if words == "prod" else words.split(",")
        if unknown := [name for name in names if name not in self.deployments]:
            raise UnknownName(f"--hosts {unknown[0]}: nothing of this name", "known: prod")
        return SimpleNamespace(deployments=tuple(self.deployments[name] for name in names))

    @property
    def fleet(self) -> Any:
        """Hosts that answer from memory, and keep one plan."""
        return Remembered(self)

    def say(self, text: str) -> None:
        """Remember what was said."""
        self.said.append(text)


@dataclass
class Remembered:
    """The fleet of an Estate."""

    estate: Estate

    def facts(self, hosts: Any, *, work: bool = False) -> dict[str, Facts]:
        """What each of HOSTS answers."""
        return {host.name: self.estate.facts[host.name] for host in hosts}

    def __getitem__(self, name: str) -> Any:
        return SimpleNamespace(probe=lambda *words: self.estate.kept)


@pytest.fixture
def estate() -> Estate:
    hosts = by_name(box("apt1", "2.0.1"), box("apt2", "2.0.1"), yum_box("yum2", "2.0.1"))
    hosts["apt1"] = replace(hosts["apt1"], mistral=replace(cast(Any, hosts["apt1"].mistral), identity="1/mistral"))
    there = {
        "lone": deployment("lone", "apt1", target="2.2.1"),
        "pair": deployment("pair", "apt2", "yum2", target="2.2.1"),
    }
    return Estate(hosts, there)


@pytest.fixture
def kept(estate: Estate, tmp_path: Path) -> str:
    """The file of the plan for all of them, as `invoke plan --hosts prod --batch 1,100% --max-failures 1` writes it."""
    place = tmp_path / "plan.json"
    works, planned = works_of(estate.desk(), "prod", "", PACE)
    write(estate.desk(), place, file_of(works, planned, Asked("prod", "", PACE)))
    return str(place)


def typed(estate: Estate, name: str, flags: Flags = NOTHING) -> tuple[list[Work], Plan]:
    return works_of_file(estate.desk(), name, flags)


def refused(estate: Estate, name: str) -> FactsMoved:
    with pytest.raises(FactsMoved) as caught:
        typed(estate, name)
    assert caught.value.exit_code == 2
    assert f"invoke plan --hosts prod --batch 1,100% --max-failures 1 --out {name}" in caught.value.hint
    return caught.value


# Just that plan.


def test_the_plan_of_the_file_is_carried_out_as_it_was_read(estate: Estate, kept: str) -> None:
    before = works_of(estate.desk(), "prod", "", PACE)[1]
    works, planned = typed(estate, kept)
    assert planned == before and planned.hash == json.loads(Path(kept).read_text())["hash"]
    assert [digest(work.plan) for work in works] == [digest(each) for each in before.deployments]
    assert not any(work.resumed for work in works)


def test_what_does_not_matter_has_moved_and_the_plan_of_the_file_is_still_the_one(estate: Estate, kept: str) -> None:
    before = works_of(estate.desk(), "prod", "", PACE)[1]
    mistral = replace(cast(Any, estate.facts["apt1"].mistral), rows={"executions_v2": 23}, unfinished=3)
    estate.facts["apt1"] = replace(
        estate.facts["apt1"], clock=1, free_kib={"/var": 9 << 20, "/opt": 9 << 20}, mistral=mistral
    )
    _, planned = typed(estate, kept)
    assert planned.deployments == before.deployments


def test_flags_that_say_the_same_are_welcome(estate: Estate, kept: str) -> None:
    flags = Flags("lone,pair", "2.2.1", {"batch": "1,100%", "max_failures": "1", "soak": "10", "wait_between": None})
    assert [work.plan.name for work in typed(estate, kept, flags)[0]] == ["lone", "pair"]


@pytest.mark.parametrize(
    ("flags", "why"),
    [
        (Flags("pair", "", {}), "--hosts pair: "),
        (Flags("", "2.1.1", {}), "--to 2.1.1: "),
        (Flags("", "", {"batch": "1"}), "--batch 1: "),
        (Flags("", "", {"max_failures": "0"}), "--max-failures 0: "),
        (Flags("", "", {"wait_between": "5"}), "--wait-between 5: "),
        (Flags("", "", {}, True), "--skip-unreachable: "),
        (Flags("", "", {}, waive=("disk-short=small",)), "--waive: .* waives nothing"),
    ],
)
def test_flags_that_say_something_else_are_refused(estate: Estate, kept: str, flags: Flags, why: str) -> None:
    with pytest.raises(UsageError, match=f"^{why}") as caught:
        typed(estate, kept, flags)
    assert "leave --" in caught.value.hint and not isinstance(caught.value, PlanRefused)


# What moved.


def test_a_package_that_moved_on_one_host_is_named(estate: Estate, kept: str) -> None:
    host = estate.facts["yum2"]
    estate.facts["yum2"] = replace(host, installed={**host.installed, "st2web": "2.1.1-3"})
    lines = refused(estate, kept).message.splitlines()
    assert lines[0].startswith(f"{kept} no longer fits")
    assert lines[1:] == ["  yum2: package st2web: 2.0.1-3 -> 2.1.1-3"]


def test_an_upgrade_by_hand_past_the_target_is_named_and_no_bare_refusal(estate: Estate, kept: str) -> None:
    later = box("apt1", "2.3.0")
    estate.facts["apt1"] = replace(later, available=estate.facts["apt1"].available)
    message = refused(estate, kept).message
    assert "apt1: package st2: 2.0.1-8 -> 2.3.0-8" in message
    assert "lone: no plan can be made now: 2.2.1 is older than 2.3.0" in message


def test_a_host_more_in_the_inventory_is_named(estate: Estate, kept: str) -> None:
    estate.deployments["pair"] = deployment("pair", "apt2", "yum2", "web9", target="2.2.1")
    estate.deployments["new"] = deployment("new", "apt3")
    lines = refused(estate, kept).message.splitlines()[1:]
    assert lines == [
        "  pair: hosts in the inventory: apt2, yum2 -> apt2, yum2, web9",
        "  new: hosts in the inventory: not among them -> apt3",
    ]


def test_a_name_that_the_inventory_lost_is_named(estate: Estate, tmp_path: Path) -> None:
    place = tmp_path / "p.json"
    write(estate.desk(), place, file_of(*works_of(estate.desk(), "lone", "", Pace()), Asked("lone", "", Pace())))
    del estate.deployments["lone"]
    with pytest.raises(FactsMoved, match="the inventory: --hosts lone: nothing of this name"):
        typed(estate, str(place))


def test_another_target_in_the_inventory_moves_nothing(estate: Estate, kept: str) -> None:
    estate.deployments["lone"] = deployment("lone", "apt1", target="2.2.0")
    assert typed(estate, kept)[0][0].plan.target == "2.2.1"


def test_other_hooks_are_named(estate: Estate, kept: str) -> None:
    estate.hooks = (Hook("before-run", ("true",), inventory="prod", deployments=("pair",)),)
    assert "the inventory: its hooks" in refused(estate, kept).message


def test_what_stops_now_stops_with_its_remedy_although_the_plan_still_fits(estate: Estate, kept: str) -> None:
    estate.facts["apt1"] = replace(estate.facts["apt1"], free_kib={"/var": 10, "/opt": 10 << 20})
    _, planned = typed(estate, kept)
    with pytest.raises(Inhibited, match="apt1: /var has 0 MiB free") as caught:
        stop_if_inhibited(planned)
    assert caught.value.hint == "free space under /var"


def test_what_the_file_waives_is_waived_again_and_for_no_other_reason(estate: Estate, tmp_path: Path) -> None:
    estate.facts["apt1"] = replace(estate.facts["apt1"], free_kib={"/var": 10, "/opt": 10 << 20})
    words, place = ("disk-short=the volume grows tonight",), tmp_path / "p.json"
    works, planned = works_of(estate.desk(), "lone", "", Pace(), waive=words)
    write(estate.desk(), place, file_of(works, planned, Asked("lone", "", Pace(), words)))
    again = typed(estate, str(place))[1]
    stop_if_inhibited(again)
    assert again == planned
    assert [each.waived for each in again.findings if each.key == "disk-short"] == ["the volume grows tonight"]
    assert "--waive 'disk-short=the volume grows tonight'" in read(str(place), place.read_text()).again("p.json")


def test_what_a_release_asks_is_waived_in_a_file_as_well(estate: Estate, tmp_path: Path) -> None:
    """Its name is a step's, and no finding of hosts has it."""
    words, place = ("2.2.jinja-user-system=no pack uses it",), tmp_path / "p.json"
    there = estate.facts["apt1"]
    key = "jinja-user-system"
    estate.facts["apt1"] = replace(there, evidence={**there.evidence, key: 1}, places={**there.places, key: "/x:1"})
    works, planned = works_of(estate.desk(), "lone", "", Pace(), waive=words)
    write(estate.desk(), place, file_of(works, planned, Asked("lone", "", Pace(), words)))
    again = typed(estate, str(place))[1]
    assert [each.waived for each in again.findings if each.key == "2.2.jinja-user-system"] == ["no pack uses it"]


def test_every_remedy_is_a_line_of_the_hint_once() -> None:
    found = [
        Finding("k", Severity.INHIBITOR, host, "cause", remedy) for host, remedy in (("a", "x"), ("b", "x"), ("c", "y"))
    ]
    warned = Finding("w", Severity.WARNING, "a", "cause", "z")
    with pytest.raises(Inhibited) as caught:
        stop_if_inhibited(Plan((), (*found, warned)))
    assert caught.value.hint == "x\n  y"


# Again, after something of it was done.


def carried_out(estate: Estate, kept: str, name: str, *, closed: bool) -> None:
    """Let the journals say that a run of just the plan of NAME was begun, and closed."""
    (plan,) = (work.plan for work in typed(estate, kept)[0] if work.plan.name == name)
    for host in plan.hosts:
        begun = Record(1, "r5", "opened", 5, name, host, digest=digest(plan), data={"command": "upgrade"})
        over = replace(begun, event="closed", digest="", data={"outcome": "done"})
        there = replace(box(host, "2.2.1"), mistral=estate.facts[host].mistral)
        records = (*settled_at("2.0.1", host, name), begun, *((over,) if closed else ()))
        estate.facts[host] = replace(there, journal=records)
    estate.kept = canonical(plan)


def test_a_run_of_this_plan_that_is_open_is_taken_up(estate: Estate, kept: str) -> None:
    carried_out(estate, kept, "pair", closed=False)
    lone, pair = typed(estate, kept)[0]
    assert (pair.resumed, pair.run, lone.resumed) == (True, "r5", False)


def test_what_it_did_already_is_not_done_again_and_the_rest_goes_on(estate: Estate, kept: str) -> None:
    carried_out(estate, kept, "lone", closed=True)
    works, planned = typed(estate, kept)
    assert [work.plan.empty for work in works] == [True, False]
    assert planned.rollout.names == ("pair",) and works[1].plan.phases


def test_a_run_of_another_plan_that_is_open_is_finished_first(estate: Estate, kept: str) -> None:
    begun = Record(1, "r5", "opened", 5, "pair", "apt2", digest="another", data={"command": "upgrade"})
    estate.facts["apt2"] = replace(estate.facts["apt2"], journal=(begun,))
    with pytest.raises(FactsMoved, match="pair: a run is open that was begun with another plan") as caught:
        typed(estate, kept)
    assert caught.value.hint.startswith("finish what is open: invoke upgrade --hosts pair; then make a new plan")


# The file itself.


def test_the_file_is_for_its_owner_alone_and_nothing_lies_beside_it(kept: str, estate: Estate) -> None:
    assert stat.S_IMODE(Path(kept).stat().st_mode) == 0o600
    assert [path.name for path in Path(kept).parent.iterdir()] == ["plan.json"]
    assert estate.said == [f"the plan is in {kept}; carry out just this: invoke upgrade --plan {kept}"]


def test_a_plan_is_overwritten_by_a_plan(kept: str, estate: Estate) -> None:
    place = place_of(kept)
    assert place is not None
    write(estate.desk(), place, file_of(*works_of(estate.desk(), "pair", "", Pace()), Asked("pair", "", Pace())))
    assert json.loads(Path(kept).read_text())["asked"]["hosts"] == "pair"


def makes_a_folder(place: Path) -> None:
    place.mkdir()


def makes_a_key(place: Path) -> None:
    place.write_text("-----BEGIN OPENSSH PRIVATE KEY-----\n")


def makes_other_json(place: Path) -> None:
    place.write_text('{"schema": "somebody.else/1"}')


def makes_a_pipe(place: Path) -> None:
    os.mkfifo(place)


def makes_a_loop(place: Path) -> None:
    place.symlink_to(place)


@pytest.mark.parametrize("made", [makes_a_folder, makes_a_key, makes_other_json, makes_a_pipe, makes_a_loop])
def test_what_is_no_plan_is_left_as_it_is(tmp_path: Path, made: Callable[[Path], None]) -> None:
    made(tmp_path / "there")
    before = os.lstat(tmp_path / "there")
    with pytest.raises(PlanFileError) as caught:
        place_of(str(tmp_path / "there"))
    assert caught.value.hint == "name another place with --out" and caught.value.exit_code == 2
    assert os.lstat(tmp_path / "there").st_mtime_ns == before.st_mtime_ns


def test_a_place_that_is_none_is_refused_before_any_host_is_asked(tmp_path: Path) -> None:
    with pytest.raises(PlanFileError, match=r"there is no directory .*nowhere"):
        place_of(str(tmp_path / "nowhere" / "plan.json"))
    assert place_of("") is None


def test_a_place_that_is_lost_while_hosts_are_asked_leaves_no_half_of_a_file(estate: Estate, tmp_path: Path) -> None:
    (tmp_path / "plan.json").mkdir()
    file = file_of(*works_of(estate.desk(), "lone", "", Pace()), Asked("lone", "", Pace()))
    with pytest.raises(PlanFileError, match=r"plan\.json cannot be written: "):
        write(estate.desk(), tmp_path / "plan.json", file)
    assert [path.name for path in tmp_path.iterdir()] == ["plan.json"]


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00"])
def test_a_file_that_is_not_there_or_no_text_is_a_sentence(
    estate: Estate, tmp_path: Path, content: bytes | None
) -> None:
    if content is not None:
        (tmp_path / "p").write_bytes(content)
    with pytest.raises(PlanFileError, match=r"/p cannot be read: "):
        typed(estate, str(tmp_path / "p"))
