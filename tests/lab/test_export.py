"""Old executions out of real databases: live and out of a backup's dump, alike; a million of them in constant memory."""

import csv
import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from lab.topology import DEPLOYMENTS
from rollout.page import from_page
from tests.lab.desk import Operator, write_inventory
from tests.lab.ground import Ground

pytestmark = pytest.mark.lab
MOST_KIB = 150 * 1024
MILLION = 1_000_000
ROWS_OF_SEED = 20
# About a kilobyte a row, with everything that a text format trips over.
MAKE_ROWS = r"""
insert into executions_v2 (created_at, updated_at, scope, project_id, type, id, name, workflow_name, spec, state,
  state_info, tags, accepted, input, output, params, context, processed, runtime_context, description, workflow_id)
select timestamp '2016-01-01' + n * interval '1 second', timestamp '2016-01-01' + n * interval '1 second',
  'private', '<default-project>', (array['workflow_execution', 'task_execution', 'action_execution'])[1 + n % 3],
  md5(n::text)::uuid::text, 'task' || n % 50, 'pack.workflow' || n % 200,
  '{"name": "w' || n || '", "version": "2.0", "tasks": {"t1": {"action": "std.echo output=\"<% $.name %>\""}}}',
  (array['SUCCESS', 'SUCCESS', 'SUCCESS', 'ERROR', 'RUNNING'])[1 + n % 5],
  case when n % 5 = 3 then E'Failure caused by error in tasks: t1\n\n  C:\\temp\tJos\u00e9 <script>alert(1)</script>' end,
  case when n % 7 = 0 then '' end, n % 2 = 0,
  '{"name": "host-' || n || '", "payload": "' || repeat(md5((n * 7)::text), 6) || '"}',
  '{"result": "' || repeat(md5((n * 11)::text), 10) || '"}', '{}',
  case when n % 3 = 0 then '{"__execution": {"id": "' || md5(n::text) || '"}}' end, n % 3 = 0,
  '{"with_items_index": 0}', '', md5((n % 200)::text)::uuid::text
from generate_series(1, @ROWS@) as n;
"""


@pytest.fixture
def operator(ground: Ground, tmp_path: Path) -> Operator:
    """An operator whose single boxes and pair are as they were prepared."""
    fleet = ground.fresh("apt1", "yum1", "pair")
    write_inventory(tmp_path, fleet)
    return Operator(tmp_path, fleet)


def psql(operator: Operator, host: str, query: str) -> str:
    """What the database on HOST says to QUERY."""
    words = "psql -XAtq -v ON_ERROR_STOP=1 -d mistral"
    return operator.fleet.execute(host, "su", "postgres", "-c", words, stdin=query).stdout.strip()


def exported(operator: Operator, *words: str) -> list[dict[str, Any]]:
    """What `invoke mistral.export WORDS` made; no password of any database is in what it said or wrote."""
    said = operator.types("mistral.export", *words, "--json", timeout=3600)
    assert said.code == 0, said.all
    found: list[dict[str, Any]] = said.json["exports"]
    for deployment in DEPLOYMENTS:
        assert deployment.mistral_password not in said.all
        for each in found:
            assert deployment.mistral_password not in (Path(each["folder"]) / "manifest.json").read_text()
    return found


def records(found: dict[str, Any]) -> list[dict[str, str | None]]:
    """The JSON lines of an export."""
    with gzip.open(Path(found["folder"]) / "executions_v2.jsonl.gz") as lines:
        return [json.loads(line) for line in lines]


