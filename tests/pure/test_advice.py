"""What an operator is told: states, next commands, errors, secrets, quoting; and what status says as JSON."""

import shlex
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import migrations
from rollout import errors, repairs
from rollout.advice import flags, leaves, next_command
from rollout.errors import StormliftError
from rollout.facts import LockFacts
from rollout.model import Phase
from rollout.quote import shell
from rollout.secret import MASK, Mask, Secret
from rollout.status import reachable, status, status_rows
from tests.pure.boxes import box, broken_mistral, by_name, deployment, mistral, settled_at, yum_box
from tests.pure.sketch import phase, plan, step

# What a failure leaves, and what to type next.


WHOLE = plan(*(phase(each, step("one")) for each in Phase))
AHEAD = (Phase.STOP, Phase.BACKUP, Phase.PREPARE, Phase.PACKAGES, Phase.MIGRATIONS, Phase.START, Phase.VERIFY)
FRONT = plan(
    *(phase(each, step("one")) for each in (Phase.PREFLIGHT, Phase.FETCH)),
    *(phase(each, step("one", host), ahead=host) for host in ("web1", "web2") for each in (*AHEAD, Phase.POST_START)),
    *(phase(each, step("one")) for each in Phase if each not in (Phase.PREFLIGHT, Phase.FETCH)),
)


def test_every_phase_says_what_state_a_failure_leaves() -> None:
    said = {at.name: leaves(WHOLE, at) for at in WHOLE.phases}
    assert all(said.values())
    for each in (Phase.STOP, Phase.PACKAGES, Phase.MISTRAL, Phase.MIGRATIONS, Phase.CONFIG):
        assert "stopped" in said[each]
    assert "nothing was changed" in said[Phase.PREFLIGHT]


def test_a_failure_on_a_host_that_goes_ahead_says_that_the_others_were_not_stopped() -> None:
    for at in (each for each in FRONT.phases if each.ahead):
        said = leaves(FRONT, at)
        assert said.startswith(f"{at.ahead} is ") and "nothing of the other hosts was stopped" in said
        assert "st2 is stopped" not in said
        assert ("web1 went first: upgraded already, and serving" in said) == (at.ahead == "web2")


def test_a_failure_behind_the_hosts_that_went_ahead_says_that_they_are_upgraded() -> None:
    gate, fetch, *later = (each for each in FRONT.phases if not each.ahead)
    assert [leaves(FRONT, gate), leaves(FRONT, fetch)] == [leaves(WHOLE, at) for at in WHOLE.phases[:2]]
    for at in later:
        assert leaves(FRONT, at).endswith("; web1, web2 went first: upgraded already, and serving")


@pytest.mark.parametrize("at", list(Phase))
def test_the_next_command_is_exact(at: Phase) -> None:
    said = next_command("upgrade", "pair", at, "")
    assert "invoke upgrade --hosts pair" in said
    assert said.endswith("or give up and go back: invoke rollback --hosts pair")


@pytest.mark.parametrize(
    "log",
    [
        'sqlalchemy.exc.ProgrammingError: (psycopg2.errors.DuplicateTable) relation "event_triggers_v2" already exists',
        '(psycopg2.ProgrammingError) relation "task_executions_v2" already exists',
        'relation "resource_members_v2" already exists\n\n[SQL: CREATE TABLE resource_members_v2 (',
        "Mistral's database is broken: mistral started on the new code before the database was upgraded; revision 011",
    ],
)
def test_a_broken_database_is_sent_to_its_repair(log: str) -> None:
    said = next_command("upgrade", "pair", Phase.MISTRAL, f"do x: exit code 1\n{log}")
    assert said == "invoke mistral.recover --hosts pair, then invoke upgrade --hosts pair"
    assert "recover" not in next_command("upgrade", "pair", Phase.PACKAGES, log)


def test_other_known_failures_say_what_to_look_at() -> None:
    refused = "could not connect to server: Connection refused\n\tIs the server running on that host"
    assert "start PostgreSQL" in next_command("upgrade", "pair", Phase.MISTRAL, refused)
    session = "a session is open on it: user mistral from 10.0.0.9 ()"
    assert "who holds the session" in next_command("upgrade", "pair", Phase.MISTRAL, session)
    assert "free space" in next_command("upgrade", "pair", Phase.FETCH, "write: No space left on device")


