"""What the operator reads while it runs: a line an event on a pipe; the run's folder holds the same, without secrets."""

import json
import stat
from pathlib import Path

from rollout.events import Event
from rollout.secret import Mask, Secret
from tasks.screen import EventFile, Lines, Live, table


def story() -> list[Event]:
    return [
        Event("run-opened", 0.0, "pair", data={"run": "r1"}),
        Event("phase-started", 0.0, "pair", "stop", title="stop"),
        Event("step-started", 1.0, "pair", "stop", "apt2", "2.2.1:stop.units", "stop every unit"),
        Event("step-finished", 5.4, "pair", "stop", "apt2", "2.2.1:stop.units", "stop every unit", {"code": 0}),
        Event("link-lost", 6.0, host="yum2"),
        Event("step-started", 7.0, "pair", "packages", "yum2", "2.2.1:packages.set", "upgrade the packages"),
        Event(
            "step-finished",
            9.0,
            "pair",
            "packages",
            "yum2",
            "2.2.1:packages.set",
            "upgrade the packages",
            {"code": 100},
        ),
    ]


def test_one_line_an_event_on_a_pipe() -> None:
    said: list[str] = []
    lines = Lines(said.append)
    for event in story():
        lines(event)
    assert said == [
        "pair: run r1",
        "pair: stop",
        "apt2: stop every unit: done, 4 s",
        "yum2: link lost; what runs there goes on, connecting again",
        "yum2: upgrade the packages: FAILED (code 100), 2 s",
    ]


def ended(log: list[str], code: int = 0) -> Event:
    data = {"code": code, "log": log}
    return Event("step-finished", 9.0, "pair", "config", "apt2", "2.2.1:config.show", "show the new defaults", data)


def test_what_a_step_tells_the_operator_stands_before_its_end() -> None:
    said: list[str] = []
    Lines(said.append)(ended(["+logging = x", "[a] logging is x now"]))
    assert said == [
        "apt2: | +logging = x\napt2: | [a] logging is x now\napt2: show the new defaults: done, 0 s",
    ]


def test_of_a_long_log_only_what_is_said_in_short_is_shown() -> None:
    said: list[str] = []
    Lines(said.append)(ended(["-a diff", "+of many lines", "in short:", "st2.conf: new lines"]))
    assert said == ["apt2: | st2.conf: new lines\napt2: show the new defaults: done, 0 s"]


def test_what_a_failed_step_said_is_left_to_the_error() -> None:
    said: list[str] = []
    Lines(said.append)(ended(["no"], code=1))
    assert said == ["apt2: show the new defaults: FAILED (code 1), 0 s"]


def test_the_live_view_takes_every_event_and_leaves_the_terminal(capsys: object) -> None:
    with Live(("pair",)) as live:
        for event in story():
            live(event)
        live(Event("deployment-finished", 9.0, "pair", data={"outcome": "failed"}))
        assert [[str(cell) for cell in column.cells] for column in live._table().columns] == [
            ["pair"],
            ["failed"],
            [""],
        ]


def test_the_run_s_folder_is_the_operator_s_alone_and_holds_no_secret(tmp_path: Path) -> None:
    mask = Mask()
    mask.learn(Secret('pa"ss\\w\u00f6rd'))
    sink = EventFile(tmp_path / "r1", mask)
    sink(Event("waiting", 1.0, title='sudo said pa"ss\\w\u00f6rd', data={"log": ['pa"ss\\w\u00f6rd']}))
    file = tmp_path / "r1" / "events.jsonl"
    assert json.loads(file.read_text())["title"] == "sudo said [secret]"
    assert "ss" not in json.loads(file.read_text())["data"]["log"][0].replace("[secret]", "")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600 and stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_a_table_is_padded_text() -> None:
    assert table(("a", "long head"), [("x", "y"), ("longer", "z")]) == "a       long head\nx       y\nlonger  z"


def test_a_hook_is_shown_with_what_it_said_its_end_when_that_is_long() -> None:
    said: list[str] = []
    lines = Lines(said.append)
    title = "a: hook before-host of prod"
    lines(Event("hook-started", 1.0, "one", host="a", title=title))
    lines(Event("hook-finished", 2.0, "one", host="a", title=title, data={"log": ["drained"], "error": ""}))
    many = [f"line {number}" for number in range(50)]
    lines(Event("hook-finished", 2.0, "one", host="a", title=title, data={"log": many, "error": "exit code 1"}))
    assert said[0] == f"{title}: | drained\n{title}: done"
    assert said[1].splitlines()[0] == f"{title}: | (30 lines before it)"
    assert said[1].splitlines()[-2:] == [f"{title}: | line 49", f"{title}: FAILED"]
