"""Gather what a host says in one round trip, and read it. Parsers are pure: text in, Facts out."""

import json
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import fields, replace

from remote.host import RemoteHost
from rollout import catalogue
from rollout.codec import Malformed, decode
from rollout.errors import StepFailed, UnknownRelease
from rollout.facts import Around, BackupFacts, Busy, Facts, LockFacts, MistralFacts, Restarter, Silent, StoreFacts
from rollout.journal import Record, parse
from rollout.model import UnitState
from rollout.retention import named
from rollout.secret import Secret
from rollout.versions import PackageVersion, order

_SECTIONS = [
    "os",
    "redhat",
    "init",
    "managers",
    "packages",
    "unhealthy",
    "held",
    "busy",
    "available",
    "repositories",
    "units",
    "processes",
    "hold",
    "lock",
    "fence",
    "running",
    "disk",
    "clock",
    "machine",
    "addresses",
    "mistral",
    "evidence",
    "content",
    "work",
    "versions",
    "reach",
    "store",
    "restarters",
    "conffiles",
    "scripts",
    "virtualenvs",
    "backups",
    "journal",
]


Auth = Mapping[str, Secret]  # ST2_TOKEN or ST2_KEY, or nothing: the host's own client is asked
_OF_BACKUP = {each.name for each in fields(BackupFacts)}
_RELEASE = re.compile(r"(?:\d+:)?(\d+(?:\.\d+)*)")


def gather(host: RemoteHost, *, evidence: bool = True, work: Auth | None = None) -> Facts:
    """Ask HOST everything that a plan rests on; with WORK also what st2 has not finished, by these credentials.

    Raises Unreachable; StepFailed when the answer is not whole.
    """
    units = [f"{unit}.service" if "." not in unit else unit for unit in catalogue.all_units() if not unit.endswith("@")]
    words = (" ".join(catalogue.PACKAGES), " ".join(units), "evidence" if evidence else "quick")
    text = host.probe("facts", *words, "work" if work is not None else "", given=work or {})
    return read(host.name, text, time.time())


def sections(text: str) -> dict[str, str]:
    """Cut an answer at its section lines; raises Malformed when it does not end with @end."""
    found: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in text.splitlines():
        if line == "@end":
            return {name: "\n".join(body).strip("\n") for name, body in found.items()}
        if line.startswith("@") and line[1:] in _SECTIONS:
            lines = found.setdefault(line[1:], [])
        else:
            lines.append(line)
    raise Malformed("the answer is cut off: it does not end with @end")


def read(name: str, text: str, now: float = 0.0) -> Facts:
    """Facts of the host NAME from its answer, which came at NOW. Raises StepFailed when that is not whole."""
    try:
        said = sections(text)
    except Malformed as error:
        raise StepFailed(
            f"{name}: cannot read what the host says of itself: {error}",
            "the same command again",
            host=name,
            log=text[-2000:],
        ) from None
    os_id, version_id, pretty = read_os(said.get("os", ""), said.get("redhat", ""))
    where = catalogue.distro(os_id, version_id)
    manager = read_manager(said.get("managers", ""))
    records, damage = read_journal(said.get("journal", ""))
    installed = dict(_pairs(said.get("packages", "")))
    found = [
        words
        for line in _lines("\n".join(said.get(name, "") for name in ("evidence", "content", "work")))
        if len(words := line.split(None, 2)) > 1 and words[1].isdigit()
    ]
    clock = int(said.get("clock", "").strip() or 0)
    return Facts(
        host=name,
        distro=where.name if where else "",
        os_name=pretty,
        init=said.get("init", "").strip(),
        manager=manager,
        expected_manager=where.family if where else "",
        installed=installed,
        unhealthy=_lines(said.get("unhealthy", "")),
        held=_lines(said.get("held", "")),
        available=read_available(manager, said.get("available", "")),
        units=read_units(said.get("units", "")),
        processes=_lines(said.get("processes", "")),
        mistral=read_mistral(said.get("mistral", ""), packaged="st2mistral" in installed),
        store=read_store(said.get("store", "")),
        evidence={words[0]: int(words[1]) for words in found},
        places={words[0]: words[2] for words in found if len(words) == 3},
        versions=read_versions(said.get("versions", "")),
        journal=records,
        damage=damage,
        lock=read_lock(said.get("lock", "")),
        fence=int(said.get("fence", "").strip() or 0),
        hold=said.get("hold", "").strip(),
        running=said.get("running", "").strip(),
        free_kib=read_disk(said.get("disk", "")),
        busy=tuple(Busy(*words) for words in _words(said.get("busy", ""), 3)),
        around=read_around(said),
        clock=clock,
        skew=round(clock - now) if clock and now else 0,
        machine=said.get("machine", "").strip(),
        addresses=tuple(said.get("addresses", "").split()),
        tools=_lines(said.get("managers", "")),
        backups=tuple(read_backups(said.get("backups", ""), name)),
    )