def test_every_record_of_every_deployment_and_of_its_backup(operator: Operator) -> None:
    live = exported(operator, "--hosts", "apt1,yum1,pair", "--html")
    assert [each["deployment"] for each in live] == ["apt1", "yum1", "pair"]
    for each, host in zip(live, ("apt1", "yum1", "db1"), strict=True):
        rows = records(each)
        query = "select json_agg(r) from (select id, state_info, output from executions_v2) r"
        asked = {row["id"]: row for row in json.loads(psql(operator, host, query))}
        assert {r["id"]: {name: r[name] for name in ("id", "state_info", "output")} for r in rows} == asked
        assert len(rows) == each["rows"] == ROWS_OF_SEED
        assert each["database_digest"] == each["files"]["executions_v2.jsonl.gz"]["digest"]
        folder = Path(each["folder"])
        with gzip.open(folder / "executions_v2.csv.gz", "rt", newline="") as table:
            assert list(csv.DictReader(table)) == [{k: v or "" for k, v in row.items()} for row in rows]
        with open(folder / "executions.html", "rb") as page:
            assert list(from_page(page)) == [tuple(row.values()) for row in rows]
    assert operator.journal("apt1") == []

    # After the upgrade no command of Mistral's shows them; the dump of its backup phase and the table hold the same.
    said = operator.types("upgrade", "--hosts", "apt1", "--yes")
    assert said.code == 0, said.all
    dump = operator.fleet.execute("apt1", "sh", "-c", "ls /var/lib/stormlift/*/backup/*/mistral.dump").stdout.strip()
    (saved,) = exported(operator, "--hosts", "apt1", "--dump", dump, "--to", str(operator.folder / "saved"))
    (after,) = exported(operator, "--hosts", "apt1", "--to", str(operator.folder / "after"))
    assert saved["source"]["kind"] == "dump" and after["source"]["kind"] == "database"
    assert saved["copy_text"] == live[0]["copy_text"]
    assert saved["files"]["executions_v2.jsonl.gz"]["digest"] == after["database_digest"] == live[0]["database_digest"]
    assert sorted(map(str, records(saved))) == sorted(map(str, records(after)))


def test_what_cannot_be_exported_is_said_and_nothing_is_left(operator: Operator) -> None:
    to = operator.folder / "export"
    psql(operator, "yum1", "alter table executions_v2 rename to executions_v2_old")
    said = operator.types("mistral.export", "--hosts", "yum1", "--to", str(to))
    assert said.code == 2 and "has no table executions_v2" in said.err, said.all
    operator.fleet.execute("yum1", "systemctl", "stop", "postgresql")
    said = operator.types("mistral.export", "--hosts", "yum1", "--to", str(to))
    assert said.code == 2 and "invoke mistral.status --hosts yum1" in said.err, said.all
    said = operator.types("mistral.export", "--hosts", "apt1,yum1", "--json")
    assert said.code == 2 and [each["deployment"] for each in said.json["exports"]] == ["apt1"], said.all
    said = operator.types("mistral.export", "--hosts", "yum1", "--to", str(to), "--dump", "/etc/passwd")
    assert said.code == 2 and "valid archive" in said.err and "pg_dump -Fc" in said.err, said.all
    assert not to.exists()


@pytest.mark.long
def test_a_million_rows_in_constant_memory(operator: Operator, capsys: pytest.CaptureFixture[str]) -> None:
    psql(operator, "apt1", MAKE_ROWS.replace("@ROWS@", str(MILLION)))
    (live,) = exported(operator, "--hosts", "apt1", "--html")
    operator.fleet.execute("apt1", "su", "postgres", "-c", "pg_dump -Fc -d mistral -f /var/lib/postgresql/all.dump")
    dump = ("--dump", "/var/lib/postgresql/all.dump", "--to", str(operator.folder / "saved"))
    (saved,) = exported(operator, "--hosts", "apt1", *dump)
    with capsys.disabled():
        for each in (live, saved):
            peak, took = each["peak_kib"], each["finished"] - each["started"]
            print(
                f"\n{each['source']['kind']}: {each['rows']} rows, {took:.0f} s, peak KiB {peak}, {each['database_digest']}"
            )
    for each in (live, saved):
        assert each["rows"] == MILLION + ROWS_OF_SEED
        assert max(each["peak_kib"].values()) < MOST_KIB
        assert all(
            file["whole"] and file["copy_sha256"] == each["copy_text"]["sha256"] for file in each["files"].values()
        )
    assert live["database_digest"] == live["files"]["executions_v2.jsonl.gz"]["digest"]
    assert saved["copy_text"] == live["copy_text"]
