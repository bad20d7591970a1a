"""What packs and st2.conf hold against a later release, as the program of hosts finds it."""

import importlib.util
import io
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import TextIO

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

import remote
from tests.pure.onhost import OnHost


def load() -> ModuleType:
    """The script as a module."""
    spec = importlib.util.spec_from_file_location("evidence", Path(remote.__file__).parent / "onhost" / "evidence.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


EVIDENCE = load()

PACK_FILES = {
    "jinja-user-system": ("rules/r.yaml", 'criteria:\n  a: "{{ trigger.x }} {{user.name}}"\n'),
    "runner-paths": ("actions/a.py", "from st2actions.runners.pythonrunner import Action\n"),
    "runner-names": ("actions/a.yaml", 'name: a\nrunner_type: "run-local"  # old\n'),
    "removed-runners": ("actions/a.yaml", "runner_type: cloudslang\n"),
    "mistral-actions": ("actions/a.yaml", "runner_type: 'mistral-v2'\n"),
    "trigger-file-writen": ("rules/r.yaml", "trigger:\n  type: core.st2.action.file_writen\n"),
    "yaql-format": ("actions/workflows/w.yaml", "message: <% format('a', 1) %>\n"),
    "scp-dest-server": ("actions/workflows/w.yaml", "ref: linux.scp\nparameters:\n  dest_server: x\n"),
    "yaml-duplicates": ("aliases/a.yaml", "name: x\nformats:\n  - a\nname: y\n"),
    "output-schema": ("actions/a.yaml", "output_schema:\n  result:\n    type: string\n"),
    "task-continue": ("actions/workflows/w.yaml", "version: 1.0\ntasks:\n  continue:\n    action: core.noop\n"),
    "pack-metadata": ("pack.yaml", "name: mine\nversion: 0.1\n"),
}
# What looks like it and is none of it.
INNOCENT = {
    "actions/a.yaml": (
        "name: a\nrunner_type: local-shell-cmd\ndescription: runner_type run-local was its name once\n"
        "parameters:\n  user:\n    default: '{{ st2kv.user.name }} {{ action_context.user.x }}'\n"
        "output_schema:\n  type: object\n  properties:\n    result:\n      type: string\n"
    ),
    "actions/b.yaml": "runner_type: run-local-and-more\nlist:\n  - name: 1\n  - name: 2\ntext: |\n  name: 1\n  name: 2\n",
    "actions/workflows/w.yaml": "version: '2.0'\ntasks:\n  continue:\n    action: std.noop\nx: <% str(1) %> format(2)\n",
    "actions/a.py": "# dest_server is no word of ours\nfrom st2common.runners.base_action import Action\n",
    "pack.yaml": "name: mine\nref: mine\nversion: 1.2.3-rc.1\nemail: me@example.com\n",
}


def pack(folder: Path, files: dict[str, str], name: str = "mine") -> Path:
    for path, text in files.items():
        file = folder / name / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return folder


def look(packs: Path, conf: str = "") -> dict[str, list[str]]:
    path = packs.parent / "st2.conf"
    path.write_text(conf)
    found: dict[str, list[str]] = {}
    for key, place in [*EVIDENCE.in_packs(str(packs)), *EVIDENCE.in_conf(str(path))]:
        found.setdefault(key, []).append(place)
    return found


SOUND = "[coordination]\nurl = redis://127.0.0.1\n[scheduler]\nlogging = /etc/st2/logging.scheduler.conf\n"


@pytest.mark.parametrize("key", PACK_FILES)
def test_each_is_found_with_its_place(tmp_path: Path, key: str) -> None:
    path, text = PACK_FILES[key]
    found = look(pack(tmp_path / "packs", {path: text}), SOUND)
    assert set(found) == {key}
    assert found[key][0].startswith(f"{tmp_path}/packs/mine/{path}:")
    assert look(pack(tmp_path / "other", {path: text}, name="core"), SOUND) == {}  # it comes with the package


def test_what_only_looks_like_it_is_not_found(tmp_path: Path) -> None:
    assert look(pack(tmp_path / "packs", INNOCENT), SOUND) == {}
    assert look(tmp_path / "nothing", SOUND) == {}


def test_the_name_of_a_pack_without_a_ref_is_looked_at_as_one(tmp_path: Path) -> None:
    assert set(look(pack(tmp_path / "one", {"pack.yaml": "name: My pack\nversion: 1.2.3\n"}), SOUND)) == {
        "pack-metadata"
    }
    named = "name: My pack\nref: my_pack\nversion: 1.2.3\n"
    assert look(pack(tmp_path / "two", {"pack.yaml": named}), SOUND) == {}


def test_a_runner_is_found_in_metadata_that_stands_on_one_line(tmp_path: Path) -> None:
    line = '{"name": "w", "runner_type": "mistral-v2", "entry_point": "w.yaml"}\n'
    assert set(look(pack(tmp_path / "packs", {"actions/w.json": line}), SOUND)) == {"mistral-actions"}


def test_a_pack_called_global_is_found(tmp_path: Path) -> None:
    assert set(look(pack(tmp_path / "packs", INNOCENT, name="_global"), SOUND)) == {"pack-global"}


@pytest.mark.parametrize(
    ("key", "conf"),
    [
        ("rbac", f"{SOUND}[rbac]\nenable = True\n"),
        ("coordination-unset", "[scheduler]\nlogging = /x\n"),
        ("scheduler-unset", "[coordination]\nurl = x\n"),
        ("ldap-backend", f"{SOUND}[auth]\nbackend = ldap\n"),
        ("mongodb-ssl-files", f"{SOUND}[database]\nssl_keyfile = /k\n"),
        ("logging-before-gunicorn", f"{SOUND}[api]\nlogging = /etc/st2/logging.api.conf\n"),
        ("conf-percent", f"{SOUND}[database]\npassword = %(secret)s\n"),
        ("conf-unreadable", "no section = 1\n"),
    ],
)
def test_settings_are_found_by_section_and_option_and_no_value_is_said(tmp_path: Path, key: str, conf: str) -> None:
    found = look(tmp_path / "packs", conf)
    assert set(found) == {key}
    assert not any("secret" in place or "/k" in place for place in found[key])


def test_settings_that_st2_reads_are_read_whatever_the_host_s_locale_says(tmp_path: Path) -> None:
    conf = tmp_path / "st2.conf"
    conf.write_bytes(b"[rbac]\nenable = False\n# caf\xc3\xa9 \xff\n[rbac]\nenable = True\nenable = True\n")
    script = Path(remote.__file__).parent / "onhost" / "evidence.py"
    ascii_ = {"PATH": os.environ["PATH"], "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    done = subprocess.run(
        [sys.executable, script, "look", tmp_path / "packs", conf],
        env=ascii_,
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"rbac 1 {conf} [rbac] enable\n" in done.stdout and "conf-unreadable" not in done.stdout


def test_a_file_whose_name_is_no_text_is_told_all_the_same(tmp_path: Path) -> None:
    packs = pack(tmp_path / "packs", {"a.yaml": "runner_type: run-local\n"})
    os.rename(packs / "mine" / "a.yaml", os.fsencode(packs / "mine") + b"/b\xff.yaml")
    script = Path(remote.__file__).parent / "onhost" / "evidence.py"
    done = subprocess.run(
        [sys.executable, script, "look", packs, tmp_path / "none"],
        env={"PATH": os.environ["PATH"], "PYTHONIOENCODING": "utf-8"}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == f"runner-names 1 {packs}/mine/b\\udcff.yaml:1\n"


def test_a_file_that_cannot_be_read_keeps_none_of_the_others_from_being_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packs = pack(tmp_path / "packs", {"a.yaml": "runner_type: run-local\n", "b.yaml": "runner_type: run-http\n"})

    def refused(path: str, **how: str) -> TextIO:
        if path.endswith("a.yaml"):
            raise PermissionError(13, "Permission denied", path)
        return open(path, encoding=how["encoding"], errors=how["errors"])

    monkeypatch.setattr(EVIDENCE, "io", SimpleNamespace(open=refused, StringIO=io.StringIO))
    assert look(packs, SOUND) == {"runner-names": [f"{packs}/mine/b.yaml:1"]}


def test_a_host_without_st2_conf_misses_no_setting_in_it(tmp_path: Path) -> None:
    assert list(EVIDENCE.in_conf(str(tmp_path / "st2.conf"))) == []


scalars = st.one_of(st.integers(), st.booleans(), st.text("ab: -#'\"|>\n", max_size=8))
names = st.text("abc_-", min_size=1, max_size=4).filter(lambda name: name[0] not in "-_")
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3), max_leaves=8
)
documents = st.dictionaries(names, values, min_size=1, max_size=4)


@settings(max_examples=200, deadline=None)
@given(documents, st.data())
def test_a_key_that_stands_twice_is_found_and_one_that_does_not_is_not(
    document: dict[str, object], data: st.DataObject
) -> None:
    text = yaml.safe_dump(document, default_flow_style=False, allow_unicode=True, width=1000)
    assert list(EVIDENCE.duplicates(text.splitlines())) == []
    again = data.draw(st.sampled_from(sorted(document)))
    twice = f"{text}{again}: once more\n"
    assert list(EVIDENCE.duplicates(twice.splitlines())) == [len(twice.splitlines())]


def test_the_program_of_a_host_says_it_and_tells_by_its_code_whether_it_is_mended(tmp_path: Path) -> None:
    host = OnHost(tmp_path)
    host.environment["STORMLIFT_CONF"] = str(tmp_path / "st2.conf")
    (tmp_path / "st2.conf").write_text(SOUND)
    packs = pack(tmp_path / "stack" / "packs", dict([PACK_FILES["runner-names"]]))
    said = host.call("content", "look")
    assert said.stdout == f"runner-names 1 {packs}/mine/actions/a.yaml:2\n", said.stderr
    refused = host.call("content", "runner-names")
    assert refused.returncode == 1 and "a.yaml:2" in refused.stdout
    (packs / "mine/actions/a.yaml").write_text("runner_type: local-shell-cmd\n")
    assert host.call("content", "runner-names").returncode == 0
    assert host.call("content", "look").stdout == ""