def _lines(text: str) -> tuple[str, ...]:
    return tuple(line.strip() for line in text.splitlines() if line.strip())


def _pairs(text: str) -> Iterable[tuple[str, str]]:
    for line in _lines(text):
        words = line.split()
        if len(words) == 2:
            yield words[0], words[1]


def _words(text: str, count: int) -> Iterable[list[str]]:
    """The lines of TEXT that have COUNT words; the last may have blanks in it."""
    return [words for line in _lines(text) if len(words := line.split(None, count - 1)) == count]


def read_around(said: Mapping[str, str]) -> Around:
    """What may spoil an upgrade, from the sections that onhost/preflight.sh prints."""
    sources = dict(_words(said.get("repositories", ""), 2))
    age = sources.get("lists-age", "")
    files = list(_words(said.get("conffiles", ""), 2))
    return Around(
        lists_age=int(age) if age.isdigit() else -1,
        fetch_failed=sources.get("fetch", ""),
        key_refused=sources.get("key", ""),
        silent=tuple(Silent(*words) for words in _words(said.get("reach", ""), 3)),
        store=dict(_pairs(said.get("reach", ""))).get("store", ""),
        restarters=tuple(read_restarters(said.get("restarters", ""))),
        changed=tuple(file for word, file in files if word == "changed"),
        left=tuple(file for word, file in files if word == "left"),
        scripts=_lines(said.get("scripts", "")),
        virtualenvs={name: word for word, name in _words(said.get("virtualenvs", ""), 2)},
    )


def read_restarters(text: str) -> Iterable[Restarter]:
    """What starts services again; a process that is some unit's is named by the unit alone."""
    units = [line.split(None, 1)[1] for line in _lines(text) if line.startswith("unit ")]
    yield from (Restarter("unit", unit, unit.rpartition(".")[0]) for unit in units)
    for kind, where, program in _words(text, 3):
        if kind == "cron" or (kind == "process" and not any(program in unit for unit in units)):
            yield Restarter(kind, where, program)


def read_os(os_release: str, redhat: str) -> tuple[str, str, str]:
    """(ID, VERSION_ID, PRETTY_NAME) of os-release, or of /etc/redhat-release where there is none (el6)."""
    values = {}
    for line in os_release.splitlines():
        key, _, value = line.partition("=")
        values[key.strip()] = value.strip().strip("\"'")
    if "ID" in values:
        return values["ID"], values.get("VERSION_ID", ""), values.get("PRETTY_NAME", values["ID"])
    words = redhat.split()
    version = next((word for word in words if word[0].isdigit()), "")
    return ("centos" if version else "", version, redhat.strip())


def read_manager(text: str) -> str:
    """ "apt" or "yum", by the tools that the host really has; "" with neither whole."""
    tools = set(_lines(text))
    if {"apt-get", "dpkg-query"} <= tools:
        return "apt"
    return "yum" if {"yum", "rpm"} <= tools else ""


def read_available(manager: str, text: str) -> dict[str, tuple[str, ...]]:
    """Package to offered versions, newest first, from `apt-cache madison` or `yum list --showduplicates`."""
    found: dict[str, list[str]] = {}
    for line in _lines(text):
        words = line.split()
        if len(words) < 2:
            continue
        name = words[0] if manager == "apt" else words[0].rpartition(".")[0]
        if name in catalogue.PACKAGES and words[1] not in found.setdefault(name, []) and _is_release(words[1]):
            found[name].append(words[1])
    return {name: tuple(sorted(versions, key=_newness, reverse=True)) for name, versions in found.items()}


def _is_release(text: str) -> bool:
    """False for what stands in a repository beside releases: nightly builds, release candidates."""
    try:
        order(PackageVersion.parse(text).upstream)
    except UnknownRelease:
        return False
    return True


