"""Both databases dumped side by side: what one of them says, and that one that fails fails all."""

from pathlib import Path

import pytest

from tests.pure.onhost import SHELLS, OnHost


@pytest.fixture(params=SHELLS)
def host(tmp_path: Path, request: pytest.FixtureRequest) -> OnHost:
    """A host whose dumps are what a script of the test's says."""
    made = OnHost(tmp_path, request.param)
    made.environment["STORMLIFT_BACKUP"] = str(made.state / "r1" / "backup" / "2.2.1")
    return made


def dumper(host: OnHost, kind: str, code: int) -> None:
    """The Python of KIND, which speaks and ends with CODE."""
    python = Path(host.environment["STORMLIFT_STACK"]) / kind / "bin" / "python"
    python.parent.mkdir(parents=True, exist_ok=True)
    python.write_text(f"#!/bin/sh\ncat >/dev/null\necho {kind} speaks\nexit {code}\n")
    python.chmod(0o755)


def test_what_both_say_is_told_one_after_the_other(host: OnHost) -> None:
    dumper(host, "mistral", 0)
    dumper(host, "st2", 0)
    done = host.call("dumps", "mistral", "store")
    assert (done.returncode, done.stdout) == (0, "mistral speaks\nst2 speaks\n"), done.stderr
    assert list(Path(host.environment["STORMLIFT_BACKUP"]).iterdir()) == []


def test_one_that_fails_fails_all_whatever_an_earlier_attempt_left(host: OnHost) -> None:
    dumper(host, "mistral", 0)
    dumper(host, "st2", 1)
    folder = Path(host.environment["STORMLIFT_BACKUP"])
    folder.mkdir(parents=True)
    (folder / "code.store.new").write_text("0\n")  # killed between a dump and the word of it
    done = host.call("dumps", "mistral", "store")
    assert (done.returncode, done.stdout) == (1, "mistral speaks\nst2 speaks\n"), done.stderr
