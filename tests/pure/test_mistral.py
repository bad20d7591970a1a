"""What mistral.status says: the state, its evidence, who else is there, what to type next."""

import ast
from dataclasses import replace
from typing import Any

import pytest

from rollout.facts import Facts, MistralFacts, Session
from rollout.mistral import SOUND, disagreements, next_step, outsiders, status, status_text
from tests.pure.boxes import box, broken_mistral, by_name, mistral, settled_at
from tests.pure.test_mistral_state import MODULE, PROGRAM

AT_HOME = Session("10.0.0.1", "", "mistral")


def seen(*sessions: Session, addresses: tuple[str, ...] = ("10.0.0.1",), **changes: Any) -> Facts:
    return box("a", "2.2.1", mistral=mistral("2.2.1", sessions=sessions, **changes), addresses=addresses)


# What to type next.


@pytest.mark.parametrize("word", MODULE["SENTENCES"])
def test_every_state_says_what_to_do(word: str) -> None:
    said = next_step(mistral("2.2.1", state=word, cause="down"), "who", "a")
    assert said and "{" not in said


@pytest.mark.parametrize(
    "cause", ["password", "role", "database", "pg_hba", "starting", "full", "disk", "name", "down"]
)
def test_every_way_not_to_get_in_has_its_own_advice(cause: str) -> None:
    said = next_step(MistralFacts("unreachable", cause=cause), "who", "a")
    assert said and "{" not in said and said != next_step(MistralFacts("unreachable", cause="unknown"), "who", "a")


def test_what_breaks_a_password_in_mistral_conf_is_named_with_its_escape() -> None:
    """oslo.config takes a $ for the name of another option, and the file then cannot be read."""
    said = next_step(MistralFacts("unreachable", cause="conf"), "who", "a")
    assert all(escape in said for escape in ("%40", "%3A", "%25", "%24"))


def test_only_a_repair_that_is_allowed_is_named() -> None:
    assert "invoke mistral.recover --hosts who" in next_step(broken_mistral(), "who", "a")
    assert "mistral.recover" not in next_step(broken_mistral(revision="013"), "who", "a")
    assert "stamp" not in next_step(broken_mistral(revision="013"), "who", "a")


def test_the_states_that_an_upgrade_goes_on_from_are_the_ones_that_the_host_goes_on_from() -> None:
    source = PROGRAM.with_name("mistral.py").read_text()
    (line,) = (line for line in source.splitlines() if line.startswith("UPGRADABLE = "))
    assert ast.literal_eval(line.partition(" = ")[2]) == SOUND


# Who else is there.


def test_sessions_of_the_deployment_s_own_hosts_are_no_outsiders() -> None:
    assert outsiders(by_name(seen(AT_HOME, Session("local", "", "mistral"), Session("127.0.0.1", "", "mistral")))) == ()


def test_a_session_from_elsewhere_is_one() -> None:
    other = Session("10.9.9.9", "mistral-server", "mistral")
    assert outsiders(by_name(seen(AT_HOME, other))) == (other,)


def test_who_comes_through_a_socket_of_a_foreign_server_is_one() -> None:
    """The database has a machine of its own: what is local there is none of ours."""
    there = Session("local", "psql", "postgres")
    assert outsiders(by_name(seen(AT_HOME, there, server_address="10.5.5.5"))) == (there,)
    facts = by_name(
        seen(AT_HOME, there, server_address="10.5.5.5"), box("db", "2.2.1", packages=(), addresses=("10.5.5.5",))
    )
    assert outsiders(facts) == ()


def test_a_hidden_address_is_no_proof_of_an_outsider_on_a_server_of_our_own() -> None:
    hidden = Session("hidden", "psql", "postgres")
    assert outsiders(by_name(seen(hidden))) == ()
    assert outsiders(by_name(seen(hidden, server_address="10.5.5.5"))) == (hidden,)


def test_a_host_counts_by_how_the_server_sees_it_as_well() -> None:
    """Behind a NAT or a pooler the server sees another address than the host has."""
    pooled = Session("10.7.7.7", "", "mistral")
    assert outsiders(by_name(seen(pooled, server_address="10.5.5.5", client_address="10.7.7.7"))) == ()
    assert outsiders(by_name(seen(pooled, server_address="10.5.5.5", client_address="10.0.0.1"))) == (pooled,)


