"""Packages put back on a yum host: those that are there, and those that somebody has removed since."""

import shutil
from pathlib import Path

import pytest

from remote import program
from tests.pure.onhost import SHELLS, OnHost

TOOLS = ("sed", "grep", "tr", "cat", "dirname", "head", "awk", "sort", "find", "date")
RPM = """#!/bin/sh
case "$*" in *st2mistral*) exit 1 ;; *st2*) echo 0:2.2.1-8 ;; esac
"""


@pytest.fixture(params=SHELLS)
def host(tmp_path: Path, request: pytest.FixtureRequest) -> OnHost:
    """A host of the yum family that has st2 2.2.1 and no st2mistral; nothing of the machine beneath is seen."""
    made = OnHost(tmp_path, request.param)
    for tool in TOOLS:
        made.install(tool, tool)
    for name, text in (("rpm", RPM), ("yum", '#!/bin/sh\necho "yum $*"\n')):
        (tmp_path / "bin" / name).write_text(text)
        (tmp_path / "bin" / name).chmod(0o755)
    (tmp_path / "program.sh").write_text(
        "\n".join(
            f"PATH={tmp_path / 'bin'}" if line.startswith("PATH=") else line for line in program.program().splitlines()
        )
        + "\n"
    )
    assert shutil.which("dpkg-query", path=str(tmp_path / "bin")) is None
    return made


@pytest.mark.parametrize(("how", "only"), [("now", ""), ("fetch", "--downloadonly ")])
def test_what_is_gone_is_installed_and_the_rest_downgraded(host: OnHost, how: str, only: str) -> None:
    done = host.call("set-back", how, "st2=2.0.1-3", "st2mistral=0:2.0.1-3", "st2web=2.2.1-8")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        f"yum -y -q {only}downgrade st2-2.0.1-3",
        f"yum -y -q {only}install st2mistral-2.0.1-3",
    ]