def _newness(text: str) -> tuple[object, ...]:
    version = PackageVersion.parse(text)
    digits = "".join(each if each.isdigit() else " " for each in version.revision).split()
    return version.epoch, order(version.upstream), tuple(int(each) for each in digits)


def read_units(text: str) -> dict[str, UnitState]:
    """Unit (no .service) to its state, for the units that are there, from `systemctl show`."""
    found = {}
    for block in text.split("\n\n"):
        values = dict(line.partition("=")[::2] for line in block.splitlines() if "=" in line)
        if values.get("LoadState") in ("loaded", "masked"):
            name = values.get("Id", "").removesuffix(".service")
            found[name] = UnitState(values.get("ActiveState", ""), values.get("UnitFileState", ""))
    return found


def read_mistral(text: str, *, packaged: bool = False) -> MistralFacts | None:
    """The state that onhost/mistral.py prints as its last line; None when the host has no Mistral.

    Where the package is there and nothing is said, its virtualenv has no Python that could say it.
    """
    lines = _lines(text)
    if not lines and packaged:
        return MistralFacts(
            "half-installed", sentence="the package st2mistral is not whole: its virtualenv has no Python that runs"
        )
    if not lines:
        return None
    try:
        return decode(MistralFacts, json.loads(lines[-1]))
    except (ValueError, Malformed):
        return MistralFacts("unreachable", sentence=f"Mistral's database cannot be looked at: {lines[-1]}")


def read_store(text: str) -> StoreFacts | None:
    """The state that onhost/store.py prints as its last line; None when it was not asked, or the host has no st2."""
    lines = _lines(text)
    if not lines:
        return None
    try:
        return decode(StoreFacts, json.loads(lines[-1]))
    except (ValueError, Malformed):
        return StoreFacts(cause="library", sentence=f"st2's database cannot be looked at: {lines[-1]}")


def read_journal(text: str) -> tuple[tuple[Record, ...], str]:
    """The records, and what is wrong with the journal, if anything is."""
    try:
        return parse(text), ""
    except Malformed as error:
        return (), str(error)


def read_backups(text: str, host: str = "") -> Iterable[BackupFacts]:
    """What `backup list` prints, a line of JSON each; what cannot be read is told as a backup that is none, and so is what
    came to HOST with the image of another one.
    """
    for number, line in enumerate(_lines(text), 1):
        try:
            said = json.loads(line)
            found = decode(BackupFacts, {k: v for k, v in said.items() if k in _OF_BACKUP})
            of = str(said.get("host") or host)
            odd = (
                f"it is of the host {of}" if of != host else "" if named(found.name) else "its name is none of a backup"
            )
            yield replace(found, wrong=found.wrong or odd)
        except (ValueError, AttributeError, Malformed) as error:
            yield BackupFacts(f"?/{number}", wrong=f"what the host says of it cannot be read: {error}")


def read_lock(text: str) -> LockFacts | None:
    """The lock: age, token and holder as JSON, a line each; a holder that cannot be read is a holder still."""
    lines = (*_lines(text), "", "", "")
    if not lines[0]:
        return None
    age = int(lines[0]) if lines[0].removeprefix("-").isdigit() else 0
    try:
        holder = json.loads(lines[2])
        return LockFacts(
            run=str(holder["run"]),
            by=str(holder["by"]),
            message=str(holder.get("message", "")),
            fence=int(holder["fence"]),
            age=age,
            token=lines[1],
            plan=str(holder.get("plan", "")),
            pid=int(holder.get("pid", 0)),
            boot=str(holder.get("boot", "")),
        )
    except (ValueError, KeyError, TypeError):
        return LockFacts(run="", by="unknown", message="its holder cannot be read", fence=0, age=age, token=lines[1])


def read_versions(text: str) -> dict[str, str]:
    """Name to release, as numbers and points alone: 10.24.1 of 1:10.24.1~dfsg-1nodesource1; or `none`, where the host knows
    that there is none. What is neither is left out."""
    found = ((name, version, _RELEASE.match(version)) for name, version in _pairs(text))
    return {name: match[1] if match else "none" for name, version, match in found if match or version == "none"}


def read_disk(text: str) -> dict[str, int]:
    """KiB that are free under /var, /opt and /tmp, from `df -Pk` asked in that order."""
    free = [int(words[3]) for line in _lines(text)[1:] if len(words := line.split()) >= 6 and words[3].isdigit()]
    return dict(zip(("/var", "/opt", "/tmp"), free, strict=False))
