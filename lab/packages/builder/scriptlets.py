"""Maintainer scripts: what a package does by itself when it is installed or upgraded (StackStorm/st2-packages)."""

from .model import Target
from .releases import POSTINST_REGISTERS_RUNNERS, POSTINST_RESTARTS
from .units import st2_units

# Every deb of StackStorm that sees an upgrade leaves this stamp, st2mistral's too (packages/st2mistral/debian/preinst).
STAMP = "/tmp/.stamp-stackstorm-st2-deb-package"
SEEN = "/var/lib/systemd/deb-systemd-helper-enabled"  # where deb-systemd-helper notes what it has enabled
MISTRAL_UNITS = ("mistral", "mistral-api", "mistral-server")


def st2(target: Target) -> dict[str, str]:
    """st2 makes its users, enables its units, registers runners from 2.1 to 2.9; the rpm restarts what runs, the deb from
    2.3.2 on what stands still, too."""
    names = [n.removesuffix(".service") for n in st2_units(target.release, target.env_dir) if "@" not in n]
    if target.family == "rpm":
        # Where st2 is installed for the first time the lab has no database to wait for yet.
        fresh = '[ "$1" -gt 1 ] || export LAB_STORE_WAIT=0\n'
        post = _permissions() + _rpm_enable(names) + fresh + _register_runners(target)
        return {"pre": _users(), "post": post, "preun": _rpm_stop(names), "postun": _rpm_restart(names)}
    register = _register_runners(target) or ":\n"
    postinst = f"""\
set -e
upgrading=0
[ ! -f {STAMP} ] || upgrading=1
[ "$1" = configure ] || exit 0
rm -f {STAMP}
{_permissions()}{_deb_enable(names)}
if [ "$upgrading" = 1 ]; then
{register}fi
{_deb_restart(target, names)}"""
    return {"preinst": _users() + _deb_stamp(), "postinst": postinst}


def st2mistral(target: Target) -> dict[str, str]:
    """The deb neither stops nor starts; through the rpm's try-restart mistral meets a database not yet upgraded."""
    account = (
        "getent group mistral >/dev/null || groupadd --system mistral\n"
        "getent passwd mistral >/dev/null || "
        "useradd --system --gid mistral --no-create-home --home-dir /opt/stackstorm/mistral mistral\n"
    )
    owner = "chown mistral /var/log/mistral\n"
    if target.family == "rpm":
        post = owner + _rpm_enable(MISTRAL_UNITS)
        return {"pre": account, "post": post, "preun": _rpm_stop(MISTRAL_UNITS), "postun": _rpm_restart(MISTRAL_UNITS)}
    postinst = f'set -e\n[ "$1" = configure ] || exit 0\n{owner}{_deb_enable(MISTRAL_UNITS)}\n'
    return {"preinst": account + _deb_stamp(), "postinst": postinst}


def st2chatops(target: Target) -> dict[str, str]:
    """The rpm has no scriptlets at all: no user, no daemon-reload, no enable (st2-packages issue 495)."""
    if target.family == "rpm":
        return {}
    postinst = f'set -e\n[ "$1" = configure ] || exit 0\n{_deb_enable(("st2chatops",))}\n'
    return {"preinst": _users(), "postinst": postinst}


def _users() -> str:
    return """\
getent group st2packs >/dev/null || groupadd --system st2packs
getent group st2 >/dev/null || groupadd --system st2
getent passwd st2 >/dev/null || useradd --system --gid st2 -G st2packs --no-create-home --home-dir /opt/stackstorm st2
getent passwd stanley >/dev/null || useradd --create-home --user-group -G st2packs stanley
"""


def _permissions() -> str:
    return (
        "chown -R root:st2packs /opt/stackstorm/packs /opt/stackstorm/virtualenvs\n"
        "chown st2:root /opt/stackstorm/configs /opt/stackstorm/exports /var/log/st2\n"
        "chown st2:st2 /etc/st2/htpasswd\n"
    )


def _deb_stamp() -> str:
    return f'[ "$1" != upgrade ] || touch {STAMP}\n'


def _deb_enable(names: list[str] | tuple[str, ...]) -> str:
    # dh_systemd_enable: what was never seen is enabled, on an upgrade too; then the administrator's choice stays. Nothing is
    # started, and there is no daemon-reload.
    return f"""\
mkdir -p {SEEN}
for unit in {" ".join(names)}; do
  [ -e {SEEN}/$unit.service.dsh-also ] && continue
  systemctl --no-reload enable $unit >/dev/null 2>&1 && touch {SEEN}/$unit.service.dsh-also || :
done"""


def _deb_restart(target: Target, names: list[str]) -> str:
    # dh_systemd_start: no try-restart, so what was stopped is started.
    if target.release.version not in POSTINST_RESTARTS:
        return ""
    return f"""\
if [ -n "$2" ]; then
  systemctl --system daemon-reload >/dev/null 2>&1 || :
  systemctl restart {" ".join(names)} >/dev/null 2>&1 || :
fi
"""


def _rpm_enable(names: list[str] | tuple[str, ...]) -> str:
    # helpers.spec enables on every run, also what an administrator has disabled since.
    return f"systemctl --no-reload enable {' '.join(names)} >/dev/null 2>&1 || :\n"


def _rpm_stop(names: list[str] | tuple[str, ...]) -> str:
    return f'[ "$1" -ne 0 ] || systemctl --no-reload disable --now {" ".join(names)} >/dev/null 2>&1 || :\n'


def _rpm_restart(names: list[str] | tuple[str, ...]) -> str:
    return f"""\
systemctl daemon-reload >/dev/null 2>&1 || :
[ "$1" -lt 1 ] || systemctl try-restart {" ".join(names)} >/dev/null 2>&1 || :
"""


def _register_runners(target: Target) -> str:
    if target.release.version not in POSTINST_REGISTERS_RUNNERS:
        return ""
    # Up to 2.2.0 this cannot fail: `st2ctl reload` answers 0 whatever happened.
    return """\
echo "Registering st2 runners on upgrade."
st2ctl reload --register-runners --register-fail-on-failure || exit 1
"""
