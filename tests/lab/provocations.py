"""What an operator may meet before an upgrade: how it is brought about on a host of the lab, and how its remedy is followed."""

from dataclasses import dataclass

from lab.topology import host as lab_host

_OS = "/run/other-os"
_STACK = "/opt/stackstorm"
_BUSY = "import fcntl, time; lock = open('/var/lib/dpkg/lock-frontend', 'w'); fcntl.lockf(lock, fcntl.LOCK_EX); time.sleep(600)"
_UNIT = "[Service]\\nExecStart=/bin/sleep 600\\n"
_KEY = (
    "from st2common.models.db.keyvalue import KeyValuePairDB as Key; from st2common import config; "
    "from st2common.service_setup import db_setup; config.parse_args(args=['--config-file', '/etc/st2/st2.conf']); db_setup(); "
    "[Key(name='twice', scope=scope, value='x').save() for scope in ('system', 'st2kv.system')]"
)
# A second repository, signed once by a key whose year is over; its owner gave the key more time, and published that.
_GPG = "GNUPGHOME=/root/keys gpg --batch -q --faked-system-time 20160101T000000"
_SIGNED = f"""set -e
mkdir -p -m 700 /root/keys /srv/signed; cd /srv/signed; : >Packages
digest=$(sha256sum Packages)
printf 'Suite: stable\\nDate: %s\\nSHA256:\\n %s 0 Packages\\n' "$(date -Ru)" "${{digest%% *}}" >Release
{_GPG} --passphrase '' --quick-gen-key old@st2 ed25519 sign 1y
{_GPG} --clearsign -o InRelease Release
{_GPG} --export >/etc/apt/trusted.gpg.d/st2.gpg
echo 'deb [signed-by=/etc/apt/trusted.gpg.d/st2.gpg] file:/srv/signed ./' >/etc/apt/sources.list.d/StackStorm_old.list"""
_RENEWED = f"""set -e
{_GPG} --quick-set-expire "$({_GPG} --list-keys --with-colons | awk -F: '/^fpr/ {{ print $10 }}')" 0
{_GPG} --export >/etc/apt/trusted.gpg.d/st2.gpg
apt-get update"""
_JOURNAL = '{"v":1,"run":"r0","event":"%s","at":1,"deployment":"%s","host":"%s","data":{%s}}'


@dataclass(frozen=True)
class Provocation:
    """KEY is found on HOST (or of its deployment) after PROVOKE, with CAUSE in its cause.

    follow   how the operator does what the remedy says in words; "" when it names the command, after its last colon
    remedy   words that the remedy must have
    at       where PROVOKE and FOLLOW are typed, when that is another host
    """

    key: str
    host: str
    provoke: str
    cause: str = ""
    follow: str = ""
    remedy: str = ""
    at: str = ""


def settled(host: str, release: str) -> str:
    """A journal whose only run settled RELEASE."""
    deployment = lab_host(host).deployment
    events = (("opened", '"command":"upgrade"'), ("settled", f'"release":"{release}"'), ("closed", '"outcome":"done"'))
    lines = "\n".join(_JOURNAL % (event, deployment, host, data) for event, data in events)
    return f"mkdir -p -m 700 /var/lib/stormlift; cat >/var/lib/stormlift/journal <<'E'\n{lines}\nE"


def pretends(text: str) -> str:
    """The host says that it is another system."""
    return f"printf '{text}' >{_OS}; mount --bind {_OS} /etc/os-release"


def _sql(database: str, text: str) -> str:
    who = "setpriv --reuid=postgres --regid=postgres --clear-groups"
    return f'cd /; {who} psql -Xq -v ON_ERROR_STOP=1 -d {database} -c "{text}"'


