"""Every finding that a check can yield, as data: its key, how grave it is, what it means, and what to do about it. Pure.

What the steps of releases look at or ask (migrations/) is declared there; their ids are the keys. docs/preflight.md shows both.
"""

from dataclasses import dataclass
from string import Formatter

from rollout import mistral
from rollout.model import Finding, Severity


@dataclass(frozen=True)
class Known:
    """A finding before it is met. `remedy`, and `yum` where a yum host wants another, name what is found in braces.

    `waivable` says of an inhibitor that an upgrade may go on all the same: it would not fail for sure after st2 was stopped,
    and no promise rests on it.
    """

    key: str
    severity: Severity
    means: str
    remedy: str
    yum: str = ""
    waivable: bool = False


_STOP, _WARN, _NOTE = Severity.INHIBITOR, Severity.WARNING, Severity.NOTE
_STATUS = "look with: invoke status --hosts {deployment}"

_HOSTS = (
    Known(
        "distro-unknown",
        _STOP,
        "the host's system is none that st2 was built for",
        "roll the content over to a new instance on a supported distribution",
    ),
    Known(
        "distro-ends",
        _STOP,
        "the target, or a stop on the way, was never built for the host's distribution",
        "choose an earlier target with --to, or roll the content over to a new host",
    ),
    Known(
        "init-unsupported",
        _STOP,
        "the host's init system is not systemd",
        "upgrade this host by hand, or move it to a systemd distribution",
    ),
    Known("no-package-manager", _STOP, "neither apt nor yum works there", "check `apt-get --version`, `yum --version`"),
    Known(
        "package-manager-differs",
        _STOP,
        "the host has another package manager than its distribution should have",
        "find out which one installed st2 before any change",
    ),
    Known(
        "disk-short",
        _STOP,
        "there is too little room for packages and backups (1 GiB each, and the dumps of both databases)",
        "free space under {place}",
        waivable=True,
    ),
    Known(
        "clock-skew",
        _WARN,
        "the host's clock is more than 30 s off the controller's, if those of its deployment agree",
        "let both follow a time server: timedatectl set-ntp true",
    ),
    Known(
        "clocks-differ",
        _WARN,
        "the clocks of hosts of one deployment are more than 30 s apart: timers and expiries go wrong between them",
        "let them follow one time server: timedatectl set-ntp true",
    ),
    Known(
        "restarter",
        _WARN,
        "a program that starts services runs there; what it starts in the middle is held off, but it may raise alarms or "
        "move addresses",
        "stop it until the upgrade is done: {stop}",
    ),
    Known(
        "restarter-cron",
        _WARN,
        "a line of cron runs what starts services",
        "comment it out until the upgrade is done: {where}",
    ),
)
_PACKAGES = (
    Known("nothing-installed", _STOP, "no package of st2 is installed", "check the inventory: is this an st2 host?"),
    Known(
        "package-manager-busy",
        _STOP,
        "a process holds a lock of the package manager: the upgrade would wait for it with st2 stopped",
        "let it finish, or end it: kill {pid}",
    ),
    Known(
        "packages-half-configured",
        _STOP,
        "a package is not whole, or stands in the database twice",
        "repair it on the host: dpkg --configure -a",
        "repair it on the host: yum check; yum remove --duplicates",
    ),
    Known(
        "package-held",
        _STOP,
        "a package of st2 is held at its version",
        "release it: apt-mark unhold {package}",
        "release it: yum versionlock delete {package}",
    ),
    Known(
        "repository-unreachable",
        _STOP,
        "the host's package manager cannot fetch what the repositories of st2 offer",
        "mend the address, or the way there, in /etc/apt/sources.list.d, then: apt-get update",
        "mend the address, or the way there, in /etc/yum.repos.d, then: yum clean expire-cache",
    ),
    Known(
        "repository-key-refused",
        _STOP,
        "the signing key of st2's repository is missing on the host or has expired, or the repository is not signed",
        "install the key that its owner publishes now, then: apt-get update",
        "install the key that its owner publishes now (rpm --import), then: yum clean expire-cache",
    ),
    Known(
        "lists-old",
        _NOTE,
        "the host's own lists of packages are older than 30 days; the upgrade fetches them anew",
        "to see now what else is offered: apt-get update",
        "to see now what else is offered: yum makecache",
    ),
    Known(
        "candidate-missing",
        _STOP,
        "the repositories of the host do not offer a package of the target, or of a stop",
        "check the repository, then: apt-get update",
        "check the repository, then: yum clean expire-cache",
    ),
    Known(
        "versions-mixed",
        _STOP,
        "packages of several releases in one deployment",
        "finish what was begun: bring all of them to one release by the package manager, services stopped",
    ),
    Known(
        "conffile-changed",
        _NOTE,
        "configuration files are not as they were shipped: they are kept, and a newer one is put beside them "
        "(.dpkg-dist, .rpmnew)",
        "leave what is meant so, and put back what is not: {files}",
    ),
    Known(
        "conffile-left",
        _WARN,
        "an earlier upgrade put a package's configuration beside the operator's, or moved the operator's aside, and nobody "
        "settled it",
        "look at what is new in it: invoke config.diff --hosts {deployment}; take that over, then: rm {files}",
    ),
    Known(
        "script-unknown",
        _WARN,
        "a migration script that no known release brought lies beside st2's: somebody migrated, or meant to, by a way of "
        "their own",
        "find out what it did to the data, then move it away: mv {script} /root",
    ),
    Known(
        "virtualenv-pack-gone",
        _NOTE,
        "a virtualenv stands whose pack is no longer there",
        "remove it: rm -r {folder}",
    ),
    Known(
        "virtualenv-python-missing",
        _WARN,
        "the virtualenv of a pack has no Python that can be started: its actions fail",
        "make it anew: rm -r {folder}; st2 run packs.setup_virtualenv packs={pack}",
    ),
    Known(
        "virtualenv-python-other",
        _WARN,
        "the virtualenv of a pack was made with another Python than st2's",
        "make it anew: rm -r {folder}; st2 run packs.setup_virtualenv packs={pack}",
    ),
)
_JOURNAL = (
    Known("journal-disagrees", _STOP, "hosts of one deployment settled different releases", _STATUS),
    Known("journal-damaged", _STOP, "the journal cannot be read", "look at /var/lib/stormlift/journal on the host"),
    Known(
        "upgraded-by-hand",
        _STOP,
        "another release is installed than the journal settled, and no run is open",
        "say which release's migrations were run last: invoke migrations.baseline --hosts {deployment} --release {at} "
        "(or {release})",
    ),
    Known(
        "held",
        _STOP,
        "st2 is held from starting, and no upgrade is open",
        "go on with what holds it: invoke {cure} --hosts {deployment}",
    ),
    Known(
        "way-back-open",
        _STOP,
        "a rollback or a restore was begun and is not through: packages and databases may be of two releases",
        "finish it: invoke {cure} --hosts {deployment}",
    ),
    Known(
        "paused",
        _WARN,
        "the deployment is paused: an upgrade waits before it stops st2 there",
        "invoke resume --hosts {deployment}",
    ),
)
_DATABASES = (
    Known(
        "mongodb-unreachable",
        _STOP,
        "the host gets no connection to the MongoDB that its st2.conf names",
        "start it, or mend [database] in /etc/st2/st2.conf or the way there: systemctl start mongod",
        waivable=True,
    ),
    Known(
        "rabbitmq-unreachable",
        _STOP,
        "the host gets no connection to the RabbitMQ that its st2.conf names",
        "start it, or mend [messaging] in /etc/st2/st2.conf or the way there: systemctl start rabbitmq-server",
        waivable=True,
    ),
    Known(
        "stores-differ",
        _WARN,
        "the st2.conf of hosts of one deployment name different databases of MongoDB; one may have two names",
        "if they are not one and the same, mend [database] in /etc/st2/st2.conf, or make each host a deployment of its own",
    ),
    Known(
        "store-shared",
        _WARN,
        "the st2.conf of hosts of two deployments name the same database of MongoDB; two networks may use one name",
        "if it is one and the same, put the hosts of both into one deployment of the inventory",
    ),
    Known(
        "keys-both-scopes",
        _STOP,
        "a key of the datastore stands under an old scope and under its new one: the migration of 2.1 cannot rename it, and "
        "leaves the rest",
        "delete the one under the old scope if the other is right: st2 key delete --scope {scope} {name}",
    ),
    Known(
        "database-shared",
        _STOP,
        "two deployments use one Mistral database",
        "put the hosts of both into one deployment of the inventory",
    ),
    Known(
        "databases-differ",
        _STOP,
        "hosts of one deployment use different Mistral databases",
        "make each of them a deployment of its own, or mend [database] connection in mistral.conf",
    ),
    Known(
        "dump-tools-missing",
        _STOP,
        "pg_dump or pg_restore is missing where Mistral's database would be dumped",
        "install the PostgreSQL client of the server's version there",
    ),
    Known(
        "store-unreadable",
        _STOP,
        "st2's database refuses what st2.conf says of who logs in there, so that it could not be dumped",
        "mend [database] in /etc/st2/st2.conf, or the user's roles, who needs readWrite; or leave the dumps to somebody else: "
        "invoke upgrade --hosts {deployment} --backup external --reason ...",
    ),
    Known(
        "store-tools-missing",
        _STOP,
        "mongodump or mongorestore is missing, or older than 3.2, where st2's database would be dumped",
        "install them there, of the server's release or newer: apt-get install mongodb-org-tools; or leave the dumps to "
        "somebody else: invoke upgrade --hosts {deployment} --backup external --reason ...",
        "install them there, of the server's release or newer: yum install mongodb-org-tools; or leave the dumps to "
        "somebody else: invoke upgrade --hosts {deployment} --backup external --reason ...",
    ),
)
_LOOK = "mend what it says, which is told with it: invoke mistral.status --hosts {name}"
_MISTRAL_MEANS = {
    "broken": "tables stand that only pending revisions make: mistral of a later release was started before `upgrade head`",
    "damaged": "tables are missing that its revision has",
    "unmanaged": "tables stand without a revision",
    "unknown-revision": "its revision is none that st2mistral ever shipped",
    "half-installed": "st2mistral is not whole on the host",
    "unreachable": "the database cannot be looked at",
}
_MISTRAL = (
    *(
        Known(f"mistral-{state}", _STOP, f"Mistral's database is {state}: {means}", mistral.NEXT.get(state, _LOOK))
        for state, means in _MISTRAL_MEANS.items()
    ),
    Known(
        "mistral-between",
        _WARN,
        "Mistral's database is at a revision that no release shipped",
        "nothing to do: the upgrade goes on from there",
    ),
    Known(
        "mistral-recreated",
        _WARN,
        "Mistral's database was made anew, and its older executions are gone",
        mistral.NEXT["recreated"],
    ),
    Known(
        "mistral-shared",
        _STOP,
        "somebody else works on Mistral's database",
        "these addresses are no hosts of the deployment: end the sessions, or add the hosts to the inventory",
    ),
    Known(
        "mistral-unfinished",
        _WARN,
        "executions of Mistral are unfinished and will stay so for ever after 2.2",
        "let them finish first, or accept that they are lost",
    ),
)
_WORK = (
    Known(
        "executions-unfinished",
        _WARN,
        "executions of st2 are not through: the stop ends them",
        "let them finish, or cancel them: st2 execution list -s running (and requested, scheduled, paused, pending, "
        "delayed); st2 execution cancel ID",
    ),
    Known(
        "executions-unknown",
        _NOTE,
        "st2's API was not asked for unfinished executions, for want of credentials, or did not answer",
        "st2_auth in the inventory says where a token or an API key comes from: "
        "st2_auth: {{from: environment, api_key: ST2_API_KEY}}",
    ),
)
KNOWN = {each.key: each for each in (*_HOSTS, *_PACKAGES, *_JOURNAL, *_DATABASES, *_MISTRAL, *_WORK)}


def found(key: str, host: str, cause: str, *, manager: str = "", remedy: str = "", **words: str) -> Finding:
    """The finding KEY on HOST (or of the deployment), its remedy told for MANAGER with WORDS, or as REMEDY."""
    known = KNOWN[key]
    text = known.yum if manager == "yum" and known.yum else known.remedy
    return Finding(key, known.severity, host, cause, remedy or text.format(**words))


def shown(remedy: str) -> str:
    """A remedy as a page shows it: what will be found stands in capitals."""
    names = {name: name.upper() for _, name, _, _ in Formatter().parse(remedy) if name}
    return remedy.format(**names)
