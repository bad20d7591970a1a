"""Where each finding is provoked: in the lab, on the wire floor where the lab has no such thing, else by facts alone."""

_LAB = (
    (
        "conffile-changed",
        "conffile-left",
        "disk-short",
        "distro-unknown",
        "held",
        "init-unsupported",
        "keys-both-scopes",
    ),
    (
        "dump-tools-missing",
        "journal-damaged",
        "journal-disagrees",
        "lists-old",
        "candidate-missing",
        "no-package-manager",
    ),
    (
        "nothing-installed",
        "package-held",
        "package-manager-busy",
        "package-manager-differs",
        "packages-half-configured",
    ),
    (
        "repository-key-refused",
        "repository-unreachable",
        "restarter",
        "restarter-cron",
        "script-unknown",
        "versions-mixed",
    ),
    (
        "database-shared",
        "databases-differ",
        "store-shared",
        "store-tools-missing",
        "store-unreadable",
        "stores-differ",
        "upgraded-by-hand",
        "mistral-damaged",
        "mistral-half-installed",
    ),
    ("mistral-shared", "mistral-unfinished", "mistral-unknown-revision", "mistral-unmanaged", "mistral-unreachable"),
    ("virtualenv-pack-gone", "virtualenv-python-missing", "virtualenv-python-other"),
)
_WIRE = ("clock-skew", "clocks-differ", "mongodb-unreachable", "rabbitmq-unreachable")
# By facts alone: no lab host has a system that ends on a way that the lab has packages for.
_FACTS = ("distro-ends",)
# With every state made for real, and what the commands that the remedy names do to it.
_STATES = ("mistral-between", "mistral-broken", "mistral-recreated")

PROVOKED_IN: dict[str, tuple[str, ...]] = {
    **dict.fromkeys((key for keys in _LAB for key in keys), ("lab/provocations.py", "lab/test_preflight.py")),
    **dict.fromkeys(_WIRE, ("wire/test_preflight.py",)),
    **dict.fromkeys(_FACTS, ("pure/test_preflight.py",)),
    **dict.fromkeys(_STATES, ("lab/test_mistral_states.py", "pure/test_preflight.py")),
    "paused": ("lab/test_rolling.py",),
    "way-back-open": ("lab/test_rollback.py", "pure/test_preflight.py"),
    "executions-unfinished": ("lab/test_unfinished.py",),
    "executions-unknown": ("lab/test_unfinished.py",),
}
