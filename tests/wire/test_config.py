"""`invoke config.diff`, typed, over real SSH, against the real program: what an operator reads, and what nobody does."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.wire.fleet import WireFleet
from tests.wire.sshd import WireHost

ROOT = Path(__file__).resolve().parents[2]
CANARY = "kanarie-4711"
CONF = f"[database]\nhost = 10.0.0.7\npassword = {CANARY}\n"
NEW = "[database]\nhost = 127.0.0.1\n\n[content]\nindex_url = https://index.stackstorm.org/v1/index.json\n"


@pytest.fixture
def box(wire_fleet: WireFleet) -> WireHost:
    """A host with an edited st2.conf beside which some upgrade left the new one."""
    (host,) = wire_fleet.add("box")
    wire_fleet.write({"prod": ["box"]})
    root = host.directory / "host"
    (root / "etc" / "st2").mkdir(parents=True)
    (root / "etc" / "st2" / "st2.conf").write_text(CONF)
    (root / "etc" / "st2" / "st2.conf.dpkg-dist").write_text(NEW)
    host.env["STORMLIFT_ROOT"] = str(root)
    return host


def typed(fleet: WireFleet, *words: str) -> "subprocess.CompletedProcess[str]":
    own = {"INVOKE_STORMLIFT_INVENTORY": str(fleet.inventory), "INVOKE_STORMLIFT_RUNS": str(fleet.directory / "runs")}
    return subprocess.run(
        [str(Path(sys.executable).with_name("invoke")), *words],
        cwd=ROOT,
        env={**os.environ, **own},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_an_operator_reads_what_is_new_first_and_no_secret(wire_fleet: WireFleet, box: WireHost) -> None:
    said = typed(wire_fleet, "config.diff", "--hosts", "box")
    assert said.returncode == 0, said.stderr
    lines = said.stdout.splitlines()
    assert lines[0] == "box:" and lines[1].endswith("the package's new one is /etc/st2/st2.conf.dpkg-dist")
    assert "not in yours: [content] index_url" in lines[2]
    assert "  -password = [secret]" in [line[2:] for line in lines]
    assert CANARY not in said.stdout + said.stderr


def test_it_is_one_object_for_a_program_and_nothing_is_left_on_the_host(wire_fleet: WireFleet, box: WireHost) -> None:
    before = sorted(box.directory.rglob("*"))
    said = typed(wire_fleet, "config.diff", "--hosts", "prod", "--json")
    data = json.loads(said.stdout)
    assert data["schema"] == "stormlift.config-diff/1"
    ((row,),) = [host["files"] for host in data["hosts"]]
    assert (row["file"], row["verdict"], row["new"]) == ("/etc/st2/st2.conf", "no-base", ["[content] index_url"])
    assert CANARY not in said.stdout and sorted(box.directory.rglob("*")) == before


def test_a_secret_that_only_the_desk_knows_is_masked_too(
    wire_fleet: WireFleet, box: WireHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody wrote the password of sudo into a remark, where no name gives it away."""
    password = f'{CANARY}"\\x'
    box.sudo("password", password)
    wire_fleet.write({"prod": ["box"]}, hosts={"box": {"sudo": "env:BOX_SUDO"}})
    conf = Path(box.env["STORMLIFT_ROOT"]) / "etc" / "st2" / "st2.conf"
    conf.write_text(f"# deploy logs in with {password}\n[database]\nhost = 10.0.0.7\n")
    monkeypatch.setenv("BOX_SUDO", password)
    for words in ((), ("--json",)):
        said = typed(wire_fleet, "config.diff", "--hosts", "box", *words)
        assert said.returncode == 0 and CANARY not in said.stdout + said.stderr, said.stderr
        assert "deploy logs in with [secret]" in said.stdout
