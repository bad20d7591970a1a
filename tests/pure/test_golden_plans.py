"""Plans as an operator reads them, whole, one file each under tests/plans/.

STORMLIFT_GOLDEN=write writes the files anew; read the difference before it is kept.
"""

import difflib
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

import migrations
from rollout import concerns, preflight
from rollout.batches import Pace
from rollout.facts import Facts
from rollout.journal import Record
from rollout.plan import Plan, hops_of, plan, whole
from rollout.text import plan_text
from tests.pure.boxes import box, by_name, deployment, mistral, settled_at, version, yum_box

PLANS = Path(__file__).parent.parent / "plans"
ENTERPRISE = ("st2", "st2web", "st2chatops", "st2mistral", "bwc-enterprise")
Story = Callable[[], tuple[dict[str, Facts], str]]


def one_apt_box_from_1_4_0() -> tuple[dict[str, Facts], str]:
    """All three migrations are crossed, on a system of that time."""
    return by_name(box("apt1", "1.4.0", evidence={"keys-unscoped": 40, "keys-old-scope": 0})), "2.2.1"


def one_yum_box_from_2_0_1() -> tuple[dict[str, Facts], str]:
    """The common case, with the licensed package."""
    return by_name(yum_box("yum1", "2.0.1", packages=ENTERPRISE)), "2.2.1"


def a_pair_on_one_database() -> tuple[dict[str, Facts], str]:
    """One host of each family, everything on both."""
    return by_name(box("apt2", "2.0.1"), yum_box("yum2", "2.0.1")), "2.2.1"


def a_web_host_and_a_worker() -> tuple[dict[str, Facts], str]:
    """Hosts that carry different packages: what runs once runs on the host that is fit for it."""
    return by_name(box("web", "2.0.1", packages=("st2web",)), box("all", "2.0.1")), "2.2.1"


def a_web_and_a_chat_host_ahead_of_the_rest() -> tuple[dict[str, Facts], str]:
    """Two hosts that carry only st2web or st2chatops go first, one after the other, while the third serves."""
    chat = yum_box("chat", "2.0.1", packages=("st2web", "st2chatops"))
    return by_name(box("all", "2.0.1"), box("web", "2.0.1", packages=("st2web",)), chat), "2.2.1"


def one_apt_box_from_2_1_1() -> tuple[dict[str, Facts], str]:
    """No step of 1.5 or 2.1, but Mistral's database moves."""
    return by_name(box("apt1", "2.1.1")), "2.2.1"


def a_finished_box() -> tuple[dict[str, Facts], str]:
    """At the target, by the journal too."""
    return by_name(box("apt1", "2.2.1", settled="2.2.1")), "2.2.1"


def one_that_died_half_way() -> tuple[dict[str, Facts], str]:
    """Packages are new, the journal settled the old release: the migrations are due, whatever dpkg says."""
    half = box("apt1", "2.2.1", settled="2.0.1", hold="run r1 since 2017-04-03T03:00:00Z")
    opened = replace(settled_at("2.0.1", "apt1", "apt1")[0], run="r1", at=9)
    old = mistral("2.1.1", state="old", head="020", sessions=())
    return by_name(replace(half, journal=(*half.journal, opened), mistral=old)), "2.2.1"


def one_upgraded_by_hand() -> tuple[dict[str, Facts], str]:
    """The same, with no run open: a question for the operator, not a plan to carry out."""
    return by_name(box("apt1", "2.2.1", settled="2.0.1")), "2.2.1"


def one_that_needs_a_stop() -> tuple[dict[str, Facts], str]:
    """The 1.5 script is broken from 1.6.0 to 2.0.1, so it runs in 1.5.1."""
    return by_name(yum_box("yum1", "1.4.0")), "2.0.1"


def four_boxes_alike_and_a_pair() -> tuple[dict[str, Facts], str]:
    """Single boxes that go through the same are one tree; a ramp of batches, the estimate from what a box did before."""
    boxes = [box(f"st2-{letter}", "2.0.1") for letter in "abcd"]
    began = Record(1, "r0", "started", 100, "st2-d", "st2-d", step="2.0.1:stop.units", attempt=1)
    slow = replace(
        boxes[3], journal=(*settled_at("2.0.1", "st2-d", "st2-d"), began, replace(began, event="finished", at=190))
    )
    return by_name(*boxes[:3], slow, box("apt2", "2.0.1"), yum_box("yum2", "2.0.1")), "2.2.1"


