"""Options of st2.conf, read and written by the program of hosts under every shell, as oslo.config reads them."""

import os
import stat
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from oslo_config import cfg

from tests.pure.onhost import SHELLS, OnHost

CONF = """# kept as it is
[auth]
mode = standalone

[workflow_engine]
# where it logs
logging = logging.workflowengine.conf
  and more of it
[workflow_engine2]
logging = other
"""
At = Callable[[str], OnHost]


@pytest.fixture(params=SHELLS)
def host(request: pytest.FixtureRequest, tmp_path: Path) -> OnHost:
    there = OnHost(tmp_path, request.param)
    there.environment["STORMLIFT_CONF"] = str(tmp_path / "st2.conf")
    (tmp_path / "st2.conf").write_text(CONF)
    return there


def conf(host: OnHost) -> Path:
    return Path(host.environment["STORMLIFT_CONF"])


def read(path: Path, section: str, key: str) -> str | None:
    """The option as oslo.config, which st2 uses, reads it."""
    option = cfg.StrOpt(key)
    reader = cfg.ConfigOpts()
    reader.register_opt(option, group=section)
    reader(args=["--config-file", str(path)])
    found: str | None = reader[section][key]
    return found


def test_a_path_that_is_not_absolute_is_replaced_and_all_else_stays(host: OnHost) -> None:
    words = ("workflow_engine", "logging", "/etc/st2/logging.workflowengine.conf")
    assert host.call("setting", "absolute", *words[:2]).returncode == 1
    assert host.call("setting", "default", *words).returncode == 0
    assert host.call("setting", "absolute", *words[:2]).returncode == 0
    assert conf(host).read_text() == CONF.replace(
        "# where it logs\nlogging = logging.workflowengine.conf\n  and more of it\n",
        "logging = /etc/st2/logging.workflowengine.conf\n# where it logs\n",
    )


def test_an_absolute_path_of_the_operator_s_own_is_left_alone(host: OnHost) -> None:
    conf(host).write_text("[timersengine]\nlogging=/srv/mine.conf\n")
    said = host.call("setting", "default", "timersengine", "logging", "/etc/st2/logging.timersengine.conf")
    assert said.returncode == 0 and "stays /srv/mine.conf" in said.stdout
    assert conf(host).read_text() == "[timersengine]\nlogging=/srv/mine.conf\n"


def test_a_section_that_is_missing_comes_at_the_end(host: OnHost) -> None:
    assert host.call("setting", "is", "rbac", "backend", "default").returncode == 1
    assert host.call("setting", "set", "rbac", "backend", "default").returncode == 0
    assert conf(host).read_text() == f"{CONF}\n[rbac]\nbackend = default\n"
    assert host.call("setting", "is", "rbac", "backend", "default").returncode == 0
    again = host.call("setting", "set", "rbac", "backend", "default")
    assert again.returncode == 0 and conf(host).read_text() == f"{CONF}\n[rbac]\nbackend = default\n"


def test_owner_and_mode_stay(host: OnHost) -> None:
    conf(host).chmod(0o640)
    os.chown(conf(host), 1, 2)
    assert host.call("setting", "set", "rbac", "backend", "default").returncode == 0
    there = conf(host).stat()
    assert (there.st_uid, there.st_gid, stat.S_IMODE(there.st_mode)) == (1, 2, 0o640)
    assert [each.name for each in conf(host).parent.glob("st2.conf*")] == ["st2.conf"]


def test_a_link_to_a_file_elsewhere_stays_a_link(host: OnHost) -> None:
    there = conf(host).parent / "kept" / "st2.conf"
    there.parent.mkdir()
    conf(host).rename(there)
    conf(host).symlink_to("kept/st2.conf")
    assert host.call("setting", "set", "rbac", "backend", "default").returncode == 0
    assert conf(host).is_symlink() and read(there, "rbac", "backend") == "default"
    assert [each.name for each in there.parent.iterdir()] == ["st2.conf"]


def test_a_file_with_the_line_ends_of_windows_is_read_and_keeps_them(host: OnHost) -> None:
    conf(host).write_bytes(b"[timersengine]\r\nlogging = /srv/mine.conf\r\n[rbac]\r\nbackend = enterprise\r\n")
    said = host.call("setting", "default", "timersengine", "logging", "/etc/st2/logging.timersengine.conf")
    assert said.returncode == 0 and "stays /srv/mine.conf" in said.stdout
    assert host.call("setting", "set", "rbac", "backend", "default").returncode == 0
    assert conf(host).read_bytes() == (b"[timersengine]\r\nlogging = /srv/mine.conf\r\n[rbac]\r\nbackend = default\n")


def test_what_goes_on_behind_a_comment_goes_with_its_option(host: OnHost) -> None:
    conf(host).write_text("[rbac]\nenable = True\nbackend = one\n# and\n  two\n")
    assert host.call("setting", "set", "rbac", "backend", "default").returncode == 0
    assert (read(conf(host), "rbac", "backend"), read(conf(host), "rbac", "enable")) == ("default", "True")