@pytest.mark.parametrize(
    ("log", "hint"),
    [
        ('FATAL:  password authentication failed for user "mistral"', "invoke mistral.status --hosts pair"),
        ("fe_sendauth: no password supplied", "mistral.conf"),
        ("pg_dump: error: aborting because of server version mismatch", "PostgreSQL client of the server's version"),
        ("FAILED: Can't locate revision identified by '999'", "newer than the package"),
        ("(psycopg2.errors.LockNotAvailable) canceling statement due to lock timeout", "pg_stat_activity"),
        ("the package st2mistral is not whole: its migrations are missing or cut off", "install st2mistral again"),
        ("could not extend file: No space left on device", "free space"),
    ],
)
def test_what_databases_say_has_its_next_command(log: str, hint: str) -> None:
    said = next_command("mistral.upgrade", "pair", Phase.MISTRAL, log)
    assert hint in said and said.endswith("then invoke mistral.upgrade --hosts pair")


# What the drop says before it says why nothing is dropped.
BROKEN = "Mistral's database is broken: mistral started on the new code before the database was upgraded\n"


@pytest.mark.parametrize(
    ("log", "says"),
    [
        ("nothing is dropped: rows stand in named_locks (1)", "invoke mistral.recover --hosts pair --drop-rows"),
        ("nothing is dropped: the plan says a, there is now a, b", "planned anew from what is there"),
        ("nothing is dropped: cannot drop table a because other objects depend on it", "what the log says depends on"),
        ("a session is open on it: user x from y (z)", "who holds the session"),
        ("nothing is dropped: canceling statement due to lock timeout", "pg_stat_activity"),
        ("nothing is dropped: something else", "mend what the log says"),
    ],
)
def test_a_repair_that_fails_does_not_send_to_itself(log: str, says: str) -> None:
    said = next_command("mistral.recover", "pair", Phase.MISTRAL, BROKEN + log)
    assert says in said and said.count("invoke mistral.recover --hosts pair") == 1


def test_a_flag_without_which_the_same_command_would_refuse_is_said_again() -> None:
    filled = by_name(box("a", "2.2.1", mistral=broken_mistral(rows={"named_locks": 1})))
    repair = repairs.recover(deployment("pair", "a"), filled, True)
    assert flags(repair) == " --drop-rows" and flags(WHOLE) == ""
    said = next_command("mistral.recover", "pair", Phase.BACKUP, "No space left on device", flags(repair))
    assert said.endswith("then invoke mistral.recover --hosts pair --drop-rows")


def test_a_repair_of_mistral_leaves_st2_alone_and_says_so() -> None:
    repair = repairs.recover(deployment("a"), by_name(box("a", "2.2.1", mistral=broken_mistral())), False)
    for at in repair.phases:
        said = leaves(repair, at)
        assert "ackages" not in said and "st2" not in said and "nothing else was touched" in said
        assert ("mistral is stopped" in said) == (at.name in (Phase.STOP, Phase.BACKUP, Phase.MISTRAL))


def test_another_command_is_told_to_repeat_itself() -> None:
    assert "invoke mistral.recover --hosts pair" in next_command("mistral.recover", "pair", Phase.STOP, "")
    assert "services.start" not in next_command("mistral.recover", "pair", Phase.STOP, "")


# Errors.


def test_every_error_has_its_exit_code_and_a_sentence_of_its_own() -> None:
    codes = {"UsageError": 2, "PlanRefused": 2, "Locked": 4, "Unreachable": 5, "StepFailed": 3, "Interrupted": 130}
    every = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, StormliftError)]
    for each in every:
        assert each.__doc__
        assert any(each.__name__ in line for line in (errors.__doc__ or "").splitlines()), each.__name__
    assert {name: getattr(errors, name).exit_code for name in codes} == codes
    assert {each.exit_code for each in every} == {2, 3, 4, 5, 130}


# Secrets.

secrets = st.text(min_size=1, max_size=20)