def test_the_second_carrier_of_a_pair_counts_too() -> None:
    second = replace(seen(), host="b", addresses=("10.0.0.2",))
    assert outsiders(by_name(seen(Session("10.0.0.2", "", "mistral")), second)) == ()


# What is shown.


def test_the_json_has_the_keys_that_are_promised() -> None:
    row = status("who", by_name(box("a", "2.2.1", mistral=broken_mistral(), processes=("12 mistral-server",))))
    assert {"name", "state", "revision", "head", "pending", "drop", "rows", "sessions", "processes"} <= set(row)
    assert (row["state"], row["revision"], row["head"]) == ("broken", "011", "020")
    assert row["processes"] == ["a: 12 mistral-server"] and row["rows"]["executions_v2"] == 20


def test_a_person_reads_the_evidence_and_the_next_command() -> None:
    other = Session("10.9.9.9", "", "mistral")
    text = status_text(status("who", by_name(box("a", "2.2.1", mistral=broken_mistral(sessions=(other,))))))
    first, *rest = text.splitlines()
    assert first == "who: broken: Mistral's database is broken"
    assert any(line.startswith("  stand already: action_executions_v2, event_triggers_v2") for line in rest)
    assert "  not from this deployment: mistral from 10.9.9.9" in rest
    assert rest[-1] == "  next: repair it: invoke mistral.recover --hosts who"


def test_pending_revisions_are_shown_with_the_tables_that_they_make() -> None:
    old = mistral("2.1.1", head="020", pending=("012", "014"), creates={"012": ("event_triggers_v2",)})
    assert "  pending revisions: 012 (event_triggers_v2), 014" in status_text(status("who", by_name(seen_as(old))))


def seen_as(state: MistralFacts) -> Facts:
    return box("a", "2.2.1", mistral=state)


def test_hosts_that_see_another_database_are_named() -> None:
    lost = MistralFacts("unreachable", sentence="Mistral's database cannot be looked at: refused", cause="down")
    facts = by_name(seen(), replace(seen(), host="b", mistral=lost))
    assert disagreements(facts) == ("b: Mistral's database cannot be looked at: refused",)
    assert "  another view: b: " in status_text(status("who", facts))
    assert disagreements(by_name(seen(), replace(seen(), host="b"))) == ()
    elsewhere = disagreements(by_name(seen(), replace(seen(identity="7/mistral"), host="b")))
    assert elsewhere[0].endswith(f", in another database (7/mistral, not {mistral('2.2.1').identity})")


@pytest.mark.parametrize("command", ["mistral.recover", "mistral.upgrade"])
def test_a_run_that_was_cut_off_is_what_comes_next(command: str) -> None:
    """The database may be sound by now; mistral is held and down until the run is through."""
    opened = (replace(settled_at("2.2.1", "a", "who")[0], data={"command": command}),)
    row = status("who", by_name(box("a", "2.2.1", journal=opened, hold="run r0")))
    assert row["next"] == f"run r0 is open, go on with it: invoke {command} --hosts who"
    closed = (*opened, replace(opened[0], event="closed", data={}))
    assert status("who", by_name(box("a", "2.2.1", journal=closed)))["next"] == "nothing needs repair"
    stuck = MistralFacts("unreachable", cause="down")
    assert "start PostgreSQL" in status("who", by_name(box("a", "2.2.1", journal=opened, mistral=stuck)))["next"]


def test_where_there_is_no_mistral_it_says_so() -> None:
    old = status("who", by_name(box("a", "2.2.1", packages=("st2",))))
    assert (old["state"], old["sentence"], old["next"]) == ("absent", "no host carries st2mistral", "")
    torn = box("a", "2.2.1", packages=("st2",), mistral=broken_mistral(), unhealthy=("dpkg --audit names packages",))
    assert (status("who", by_name(torn))["state"], status("who", by_name(torn))["host"]) == ("half-installed", "a")
    new = status("who", by_name(box("a", "3.4.1", packages=("st2",))))
    assert "removed with 3.3" in new["sentence"] and status_text(new).startswith("who: absent: ")
