"""The releases of the lab, and what st2 brought in which band of releases.

A release is one line of RELEASES. Sources: tags of StackStorm/st2 and branches of StackStorm/st2-packages.
"""

from dataclasses import dataclass

Version = tuple[int, int, int]


@dataclass(frozen=True)
class Release:
    """One st2 release: its packages share X.Y.Z but not the revision N, and st2mistral carries one Mistral.

    From 3.3 on there is neither st2mistral nor the licensed package.
    """

    name: str
    st2: int
    st2web: int
    st2chatops: int
    mistral: str = ""
    st2mistral: int = 0
    enterprise: int = 0

    @property
    def version(self) -> Version:
        """The release as numbers, because 2.10 comes after 2.9."""
        major, minor, patch = (int(part) for part in self.name.split("."))
        return major, minor, patch

    @property
    def enterprise_name(self) -> str:
        """The licensed package was st2enterprise up to 1.6 and bwc-enterprise from 2.0."""
        return "bwc-enterprise" if self.version >= (2, 0, 0) else "st2enterprise"


RELEASES = (
    Release("1.4.0", mistral="2.0.0", st2=8, st2web=4, st2chatops=3, st2mistral=5, enterprise=2),
    Release("1.5.1", mistral="2.0.0", st2=4, st2web=2, st2chatops=2, st2mistral=3, enterprise=1),
    Release("1.6.0", mistral="2.0.0", st2=8, st2web=4, st2chatops=1, st2mistral=5, enterprise=3),
    Release("2.0.1", mistral="2.0.0", st2=6, st2web=3, st2chatops=2, st2mistral=3, enterprise=2),
    Release("2.1.1", mistral="2.0.0", st2=3, st2web=1, st2chatops=1, st2mistral=2, enterprise=1),
    Release("2.2.0", mistral="4.0.0", st2=7, st2web=2, st2chatops=1, st2mistral=3, enterprise=2),
    Release("2.2.1", mistral="4.0.0", st2=8, st2web=3, st2chatops=2, st2mistral=4, enterprise=3),
    Release("2.3.2", mistral="4.0.0", st2=4, st2web=1, st2chatops=2, st2mistral=3, enterprise=1),
    Release("2.8.1", mistral="4.0.0", st2=5, st2web=2, st2chatops=1, st2mistral=3, enterprise=2),
    Release("2.9.1", mistral="4.0.0", st2=2, st2web=1, st2chatops=3, st2mistral=2, enterprise=1),
    Release("2.10.4", mistral="4.0.0", st2=6, st2web=3, st2chatops=2, st2mistral=4, enterprise=2),
    Release("3.0.1", mistral="4.0.0", st2=3, st2web=1, st2chatops=2, st2mistral=1, enterprise=3),
    Release("3.2.0", mistral="4.0.0", st2=12, st2web=4, st2chatops=3, st2mistral=2, enterprise=5),
    Release("3.3.0", st2=8, st2web=3, st2chatops=2),
    Release("3.4.1", st2=4, st2web=2, st2chatops=1),
    Release("3.8.1", st2=5, st2web=1, st2chatops=2),
    Release("3.9.0", st2=7, st2web=3, st2chatops=1),
)


@dataclass(frozen=True)
class Band:
    """From SINCE (included) until UNTIL (left out; None: to this day)."""

    since: Version
    until: Version | None = None

    def __contains__(self, version: object) -> bool:
        return isinstance(version, tuple) and self.since <= version and (not self.until or version < self.until)


# Components of st2ctl in start and stop order (st2common/bin/st2ctl@v1.4.0, @v1.5.0).
_COMPONENTS = (
    ("st2actionrunner", Band((0, 0, 0))),
    ("st2api", Band((0, 0, 0))),
    ("st2stream", Band((0, 0, 0))),
    ("st2auth", Band((0, 0, 0))),
    ("st2garbagecollector", Band((0, 0, 0))),
    ("st2notifier", Band((0, 0, 0))),
    ("st2resultstracker", Band((0, 0, 0), (3, 4, 0))),
    ("st2rulesengine", Band((0, 0, 0))),
    ("st2sensorcontainer", Band((0, 0, 0))),
    # 1.4 had the package, but its st2ctl did not know it.
    ("st2chatops", Band((1, 5, 0))),
    ("st2timersengine", Band((2, 9, 0))),
    ("st2workflowengine", Band((2, 8, 0))),
    ("st2scheduler", Band((2, 10, 0))),
    ("mistral", Band((0, 0, 0), (3, 3, 0))),
)

# Sections of st2.conf without which a service of these releases does not start: its default is a relative path.
NEEDS_LOGGING = {
    "st2workflowengine": ("workflow_engine", Band((2, 8, 0), (2, 10, 0))),
    "st2timersengine": ("timersengine", Band((2, 9, 0), (2, 10, 0))),
}

