"""Backups that leave real hosts, come back to one that lost everything, and go away."""

import json
from pathlib import Path

import pyrage
import pytest

from lab.topology import deployment
from tests.lab.crash.state import difference, everything
from tests.lab.desk import Operator, Said, write_inventory
from tests.lab.ground import Ground

pytestmark = pytest.mark.lab
# What a host is without when it was set up anew: every table, all configuration, and whatever stormlift knew.
LOSE = r"""
systemctl stop 'st2*' 'mistral*'
rm -rf /var/lib/stormlift /etc/st2 /etc/mistral
cd / && su postgres -c 'psql -XAtq -v ON_ERROR_STOP=1 -d mistral' <<'SQL'
select format('drop table if exists %I.%I cascade', schemaname, tablename) from pg_tables where schemaname = 'public' \gexec
SQL
"""


def operator_of(name: str, ground: Ground, folder: Path) -> Operator:
    """An operator to whom the deployment NAME is as it was prepared."""
    fleet = ground.fresh(name)
    write_inventory(folder, fleet)
    return Operator(folder, fleet)


def done(operator: Operator, *words: str) -> Said:
    """What `invoke WORDS` said; it went well, and gave away no password."""
    said = operator.types(*words, timeout=1200)
    assert said.code == 0, said.all
    for name in ("apt1", "pair"):
        assert deployment(name).mistral_password not in said.all and deployment(name).st2_password not in said.all
    return said


def test_a_box_that_lost_everything_comes_back_from_an_encrypted_backup_on_the_controller(
    ground: Ground, tmp_path: Path
) -> None:
    operator = operator_of("apt1", ground, tmp_path)
    fleet, away = operator.fleet, operator.folder / "away"
    key, identity = pyrage.x25519.Identity.generate(), operator.folder / "key.txt"
    identity.write_text(f"{key}\n")
    before = everything(fleet, "apt1")
    done(operator, "backup.create", "--hosts", "apt1", "--yes")
    done(operator, "backup.fetch", "--hosts", "apt1", "--to", str(away), "--encrypt-to", str(key.to_public()))
    (archive,) = away.rglob("*.age")
    assert archive.name == "apt1.tar.age"
    for secret in (deployment("apt1").mistral_password, deployment("apt1").st2_password, "executions_v2"):
        assert secret.encode() not in archive.read_bytes()
    proved = done(operator, "backup.verify", "--from", str(away), "--identity", str(identity))
    assert "every file is what its manifest says" in proved.out

    fleet.execute("apt1", "sh", "-c", LOSE)
    assert fleet.execute("apt1", "test", "-e", "/etc/st2/st2.conf", check=False).returncode
    back = ("backup.restore", "--hosts", "apt1", "--from", str(away), "--identity", str(identity))
    refused = operator.types(*back)
    assert refused.code == 2 and "nobody can be asked" in refused.err, refused.all
    assert fleet.execute("apt1", "test", "-e", "/var/lib/stormlift", check=False).returncode
    done(operator, *back, "--yes")
    assert difference(before, everything(fleet, "apt1")) == []


def test_a_flipped_byte_on_a_host_is_found_on_the_way_and_old_backups_go(ground: Ground, tmp_path: Path) -> None:
    operator = operator_of("pair", ground, tmp_path)
    fleet = operator.fleet
    for _ in range(2):
        done(operator, "backup.create", "--hosts", "pair", "--yes")
    newest, oldest = json.loads(done(operator, "backup.list", "--hosts", "pair", "--json").out)["backups"]
    assert set(newest["hosts"]) == {"apt2", "yum2"}
    done(operator, "backup.fetch", "--hosts", "pair", "--to", str(operator.folder / "away"))
    folder = operator.folder / "away" / "pair" / newest["name"]
    assert sorted(path.name for path in folder.iterdir()) == ["apt2.tar", "fetched.json", "yum2.tar"]

    holder = next(name for name, part in newest["hosts"].items() if "mistral.dump" in part["files"])
    run, hop = newest["name"].split("/")
    dump = f"/var/lib/stormlift/{run}/backup/{hop}/mistral.dump"
    fleet.execute(holder, "sh", "-c", f"printf '\\377' | dd of={dump} bs=1 seek=700 conv=notrunc")
    said = operator.types("backup.fetch", "--hosts", "pair", "--to", str(operator.folder / "again"))
    assert said.code == 3 and f"{holder}: " in said.err and "mistral.dump is not what was written" in said.err, said.all
    assert not list((operator.folder / "again").rglob(f"{holder}.tar*"))

    shown = operator.types("backup.prune", "--hosts", "pair", "--keep", "1")
    assert shown.code == 2 and f"goes: {oldest['name']} on apt2, yum2" in shown.err, shown.all
    done(operator, "backup.prune", "--hosts", "pair", "--keep", "1", "--yes")
    (left,) = json.loads(done(operator, "backup.list", "--hosts", "pair", "--json").out)["backups"]
    assert left["name"] == newest["name"]
