"""The layers and habits, kept by walking the sources: who imports whom, and what nobody writes."""

import ast
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import pytest

import migrations

ROOT = Path(__file__).resolve().parent.parent.parent
# What a layer may import beside the standard library; "x" stands for x and everything in it.
MAY: dict[str, tuple[str, ...]] = {
    "rollout": ("rollout", "packaging"),
    "migrations": ("migrations", "rollout.model"),
    "inventory": ("inventory", "rollout.model", "rollout.errors", "yaml"),
    "remote": ("remote", "rollout", "fabric", "paramiko", "tenacity"),
    "tasks": ("tasks", "remote", "inventory", "migrations", "rollout", "lab", "invoke", "rich", "pyrage"),
    # It types commands as an operator does: what carries them out is what it measures.
    "bench": ("bench", "lab", "rollout"),
}
# Third parties that belong to one layer; tests and the lab may use what they test with.
ONLY_IN = {
    **{"fabric": "remote", "paramiko": "remote", "tenacity": "remote"},
    **{"invoke": "tasks", "rich": "tasks", "pyrage": "tasks"},
}
FREE = ("tests", "lab")
LAYERS = sorted(path.parent.relative_to(ROOT) for path in ROOT.glob("*/__init__.py"))


def sources(*tops: str) -> list[Path]:
    """The Python files of TOPS; programs that run on hosts are not ours to import."""
    found = [path for top in tops for path in sorted((ROOT / top).rglob("*.py"))]
    return [
        path
        for path in found
        if "onhost" not in path.parts and "payload" not in path.parts and "state" not in path.parts
    ]


def own_sources() -> list[Path]:
    return [ROOT / "tasks.py", *sources(*MAY, *(top for top in FREE if (ROOT / top).is_dir()))]


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))


@cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    return tuple(ast.walk(parsed(path)))


def imports(nodes: Iterable[ast.AST]) -> Iterator[tuple[int, str]]:
    """Line and full name of everything that is imported; a relative name keeps its dots."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.lineno, f"{'.' * node.level}{node.module or ''}.{alias.name}") for alias in node.names)


def under(name: str, tops: tuple[str, ...]) -> bool:
    return any(name == top or name.startswith(f"{top}.") for top in tops)


def at(path: Path, line: int) -> str:
    return f"{path.relative_to(ROOT)}:{line}"


# Who imports whom.


@pytest.mark.parametrize("layer", MAY)
def test_a_layer_imports_only_what_lies_below_it(layer: str) -> None:
    wrong = [
        f"{at(path, line)} imports {name}"
        for path in sources(layer)
        for line, name in imports(nodes(path))
        if name.partition(".")[0] not in sys.stdlib_module_names and not under(name, MAY[layer])
    ]
    assert wrong == []


@pytest.mark.parametrize("package", ONLY_IN)
def test_a_third_party_is_used_in_one_layer(package: str) -> None:
    wrong = [
        at(path, line)
        for path in own_sources()
        for line, name in imports(nodes(path))
        if under(name, (package,))
        and path.relative_to(ROOT).parts[0] not in (ONLY_IN[package], f"{ONLY_IN[package]}.py", *FREE)
    ]
    assert wrong == []


def test_every_package_of_the_root_has_its_place_in_the_table() -> None:
    assert {str(layer) for layer in LAYERS} <= {*MAY, *FREE}


@pytest.mark.parametrize("layer", ["rollout", "migrations", "inventory"])
def test_what_decides_has_no_network_no_terminal_and_no_clock(layer: str) -> None:
    forbidden = ("socket", "subprocess", "time", "datetime", "getpass", "signal", "random", "secrets")
    wrong = [
        f"{at(path, line)} imports {name}"
        for path in sources(layer)
        for line, name in imports(nodes(path))
        if under(name, forbidden)
    ]
    assert wrong == []


def test_connections_and_screens_are_imported_when_they_are_used() -> None:
    slow = ("remote", "rich", "lab", "fabric", "paramiko", "pyrage")
    wrong = []
    for path in [ROOT / "tasks.py", *sources("tasks")]:
        # What stands in a function or under TYPE_CHECKING does not run at start-up.
        first = [node for node in parsed(path).body if isinstance(node, (ast.Import, ast.ImportFrom))]
        wrong += [at(path, line) for line, name in imports(first) if under(name, slow)]
    assert wrong == []


# Migrations.


def test_every_migration_is_listed_in_order() -> None:
    files = sorted(path.stem for path in (ROOT / "migrations").glob("v*.py"))
    by_number = sorted(files, key=lambda name: [int(part) for part in name[1:].split("_")])
    listed = [migration.release.rsplit(".", 1)[0] for migration in migrations.ALL]
    assert listed == [name[1:].replace("_", ".") for name in by_number]


def test_migrations_are_data() -> None:
    for path in sources("migrations"):
        for node in nodes(path):
            assert not isinstance(node, (ast.FunctionDef, ast.Lambda, ast.ClassDef, ast.If, ast.For)), at(path, 0)


# What nobody writes.


def names_used(path: Path) -> Iterator[tuple[int, str]]:
    for node in nodes(path):
        if isinstance(node, ast.Attribute):
            yield node.lineno, node.attr
        elif isinstance(node, ast.Name):
            yield node.lineno, node.id
        elif isinstance(node, ast.alias):
            yield node.lineno, node.name.rpartition(".")[2]


def test_only_one_place_decides_about_unknown_host_keys() -> None:
    words = {"set_missing_host_key_policy", "MissingHostKeyPolicy", "RejectPolicy", "WarningPolicy"}
    wrong = [
        at(path, line)
        for path in own_sources()
        for line, name in names_used(path)
        if name in words and path != ROOT / "remote" / "connect.py" and path.relative_to(ROOT).parts[0] != "tests"
    ]
    assert wrong == []


def test_nobody_accepts_any_host_key() -> None:
    assert [path for path in own_sources() if "AutoAddPolicy" in {name for _, name in names_used(path)}] == []


def test_nobody_hands_a_string_to_a_shell() -> None:
    wrong = [
        at(path, node.value.lineno)
        for path in own_sources()
        for node in nodes(path)
        if isinstance(node, ast.keyword) and node.arg == "shell" and getattr(node.value, "value", False) is not False
    ]
    assert wrong == []


def test_a_sleep_has_a_name_for_how_long() -> None:
    wrong = [
        at(path, node.lineno)
        for path in own_sources()
        if path.relative_to(ROOT).parts[0] != "tests"
        for node in nodes(path)
        if isinstance(node, ast.Call)
        and _called(node) == "sleep"
        and any(isinstance(arg, ast.Constant) for arg in node.args)
    ]
    assert wrong == []


def _called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def test_public_functions_say_in_a_sentence_what_they_do() -> None:
    wrong = []
    for path in sources(*MAY):
        assert ast.get_docstring(parsed(path)), path
        classes = [node for node in parsed(path).body if isinstance(node, ast.ClassDef) and node.name[0] != "_"]
        holders: list[ast.Module | ast.ClassDef] = [parsed(path), *classes]
        for holder in holders:
            for node in holder.body:
                if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_"):
                    wrong += [] if ast.get_docstring(node) else [at(path, node.lineno)]
    assert wrong == []