@given(secrets)
def test_a_secret_cannot_be_printed(value: str) -> None:
    secret = Secret(value)
    assert str(secret) == repr(secret) == f"{secret}" == MASK
    assert f"{secret:>20}" == f"{MASK:>20}"
    assert secret.reveal() == value


@given(st.lists(secrets.filter(lambda each: each not in MASK), min_size=1, max_size=4), st.text(max_size=20))
def test_what_the_mask_has_learned_never_comes_out(values: list[str], between: str) -> None:
    mask = Mask()
    for value in values:
        mask.learn(Secret(value))
    shown = mask(between.join(values))
    for value in values:
        assert value not in shown.replace(MASK, "")


def test_the_password_of_any_url_is_masked() -> None:
    mask = Mask()
    assert mask("postgresql+psycopg2://mistral:s3cret@127.0.0.1/mistral") == (
        f"postgresql+psycopg2://{MASK}@127.0.0.1/mistral"
    )
    assert mask("mongodb://a:b:c@h, amqp://guest:guest@h") == f"mongodb://{MASK}@h, amqp://{MASK}@h"
    assert mask("http://example.com:80/path") == "http://example.com:80/path"


# Quoting.


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=10), max_size=5))
def test_what_is_quoted_is_what_a_shell_reads(words: list[str]) -> None:
    assert shlex.split(shell(words)) == words


# Status.


def test_the_json_of_status_has_the_keys_that_are_promised() -> None:
    lock = LockFacts("r1", "op@console", "upgrade", 1, 3, "t")
    host = box("a", "2.0.1", settled="2.0.1", hold="run r1", lock=lock, evidence={"keys-unscoped": 2})
    data: dict[str, Any] = status([deployment("who", "a")], by_name(host), migrations.ALL)
    assert data["schema"] == "stormlift.status/1"
    (row,) = data["hosts"]
    promised = "name deployment distro package_manager installed settled services pending run lock hold"
    assert set(promised.split()) <= set(row)
    assert (row["name"], row["deployment"], row["distro"], row["package_manager"]) == ("a", "who", "xenial", "apt")
    assert row["installed"]["st2"] == "2.0.1-8" and row["settled"] == "2.0.1"
    assert row["services"]["st2api"] == "active" and row["pending"] == ["1.5.datastore-scope-secret"]
    assert "op@console" in row["lock"] and row["hold"] == "run r1" and row["run"] == ""


def test_an_open_run_is_shown_and_a_host_without_st2_too() -> None:
    opened = replace(settled_at("2.2.1", "a", "a")[0], run="r7")
    facts = by_name(box("a", "2.2.1", journal=(opened,)), box("db", "2.0.1", packages=(), units={}))
    rows = status([deployment("who", "a", "db")], facts, migrations.ALL)["hosts"]
    assert [row["run"] for row in rows] == ["r7", ""]
    assert rows[1]["installed"] == {} and rows[1]["mistral"] is None


def test_a_status_of_some_hosts_of_a_deployment_shows_those() -> None:
    rows = status([deployment("who", "a", "b")], by_name(box("b", "2.0.1")), migrations.ALL)["hosts"]
    assert [row["name"] for row in rows] == ["b"]


def test_the_table_says_in_words_what_is_wrong() -> None:
    torn = box("a", "2.2.1", damage="journal line 3: not JSON", hold="run r1", mistral=broken_mistral())
    head, rows = status_rows(status([deployment("who", "a")], by_name(torn), migrations.ALL))
    (row,) = rows
    said = dict(zip(head, row, strict=True))
    assert said["mistral"] == "broken, 011 of 020"
    assert "hold: run r1" in said["remarks"] and "line 3" in said["remarks"]
    mixed = yum_box("a", "2.2.1", installed={"st2": "2.2.1-8", "st2web": "2.0.1-3"}, mistral=mistral("2.2.1"))
    (row,) = status_rows(status([deployment("who", "a")], by_name(mixed), migrations.ALL))[1]
    assert dict(zip(head, row, strict=True))["set"] == "mixed"


def test_what_can_be_reached_ends_with_the_distribution() -> None:
    assert reachable("2.0.1", "jessie") == ("2.1.0", "2.1.1", "2.2.0", "2.2.1")
    assert reachable("2.2.1", "jessie") == ()
