"""Which state a Mistral database is in, seen from the migrations that are installed: the part that needs no database."""

import runpy
from pathlib import Path
from typing import Any

import pytest

import remote
from rollout.catalogue import RELEASES, mistral_head, mistral_tables
from tests.pure import migration_files
from tests.pure.migration_files import NEW

PROGRAM = Path(remote.__file__).parent / "onhost" / "mistral_chain.py"
MODULE: dict[str, Any] = runpy.run_path(str(PROGRAM))
chain, classify, tables_at, columns_at = MODULE["chain"], MODULE["classify"], MODULE["tables_at"], MODULE["columns_at"]
migration, sentence = MODULE["migration"], MODULE["sentence"]

OLD = {
    "workbooks_v2", "action_definitions_v2", "workflow_definitions_v2", "executions_v2", "environments_v2",
    "delayed_calls_v2", "cron_triggers_v2", "resource_members_v2",
}  # fmt: skip


@pytest.fixture(scope="module")
def links(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The chain of the release that brought revision 020."""
    home = tmp_path_factory.mktemp("mistral")
    migration_files.write(home, "020")
    return chain(str(home))


# The chain.


def test_the_chain_is_read_from_the_installed_files_in_order(links: Any) -> None:
    assert [revision for revision, _, _ in links] == [f"{number:03}" for number in range(1, 21)]
    made = {revision: tuple(names) for revision, names, _ in links if names}
    assert made == migration_files.MADE


def test_what_a_downgrade_would_make_does_not_count(links: Any) -> None:
    assert "never_counted" not in {name for _, made, _ in links for name in made}
    assert all("executions_v2" not in gone for _, _, gone in links)


def test_without_files_there_is_no_chain(tmp_path: Path) -> None:
    assert chain(str(tmp_path)) == []


@pytest.mark.parametrize(
    ("cut", "text"),
    [*((cut, text) for cut in ("014", "020") for text in (b"", b"def upgrade(:\n", b"\0" * 40)), ("014", None)],
)
def test_files_that_were_cut_off_are_no_shorter_chain(tmp_path: Path, cut: str, text: bytes | None) -> None:
    """The chain would end at the one before, and a database at 020 would seem to be newer than the package."""
    migration_files.write(tmp_path, "020")
    path = tmp_path / migration_files.FOLDER / f"{cut}_something.py"
    path.write_bytes(text or b"")
    if text is None:
        path.unlink()
    assert chain(str(tmp_path)) == []
    found = classify(chain(str(tmp_path)), "020", [*OLD, *NEW])
    assert found["state"] == "half-installed" and "migrations" in sentence(found)


def test_a_file_is_read_with_either_quote_and_with_unicode_marks() -> None:
    head = b"revision = u'012'\ndown_revision = \"011\"\n\n"
    assert migration(head + b"def upgrade():\n    op.create_table(u'a')\n    op.drop_table('b')\n") == (
        "012",
        "011",
        ["a"],
        ["b"],
    )
    assert migration(b"x = 1\n")[0] is None


def test_tables_after_a_revision(links: Any) -> None:
    assert tables_at(links, "011") == OLD
    assert tables_at(links, "001") >= {"workbooks", "tasks"} and not tables_at(links, "002") & {"workbooks", "tasks"}
    assert tables_at(links, "020") == OLD | set(NEW)
    assert tables_at(links, None) == set()


def test_the_catalogue_says_the_same_of_the_tables_between(links: Any) -> None:
    for revision in ("009", "011", "012", "013", "017", "020"):
        assert set(mistral_tables(revision, "020")) == tables_at(links, "020") - tables_at(links, revision)


# The state.


def state(links: Any, revision: str | None, tables: set[str], **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = classify(links, revision, [*tables, "alembic_version", "somebody_elses"], **more)
    return found


@pytest.mark.parametrize(
    ("revision", "tables", "word", "drop"),
    [
        (None, set(), "empty", []),
        ("011", OLD, "old", []),
        ("010", OLD, "old", []),
        # Somebody typed `upgrade 012`, `upgrade 013`: no release stops there.
        ("012", OLD | {"event_triggers_v2"}, "between", []),
        ("013", OLD | set(NEW) - {"named_locks"}, "between", []),
        ("013", OLD | set(NEW), "broken", ["named_locks"]),
        ("011", OLD | set(NEW), "broken", sorted(NEW)),
        # After the five statements of the upgrade page, one table is left over.
        ("011", OLD | {"task_executions_v2"}, "broken", ["task_executions_v2"]),
        (
            "009",
            (OLD - {"resource_members_v2"}) | set(NEW) | {"resource_members_v2"},
            "broken",
            sorted((*NEW, "resource_members_v2")),
        ),
        ("020", OLD | set(NEW), "upgraded", []),
        ("020", OLD, "damaged", []),
        ("011", OLD - {"executions_v2"}, "damaged", []),
        ("011", (OLD - {"executions_v2"}) | set(NEW), "damaged", sorted(NEW)),
        (None, OLD, "unmanaged", []),
        (None, set(NEW), "unmanaged", []),
        ("022", OLD | set(NEW), "unknown-revision", []),
        ("999", OLD, "unknown-revision", []),
    ],
)
def test_the_state_of_a_database(
    links: Any, revision: str | None, tables: set[str], word: str, drop: list[str]
) -> None:
    found = state(links, revision, tables)
    assert (found["state"], found["drop"]) == (word, drop)
    assert found["head"] == "020" and found["revision"] == (revision or "")


def test_execution_tables_that_were_made_anew_are_told_apart(links: Any) -> None:
    anew = state(links, "020", OLD | set(NEW), made_anew=["task_executions_v2"])
    assert anew["state"] == "recreated" and sentence(anew).endswith("anew, empty: task_executions_v2")
    assert state(links, "011", OLD | set(NEW), made_anew=["task_executions_v2"])["state"] == "broken"


COLUMNS = """revision = '{}'
down_revision = '{}'
def upgrade():
    op.{}_column('delayed_calls_v2', {})
def downgrade():
    op.drop_column('delayed_calls_v2', 'key')
"""


def test_the_columns_of_a_revision_are_read_from_the_installed_files(tmp_path: Path) -> None:
    migration_files.write(tmp_path, "020")
    for revision, before, what, column in (
        ("015", "014", "add", "sa.Column('unique_key', sa.String(length=80))"),
        ("018", "017", "add", "sa.Column('key', sa.String(length=250))"),
        ("019", "018", "drop", "'unique_key'"),
    ):
        path = tmp_path / migration_files.FOLDER / f"{revision}_something.py"
        path.write_text(COLUMNS.format(revision, before, what, column))
    links = chain(str(tmp_path))

    def added(revision: str | None) -> set[str]:
        return {column for table, column in columns_at(str(tmp_path), links, revision) if table == "delayed_calls_v2"}

    assert [added(each) for each in ("014", "015", "018", "020")] == [
        set(),
        {"unique_key"},
        {"unique_key", "key"},
        {"key"},
    ]
    assert added(None) == added("999") == set()


def test_a_head_that_was_stamped_on_a_broken_database_is_not_taken_for_one_that_was_run(links: Any) -> None:
    """All tables stand, but mistral fails for the columns that no migration has added."""
    found = state(links, "020", OLD | set(NEW), made_anew=["task_executions_v2"], lacking=["delayed_calls_v2.key"])
    assert found["state"] == "damaged" and "there should be delayed_calls_v2.key" in sentence(found)


def test_what_is_pending_and_what_it_makes(links: Any) -> None:
    found = state(links, "011", OLD)
    assert found["pending"] == [f"{number:03}" for number in range(12, 21)]
    assert {revision: set(made) for revision, made in found["creates"].items()} == {
        "012": {"event_triggers_v2"},
        "013": {"action_executions_v2", "workflow_executions_v2", "task_executions_v2"},
        "017": {"named_locks"},
    }


def test_what_is_dropped_never_stands_in_the_recorded_revision_nor_outside_the_head(links: Any) -> None:
    every = tables_at(links, "020") | {"scheduled_jobs_v2", "alembic_version"}
    for number in range(1, 21):
        revision = f"{number:03}"
        drop = set(state(links, revision, every)["drop"])
        assert not drop & tables_at(links, revision) and drop <= tables_at(links, "020")


def test_the_old_package_finds_its_own_database_whole(tmp_path: Path) -> None:
    migration_files.write(tmp_path, "011")
    links = chain(str(tmp_path))
    assert state(links, "011", OLD)["state"] == "upgraded"
    assert state(links, "020", OLD | set(NEW))["state"] == "unknown-revision"
    assert classify([], "011", ["executions_v2"])["state"] == "half-installed"


def test_the_revisions_that_releases_stop_at_are_those_of_the_catalogue() -> None:
    assert {head for each in RELEASES if (head := mistral_head(each))} <= set(MODULE["SHIPPED"])


@pytest.mark.parametrize(
    ("revision", "tables", "says"),
    [
        ("011", OLD | set(NEW), "event_triggers_v2"),
        ("011", OLD, "at revision 011, the installed release wants 020"),
        ("020", OLD, "there should be action_executions_v2"),
        ("022", OLD, "022"),
        ("013", OLD | set(NEW) - {"named_locks"}, "013, which no release of StackStorm shipped"),
        (None, OLD, "no recorded revision"),
        (None, set(), "never set up"),
        ("020", OLD | set(NEW), "at its head revision 020"),
    ],
)
def test_the_sentence_names_what_counts(links: Any, revision: str | None, tables: set[str], says: str) -> None:
    assert says in sentence(state(links, revision, tables))


def test_several_recorded_revisions_are_told(links: Any) -> None:
    said = sentence({**state(links, None, OLD), "recorded": ["011", "012"]})
    assert "several recorded revisions (011, 012)" in said


def test_every_state_has_its_sentence(links: Any) -> None:
    for word in MODULE["SENTENCES"]:
        look = {**state(links, "011", OLD | set(NEW)), "state": word, "missing": ["x"], "error": "refused"}
        said = sentence(look)
        assert said.strip() and "{" not in said
