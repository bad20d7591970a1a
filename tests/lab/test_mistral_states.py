"""Which state a Mistral database is in, and what upgrade and repair make of it: against the real thing, in bulk."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.lab.ground import Ground
from tests.lab.standin import KEEP, apt_upgrade, shell, tried
from tests.lab.states import bench as states
from tests.lab.states import oracle, page
from tests.lab.states.bench import CONF, FOLDER, REVISIONS, Bench

pytestmark = pytest.mark.lab

TO_HEAD = (("upgrade", "head"), ("populate",))
LATER = tuple(oracle.MADE_BY)
FIVE = LATER[1:]
# The page's own five statements, in its order; psql goes on after the one that fails.
PAGE_DROPS = (
    "DROP TABLE event_triggers_v2;\nDROP TABLE workflow_executions_v2 CASCADE;\nDROP TABLE task_executions_v2;\n"
    "DROP TABLE action_executions_v2;\nDROP TABLE named_locks;\n"
)
ROW = "insert into named_locks (id, name, created_at) values ('x', 'work done since', now())"
ACTION = "insert into action_executions_v2 (id, name, created_at) values ('x', 'run since', now())"


@pytest.fixture(scope="module")
def bench(ground: Ground) -> Iterator[Bench]:
    """apt1 with the st2mistral of 2.2.1, nothing running, and a database at each revision."""
    fleet = ground.fresh("apt1")
    shell(fleet, "apt1", "systemctl stop 'st2*' 'mistral*'; systemctl mask mistral mistral-api mistral-server")
    assert apt_upgrade(fleet, "apt1", "2.2.1", *KEEP, only=("st2mistral",)).returncode == 0
    with states.bench(fleet, "apt1") as made:
        yield made


@pytest.fixture(scope="module")
def seen(bench: Bench) -> list[dict[str, Any]]:
    """Every combination, as the program saw it."""
    return bench.sweep(*(f"st_{revision}" for revision in REVISIONS))


def test_every_combination_is_told_right(seen: list[dict[str, Any]]) -> None:
    """12 revisions x 64 subsets x rows or none x session or none; rows in no table is no combination of its own."""
    assert len(seen) == 12 * (2**6 * 2 - 1) * 2
    for each in seen:
        assert (each["state"], each["drop"]) == oracle.expected(each["revision"], tuple(each["tables"])), each
        assert each["head"] == "020" and each["sessions"] == int(each["session"]), each
        counts = [each["rows"][name] for name in each["drop"]]
        assert counts == [int(each["filled"])] * len(counts), each


@dataclass(frozen=True)
class Case:
    """A database made from the one at `revision` by `sql`, started on by a service when `early`."""

    name: str
    revision: str
    sql: str = ""
    early: bool = False


CASES = (
    Case("at 009", "009"),
    Case("at 010", "010"),
    Case("at 011", "011"),
    Case("at 013, by hand", "013"),
    Case("at 017, by hand", "017"),
    Case("at head", "020"),
    Case("at 009, mistral started", "009", early=True),
    Case("at 010, mistral started", "010", early=True),
    Case("at 011, mistral started", "011", early=True),
    Case(
        "at 011, mistral started, stamped at head", "011", "update alembic_version set version_num = '020'", early=True
    ),
    Case("at 011, mistral started, the page's five DROPs", "011", PAGE_DROPS, early=True),
    Case("at 011, mistral started, one table with rows", "011", ROW, early=True),
    Case("at 009, mistral started, two tables with rows", "009", ROW + ";" + ACTION, early=True),
    Case("at 013, by hand, mistral started", "013", early=True),
    Case("at 013, by hand, mistral started, rows", "013", ROW, early=True),
    Case("at head, the page's five DROPs", "020", PAGE_DROPS),
    Case("at head, the page's five DROPs, mistral started", "020", PAGE_DROPS, early=True),
    Case("at 011, executions_v2 gone", "011", "drop table executions_v2 cascade"),
    Case("at 011, revision not recorded", "011", "drop table alembic_version"),
    Case("at 011, two revisions recorded", "011", "insert into alembic_version values ('012')"),
    Case("at a revision of a newer release", "020", "update alembic_version set version_num = '022'"),
)


@pytest.fixture(scope="module")
def done(bench: Bench) -> list[dict[str, str]]:
    """Each case, looked at, and what upgrade and repair made of it."""
    made = [_make(bench, number, case) for number, case in enumerate(CASES)]
    clean = bench.schema("c5")
    rows: list[dict[str, str]] = []
    for name, case in zip(made, CASES, strict=True):
        rows.append(_told(bench, name, case, clean, {row["then"] for row in rows}))
    return rows


def _make(bench: Bench, number: int, case: Case) -> str:
    name = f"c{number}"
    bench.copy(f"st_{case.revision}", name)
    first, then = (case.sql, "") if "DROPs, mistral" in case.name else ("", case.sql)
    bench.psql(name, first, stop=False)
    if case.early:
        bench.start_too_early(name)
    bench.psql(name, then, stop=then != PAGE_DROPS)
    return name


def _told(bench: Bench, name: str, case: Case, clean: str, populated: set[str]) -> dict[str, str]:
    """Look at a case and do what is right for it; populate, which takes long, once on each of the ways."""
    look = bench.look(name)
    row = {"database": case.name, "state": look["state"], "drop": str(len(look["drop"]) or "-")}
    row["ready"] = "yes" if bench.program(name, "ready").code == 0 else "no"
    row["then"] = "upgrade head" if row["ready"] == "yes" else "-"
    if look["state"] == "broken":
        dropped = bench.program(name, "drop", *look["drop"]).code == 0
        row["then"] = "drop, upgrade head" if dropped else "drop refused"
        if not dropped and bench.program(name, "drop", "--drop-rows", *look["drop"]).code == 0:
            dropped, row["then"] = True, "drop refused, drop --drop-rows, upgrade head"
    else:
        assert bench.program(name, "drop", *LATER).code == 1
        dropped = row["ready"] == "yes"
    if dropped:
        assert bench.program(name, "ready").code == 0
        to_head = TO_HEAD[:1] if row["then"] in populated else TO_HEAD
        assert {bench.manage(name, *words).code for words in to_head} == {0}
        assert bench.program(name, "at-head").code == 0
        assert bench.schema(name) == clean or look["state"] == "recreated"
    row["ends"] = bench.look(name)["state"]
    return row


def test_upgrade_and_repair_do_the_right_thing_for_every_state(done: list[dict[str, str]]) -> None:
    ends = {row["database"]: row for row in done}
    for row in done:
        through = row["state"] in ("old", "between", "upgraded", "recreated") or row["then"].endswith("upgrade head")
        assert row["ends"] == (row["state"] if not through or row["state"] == "recreated" else "upgraded"), row
        assert (row["ready"] == "yes") == (row["state"] in ("old", "between", "upgraded", "recreated")), row
    assert ends["at 011, mistral started"]["then"] == "drop, upgrade head"
    assert ends["at 011, mistral started, one table with rows"]["then"].startswith("drop refused, drop --drop-rows")
    for name in ("at 013, by hand, mistral started", "at 013, by hand, mistral started, rows"):
        assert (ends[name]["state"], ends[name]["then"]) == ("broken", "drop refused")


def test_the_page_s_five_drops_at_head_lose_rows_and_nobody_says_so(bench: Bench, done: list[dict[str, str]]) -> None:
    """`upgrade head` and populate answer 0, the next start makes the tables anew, empty: the loss is hidden."""
    bench.copy("st_020", "lost")
    bench.psql("lost", f"{ROW};{ACTION}")
    bench.psql("lost", PAGE_DROPS + "DROP TABLE task_executions_v2", stop=False)
    assert [bench.manage("lost", *words).code for words in TO_HEAD] == [0, 0]
    look = bench.look("lost")
    assert look["state"] == "damaged"
    refused = bench.program("lost", "drop", *FIVE)
    assert refused.code == 1 and "only a broken database is repaired this way" in refused.said
    bench.start_too_early("lost")
    assert bench.look("lost")["state"] == "recreated"
    assert bench.psql("lost", "select count(*) from named_locks").strip() == "0"


def test_what_is_dropped_is_what_the_plan_said(bench: Bench) -> None:
    """Somebody else was there between plan and drop: the plan is void."""
    bench.copy("st_011", "moved")
    bench.start_too_early("moved")
    refused = bench.program("moved", "drop", "event_triggers_v2", "named_locks")
    assert refused.code == 1 and "the plan says event_triggers_v2, named_locks, there is now" in refused.said
    assert len(bench.look("moved")["drop"]) == 5


def test_what_depends_on_a_table_keeps_all_of_them(bench: Bench) -> None:
    """A view of the operator's own on one of the tables: no CASCADE, so nothing is dropped, and it is named."""
    bench.copy("st_011", "viewed")
    bench.start_too_early("viewed")
    bench.psql("viewed", "create view locks as select name from named_locks")
    refused = bench.program("viewed", "drop", *FIVE)
    assert refused.code == 1 and "view locks depends on table named_locks" in refused.said
    assert len(bench.look("viewed")["drop"]) == 5


