"""What a host is at one moment: every file, package and unit, and the rows of every table of its databases."""

import json
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from lab.fleet import Fleet

# Everything that lies on a disk, and what a program could leave in the file systems in memory. A file that came and went
# again shows in its folder's time. No ctime: overlayfs sets it anew when a file is only opened for writing.
FILES = r"""
import json, os
OTHER = {"/proc", "/sys", "/dev"}
found = {}
def look(path):
    try:
        it = os.lstat(path)
    except FileNotFoundError:
        return
    link = os.readlink(path) if os.path.islink(path) else ""
    found[path] = [it.st_mode, it.st_uid, it.st_gid, it.st_size, it.st_mtime_ns, link]
for folder, folders, names in os.walk("/"):
    folders[:] = [name for name in folders if os.path.join(folder, name) not in OTHER]
    look(folder)
    for name in names + [each for each in folders if os.path.islink(os.path.join(folder, each))]:
        look(os.path.join(folder, name))
for folder, _, names in os.walk("/dev/shm"):
    for name in names:
        look(os.path.join(folder, name))
print(json.dumps(found))
"""
PACKAGES = r"""
if command -v dpkg-query >/dev/null; then
  dpkg-query -W -f '${Package} ${Version} ${Status}\n'
else
  rpm -qa --qf '%{NAME} %{EVR}\n'
fi
"""
UNITS = "systemctl show --property=Id,ActiveState,UnitFileState,InvocationID '*.service' '*.timer'"
# In order: of the rows, of the tables, and of what hands out numbers.
ROWS = r"""
select format('select %L || '' '' || count(*) || '' '' || md5(coalesce(string_agg(t::text, e''\n'' order by t::text), ''''))
  from %I.%I t', schemaname || '.' || tablename, schemaname, tablename)
from pg_tables where schemaname not in ('pg_catalog', 'information_schema') order by 1 \gexec
select 'columns ' || md5(string_agg(c::text, e'\n' order by c::text)) from information_schema.columns c;
select schemaname || '.' || sequencename || ' at ' || coalesce(last_value, 0) from pg_sequences order by 1;
"""
DATABASES = "select datname from pg_database where datallowconn order by 1"

Picture = dict[str, object]


def taken(fleet: Fleet, hosts: Iterable[str]) -> dict[str, Picture]:
    """The picture of each of HOSTS, all at the same time."""
    names = tuple(hosts)
    with ThreadPoolExecutor(len(names)) as pool:
        return dict(zip(names, pool.map(lambda name: _one(fleet, name), names), strict=True))


def changed(before: dict[str, Picture], after: dict[str, Picture]) -> set[tuple[str, str]]:
    """Host and name of everything that is not as it was: a path, a package, a unit, a database."""
    return {
        (host, name)
        for host, picture in before.items()
        for name in picture.keys() | after[host].keys()
        if picture.get(name) != after[host].get(name)
    }


def _one(fleet: Fleet, host: str) -> Picture:
    # The order counts: looking at the files comes last, so that what the other looks leave is in both pictures alike.
    packages = fleet.execute(host, "sh", "-c", PACKAGES).stdout.splitlines()
    units = fleet.execute(host, "sh", "-c", UNITS).stdout.strip().split("\n\n")  # any of them may be the last one
    rows = _rows(fleet, host)
    files = json.loads(fleet.execute(host, "python3", "-I", "-B", "-", stdin=FILES).stdout)
    return {
        **{f"package {line.split()[0]}": line for line in packages},
        **{f"unit {_name(text)}": text for text in units if _name(text)},
        **rows,
        **files,
    }


def _name(unit: str) -> str:
    return next((line.removeprefix("Id=") for line in unit.splitlines() if line.startswith("Id=")), "")


def _rows(fleet: Fleet, host: str) -> Picture:
    """Table by table; of a host without a database server nothing."""

    def asked(database: str, query: str) -> list[str]:
        # Not through su, which would be a login of its own.
        words = ("setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "psql", "-XAtq")
        return fleet.execute(host, *words, "-v", "ON_ERROR_STOP=1", "-d", database, stdin=query).stdout.splitlines()

    if fleet.execute(host, "test", "-S", "/run/postgresql/.s.PGSQL.5432", check=False).returncode:
        return {}
    found: Picture = {}
    for database in asked("postgres", DATABASES):
        found |= {f"rows of {database}: {line.split()[0]}": line for line in asked(database, ROWS)}
    return found