# The head of the migrations that st2mistral carries (StackStorm/mistral at each st2-X.Y.Z tag).
MISTRAL_HEADS = {"011": Band((1, 4, 0), (2, 2, 0)), "020": Band((2, 2, 0), (2, 4, 0)),
                 "022": Band((2, 4, 0), (2, 5, 0)), "024": Band((2, 5, 0), (3, 3, 0))}  # fmt: skip

# The Node.js that st2chatops depends on: from, and older than ("" is no bound).
NODE_BANDS = (
    (Band((2, 4, 0), (2, 10, 0)), ("6", "7")),
    (Band((2, 10, 0), (3, 5, 0)), ("8", "11")),
    (Band((3, 5, 0), (3, 9, 0)), ("10", "15")),
    (Band((3, 9, 0)), ("20", "")),
)

# Whose repository brings that Node.js (companions.py).
NODE_REPOSITORIES = (
    (Band((2, 4, 0), (2, 10, 0)), "node6"),
    (Band((2, 10, 0), (3, 5, 0)), "node10"),
    (Band((3, 5, 0), (3, 9, 0)), "node14"),
    (Band((3, 9, 0)), "node20"),
)

# Scripts that are on disk in some releases only (list `scripts` of st2common/setup.py at each tag).
SCRIPT_BANDS = {
    "st2-migrate-datastore-to-include-scope-secret.py": Band((1, 5, 0), (3, 1, 0)),
    "st2-migrate-datastore-scopes.py": Band((2, 1, 0), (3, 1, 0)),
    "st2-migrate-runners.sh": Band((2, 1, 0), (3, 1, 0)),
    "st2-migrate-db-dict-field-values": Band((3, 5, 0)),
}

# Flags of st2-register-content that `st2ctl reload` lets through (st2common/bin/st2ctl).
_REGISTER_FLAGS = (
    ("--register-all", Band((0, 0, 0))),
    ("--register-actions", Band((0, 0, 0))),
    ("--register-aliases", Band((0, 0, 0))),
    ("--register-runners", Band((2, 1, 0))),
    ("--register-policies", Band((0, 0, 0))),
    ("--register-rules", Band((0, 0, 0))),
    ("--register-sensors", Band((0, 0, 0))),
    ("--register-triggers", Band((0, 0, 0))),
    ("--register-configs", Band((1, 5, 0))),
    ("--register-setup-virtualenvs", Band((0, 0, 0))),
    ("--register-recreate-virtualenvs", Band((3, 4, 0))),
    ("--register-fail-on-failure", Band((0, 0, 0))),
    ("--register-no-fail-on-failure", Band((2, 3, 0))),
    ("--verbose", Band((0, 0, 0))),
)
# What a bare `st2ctl reload` registers: never policies.
_RELOADED = (
    ("--register-runners", Band((2, 1, 0))),
    ("--register-actions", Band((0, 0, 0))),
    ("--register-aliases", Band((0, 0, 0))),
    ("--register-sensors", Band((0, 0, 0))),
    ("--register-triggers", Band((0, 0, 0))),
    ("--register-configs", Band((1, 5, 0))),
    ("--register-rules", Band((2, 0, 0))),
)

RELOAD_TELLS_FAILURE = Band((2, 2, 1))  # st2 commit bb3096248
# debhelper's compat 10 (commit 9bfbbe8 of st2-packages): its postinst restarts, and so starts, every unit.
POSTINST_RESTARTS = Band((2, 3, 2))
RUNNERS_IN_PACKAGE = Band((2, 10, 0))  # runners became Python packages of st2's virtualenv
KEYCZAR = Band((0, 0, 0), (2, 10, 0))  # requirements.txt of st2common
GUNICORN_LOGGING = Band((3, 0, 0))
POSTINST_REGISTERS_RUNNERS = Band((2, 1, 0), (2, 10, 0))  # packages/st2/debian/postinst, rpm/postinst_script.spec


def components(version: Version) -> list[str]:
    """What `st2ctl start` and `stop` walk through, in order."""
    return [name for name, band in _COMPONENTS if version in band]


def st2_services(version: Version) -> list[str]:
    """The components whose units come in the package st2 itself."""
    return [name for name in components(version) if name not in ("st2chatops", "mistral")]


def register_flags(version: Version) -> list[str]:
    """The flags that `st2ctl reload` accepts."""
    return [flag for flag, band in _REGISTER_FLAGS if version in band]


def reload_flags(version: Version) -> list[str]:
    """The flags of a bare `st2ctl reload`."""
    return [flag for flag, band in _RELOADED if version in band]


def mistral_head(version: Version) -> str:
    """The last migration of the Mistral that st2mistral carries, "" from 3.3 on."""
    return next((head for head, band in MISTRAL_HEADS.items() if version in band), "")


def node(version: Version) -> tuple[str, str] | None:
    """The bounds of the Node.js that st2chatops depends on, None where it takes what there is."""
    return next((bounds for band, bounds in NODE_BANDS if version in band), None)
