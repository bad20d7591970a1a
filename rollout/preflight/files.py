"""What is found of the files that an upgrade leaves, keeps or would stumble over. Pure."""

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

from rollout import catalogue
from rollout.facts import Facts
from rollout.findings import found
from rollout.model import Finding

Hosts = Mapping[str, Facts]
_VIRTUALENVS = "/opt/stackstorm/virtualenvs"
_WRONG = {
    "gone": ("virtualenv-pack-gone", "{pack} is no longer among the packs"),
    "missing": ("virtualenv-python-missing", "the virtualenv of {pack} has no Python that can be started"),
    "other": ("virtualenv-python-other", "the virtualenv of {pack} has another Python than st2"),
}


def conffiles(deployment: str, facts: Hosts, target: str) -> Iterator[Finding]:
    """Configuration that a package would bring anew, and what an earlier one left beside it."""
    for name, each in facts.items():
        for key, files, what in (
            ("conffile-changed", each.around.changed, "not as shipped"),
            ("conffile-left", each.around.left, "left over"),
        ):
            if files:
                yield found(key, name, f"{what}: {', '.join(files)}", files=" ".join(files), deployment=deployment)


def scripts(deployment: str, facts: Hosts, target: str) -> Iterator[Finding]:
    """Migration scripts that no release brought."""
    for name, each in facts.items():
        for script in each.around.scripts:
            if PurePosixPath(script).name not in catalogue.MIGRATION_SCRIPTS:
                yield found("script-unknown", name, f"no release brings {script}", script=script)


def virtualenvs(deployment: str, facts: Hosts, target: str) -> Iterator[Finding]:
    """Virtualenvs of packs that are not sound."""
    for name, each in facts.items():
        for pack, word in each.around.virtualenvs.items():
            if word in _WRONG:
                key, cause = _WRONG[word]
                yield found(key, name, cause.format(pack=pack), pack=pack, folder=f"{_VIRTUALENVS}/{pack}")