def test_a_write_that_fails_leaves_the_file_and_nothing_beside_it(host: OnHost) -> None:
    host.install("mv", "false")
    said = host.call("setting", "set", "rbac", "backend", "default")
    assert said.returncode == 1 and "it is as it was" in said.stderr
    assert conf(host).read_text() == CONF
    assert [each.name for each in conf(host).parent.glob("st2.conf*")] == ["st2.conf"]


def test_without_the_file_it_fails_and_makes_none(host: OnHost) -> None:
    conf(host).unlink()
    said = host.call("setting", "set", "rbac", "backend", "default")
    assert said.returncode == 1 and "st2.conf is missing" in said.stderr and not conf(host).exists()


@pytest.fixture
def in_run(host: OnHost) -> OnHost:
    """The same host in a step of a run, with a password in its st2.conf beside what the step changes."""
    backup = host.state / "r1" / "backup" / "2.8.1"
    head = '{"deployment":"prod","host":"a","run":"r1","step":"2.8.1:2.8.conf-workflow-engine","tool":"stormlift"'
    host.environment |= {"STORMLIFT_BACKUP": str(backup), "STORMLIFT_HEAD": head}
    conf(host).write_text(f"[workflow_engine]\npassword = {CANARY}\nlogging = here\n")
    return host


CANARY = "kanarie-4711"
_WANTED = ("workflow_engine", "logging", "/etc/st2/logging.workflowengine.conf")


def test_what_is_changed_is_shown_as_a_diff_without_the_secrets_beside_it(in_run: OnHost) -> None:
    said = in_run.call("setting", "default", *_WANTED)
    assert said.returncode == 0 and CANARY not in said.stdout + said.stderr
    assert said.stdout.splitlines() == [
        "--- before",
        "+++ now",
        "@@ -1,3 +1,3 @@",
        " [workflow_engine]",
        "+logging = /etc/st2/logging.workflowengine.conf",
        " password = [secret]",
        "-logging = here",
        "[workflow_engine] logging is /etc/st2/logging.workflowengine.conf now",
    ]


def test_the_file_as_it_was_is_kept_in_the_backup_of_the_run_for_root_alone(in_run: OnHost) -> None:
    before = conf(in_run).read_bytes()
    kept = Path(in_run.environment["STORMLIFT_BACKUP"]) / "st2.conf.before-2.8.conf-workflow-engine"
    assert in_run.call("setting", "set", *_WANTED).returncode == 0
    assert kept.read_bytes() == before and stat.S_IMODE(kept.stat().st_mode) == 0o600
    # The step is taken up again, by hand changed meanwhile: what was there at first stays.
    conf(in_run).write_text("[workflow_engine]\nlogging = elsewhere\n")
    assert in_run.call("setting", "set", *_WANTED).returncode == 0
    assert kept.read_bytes() == before


def test_what_cannot_be_kept_is_not_changed(in_run: OnHost) -> None:
    before = conf(in_run).read_bytes()
    (in_run.state / "r1").write_text("no folder can be made here")
    said = in_run.call("setting", "set", *_WANTED)
    assert said.returncode == 1 and "could not be kept" in said.stderr
    assert conf(in_run).read_bytes() == before


def test_an_option_that_is_as_wanted_keeps_nothing(in_run: OnHost) -> None:
    conf(in_run).write_text("[workflow_engine]\nlogging = /etc/st2/logging.workflowengine.conf\n")
    assert in_run.call("setting", "set", *_WANTED).returncode == 0
    assert not Path(in_run.environment["STORMLIFT_BACKUP"]).exists()


words = st.text("abcxyz", min_size=1, max_size=3)
# No $: oslo.config would put another option in its place.
values = st.text("ab /.%\"'\\&=:#-_", max_size=8).map(str.strip)
lines = st.one_of(
    st.just(""),
    st.builds("# {}".format, words),
    st.builds("[{}]".format, words),
    st.builds("{} = {}".format, words, values),
    st.builds("{}={}".format, words, values),
)


@settings(max_examples=25, deadline=None, phases=[Phase.generate])
@given(st.lists(lines, max_size=12), words, words, values.filter(bool), st.sampled_from(SHELLS))
def test_what_was_set_is_what_st2_reads_and_no_other_option_moves(
    text: list[str], section: str, key: str, value: str, shell: str
) -> None:
    head = [] if text and text[0].startswith("[") else ["[first]"]
    with TemporaryDirectory() as folder:
        host = OnHost(Path(folder), shell)
        path = Path(folder) / "st2.conf"
        host.environment["STORMLIFT_CONF"] = str(path)
        path.write_text("\n".join([*head, *text]) + "\n")
        others = [line for line in path.read_text().splitlines() if not line.startswith(key)]
        said = host.call("setting", "set", section, key, value)
        assert said.returncode == 0, said.stderr
        assert host.call("setting", "is", section, key, value).returncode == 0
        assert read(path, section, key) == unquoted(value)
        after = path.read_text().splitlines()
        assert [line for line in others if line not in after] == []


def unquoted(value: str) -> str:
    """oslo.config takes the quotes around a value away, and a quote that stands alone."""
    return value[1:-1] if value[0] == value[-1] and value[0] in "\"'" else value
