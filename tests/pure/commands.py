"""What the commands of real plans do to an estate: the words that a step holds, run on a host in memory."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from rollout import catalogue
from rollout.model import Step
from rollout.versions import PackageVersion, order
from tests.pure.estate import Estate
from tests.pure.world import Clock, Ran

ASKED = "test-only-question"
REFUSED = 100  # dpkg was interrupted, or a package would go back to an older version


@dataclass(frozen=True)
class Begun:
    """A step that a host journalled as started: for whom, who held the deployment's lock there at that moment, since when it
    was paused (0: it was not), and when, as a number that nobody else has."""

    host: str
    key: str
    step: Step
    head: str
    holder: int
    paused: int
    at: int


@dataclass
class Hosts:
    """The world of a deployment's machines: runs the commands of steps on its estate, and remembers what ran.

    `holder` gives the fencing number of the lock on a host, `settle` writes the journal's line of that name, `paused` says
    since when a host is paused, `number` gives numbers that nobody else has;
    `failing` maps a step's id to the number of times that it still fails, on whatever host.
    """

    estate: Estate
    clock: Clock
    holder: Callable[[str], int]
    settle: Callable[[str, str, str], None]
    paused: Callable[[str], int]
    number: Callable[[], int]
    failing: dict[str, int] = field(default_factory=dict)
    ran: list[Ran] = field(default_factory=list)
    begun: list[Begun] = field(default_factory=list)
    heads: dict[str, str] = field(default_factory=dict)
    _installing: dict[str, Step] = field(default_factory=dict)

    # --- asked by the machines ---------------------------------------------------------------------------

    def begin(self, host: str, step: Step, key: str, head: str) -> None:
        """STEP is journalled as started."""
        self.heads[host] = head
        self.begun.append(Begun(host, key, step, head, self.holder(host), self.paused(host), self.number()))

    def halve(self, host: str, step: Step, key: str) -> None:
        """The command is in the middle of its work."""
        if step.id == "mistral.upgrade":
            self.estate.shared.upgrading = host
            self.estate.look_for_company()
        elif step.id == "packages.set" and not self.estate.boxes[host].half_configured:
            box = self.estate.boxes[host]
            (name, text), *_ = sorted(packages(step.argv, box.installed).items())
            if not _older(text, box.installed[name]):
                self.estate.install(host, {name: text})
                self._installing[host] = step
        elif _script(step.argv) == "1.5":
            self.estate.scope_keys(host, 0.5)
        elif _script(step.argv) == "2.1":
            self.estate.rename_scopes(0.5)

    def act(self, host: str, step: Step, key: str, attempt: int) -> int:
        """The command of STEP runs to its end; gives its exit code."""
        self.ran.append(Ran(host, key, attempt))
        self.clock.sleep(1.0)
        if self.failing.get(step.id, 0):
            self.failing[step.id] -= 1
            self.estate.shared.upgrading = ""
            self._cut_off(host)
            return 1
        self._installing.pop(host, None)
        return self.run(host, step.argv)

    def repair(self, host: str, step: Step, key: str, attempt: int) -> None:
        """The repair of STEP."""
        self.ran.append(Ran(host, key, attempt, "repair"))
        self.run(host, step.repair)

    def settles(self, host: str, step: Step) -> bool:
        """Whether what STEP is for comes in time."""
        assert step.settle is not None
        if self.run(host, step.settle.probe) == 0:
            return True
        self.clock.sleep(step.settle.every * step.settle.tries)
        return False

    def proves(self, host: str, step: Step, key: str, attempt: int) -> int:
        """What the postcondition of STEP says."""
        self.ran.append(Ran(host, key, attempt, "prove"))
        return self.run(host, step.postcondition)

    def reboot(self, host: str) -> None:
        """HOST lost its power, and is back."""
        self._cut_off(host)
        self.estate.reboot(host)

    def _cut_off(self, host: str) -> None:
        if self._installing.pop(host, None):
            self.estate.boxes[host].half_configured = True

    # --- commands ----------------------------------------------------------------------------------------

    def run(self, host: str, argv: tuple[str, ...]) -> int:
        """The exit code of ARGV on HOST; a command that is not known here is a mistake of the test."""
        words = argv[1:] if argv[0] == "stormlift-host" else argv
        if argv[0] == "stormlift-host":
            return self._verb(host, words[0], words[1:])
        if words[0] == "systemctl":
            return self._systemctl(host, words[1], words[2:])
        if script := _script(words):
            return self.estate.scope_keys(host) if script == "1.5" else self.estate.rename_scopes()
        if any(word.endswith("st2-register-content") for word in words):
            self.estate.shared.registered = self.estate.boxes[host].release("st2")
            return 0
        if any(word.endswith("mistral-db-manage") for word in words):
            return self.estate.upgrade_head(host) if words[-2:] == ("upgrade", "head") else 0
        if words == (ASKED,):
            return 0
        return self._package_manager(host, words)

    def _package_manager(self, host: str, words: tuple[str, ...]) -> int:
        box = self.estate.boxes[host]
        if "--configure" in words:
            box.half_configured = False
        elif "install" in words and not {"--download-only", "--downloadonly"} & set(words):
            wanted = packages(words, box.installed)
            if box.half_configured or any(_older(text, box.installed[name]) for name, text in wanted.items()):
                return REFUSED
            self.estate.install(host, wanted)
        elif not {"install", "update", "makecache"} & set(words):
            raise AssertionError(f"no host in memory knows what {words} does")
        return 0

    def _systemctl(self, host: str, verb: str, names: tuple[str, ...]) -> int:
        if verb in ("stop", "restart"):
            self.estate.stop(host, names)
        if verb in ("start", "restart"):
            self.estate.start(host, names)
        return 0

    def _verb(self, host: str, verb: str, words: tuple[str, ...]) -> int:
        box = self.estate.boxes[host]
        if verb in ("fetch", "backup", "config", "store", "package-manager-free", "core-local"):
            return 0
        if verb == "dumps":
            self.estate.dump()
            return 0
        if verb == "mistral":
            return self._mistral(host, words)
        if verb == "keys":
            left = self.estate.shared.unscoped if words == ("scoped",) else self.estate.shared.old
            return int(left > 0)
        if verb == "rpm-duplicates":
            box.half_configured = False
            return 0
        if verb == "settle":
            self.settle(host, self.heads[host], words[0])
            return 0
        if verb == "installed":
            wanted = dict(word.split("=") for word in words)
            return int(box.half_configured or any(box.installed.get(name) != text for name, text in wanted.items()))
        if verb == "answers":
            return int(box.release("st2") not in ("", words[0]))
        return self._units(host, verb, words)

    def _units(self, host: str, verb: str, words: tuple[str, ...]) -> int:
        box = self.estate.boxes[host]
        mistral = set(catalogue.MISTRAL_UNITS)
        if verb == "hold":
            box.held |= set(words)
            box.hold = box.hold or "run of a test"
        elif verb == "release":
            box.held, box.hold = set(), ""
        elif verb in ("leftovers", "mistral-leftovers"):
            ended = mistral if verb == "mistral-leftovers" else box.alive | box.strays
            box.alive, box.strays = box.alive - ended, box.strays - ended
        else:
            lives = {
                "held": not (box.hold and set(words) <= box.held),
                "stopped": bool(box.alive & set(words)),
                "serving": bool(set(words) - box.alive),
                "quiet": bool(box.alive | box.strays),
                "mistral-quiet": box.mistral_lives or not (box.hold and mistral <= box.held),
            }
            return int(lives[verb])
        return 0

    def _mistral(self, host: str, words: tuple[str, ...]) -> int:
        look = self.estate.look(host)
        state = look.state if look else "absent"
        if words[0] == "dump":
            self.estate.dump()
            return 0
        if words[0] == "drop":
            return self.estate.drop(host, "--drop-rows" in words, header(self.heads[host])["run"])
        if words[0] == "ready":
            return int(state not in ("old", "upgraded") or bool(look and look.sessions))
        if words[0] == "repaired":
            return {"broken": 1, "old": 0, "upgraded": 0}.get(state, 2)
        assert words[0] == "at-head", words
        return int(state != "upgraded")


def header(head: str) -> dict[str, Any]:
    """What the start of a journal line says: run, fence, by."""
    found: dict[str, Any] = json.loads(head + "}")
    return found


def packages(words: Iterable[str], installed: dict[str, str]) -> dict[str, str]:
    """The exact versions that an apt-get or a yum command names."""
    found: dict[str, str] = {}
    for word in words:
        for name in installed:
            rest = word.removeprefix(name)
            if rest != word and rest[:1] in ("=", "-") and rest[1:2].isdigit():
                found[name] = rest[1:]
    assert all(PackageVersion.parse(text).release for text in found.values())
    return found


def _older(text: str, installed: str) -> bool:
    return order(PackageVersion.parse(text).release) < order(PackageVersion.parse(installed).release)


def _script(words: tuple[str, ...]) -> str:
    names = {"st2-migrate-datastore-to-include-scope-secret.py": "1.5", "st2-migrate-datastore-scopes.py": "2.1"}
    return next((names[last] for word in words if (last := word.rpartition("/")[2]) in names), "")
