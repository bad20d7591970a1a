"""What a deployment has come to, as texts that two runs can be compared by."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from lab.fleet import Fleet
from lab.topology import deployment
from tests.lab.crash.cells import Point

HOST = r"""
echo "== packages"; dpkg-query -W -f '${Package} ${Version} ${Status}\n' 2>/dev/null || rpm -qa | sort
echo "== files"; find /etc/st2 /etc/mistral /opt/stackstorm/static -type f -exec sha256sum {} + 2>/dev/null | sort -k 2
echo "== units"
for unit in $(grep -v -e ssh -e postgres /opt/lab/units); do
  echo "$unit $(systemctl is-active "$unit") $(systemctl is-enabled "$unit")"
done
echo "== hold and lock"
find /etc/systemd/system -name '*stormlift*'
ls -d /var/lib/stormlift/hold /var/lib/stormlift/lock 2>/dev/null
echo "== processes"
ps axww -o args= | grep -o '^/opt/stackstorm/[^ ]*bin/[^ ]* */opt/stackstorm/[^ ]*bin/[^ ]*' | sort | uniq -c
"""
TABLES = "select tablename from pg_tables where schemaname = 'public' order by 1"
# populate makes the actions and workflows that Mistral brings anew; these columns tell when, nothing else.
VOLATILE = ("id", "created_at", "updated_at", "action_definition_id", "workflow_id")
MADE_ANEW = ("action_definitions_v2", "workflow_definitions_v2", "workbooks_v2")


def final_state(fleet: Fleet, name: str) -> dict[str, str]:
    """Packages, files, units, hold and processes of every host; schema, rows and keys of the databases."""
    found = deployment(name)
    state = {host: fleet.execute(host, "sh", "-c", HOST, check=False).stdout for host in found.hosts}
    schema = fleet.execute(found.database_host, "su", "postgres", "-c", "pg_dump --schema-only mistral").stdout
    state["schema"] = "\n".join(line for line in schema.splitlines() if line and not line.startswith(("--", "\\")))
    state["rows"] = rows(fleet, found.database_host)
    keys = fleet.execute(found.primary, "/opt/stackstorm/st2/bin/lab-store", "dump").stdout
    state["keys"] = "\n".join(sorted(keys.splitlines()))
    return state


# What the lab notes of its own, and the execution by which a run is verified.
OF_THE_LAB = ("lab_script_log", "lab_server", "action_execution_d_b")
FILES = r"""
find /etc/st2 /etc/mistral /etc/default /etc/sysconfig /etc/logrotate.d /opt/stackstorm/configs \
  /opt/stackstorm/static/webui/config.js /opt/stackstorm/chatops/st2chatops.env \
  -not -type d -printf '%p %m %U %G %T@ ' -exec sha256sum {} \; 2>/dev/null | sort
"""


def everything(fleet: Fleet, name: str) -> dict[str, str]:
    """What a way back must bring back: final_state, and beside it modes, owners and times of files, and the rows of both
    databases as they are, without what is made anew at any start."""
    found = deployment(name)
    state = final_state(fleet, name)
    state |= {f"files of {host}": fleet.execute(host, "sh", "-c", FILES, check=False).stdout for host in found.hosts}
    state["rows"] = rows(fleet, found.database_host, exact=True)
    state["store"] = rows(fleet, found.database_host, "st2", exact=True)
    return state


def rows(fleet: Fleet, host: str, database: str = "mistral", *, exact: bool = False) -> str:
    """A line for every table of a database: its name, how many rows, and a digest over all of them in order; EXACT also over
    what populate makes anew."""
    query = ("su", "postgres", "-c", f"psql -XAtq -v ON_ERROR_STOP=1 -d {database}")
    lines = []
    for table in fleet.execute(host, *query, stdin=TABLES).stdout.split():
        if table in OF_THE_LAB:
            continue
        drop = "".join(f" - '{column}'" for column in VOLATILE) if table in MADE_ANEW and not exact else ""
        lines.append(
            f"select '{table}', count(*), md5(string_agg(x, ',' order by x)) "
            f"from (select (to_jsonb(t){drop})::text as x from {table} t) rows;"
        )
    return fleet.execute(host, *query, stdin="\n".join(lines)).stdout


def journal_facts(journals: Mapping[str, Iterable[dict[str, Any]]], points: Iterable[Point]) -> dict[str, Any]:
    """Which steps finished, where; which of those that may finish once did so more often; what is settled and open."""
    seen = {
        (r["run"], r["event"], r.get("step", ""), r.get("attempt", 0), r.get("host", "")): r
        for records in journals.values()
        for r in records
        if r["event"] == "finished" and r.get("code", 0) == 0
    }
    count = Counter((r["host"], r["step"]) for r in seen.values())
    once = {point.key for point in points if point.once}
    last = {host: [r["event"] for r in records][-1:] for host, records in journals.items()}
    return {
        "finished": sorted(f"{host} {step}" for host, step in count),
        "again": sorted(f"{host} {step}" for (host, step), n in count.items() if n > 1 and step in once),
        "last": last,
    }


def difference(undisturbed: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What differs, each in a line or two; empty when nothing does."""
    told = []
    for part, text in undisturbed.items():
        if now[part] == text:
            continue
        if isinstance(text, str):
            before, after = set(text.splitlines()), set(now[part].splitlines())
            told.append(
                f"{part}: only undisturbed {sorted(before - after)[:6]}, only here {sorted(after - before)[:6]}"
            )
        else:
            told.append(f"{part}: {json.dumps(text)[:400]} became {json.dumps(now[part])[:400]}")
    return told
