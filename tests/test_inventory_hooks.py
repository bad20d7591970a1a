"""Hooks as an operator writes them: both forms of a command, mistakes named, each file for its own deployments."""

from pathlib import Path

import pytest

import inventory
from rollout.errors import InventoryError
from rollout.model import HOOKS, Hook

HOSTS = "hosts: {a: 10.0.0.1, b: 10.0.0.2}\n"


def loaded(directory: Path, hooks: str) -> tuple[Hook, ...]:
    (directory / "prod.yml").write_text(HOSTS + hooks)
    return inventory.load("prod", directory).hooks


def test_a_command_is_words_or_a_line_and_may_have_a_timeout(tmp_path: Path) -> None:
    text = """\
hooks:
  after-run: [notify, -m, 5, "", "it's over"]
  before-host: lb drain --why 'an upgrade'
  after-host: {command: [lb, enable], timeout: 300}
  before-run: {command: notify begin}
"""
    assert loaded(tmp_path, text) == (
        Hook("before-run", ("notify", "begin"), 60, "prod", ("a", "b")),
        Hook("after-run", ("notify", "-m", "5", "", "it's over"), 60, "prod", ("a", "b")),
        Hook("before-host", ("lb", "drain", "--why", "an upgrade"), 60, "prod", ("a", "b")),
        Hook("after-host", ("lb", "enable"), 300, "prod", ("a", "b")),
    )


def test_no_hooks_are_none(tmp_path: Path) -> None:
    assert loaded(tmp_path, "") == ()


MISTAKES = [
    ("hooks: notify", 2, "hooks: expected keys with values", ""),
    ("hooks:\n  before-hosts: x", 3, "hooks.before-hosts: unknown key", "did you mean before-host?"),
    ("hooks:\n  before-run:", 3, "hooks.before-run: expected a command", ""),
    ('hooks:\n  before-run: ""', 3, "hooks.before-run: expected a command", ""),
    ("hooks:\n  before-run: \"''\"", 3, "hooks.before-run: expected a command", ""),
    ("hooks:\n  before-run: []", 3, "hooks.before-run: expected a command", ""),
    ("hooks:\n  before-run: ['', x]", 3, "hooks.before-run: expected a command", ""),
    ("hooks:\n  before-run: [x, [y]]", 3, "hooks.before-run: expected words in the list", ""),
    ("hooks:\n  before-run: [x, {y: z}]", 3, "hooks.before-run: expected words in the list", ""),
    ('hooks:\n  before-run: [x, "a\\0b"]', 3, "hooks.before-run: expected words of whole characters", ""),
    ('hooks:\n  before-run: "x \\ud800"', 3, "hooks.before-run: expected words of whole characters", ""),
    ('hooks:\n  before-run: say "it', 3, "hooks.before-run: a quote in it is not closed", ""),
    ("hooks:\n  before-run: {timeout: 5}", 3, "hooks.before-run.command: missing", ""),
    ("hooks:\n  before-run: {command: x, tiemout: 5}", 3, "hooks.before-run.tiemout: unknown", "did you mean timeout?"),
    ("hooks:\n  before-run: {command: x, timeout: 0}", 3, "hooks.before-run.timeout: expected seconds", ""),
    ("hooks:\n  before-run: {command: x, timeout: 5m}", 3, "hooks.before-run.timeout: expected seconds", ""),
    ('hooks:\n  before-run: {command: x, timeout: "5"}', 3, "hooks.before-run.timeout: expected seconds", ""),
    ("hooks:\n  before-run: {command: x, timeout: [5]}", 3, "hooks.before-run.timeout: expected seconds", ""),
]


@pytest.mark.parametrize(("hooks", "line", "what", "hint"), MISTAKES)
def test_a_mistake_is_named_with_file_line_and_key(tmp_path: Path, hooks: str, line: int, what: str, hint: str) -> None:
    with pytest.raises(InventoryError) as caught:
        loaded(tmp_path, hooks)
    assert caught.value.message.startswith(f"{tmp_path / 'prod.yml'}:{line}: {what}")
    assert hint in caught.value.hint and caught.value.hint


def test_every_point_can_be_hooked(tmp_path: Path) -> None:
    text = "hooks:\n" + "".join(f"  {point}: [x]\n" for point in HOOKS)
    assert [hook.point for hook in loaded(tmp_path, text)] == list(HOOKS)


# Several files.


def files(directory: Path, **texts: str) -> inventory.Inventory:
    for name, text in texts.items():
        (directory / f"{name}.yml").write_text(text)
    return inventory.load("", directory)


def test_the_hooks_of_a_file_are_for_its_own_deployments(tmp_path: Path) -> None:
    read = files(
        tmp_path, one=f"{HOSTS}hooks: {{before-run: one}}\n", two="hosts: {c: 10.0.0.3}\nhooks: {before-run: two}\n"
    )
    assert [(hook.inventory, hook.argv, hook.deployments) for hook in read.hooks] == [
        ("one", ("one",), ("a", "b")),
        ("two", ("two",), ("c",)),
    ]


def test_a_deployment_of_two_files_has_its_hooks_once(tmp_path: Path) -> None:
    hooks = "hooks: {before-host: lb}\n"
    read = files(tmp_path, one=f"{HOSTS}{hooks}", two=f"hosts: {{b: 10.0.0.2, c: 10.0.0.3}}\n{hooks}")
    assert [(hook.inventory, hook.deployments) for hook in read.hooks] == [("one", ("a", "b")), ("two", ("c",))]


def test_a_deployment_of_two_files_with_other_hooks_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InventoryError, match="deployment b: defined differently before, or with other hooks"):
        files(tmp_path, one=f"{HOSTS}hooks: {{before-host: lb}}\n", two="hosts: {b: 10.0.0.2, c: 10.0.0.3}\n")