def test_who_is_on_the_database_is_named_and_waited_out(bench: Bench, password: str) -> None:
    bench.copy("st_011", "busy")
    nap = f"env PGPASSWORD={password} PGAPPNAME=engine psql -h localhost -U mistral -d busy -c 'select pg_sleep(60)'"
    shell(bench.fleet, "apt1", f"setsid {nap} >/dev/null 2>&1 </dev/null & n=50; "
          "until pgrep -f pg_sleep >/dev/null || [ $((n -= 1)) = 0 ]; do sleep 0.1; done; sleep 0.5")  # fmt: skip
    assert bench.look("busy")["sessions"] == [{"address": "127.0.0.1", "application": "engine", "user": "mistral"}]
    refused = bench.program("busy", "ready")
    assert refused.code == 1 and "a session is open on it: user mistral from 127.0.0.1 (engine)" in refused.said
    bench.start_too_early("busy")
    refused = bench.program("busy", "drop", *FIVE)
    assert refused.code == 1 and "nothing is dropped: somebody works on the database" in refused.said
    bench.psql(
        "busy", "reset role; select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'engine'"
    )
    assert bench.program("busy", "drop", *FIVE).code == 0 and bench.program("busy", "ready").code == 0


# How mistral.conf may name a database; {password} is the packaged role's.
FORMS = {
    "as packaged": "[database]\nconnection = postgresql://mistral:{password}@localhost/st_020",
    "with a driver": "[database]\nconnection = postgresql+psycopg2://mistral:{password}@localhost/st_020",
    "by the short name": "[database]\nconnection = postgres://mistral:{password}@localhost/st_020",
    "address and port": "[database]\nconnection=postgresql://mistral:{password}@127.0.0.1:5432/st_020",
    "all in parameters": "[database]\nconnection = postgresql:///st_020?host=127.0.0.1&user=mistral&password={password}",
    "with a parameter": "[database]\nconnection = postgresql://mistral:{password}@localhost/st_020?sslmode=prefer",
    "escaped": "[database]\nconnection = postgresql://odd:p%40ss%3A%2F%25@localhost/st_020",
    "said twice": "[database]\nconnection = mysql://a:b@c/d\nconnection = postgresql://mistral:{password}@localhost/st_020",
    "by its first name": "[DEFAULT]\nsql_connection = postgresql://mistral:{password}@localhost/st_020",
    "by its second name": "[sql]\nconnection = postgresql://mistral:{password}@localhost/st_020",
}
# What is wrong, and the word for it.
WRONG = {
    "[database]\nconnection = postgresql://mistral:not-{password}@localhost/st_020": "password",
    "[database]\nconnection = postgresql://mistral:{password}@localhost/nosuch": "database",
    "[database]\nconnection = postgresql://mistral:{password}@127.0.0.1:5999/st_020": "down",
    "[database]\nconnection = postgresql://mistral:{password}@nosuch.invalid/st_020": "name",
    "[database]\nconnection = postgresql://mistral:{password}@/st_020": "pg_hba",
    "[database]\nconnection = mysql://mistral:{password}@localhost/st_020": "conf",
    "[database]\nconnection = mistral:{password}@localhost": "conf",
    "[database]\nconnection = postgresql://mistral:p@{password}@localhost/st_020": "conf",
    "[database]\nconnection {password}": "conf",
    "[database]\nmax_retries = -1": "conf",
    "": "conf",
}


