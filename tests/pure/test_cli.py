"""The command line as invoke sees it: documented to the last flag, no surprises on it, quick to start."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
# In a process of its own: invoke's loader puts tasks.py where the package tasks is elsewhere in this process.
_COLLECT = """
import json, sys
from invoke.loader import FilesystemLoader
module, _ = FilesystemLoader(start=sys.argv[1]).load("tasks")
from invoke.collection import Collection
namespace = Collection.from_module(module)
print(json.dumps([
    {
        "name": name,
        "doc": task.__doc__ or "",
        "help": {flag.replace("-", "_"): text for flag, text in (task.help or {}).items()},
        "positional": list(task.positional),
        "short": task.auto_shortflags,
        "core": task.pre != [] or task.post != [],
        "flags": [
            {
                "name": argument.name.replace("-", "_"),
                "names": argument.names,
                "positional": argument.positional,
                "optional": argument.optional,
                "kind": argument.kind.__name__,
            }
            for argument in task.get_arguments()
        ],
    }
    for name in namespace.task_names
    for task in [namespace[name]]
]))
"""


@pytest.fixture(scope="module")
def tasks() -> dict[str, dict[str, Any]]:
    """Every task by its full name."""
    said = run(sys.executable, "-c", _COLLECT, str(ROOT))
    return {task["name"]: task for task in json.loads(said.stdout)}


def typed(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def run(*words: str) -> subprocess.CompletedProcess[str]:
    done = typed(*words)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def test_the_commands_of_the_main_job_are_there(tasks: dict[str, Any]) -> None:
    wanted = """plan upgrade status health pause resume mistral.status mistral.upgrade mistral.recover mistral.export
    services.status services.stop services.start services.restart services.reload migrations.list migrations.pending
    migrations.baseline inventory.show inventory.trust locks.show locks.release lab.up lab.down lab.status dev.check"""
    assert set(wanted.split()) <= set(tasks)


def test_every_task_says_what_it_does_and_what_each_flag_means(tasks: dict[str, Any]) -> None:
    wrong = []
    for name, task in tasks.items():
        if not task["doc"].strip():
            wrong.append(name)
        flags = {flag["name"] for flag in task["flags"]}
        wrong += [f"{name} --{flag}" for flag in flags if not task["help"].get(flag, "").strip()]
        wrong += [f"{name}: help for no flag: {word}" for word in set(task["help"]) - flags]
    assert wrong == []


def test_no_flag_is_short_and_no_word_is_positional(tasks: dict[str, Any]) -> None:
    for name, task in tasks.items():
        assert task["positional"] == [] and task["short"] is False and not task["core"], name
        for flag in task["flags"]:
            assert len(flag["names"]) == 1 and len(flag["names"][0]) > 1 and not flag["positional"], name
            # An int flag of invoke ends in a traceback on `--batch x`; a value that may be left out takes the next flag.
            assert flag["kind"] in ("str", "bool", "list") and not flag["optional"], name


def test_no_task_takes_a_flag_of_invoke_itself(tasks: dict[str, Any]) -> None:
    for name, task in tasks.items():
        assert not {flag["name"] for flag in task["flags"]} & {
            "dry",
            "help",
            "list",
            "version",
            "echo",
            "warn_only",
        }, name


def test_what_looks_and_what_changes_says_hosts_the_same_way(tasks: dict[str, Any]) -> None:
    said = {task["help"]["hosts"] for task in tasks.values() if "hosts" in task["help"]}
    assert len(said) == 1
    for name in ("plan", "upgrade", "status", "mistral.recover", "services.stop"):
        assert "hosts" in tasks[name]["help"]
    for name in (
        "plan",
        "upgrade",
        "status",
        "mistral.status",
        "mistral.recover",
        "mistral.upgrade",
        "migrations.list",
    ):
        assert "json" in tasks[name]["help"], name
    for name in ("upgrade", "mistral.recover", "mistral.upgrade", "services.stop", "services.restart", "locks.release"):
        assert "yes" in tasks[name]["help"], name


def test_the_list_imports_nothing_that_is_slow() -> None:
    said = run(sys.executable, "-X", "importtime", "-m", "invoke", "--list")
    assert "upgrade" in said.stdout and "mistral.recover" in said.stdout
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in said.stderr.splitlines() if "|" in line}
    assert "invoke" in imported and "rollout" in imported
    assert not imported & {"fabric", "paramiko", "rich", "cryptography", "tenacity", "lab", "remote", "hypothesis"}


def test_help_is_shown_and_nothing_is_run() -> None:
    said = run(sys.executable, "-m", "invoke", "--help", "upgrade")
    assert "--max-failures" in said.stdout and "1,25%,100%" in said.stdout
    for flag in ("--wait-between", "--soak", "--gate-deadline", "--skip-unreachable"):
        assert flag in said.stdout


@pytest.mark.parametrize(
    ("flags", "what"),
    [
        (("--batch", "0"), "--batch '0' is no batch"),
        (("--max-failures", "x"), "--max-failures 'x' is no whole number"),
        (("--wait-between", "-1"), "--wait-between '-1' is no whole number"),
        (("--soak", "2m"), "--soak '2m' is no whole number"),
        (("--soak", "9" * 5000), f"--soak '{'9' * 5000}' is no whole number"),
        (("--soak", "60", "--gate-deadline", "60"), "--gate-deadline 60 leaves no time to be healthy for --soak 60"),
    ],
)
@pytest.mark.parametrize("command", ["plan", "upgrade"])
def test_a_pace_that_is_none_is_refused_before_any_host_is_asked(
    command: str, flags: tuple[str, ...], what: str
) -> None:
    said = typed(sys.executable, "-m", "invoke", command, "--hosts", "nobody-of-this-name", *flags)
    assert said.returncode == 2 and said.stdout == ""
    error, hint = said.stderr.splitlines()
    assert error == f"stormlift: error: {what}" and hint.startswith("stormlift: hint: ")


@pytest.mark.parametrize(
    ("words", "what", "hint"),
    [
        (("upgrade", "--plan", "nowhere.json", "--yes"), "nowhere.json cannot be read: No such file", "invoke plan"),
        (("upgrade", "--plan", "README.md", "--yes"), "README.md is no file of a plan, or is cut off", "invoke plan"),
        (("plan", "--hosts", "x", "--out", "no/where"), "no/where cannot be written: there is no directory", "--out"),
        (("plan", "--hosts", "x", "--out", "README.md"), "README.md is there, and is no file of a plan", "--out"),
        (("upgrade", "--hosts", "x", "--out", "p.json", "--yes"), "--out p.json: an upgrade writes no file", "--dry"),
        (
            ("upgrade", "--plan", "p.json", "--dry", "--out", "q.json"),
            "--out q.json: the plan is in a file already",
            "--out",
        ),
    ],
)
def test_a_file_of_a_plan_that_is_none_is_refused_before_any_host_is_asked(
    words: tuple[str, ...], what: str, hint: str
) -> None:
    said = typed(sys.executable, "-m", "invoke", *words)
    first, second = said.stderr.splitlines()
    assert first.startswith(f"stormlift: error: {what}") and said.returncode == 2 and said.stdout == ""
    assert second.startswith("stormlift: hint: ") and hint in second
