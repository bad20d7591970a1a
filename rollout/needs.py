"""What a release needs beside its own packages: Python, Node.js, MongoDB. Data and the questions to it.

Sources: requirements.txt of StackStorm/st2 at each tag, scripts/ of StackStorm/st2-packages at each branch, debian/control
and the specs of st2chatops.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from rollout.versions import minor, order

T = TypeVar("T")


@dataclass(frozen=True)
class Range:
    """From `first` on, and older than `below`; "" is no bound."""

    first: str = ""
    below: str = ""

    def holds(self, version: str) -> bool:
        """True when VERSION lies in it."""
        above = not self.first or order(version) >= order(self.first)
        return above and (not self.below or order(version) < order(self.below))

    def __str__(self) -> str:
        bounds = [f"{self.first} or later"] if self.first else []
        bounds += [f"older than {self.below}"] if self.below else []
        return " and ".join(bounds) or "any"


# By the first minor that it holds for.
_NODE = {"1.4": Range(), "1.6": Range("4"), "2.4": Range("6", "7"), "2.10": Range("8", "11"), "3.5": Range("10", "15"),
         "3.9": Range("20")}  # fmt: skip
# mongoengine up to 0.12 says $pushAll, which MongoDB 3.6 took away (st2 issue 4097).
# The upper ends of later ones are those of the pymongo that each pins (3.10, 3.11, 4.6).
_MONGODB = {"1.4": Range(below="3.6"), "2.10": Range(below="4.3"), "3.3": Range("4.0", "4.3"), "3.5": Range("4.0", "4.5"),
            "3.9": Range("4.0", "8.0")}  # fmt: skip
_PYTHON = {
    "xenial": {"3.4": "3.6"},
    "bionic": {"2.10": "3.6"},
    "focal": {"3.5": "3.8"},
    "jammy": {"3.9": "3.10"},
    "el7": {"3.4": "3.6"},
    "el8": {"3.2": "3.6", "3.7": "3.8"},
    "el9": {"3.9": "3.9"},
}


def node(release: str) -> Range:
    """The releases of Node.js that st2chatops of RELEASE runs on."""
    return _at(_NODE, release, Range())


def mongodb(release: str) -> Range:
    """The releases of MongoDB that st2 of RELEASE runs on."""
    return _at(_MONGODB, release, Range())


def python(release: str, distro: str) -> str:
    """The Python of /opt/stackstorm/st2 in the packages of RELEASE for DISTRO."""
    return _at(_PYTHON.get(distro, {}), release, "2.7")


def _at(table: Mapping[str, T], release: str, otherwise: T) -> T:
    found = otherwise
    for since, value in table.items():
        if order(minor(release)) >= order(since):
            found = value
    return found