@pytest.fixture(scope="module")
def password(bench: Bench) -> str:
    """The password of Mistral's role on the host."""
    (line,) = (line for line in shell(bench.fleet, "apt1", f"cat {CONF}").splitlines() if line.startswith("connection"))
    return line.partition("mistral:")[2].partition("@")[0]


@pytest.mark.parametrize("form", FORMS)
def test_the_database_is_found_by_every_form_of_its_url(bench: Bench, password: str, form: str) -> None:
    if form == "escaped":
        bench.psql("st_020", "reset role; create role odd login superuser password 'p@ss:/%'")
    bench.write(f"{FOLDER}/form.conf", FORMS[form].format(password=password) + "\n")
    look = bench.look("form")
    assert (look["state"], look["revision"]) == ("upgraded", "020"), look
    assert bench.program("form", "dump").code == 0


@pytest.mark.parametrize("conf", WRONG)
def test_why_it_cannot_be_looked_at_is_told_without_the_password(bench: Bench, password: str, conf: str) -> None:
    bench.write(f"{FOLDER}/wrong.conf", conf.format(password=password) + "\n")
    answer = bench.program("wrong", "look")
    look = json.loads(answer.said)
    assert (look["state"], look["cause"]) == ("unreachable", WRONG[conf]), look
    for verb in ("ready", "at-head", "dump", "drop"):
        refused = bench.program("wrong", verb)
        assert refused.code != 0 and look["sentence"] in refused.said
        assert password not in refused.said + answer.said


def test_a_virtualenv_that_is_not_whole_is_told(bench: Bench) -> None:
    told = tried(bench.fleet, "apt1", "/usr/bin/python3", f"{FOLDER}/program.py", "look")
    look = json.loads(told.stdout)
    assert look["state"] == "half-installed" and "lacks a module" in look["sentence"]


def test_the_page_says_what_was_seen(seen: list[dict[str, Any]], done: list[dict[str, str]]) -> None:
    text = page.text(seen, done)
    if os.environ.get("STORMLIFT_GOLDEN") == "write":
        page.PAGE.write_text(text)
    assert page.PAGE.read_text() == text