LATER = ("3.9.0", "3.8.1", "3.4.1", "3.2.0", "3.0.1", "2.8.1", "2.2.1")
ALL_OF_3 = ("st2", "st2web", "st2chatops")


def later(host: Facts, **versions: str) -> Facts:
    """HOST with repositories that offer what came after 2.2.1, and what else is there."""
    offered = {name: tuple(version(name, release) for release in LATER) for name in host.installed}
    return replace(host, available=offered, versions=versions)


def one_apt_box_from_2_2_1_to_3_4_1() -> tuple[dict[str, Facts], str]:
    """A stop at the last release with Mistral; Node.js, MongoDB and Python must be settled, now or at the stop."""
    found = {"node": "4.9.1", "node-offered": "10.24.1", "python-offered": "none", "mongodb": "3.4.24"}
    return by_name(later(box("apt1", "2.2.1", settled="2.2.1"), **found)), "3.4.1"


def a_yum_pair_from_2_8_1_to_3_8_1() -> tuple[dict[str, Facts], str]:
    """st2timersengine and st2scheduler join, one of them on one host alone; Mistral stays behind."""
    found = {"node": "14.21.3", "node-offered": "14.21.3", "python-offered": "3.6", "mongodb": "3.4.24"}
    pair = [later(yum_box(name, "2.8.1", settled="2.8.1"), **found) for name in ("st2-a", "st2-b")]
    return by_name(*pair), "3.8.1"


def one_box_from_3_8_1_to_3_9_0() -> tuple[dict[str, Facts], str]:
    """No database moves."""
    system = {"distro": "focal", "os_name": "Ubuntu 20.04.6 LTS", "mistral": None}
    host = box("apt1", "3.8.1", packages=ALL_OF_3, settled="3.8.1", **system)
    return by_name(later(host, **{"node": "20.20.0", "mongodb": "7.0.26"})), "3.9.0"


STORIES: tuple[Story, ...] = (
    one_apt_box_from_1_4_0,
    one_yum_box_from_2_0_1,
    a_pair_on_one_database,
    a_web_host_and_a_worker,
    a_web_and_a_chat_host_ahead_of_the_rest,
    one_apt_box_from_2_1_1,
    a_finished_box,
    one_that_died_half_way,
    one_upgraded_by_hand,
    one_that_needs_a_stop,
    four_boxes_alike_and_a_pair,
    one_apt_box_from_2_2_1_to_3_4_1,
    a_yum_pair_from_2_8_1_to_3_8_1,
    one_box_from_3_8_1_to_3_9_0,
)
# Of a story with several deployments: their hosts. The others are one deployment.
SEVERAL = {
    four_boxes_alike_and_a_pair: {
        **{f"st2-{letter}": (f"st2-{letter}",) for letter in "abcd"},
        "pair": ("apt2", "yum2"),
    }
}


def planned(story: Story) -> Plan:
    """The plan of STORY, findings included, as `invoke plan` makes it."""
    facts, target = story()
    one = {"pair" if len(facts) > 1 else next(iter(facts)): tuple(facts)}
    plans = []
    for name, hosts in SEVERAL.get(story, one).items():
        here = {host: facts[host] for host in hosts}
        made = plan(deployment(name, *hosts), here, target, migrations.ALL)
        found = preflight.inspect(name, here, target, tuple(dict.fromkeys(phase.hop for phase in made.phases)))
        found += concerns.findings(here, hops_of(here, target, migrations.ALL))
        plans.append(replace(made, findings=found))
    findings = tuple(finding for each in plans for finding in each.findings)
    return whole(plans, Pace("1,50%,100%", 1), findings)


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
def test_the_plan_reads_as_the_file_says(story: Story) -> None:
    text = plan_text(planned(story)) + "\n"
    file = PLANS / f"{story.__name__.replace('_', '-')}.txt"
    if os.environ.get("STORMLIFT_GOLDEN") == "write":
        file.write_text(text)
    kept = file.read_text() if file.exists() else ""
    difference = difflib.unified_diff(kept.splitlines(), text.splitlines(), file.name, "the planner now", lineterm="")
    assert text == kept, "\n".join(difference)


def test_every_file_of_a_plan_belongs_to_a_story() -> None:
    stories = {story.__name__.replace("_", "-") for story in STORIES}
    assert {file.stem for file in PLANS.glob("*.txt")} == stories
