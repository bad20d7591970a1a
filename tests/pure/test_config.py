"""What hosts say of new defaults, as one object and as a text, and where an upgrade keeps, puts back and shows them."""

import json
from dataclasses import replace

import pytest

import migrations
from rollout import config
from rollout import plan as planner
from rollout.errors import StepFailed
from rollout.facts import Around
from rollout.model import Deployment, Host, Phase, Step
from rollout.status import status, status_rows
from tests.pure.boxes import box, by_name, deployment, yum_box


def told(verdict: str = "new", text: tuple[str, ...] = ("first", "  second")) -> str:
    row = {"file": "/etc/st2/st2.conf", "beside": "/etc/st2/st2.conf.rpmnew", "verdict": verdict, "text": list(text)}
    return json.dumps(row)


PAIR = Deployment("pair", (Host("a", "10.0.0.1"), Host("b", "10.0.0.2")))


def test_hosts_and_their_files_are_told_one_after_the_other() -> None:
    data = config.report([PAIR], {"a": f"{told()}\n{told('nothing-new')}\n", "b": ""})
    assert [(row["name"], row["deployment"], len(row["files"])) for row in data["hosts"]] == [
        ("a", "pair", 2),
        ("b", "pair", 0),
    ]
    assert config.text(data).splitlines() == [
        "a:",
        "  first",
        "    second",
        "",
        "  first",
        "    second",
        "",
        "  nothing new is in these: rm /etc/st2/st2.conf.rpmnew",
        "",
        "b: nothing lies unsettled beside its configuration",
    ]


def test_a_host_of_a_deployment_that_was_not_asked_is_left_out() -> None:
    assert [row["name"] for row in config.report([PAIR], {"b": ""})["hosts"]] == ["b"]


def test_what_a_tool_of_the_host_says_beside_it_is_no_file() -> None:
    (row,) = config.report([PAIR], {"a": f"a warning of the shell\n{told()}\n"})["hosts"]
    assert len(row["files"]) == 1


def test_the_table_that_ends_an_upgrade_says_what_is_left_to_settle() -> None:
    left = ("/etc/st2/st2.conf.dpkg-dist", "/etc/mistral/mistral.conf.dpkg-dist")
    host = replace(box("a", "2.2.1"), around=Around(left=left))
    data = status([deployment("a")], by_name(host), migrations.ALL)
    assert data["hosts"][0]["unsettled"] == list(left)
    assert "2 new configuration files: invoke config.diff" in status_rows(data)[1][0][-1]


@pytest.mark.parametrize("said", ['{"verdict": "new"', '{"verdict": "good", "text": []}', '{"text": []}', "{}"])
def test_what_cannot_be_understood_is_an_error_with_the_host_s_name(said: str) -> None:
    with pytest.raises(StepFailed, match="a: what it said"):
        config.report([PAIR], {"a": said})


# --- in an upgrade -------------------------------------------------------------------------------------------


def steps(name: str, *boxes: object, to: str = "2.2.1") -> list[tuple[str, Phase, Step]]:
    """(hop, phase, step) of every step NAME of the upgrade of BOXES, in order."""
    facts = by_name(*boxes)  # type: ignore[arg-type]
    made = planner.plan(deployment(*facts), facts, to, migrations.ALL)
    return [(phase.leg, phase.name, step) for phase in made.phases for step in phase.steps if step.id == name]


def test_old_defaults_are_kept_while_st2_serves_and_new_ones_are_shown_when_it_serves_again() -> None:
    ((_, fetched, keep),) = steps("fetch.defaults", box("a", "2.0.1"))
    ((_, shown, show),) = steps("config.show", box("a", "2.0.1"))
    assert (fetched, shown) == (Phase.FETCH, Phase.POST_START)
    names = ("st2", "st2chatops", "st2mistral", "st2web")
    assert keep.argv[3:] == names and show.argv[3:] == names


def test_config_js_is_put_back_where_the_rpm_of_st2web_is_upgraded_and_nowhere_else() -> None:
    """The deb calls it configuration and keeps it; a host without st2web has none."""
    pair = (box("a", "2.0.1"), yum_box("b", "2.0.1"), yum_box("c", "2.0.1", packages=("st2",)))
    ((_, phase, step),) = steps("config.put-back", *pair)
    assert phase is Phase.CONFIG and step.hosts == ("b",)


def test_packages_that_are_at_the_target_already_bring_nothing() -> None:
    """A run that is begun anew after another one died behind the packages: what it would keep as old is new by now."""
    half = yum_box("a", "2.2.1", settled="2.0.1", hold="run r1 since 2017-04-03T03:00:00Z")
    for name in ("fetch.defaults", "config.put-back", "config.show"):
        assert steps(name, half) == []


def test_every_hop_keeps_and_shows_its_own() -> None:
    hops = [leg for leg, _, _ in steps("config.show", yum_box("a", "1.4.0"), to="2.0.1")]
    assert len(hops) == len(set(hops)) == 2
    assert [leg for leg, _, _ in steps("fetch.defaults", yum_box("a", "1.4.0"), to="2.0.1")] == hops


def test_the_plan_says_before_anything_is_done_what_st2_conf_gets() -> None:
    ((_, _, step),) = steps("2.8.conf-workflow-engine", box("a", "2.7.2"), to="2.8.1")
    assert step.changes == (
        "st2.conf gets, unless an absolute path stands there: "
        "[workflow_engine] logging = /etc/st2/logging.workflowengine.conf"
    )
