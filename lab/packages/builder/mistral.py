"""The tree of st2mistral: the real OpenStack Mistral, its units and its configuration."""

import re
import shutil
import zipfile
from functools import cache
from pathlib import Path

from . import scriptlets, units
from .model import Package, Target
from .releases import Release, mistral_head
from .tree import PAYLOAD, compile_python, console_script, make_venv, render, write

HOME = "/opt/stackstorm/mistral"
OURS = PAYLOAD / "st2mistral"
REVISIONS = "mistral/db/sqlalchemy/migration/alembic_migrations/versions"
# Mistral 2.0.0 names parameters `async`, a keyword since Python 3.7.
ASYNC_FILES = ("engine/default_engine.py", "engine/action_handler.py", "engine/rpc.py")


def make(target: Target, root: Path, shared: Path) -> Package:
    """Make st2mistral in ROOT; the Mistral of one version is unpacked and compiled once, in SHARED."""
    shutil.copytree(_venv(target.release, target.wheels, shared), root / HOME.lstrip("/"), symlinks=True)
    conffiles = ["/etc/mistral/mistral.conf", "/etc/mistral/wf_trace_logging.conf"]
    write(root / "etc/mistral/mistral.conf", render(OURS / "mistral.conf", _conf_values(target)))
    write(root / "etc/mistral/wf_trace_logging.conf", (OURS / "wf_trace_logging.conf").read_text())
    if target.release.version >= (2, 2, 0):  # packages/st2mistral/conf/policy.json came with 2.2
        write(root / "etc/mistral/policy.json", '{"default": "@"}\n')
        conffiles.append("/etc/mistral/policy.json")
    write(root / f"{HOME.lstrip('/')}/share/faults", (OURS / "faults").read_text())
    write(root / "etc/logrotate.d/mistral", (OURS / "logrotate").read_text())
    (root / "var/log/mistral").mkdir(parents=True)
    for name, text in units.mistral_units(target.env_dir).items():
        write(root / target.unit_dir / name, text)
    return Package(
        name="st2mistral",
        version=target.release.name,
        revision=target.release.st2mistral,
        summary="st2 Mistral workflow service",
        tree=root,
        conffiles=(*conffiles, "/etc/logrotate.d/mistral"),
        scripts=scriptlets.st2mistral(target),
    )


def _conf_values(target: Target) -> dict[str, str]:
    new = target.release.version >= (2, 2, 0)
    # The packaged connection names its driver from 2.5 on.
    driver = "+psycopg2" if target.release.version >= (2, 5, 0) else ""
    policy = "\n[oslo_policy]\npolicy_file = /etc/mistral/policy.json\n" if new else ""
    return {"POLICY": policy, "DRIVER": driver}


def _venv(release: Release, wheels: Path, shared: Path) -> Path:
    return _home(release.mistral, mistral_head(release.version), wheels, shared)


@cache
def _home(version: str, head: str, wheels: Path, shared: Path) -> Path:
    home = shared / f"mistral-{version}-{head}"
    pth = ["import mistral_on_py311"]
    if version.startswith("2."):
        pth.append("import openstack_absent")
    site = make_venv(home, tuple(pth))
    [wheel] = wheels.glob(f"mistral-{version}-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        wanted = [n for n in archive.namelist() if not n.startswith(("mistral/tests/", "mistral_tempest_tests/"))]
        archive.extractall(site, wanted)
    for path in sorted((OURS / "revisions").glob("*.py")):
        if path.name[:3] <= head:
            shutil.copy(path, site / REVISIONS)
    if version.startswith("2."):
        for name in ASYNC_FILES:
            source = site / "mistral" / name
            source.write_text(re.sub(r"\basync\b", "async_", source.read_text()))
        shutil.copy(OURS / "site/openstack_absent.py", site)
    shutil.copy(OURS / "site/mistral_on_py311.py", site)
    python = f"{HOME}/bin/python"
    console_script(home / "bin/mistral-db-manage", python, "mistral.db.sqlalchemy.migration.cli", "main")
    console_script(home / "bin/mistral-server", python, "mistral.cmd.launch", "main")
    console_script(home / "bin/gunicorn", python, "gunicorn.app.wsgiapp", "run")
    compile_python(site, f"{HOME}/lib/python3.11/site-packages")
    return home
