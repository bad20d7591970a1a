"""The upgrade page's commands as one plain script, for a single box of either family. Pure.

As a careful operator would write it from StackStorm's upgrade page 2.2.1: stop, mistral's services named, dumps, packages,
Mistral's database, the scripts of 2.1, start, reload. Left out, in its favour, is the restart that the page asks for after
2.1: the services have just been started.
"""

from collections.abc import Sequence

from rollout.quote import shell

_KEPT = "/root/before-the-upgrade"
_STOP = """\
st2ctl stop
service mistral-api stop
service mistral stop
"""
# The same that stormlift dumps: Mistral's database in pg_dump's own format, the store by its own tool, the configuration.
_DUMPS = f"""\
mkdir -m 700 {_KEPT}
su postgres -c 'pg_dump -Fc mistral' >{_KEPT}/mistral.dump
conf() {{ sed -n '/^\\[database\\]/,/^\\[/s/^'"$1"' *= *//p' /etc/st2/st2.conf; }}
conf password | mongodump --host="$(conf host):$(conf port)" --username="$(conf username)" \\
  --authenticationDatabase="$(conf db_name)" --db="$(conf db_name)" --archive={_KEPT}/store.archive
tar -cf {_KEPT}/etc.tar /etc/st2 /etc/mistral
"""
# The lists are read in the stop, as the page has it. Without a terminal apt would stop at an edited file.
_PACKAGES = {
    "apt": """\
export DEBIAN_FRONTEND=noninteractive
apt-get update -q
apt-get install -y -q --only-upgrade -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold {names}
""",
    "yum": "yum update -y -q {names}\n",
}
_DATABASE = """\
/opt/stackstorm/mistral/bin/mistral-db-manage --config-file /etc/mistral/mistral.conf upgrade head
/opt/stackstorm/mistral/bin/mistral-db-manage --config-file /etc/mistral/mistral.conf populate
"""
# Without --config-file the first looks for a database of its own idea.
_SCRIPTS = """\
/opt/stackstorm/st2/bin/st2-migrate-datastore-scopes.py --config-file /etc/st2/st2.conf
/opt/stackstorm/st2/bin/st2-migrate-runners.sh
"""
_START = """\
st2ctl start
st2ctl reload
"""


def script(family: str, release: str, packages: Sequence[str], *, backup: bool) -> str:
    """What root runs on a box of FAMILY ("apt" or "yum") to bring PACKAGES from 2.0.1 to RELEASE; with BACKUP the dumps are
    taken inside the stop."""
    pinned = [f"{name}={release}-*" if family == "apt" else f"{name}-{release}" for name in packages]
    install = _PACKAGES[family].format(names=shell(pinned))
    return "".join(["set -eu\n", _STOP, _DUMPS if backup else "", install, _DATABASE, _SCRIPTS, _START])
