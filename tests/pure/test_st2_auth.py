"""Where the credentials for the st2 API come from, at the desk: told once, masked everywhere, in no argument."""

import io
import sys
from typing import Any, cast

import pytest

from remote import program
from rollout.errors import UsageError
from rollout.model import Host, St2Auth
from rollout.secret import MASK, Secret
from tasks.edge import DEFAULTS, Desk

WORD = "a-w0rd & 'quotes'"


class Context:
    """As much of invoke's as a desk takes."""

    class config:
        """Its settings."""

        stormlift = type("Settings", (), DEFAULTS)
        run = type("Run", (), {"dry": False})


@pytest.fixture
def desk() -> Desk:
    return Desk(cast(Any, Context()))


def host(auth: St2Auth) -> Host:
    return Host("a", "10.0.0.1", st2_auth=auth)


def test_a_host_that_is_asked_itself_is_told_nothing(desk: Desk) -> None:
    assert desk.st2_auth(host(St2Auth())) == {}


@pytest.mark.parametrize(("kind", "name"), [("token", "ST2_TOKEN"), ("api_key", "ST2_KEY")])
def test_a_variable_of_the_environment_is_shown_to_nobody(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, kind: str, name: str
) -> None:
    monkeypatch.setenv("OURS", WORD)
    given = desk.st2_auth(host(St2Auth("environment", **{kind: "OURS"})))
    assert list(given) == [name] and given[name].reveal() == WORD
    assert desk.mask(f"it said {WORD}") == f"it said {MASK}" and WORD not in repr(given)


def test_a_variable_that_is_missing_is_named_before_any_host_is_asked(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OURS", raising=False)
    with pytest.raises(UsageError) as caught:
        desk.st2_auth(host(St2Auth("environment", token="OURS")))
    assert "a: the environment has no OURS" in caught.value.message and "export OURS" in caught.value.hint


def test_nobody_is_asked_where_there_is_no_terminal(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    with pytest.raises(UsageError) as caught:
        desk.st2_auth(host(St2Auth("prompt")))
    assert "no terminal" in caught.value.message and "from: environment" in caught.value.hint


def test_credentials_go_to_a_host_as_variables_of_its_shell_and_are_no_word_of_a_verb() -> None:
    script = program.call("facts", "st2", "st2api.service", given={"ST2_TOKEN": Secret(WORD)})
    assert "ST2_TOKEN='a-w0rd & '\"'\"'quotes'\"'\"''\nset -- facts" in script
    assert "export ST2_TOKEN" not in script