# What is in one round is brought about from its end and cleared from its beginning.
ROUNDS: tuple[tuple[Provocation, ...], ...] = (
    (
        # First cleared and last brought about: with the lock held nobody else gets to the package manager.
        Provocation(
            "package-manager-busy",
            "apt1",
            f'setsid python3 -c "{_BUSY}" >/dev/null 2>&1 </dev/null & sleep 0.5',
            "holds /var/lib/dpkg/lock-frontend",
        ),
        Provocation(
            "repository-key-refused", "apt1", _SIGNED, "EXPKEYSIG", _RENEWED, "the key that its owner publishes now"
        ),
        Provocation("package-held", "apt1", "apt-mark hold st2web", "st2web"),
        Provocation(
            "packages-half-configured",
            "apt1",
            "sed -i '/^Package: st2chatops$/,/^Version/s/ ok installed/ ok half-configured/' /var/lib/dpkg/status",
        ),
        Provocation(
            "restarter",
            "apt1",
            f"printf '{_UNIT}' >/run/systemd/system/puppet.service; systemctl daemon-reload; systemctl start puppet",
            "puppet.service",
        ),
        Provocation(
            "restarter",
            "yum1",
            "cp /bin/sleep /usr/local/bin/monit; setsid monit 600 >/dev/null 2>&1 </dev/null & sleep 0.2",
            "monit (process ",
        ),
        Provocation(
            "restarter-cron",
            "apt1",
            "mkdir -p /etc/cron.d; printf '# keep\\n* * * * * root systemctl restart st2api\\n' >/etc/cron.d/keep-st2",
            "/etc/cron.d/keep-st2:2",
            "sed -i '2s/^/#/' /etc/cron.d/keep-st2",
            "comment it out until the upgrade is done: /etc/cron.d/keep-st2:2",
        ),
        Provocation(
            "conffile-changed",
            "apt1",
            "cp -p /etc/logrotate.d/st2 /root/rotate; echo '# ours' >>/etc/logrotate.d/st2",
            "/etc/logrotate.d/st2",
            "cp -p /root/rotate /etc/logrotate.d/st2",
            "put back what is not",
        ),
        Provocation("conffile-left", "apt1", "touch /etc/st2/st2.conf.dpkg-dist", "/etc/st2/st2.conf.dpkg-dist"),
        Provocation("conffile-left", "yum1", "touch /etc/st2/st2.conf.rpmnew", "/etc/st2/st2.conf.rpmnew"),
        Provocation(
            "script-unknown", "yum1", f"touch {_STACK}/st2/bin/st2-migrate-our-own.py", "st2-migrate-our-own.py"
        ),
        Provocation("virtualenv-pack-gone", "apt1", f"mkdir -p {_STACK}/virtualenvs/ghost/bin", "ghost"),
        Provocation("virtualenv-python-missing", "apt1", f"mkdir -p {_STACK}/virtualenvs/linux/bin", "linux"),
        Provocation(
            "virtualenv-python-other",
            "yum1",
            f"d={_STACK}/virtualenvs/core; mkdir -p $d/bin $d/lib/python3.1; ln -s /usr/bin/python3 $d/bin/python",
            "core",
        ),
        Provocation("keys-both-scopes", "apt1", f'{_STACK}/st2/bin/python -c "{_KEY}"', "twice"),
        Provocation(
            "dump-tools-missing",
            "yum1",
            "mv /usr/bin/pg_restore /usr/bin/pg_restore.off",
            "pg_restore",
            "mv /usr/bin/pg_restore.off /usr/bin/pg_restore",
            "install the PostgreSQL client",
        ),
        Provocation(
            "store-tools-missing",
            "apt1",
            "mv /usr/bin/mongorestore /usr/bin/mongorestore.off",
            "mongorestore is missing",
            "mv /usr/bin/mongorestore.off /usr/bin/mongorestore",
            "apt-get install mongodb-org-tools",
        ),
        Provocation(
            "repository-unreachable",
            "yum1",
            "sed -i 's#repo.lab/yum#repo.lab:81/yum#' /etc/yum.repos.d/StackStorm_stable.repo",
            "",
            "sed -i 's#repo.lab:81/yum#repo.lab/yum#' /etc/yum.repos.d/StackStorm_stable.repo; yum clean expire-cache",
            "mend the address",
        ),
        Provocation(
            "repository-key-refused",
            "apt2",
            "sed -i 's/.trusted=yes. //' /etc/apt/sources.list.d/StackStorm_stable.list",
            "is not signed",
            "sed -i 's/^deb /deb [trusted=yes] /' /etc/apt/sources.list.d/StackStorm_stable.list; apt-get update",
            "install the key",
        ),
        Provocation(
            "candidate-missing",
            "yum2",
            "echo 'exclude=st2web' >>/etc/yum.repos.d/StackStorm_stable.repo",
            "st2web 2.2.1",
            "sed -i '/^exclude/d' /etc/yum.repos.d/StackStorm_stable.repo; yum clean expire-cache",
            "check the repository",
        ),
        Provocation(
            "upgraded-by-hand",
            "yum1",
            settled("yum1", "1.6.0"),
            "the journal settled 1.6.0",
            "invoke migrations.baseline --hosts yum1 --release 2.0.1 --reason by-hand --yes",
            "invoke migrations.baseline --hosts yum1 --release 1.6.0 (or 2.0.1)",
        ),
        Provocation(
            "journal-disagrees",
            "apt2",
            settled("apt2", "2.0.1"),
            "apt2 2.0.1, yum2 1.6.0",
            "rm /var/lib/stormlift/journal",
            "invoke status --hosts pair",
        ),
        Provocation(
            "upgraded-by-hand",
            "yum2",
            settled("yum2", "1.6.0"),
            "the journal settled 1.6.0",
            "rm /var/lib/stormlift/journal",
            "migrations.baseline --hosts pair",
        ),
    ),
    (
        Provocation(
            "lists-old",
            "apt1",
            "rm -f /var/lib/apt/periodic/*; touch -d '40 days ago' /var/lib/apt/lists /var/lib/apt/lists/partial",
            "40 days",
        ),
        Provocation(
            "disk-short",
            "yum1",
            "mkdir -p /mnt/opt; mount --bind /opt /mnt/opt; mount -t tmpfs -o size=64m small /opt; cd /mnt/opt; "
            "for d in *; do mkdir /opt/$d; mount --bind $d /opt/$d; done",
            "/opt has ",
            "mount -o remount,size=4g /opt",
            "free space under /opt",
        ),
        Provocation(
            "versions-mixed",
            "yum2",
            "yum -q -y install st2web-2.1.1",
            "2.1.1: yum2:st2web",
            "yum -q -y downgrade st2web-2.0.1",
            "bring all of them to one release",
        ),
        Provocation(
            "journal-damaged",
            "apt2",
            "mkdir -p -m 700 /var/lib/stormlift; echo 'not a record' >/var/lib/stormlift/journal; "
            "echo '{}' >>/var/lib/stormlift/journal",
            "",
            "rm /var/lib/stormlift/journal",
            "/var/lib/stormlift/journal",
        ),
        Provocation(
            "held",
            "apt1",
            "mkdir -p -m 700 /var/lib/stormlift; echo 'run r0 since noon' >/var/lib/stormlift/hold",
            "run r0 since noon",
            "invoke services.start --hosts apt1 --yes",
            "invoke services.start --hosts apt1",
        ),
        Provocation(
            "mistral-unknown-revision",
            "apt1",
            _sql("mistral", "update alembic_version set version_num = '999'"),
            "",
            _sql("mistral", "update alembic_version set version_num = '011'"),
            "restore the backup",
        ),
        Provocation(
            "mistral-unmanaged",
            "yum1",
            _sql("mistral", "delete from alembic_version"),
            "",
            _sql("mistral", "insert into alembic_version values ('011')"),
            "restore a backup",
        ),
        Provocation(
            "mistral-damaged",
            "apt2",
            _sql("mistral", "alter table executions_v2 rename to away"),
            "",
            _sql("mistral", "alter table away rename to executions_v2"),
            "restore the newest backup",
            at="db1",
        ),
    ),
    (
        Provocation(
            "mistral-unreachable",
            "apt1",
            _sql("mistral", "alter role mistral password 'another'"),
            "password",
            _sql("mistral", "alter role mistral password 'mist-apt1-9Qx'"),
            "make the password",
        ),
        Provocation(
            "store-unreadable",
            "yum1",
            "cp -p /etc/st2/st2.conf /root/st2.conf; "
            "sed -i '/^\\[database\\]/,/^\\[/s/^password = .*/password = old/' /etc/st2/st2.conf",
            "refuses: Authentication failed.",
            "cp -p /root/st2.conf /etc/st2/st2.conf",
            "mend [database]",
        ),
        Provocation(
            "mistral-half-installed",
            "yum1",
            f"mv {_STACK}/mistral/bin/python {_STACK}/mistral/bin/python.off",
            "",
            f"mv {_STACK}/mistral/bin/python.off {_STACK}/mistral/bin/python",
            "install st2mistral again",
        ),
        Provocation(
            "mistral-shared",
            "apt2",
            # At a prompt, so that its session ends with it.
            "export PGPASSWORD='mist/pair@7%Z'; sleep 600 | setsid psql -h db1.lab -U mistral -d mistral >/dev/null 2>&1 & "
            "sleep 1",
            "mistral from ",
            "kill $(ps axww -o pid=,args= | awk '$2 ~ /psql$/ { print $1 }')",
            "end the sessions",
            at="yum1",
        ),
        Provocation(
            "mistral-unfinished",
            "apt2",
            "true",
            "unfinished",
            _sql("mistral", "update executions_v2 set state = 'ERROR' where state not in ('SUCCESS', 'ERROR')"),
            "let them finish first",
            at="db1",
        ),
    ),
    (
        Provocation(
            "distro-unknown",
            "apt1",
            pretends("ID=slackware\\nVERSION_ID=15\\nPRETTY_NAME=Slackware\\n"),
            "Slackware",
            "umount /etc/os-release",
            "supported distribution",
        ),
        Provocation(
            "package-manager-differs",
            "yum1",
            pretends("ID=ubuntu\\nVERSION_ID=16.04\\nPRETTY_NAME=Ubuntu\\n"),
            "should have apt, the host has yum",
            "umount /etc/os-release",
            "which one installed st2",
        ),
        Provocation(
            "no-package-manager",
            "apt2",
            "mv /usr/bin/apt-get /usr/bin/apt-get.off",
            "",
            "mv /usr/bin/apt-get.off /usr/bin/apt-get",
            "apt-get --version",
        ),
    ),
)
