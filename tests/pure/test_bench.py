"""The measurement of downtime: what is run on the boxes, what is seen of them, what it adds up to. Nothing is timed here."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, cast

import pytest

import inventory
from bench import page
from bench.box import Watch, write_inventory
from bench.downtime import Asked, asked, in_lab, keep_in, kept, measure
from bench.figures import EVERYTHING, Change, Measured, Round, Unfinished, figure, measured, newest, ratio, windows
from bench.onhost import watch
from bench.script import script
from lab.docker import LabError
from lab.fleet import Fleet

PATIENCE_S = 20.0
PACKAGES = ("st2", "st2web", "st2chatops", "st2mistral")
UP = [Change(each, True, 1.0) for each in ("api", "auth", "stream", "units")]


def changes(*rest: tuple[str, bool, float]) -> list[Change]:
    """Everything is up, and then REST."""
    return [*UP, *(Change(*each) for each in rest)]


# What is seen.


def test_st2_is_down_from_the_first_silence_until_everything_is_there_again() -> None:
    seen = changes(
        ("auth", False, 10.2),
        ("api", False, 10.1),
        ("units", False, 10.0),
        ("stream", False, 11.0),
        ("api", True, 30.0),
        ("auth", True, 30.5),
        ("stream", True, 31.0),
        ("units", True, 33.0),
    )
    assert windows(seen) == ((10.1, 33.0),)


def test_units_that_are_stopped_while_the_api_answers_are_no_downtime_yet() -> None:
    drained = changes(("units", False, 5.0), ("api", False, 9.0), ("api", True, 20.0), ("units", True, 21.0))
    assert windows(drained) == ((9.0, 21.0),)
    assert windows(changes(("units", False, 5.0), ("units", True, 6.0))) == ()


def test_a_restart_at_the_end_is_in_the_whole_and_not_in_the_stop() -> None:
    seen = changes(("api", False, 10.0), ("api", True, 30.0), ("stream", False, 40.0), ("stream", True, 42.5))
    found = measured(seen, 60.0, (19, 4))
    assert (found.down_s, found.all_s, found.took_s) == (20.0, 22.5, 60.0)
    assert (found.said_s, found.said_backup_s) == (19, 4)


@pytest.mark.parametrize(
    "seen",
    [[], [Change("api", False, 1.0)], UP[:3], changes(("api", False, 9.0)), changes()],
    ids=["nothing", "never up", "units never seen", "still down", "never down"],
)
def test_what_cannot_be_told_is_no_figure(seen: list[Change]) -> None:
    with pytest.raises(Unfinished):
        measured(seen, 1.0)


# What it adds up to.


def a_round(number: int, script_s: float, stormlift_s: float, **changed: Any) -> Round:
    values: dict[str, Any] = {
        "run": "20261123-120000",
        "commit": "0123456789ab",
        "number": number,
        "host": "apt1",
        "delay_s": 2.0,
        "backup": True,
        "first": "script",
        "script": Measured(script_s, script_s, 60.0),
        "stormlift": Measured(stormlift_s, stormlift_s + 3, 70.0, round(stormlift_s), 2),
        **changed,
    }
    return Round(**values)


def test_the_median_counts_and_how_far_the_rounds_lie_apart_is_said() -> None:
    rounds = [a_round(n, *each) for n, each in enumerate([(20, 10), (24, 12), (90, 11)], 1)]
    assert str(figure([each.script.down_s for each in rounds])) == "24.0 (20.0-90.0)"
    assert ratio(rounds) == 11 / 24


def test_of_each_setting_the_newest_commit_counts_and_runs_side_by_side_count_together() -> None:
    old = [a_round(n, 20, 10) for n in (1, 2)]
    new = [a_round(1, 30, 10, commit="ba9876543210", run=f"20261124-12000{n}") for n in (0, 1, 0)]
    other = [a_round(1, 20, 20, delay_s=0.0), a_round(1, 20, 5, backup=False)]
    found = newest([*old, *other, *new])
    assert list(found) == [(2.0, True), (2.0, False), (0.0, True)]
    assert found[2.0, True] == tuple(new)


def test_a_round_is_kept_as_a_line_and_read_again(tmp_path: Path) -> None:
    rounds = [a_round(1, 20.125, 10), a_round(2, 21, 11, host="yum1")]
    file = tmp_path / "kept.jsonl"
    assert kept(file) == []
    for each in rounds:
        keep_in(file)(each)
    assert kept(file) == rounds
    assert [json.loads(line)["schema"] for line in file.read_text().splitlines()] == ["stormlift.bench-downtime/1"] * 2


def test_the_page_says_what_was_measured_and_whether_it_is_what_is_wanted() -> None:
    rounds = [a_round(1, 20, 10), a_round(1, 30, 14, host="yum1")]
    text = page.text([*rounds, a_round(1, 10, 12, delay_s=0.0), a_round(1, 10, 10, backup=False)])
    assert "## 2 s of download time a package, with backup" in text
    assert (
        "Commit 0123456789ab, 2026-11-23. stormlift's median is 0.48 of the script's; at most 0.6 is wanted: met."
        in text
    )
    assert "| apt1 | 1 | 20.0 (20.0-20.0) | 10.0 (10.0-10.0) | 0.50 | 20.0 (20.0-20.0) | 13.0 (13.0-13.0) |" in text
    assert "| together | 2 | 25.0 (20.0-30.0) | 12.0 (10.0-14.0) | 0.48 |" in text
    assert "stormlift's median is 1.20 of the script's; at most 1.1 is wanted: NOT met." in text
    assert "## 2 s of download time a package, without backup" in text and "is 1.00 of the script's.\n" in text


# What is run.


@pytest.mark.parametrize("shell", [("dash",), ("bash", "--posix"), ("busybox", "sh")])
@pytest.mark.parametrize("family", ["apt", "yum"])
@pytest.mark.parametrize("backup", [True, False])
def test_the_script_is_one_that_a_shell_reads(shell: tuple[str, ...], family: str, backup: bool) -> None:
    text = script(family, "2.2.1", PACKAGES, backup=backup)
    said = subprocess.run([*shell, "-n"], input=text, capture_output=True, text=True, timeout=20, check=False)
    assert (said.returncode, said.stderr) == (0, "")


@pytest.mark.parametrize("family", ["apt", "yum"])
def test_the_script_is_the_page_in_its_order_with_the_dumps_inside_the_stop(family: str) -> None:
    text = script(family, "2.2.1", PACKAGES, backup=True)
    order = [
        "set -eu",
        "st2ctl stop",
        "service mistral-api stop",
        "service mistral stop",
        "pg_dump -Fc mistral",
        "mongodump",
        "tar -cf",
        {"apt": "apt-get update", "yum": "yum update"}[family],
        "st2mistral",
        "upgrade head",
        "populate",
        "st2-migrate-datastore-scopes.py",
        "st2-migrate-runners.sh",
        "st2ctl start",
        "st2ctl reload",
    ]
    places = [text.index(each) for each in order]
    assert places == sorted(places)
    for package in PACKAGES:
        assert f"{package}=2.2.1-" in text or f" {package}-2.2.1" in text
    without = script(family, "2.2.1", PACKAGES, backup=False)
    assert "dump" not in without and "tar" not in without.replace("st2ctl start", "")


def test_the_script_reads_the_store_s_settings_out_of_st2_conf(tmp_path: Path) -> None:
    conf = tmp_path / "st2.conf"
    conf.write_text(
        "[auth]\nhost = 0.0.0.0\n[database]\nhost = db\npassword = a b=c\n[messaging]\nurl = x\npassword = no\n"
    )
    (line,) = [each for each in script("apt", "2.2.1", PACKAGES, backup=True).splitlines() if each.startswith("conf()")]
    text = (
        line.replace("/etc/st2/st2.conf", str(conf)) + '\nconf host; conf password; conf port; printf %s "$(conf url)"'
    )
    assert subprocess.run(["sh", "-c", text], capture_output=True, text=True, check=True).stdout == "db\na b=c\n"


@dataclass
class Boxes:
    """Boxes in memory; `did` is what was done to them."""

    did: list[tuple[Any, ...]] = field(default_factory=list)

    def download_seconds(self, seconds: float) -> None:
        self.did.append((seconds,))

    def measure(self, host: str, way: str, *, backup: bool) -> Measured:
        self.did.append((host, way, backup))
        return Measured(20.0 if way == "script" else 10.0, 20.0, 60.0)


def test_both_ways_take_turns_and_who_goes_first_alternates() -> None:
    boxes, said = Boxes(), [""]
    want = Asked(2, (2.0, 0.0), (True, False), ("apt1", "yum1"))
    rounds = list(measure(boxes, want, "20261123-120000", "0123", said.append))
    assert len(rounds) == 2 * 2 * 2 * 2
    assert boxes.did[:5] == [
        (2.0,),
        ("apt1", "script", True),
        ("apt1", "stormlift", True),
        ("apt1", "script", False),
        ("apt1", "stormlift", False),
    ]
    second = boxes.did[len(boxes.did) // 2 :]
    assert second[:3] == [(2.0,), ("apt1", "stormlift", True), ("apt1", "script", True)]
    assert {each.first for each in rounds if each.number == 2} == {"stormlift"}
    assert said[1] == "round 1 of 2, apt1, 2 s a package, with backup: script 20.0 s, stormlift 10.0 s"


def test_what_is_asked_for_has_defaults_and_limits(capsys: pytest.CaptureFixture[str]) -> None:
    assert asked([]) == Asked(5, (2.0, 0.0), (True,), ("apt1", "yum1"))
    assert asked(["--rounds", "3", "--delay", "0", "--backup", "both", "--hosts", "yum1", "--fleet", "4"]) == Asked(
        3, (0.0,), (True, False), ("yum1",), 4
    )
    with pytest.raises(SystemExit, match="2"):
        asked(["--hosts", "pair"])
    assert "only apt1 and yum1" in capsys.readouterr().err


@dataclass
class Ground:
    """A fleet in memory of which a call fails; `did` is what was asked of it."""

    fails: str
    did: list[str] = field(default_factory=list)
    project: str = "stormlift-bench-of-a-test"
    port_base: int = 23010
    state_dir: Path = Path("/nowhere")

    def __getattr__(self, name: str) -> Any:
        def asked_for(*_: object, **__: object) -> None:
            self.did.append(name)
            if name == self.fails:
                raise LabError("bench: no room")

        return asked_for


@pytest.mark.parametrize("fails", ["up", "download_seconds", "reset"])
def test_the_fleet_is_gone_in_every_ending(fails: str) -> None:
    ground = Ground(fails)
    want = Asked(1, (0.0,), (True,), ("apt1",))
    with pytest.raises(LabError):
        in_lab(cast(Fleet, ground), want, lambda each: None, lambda line: None)
    assert ground.did[-2:] == [fails, "down"]


def test_stormlift_is_given_the_boxes_as_an_inventory_that_it_takes(tmp_path: Path) -> None:
    fleet = Fleet("stormlift-bench3", 23040, tmp_path / "state")
    (tmp_path / "state").mkdir()
    for name in ("known_hosts", "id_ed25519"):
        (tmp_path / "state" / name).write_text("")
    write_inventory(tmp_path, fleet, ("apt1", "yum1"))
    found = inventory.load("bench", tmp_path)
    assert [(each.name, each.address, each.port, each.user) for each in found.hosts] == [
        ("apt1", "127.0.0.1", 23041, "deploy"),
        ("yum1", "127.0.0.1", 23042, "deploy"),
    ]
    assert [each.name for each in found.deployments] == ["apt1", "yum1"]


# What looks.


@contextmanager
def serving(status: int) -> Iterator[int]:
    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(("status", "up"), [(200, True), (401, True), (404, True), (502, False)])
def test_whoever_answers_is_up_and_an_error_of_the_server_is_no_answer(status: int, up: bool) -> None:
    with serving(status) as port:
        assert watch.answers(port) is up
    assert watch.answers(port) is False  # nobody listens any more


def test_a_change_is_said_once_and_counts_from_where_it_began(capsys: pytest.CaptureFixture[str]) -> None:
    class Enough(Exception):
        pass

    said = iter([True, True, False, False, True])

    def looks() -> bool:
        try:
            return next(said)
        except StopIteration:
            raise Enough from None

    with suppress(Enough):
        watch.watch("api", looks, 0.0)
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(each["what"], each["up"]) for each in found] == [("api", True), ("api", False), ("api", True)]
    assert [each["at"] for each in found] == sorted(each["at"] for each in found)


def test_it_watches_as_long_as_somebody_listens_and_no_longer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    systemctl = tmp_path / "systemctl"
    systemctl.write_text('#!/bin/sh\n[ "$*" = "is-active st2api st2auth" ] && echo active && echo active\n')
    systemctl.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    program = Path(watch.__file__).read_text()
    with Watch((sys.executable, "-c", program, "st2api", "st2auth")) as watched:
        end = time.monotonic() + PATIENCE_S
        while {each.what for each in watched.changes} != {*EVERYTHING}:
            assert time.monotonic() < end
            time.sleep(0.02)
        with pytest.raises(LabError, match="there is no api, auth, stream"):
            watched.wait_until_serving(0.1)  # nothing here listens on the ports of st2
    assert {each.what: each.up for each in watched.changes}["units"]
    assert watched._process is not None and watched._process.returncode == 0
