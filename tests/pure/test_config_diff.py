"""What of three versions of a configuration file an operator gets to read: what is new, what both changed, and no secret."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import remote


def load() -> ModuleType:
    """The module of hosts."""
    spec = importlib.util.spec_from_file_location(
        "config_diff", Path(remote.__file__).parent / "onhost" / "config_diff.py"
    )
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


DIFF = load()
CANARY = "kanarie-4711"
# A line with the canary where a secret stands, in any of the files that are shown.
SECRETS = (
    f"password = {CANARY}",
    f"db_pass = {CANARY}",
    f"HUBOT_TEAMS_WEBHOOK={CANARY}",
    f"password={CANARY} # since March",
    f"# password = {CANARY}",
    f"admin_password : {CANARY}",
    f"bind_pw = {CANARY}",
    f"url = amqp://guest:{CANARY}@10.0.0.1:5672/",
    f"url = amqp://guest:{CANARY}@10.0.0.1:5672/,amqp://guest:{CANARY}x@10.0.0.2:5672/",
    f"connection = postgresql://mistral:a/b@{CANARY}@localhost/mistral",
    f"connection = postgresql://mistral:a b {CANARY}@localhost/mistral",
    f'backend_kwargs = {{"bind_dn": "cn=st2", "bind_password": "{CANARY}", "port": 636}}',
    f"export ST2_API_KEY={CANARY}",
    f'export HUBOT_SLACK_TOKEN="{CANARY}"',
    f"# export ST2_AUTH_TOKEN='{CANARY}'",
    f"    api_key: '{CANARY}',",
    f'        "client_secret": "{CANARY}"',
    f"ssl_keyfile_passphrase = {CANARY}",
    f"st2admin:{{SHA}}{CANARY}",
    f"command = run --password={CANARY} --verbose",
    f"url = https://example.org/hook?token={CANARY}&x=1",
)
PLAIN = (
    "mask_secrets = True",
    "token_ttl = 86400",
    "logging = /etc/st2/logging.api.conf",
    "host = 127.0.0.1",
    "url = https://index.stackstorm.org/v1/index.json",
)


@pytest.mark.parametrize("line", SECRETS)
def test_no_secret_is_shown_wherever_it_stands_in_a_line(line: str) -> None:
    (shown,) = DIFF.masked([line])
    assert CANARY not in shown and DIFF.MASK in shown


@pytest.mark.parametrize("line", PLAIN)
def test_what_is_no_secret_stays_readable(line: str) -> None:
    assert DIFF.masked([line]) == [line]


def test_a_secret_that_goes_on_in_the_next_lines_is_not_shown() -> None:
    shown = DIFF.masked(["password = first", f"  {CANARY}", "", "host = here"])
    assert shown == ["password = [secret]", "  [secret]", "", "host = here"]


def test_a_private_key_is_not_shown_from_its_first_line_to_its_last() -> None:
    key = ["-----BEGIN RSA PRIVATE KEY-----", CANARY, "-----END RSA PRIVATE KEY-----", "after = it"]
    assert DIFF.masked(key)[3] == "after = it" and not any(CANARY in line for line in DIFF.masked(key)[:3])


def test_a_secret_of_one_file_is_not_shown_where_another_file_speaks_of_it() -> None:
    """Somebody wrote the password into a remark beside the new default."""
    note = [f"# Anna: it was {CANARY} until May"]
    assert DIFF.masked(note, ([f"password = {CANARY}"],)) == ["# Anna: it was [secret] until May"]


@pytest.mark.parametrize("value", ["12345", "on", "True", "none"])
def test_a_password_that_looks_like_a_number_or_a_switch_is_not_shown(value: str) -> None:
    assert DIFF.masked([f"password = {value}"]) == ["password = [secret]"]


def test_a_switch_whose_name_sounds_like_a_secret_is_not_taken_for_one() -> None:
    """Else every `True` in the file would be gone."""
    assert DIFF.masked(["mask_secrets = True", "debug = True"]) == ["mask_secrets = True", "debug = True"]


BASE = ["[api]", "port = 9101", "host = 127.0.0.1", "", "[log]", "level = INFO"]
OURS = ["[api]", "port = 9101", "host = 10.0.0.1", "", "[log]", "level = INFO"]


def test_new_options_and_sections_are_named() -> None:
    theirs = [*BASE, "redirect = False", "", "[workflow_engine]", "logging = /etc/st2/x.conf", "[empty]"]
    assert DIFF.lacking(OURS, theirs) == ["[log] redirect", "[workflow_engine] logging", "[empty]"]
    assert DIFF.lacking(theirs, OURS) == []


def test_an_option_of_an_environment_file_is_named_as_well() -> None:
    assert DIFF.lacking(["export A=1"], ["export A=2", "export HUBOT_NAME=stanley"]) == ["export HUBOT_NAME"]


def test_lines_that_one_side_alone_changed_are_no_conflict() -> None:
    assert DIFF.conflicts(BASE, OURS, [*BASE, "redirect = False"]) == []


def test_lines_that_both_changed_are_shown_with_all_three_sides() -> None:
    theirs = [line.replace("127.0.0.1", "0.0.0.0") for line in BASE]
    found = DIFF.conflicts(BASE, OURS, theirs)
    text = DIFF.conflict_text(BASE, OURS, theirs, found, ("2.0.1", "2.2.1"))
    assert text == [
        "<<<<<<< yours, line 3",
        "host = 10.0.0.1",
        "||||||| 2.0.1",
        "host = 127.0.0.1",
        "=======",
        "host = 0.0.0.0",
        ">>>>>>> 2.2.1",
    ]


def test_the_same_change_on_both_sides_is_no_conflict() -> None:
    assert DIFF.conflicts(BASE, OURS, OURS) == []


def test_lines_put_in_at_the_same_place_are_a_conflict() -> None:
    assert len(DIFF.conflicts(BASE, [*BASE, "mine = 1"], [*BASE, "new = 1"])) == 1


lines = st.lists(st.sampled_from(["[a]", "[b]", "x = 1", "x = 2", "y = 1", ""]), max_size=12)


@settings(max_examples=60, deadline=None)
@given(lines, lines)
def test_a_diff_can_be_played_back(before: list[str], after: list[str]) -> None:
    """What it takes away and what it puts in make the new file of the old one: nothing is left out."""
    made = list(before)
    shift = 0
    for line in DIFF.unified(before, after, before, after):
        if line.startswith("@@"):
            start, count = (int(word) for word in line.split()[1][1:].split(","))
            at = start - (1 if count else 0) + shift
        elif line[0] == "+":
            made.insert(at, line[1:])
            at, shift = at + 1, shift + 1
        else:
            assert made[at] == line[1:]
            if line[0] == "-":
                del made[at]
                shift -= 1
            else:
                at += 1
    assert made == after


@settings(max_examples=60, deadline=None)
@given(lines, lines, lines)
def test_without_a_conflict_each_change_can_be_taken_over(base: list[str], ours: list[str], theirs: list[str]) -> None:
    """Whoever has no conflict finds every range that the release changed as it was in the base, in his own file too."""
    if DIFF.conflicts(base, ours, theirs):
        return
    touched = {n for _, a, b, _, _ in DIFF.changes(base, ours) for n in range(a, b)}
    wanted = {n for _, a, b, _, _ in DIFF.changes(base, theirs) for n in range(a, b)}
    alike = DIFF.changes(base, ours) == DIFF.changes(base, theirs)
    same = {
        n
        for _, a, b, c, d in DIFF.changes(base, ours)
        for _, e, f, g, h in DIFF.changes(base, theirs)
        if (a, b) == (e, f) and ours[c:d] == theirs[g:h]
        for n in range(a, b)
    }
    assert alike or not (touched & wanted) - same
