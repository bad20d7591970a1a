"""The tree of the package st2: programs, libraries, scripts of its release, units, content and configuration."""

import shutil
from pathlib import Path

from . import scriptlets, units
from .model import Package, Target
from .releases import (
    GUNICORN_LOGGING,
    KEYCZAR,
    NEEDS_LOGGING,
    RELOAD_TELLS_FAILURE,
    RUNNERS_IN_PACKAGE,
    SCRIPT_BANDS,
    Version,
    components,
    register_flags,
    reload_flags,
    st2_services,
)
from .tree import PAYLOAD, SITE, compile_python, copy_folder, make_venv, render, write

HOME = "opt/stackstorm/st2"
OURS = PAYLOAD / "st2"
LINKED = ("st2", "st2-register-content", "st2-generate-symmetric-crypto-key")
# Runners that came, or went: Orquesta's with 2.8, Mistral's with 3.2.
RUNNER_BANDS: dict[str, tuple[Version, Version | None]] = {
    "mistral_v2": ((2, 1, 0), (3, 3, 0)),
    "orquesta_runner": ((2, 8, 0), None),
}
# The packaged st2.conf changed in these releases (conf/st2.package.conf), so an edited one meets a new one.
CONF_SECTIONS: dict[Version, str] = {
    (1, 5, 0): "\n[garbagecollector]\nlogging = /etc/st2/logging.garbagecollector.conf\n\n"
    "[keyvalue]\nencryption_key_path = /etc/st2/keys/datastore_key.json\n",
    (2, 1, 0): "\n[content]\nindex_url = https://index.stackstorm.org/v1/index.json\n",
    (2, 2, 0): "# Whether what actions return is checked.\nvalidate_output_schema = False\n",
    (2, 8, 0): "\n[workflow_engine]\nlogging = /etc/st2/logging.workflowengine.conf\n",
    (2, 9, 0): "\n[timersengine]\nlogging = /etc/st2/logging.timersengine.conf\n",
    (2, 10, 0): "\n[scheduler]\nlogging = /etc/st2/logging.scheduler.conf\n",
    (3, 5, 0): "\n[coordination]\nurl = redis://127.0.0.1:6379\n",
}


def make(target: Target, root: Path, _shared: Path) -> Package:
    """Make the package st2 in ROOT."""
    version = target.release.version
    _programs(target, root)
    _content(root, version)
    _stctl(root, target)
    conffiles = _configuration(root, version)
    for name, text in units.st2_units(target.release, target.env_dir).items():
        write(root / target.unit_dir / name, text)
    return Package(
        name="st2",
        version=target.release.name,
        revision=target.release.st2,
        summary="StackStorm all components bundle",
        tree=root,
        conffiles=tuple(conffiles),
        scripts=scriptlets.st2(target),
    )


def _programs(target: Target, root: Path) -> None:
    version = target.release.version
    site = make_venv(root / HOME)
    copy_folder(OURS / "site", site)
    if version not in KEYCZAR:
        shutil.rmtree(site / "keyczar")
    if version in RUNNERS_IN_PACKAGE:
        _runners(site, version)
    for name in ("st2common", "st2client"):
        write(
            site / name / "__init__.py", render(OURS / "site" / name / "__init__.py", {"RELEASE": target.release.name})
        )
        metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {target.release.name}\n"
        write(site / f"{name}-{target.release.name}.dist-info" / "METADATA", metadata)
    compile_python(site, f"/{HOME}/{SITE}")
    for source in sorted((OURS / "bin").iterdir()):
        if source.name not in SCRIPT_BANDS or version in SCRIPT_BANDS[source.name]:
            write(root / HOME / "bin" / source.name, source.read_text(), 0o755)
    write(root / HOME / "share/idle", (OURS / "share/idle").read_text())
    write(root / HOME / "share/needs-logging", (OURS / "share/needs-logging").read_text())
    for name in st2_services(version):
        if name not in units.HTTP_PORTS:
            section, band = NEEDS_LOGGING.get(name, ("", ()))
            needs = f"section={section}\n. /{HOME}/share/needs-logging\n" if version in band else ""
            write(root / HOME / "bin" / name, f"#!/bin/sh\n{needs}. /{HOME}/share/idle\n", 0o755)
    (root / "usr/bin").mkdir(parents=True)
    for name in LINKED:
        (root / "usr/bin" / name).symlink_to(f"/{HOME}/bin/{name}")


def _stctl(root: Path, target: Target) -> None:
    version = target.release.version
    values = {
        "VERSION": target.release.name,
        "COMPONENTS": " ".join(components(version)),
        "RELOAD_FLAGS": " ".join(reload_flags(version)),
        "REGISTER_FLAGS": " ".join(register_flags(version)),
        "RESTART_PAUSE": "10" if version < (1, 5, 0) else "1",
        "RELOAD_TELLS_FAILURE": "yes" if version in RELOAD_TELLS_FAILURE else "no",
    }
    write(root / "usr/bin/st2ctl", render(OURS / "usr-bin/st2ctl", values), 0o755)


def _content(root: Path, version: Version) -> None:
    copy_folder(OURS / "packs", root / "opt/stackstorm/packs")
    if version >= (2, 1, 0) and version not in RUNNERS_IN_PACKAGE:  # runners became content
        _runners(root / "opt/stackstorm/runners", version)
    for name in ("opt/stackstorm/configs", "opt/stackstorm/exports", "opt/stackstorm/virtualenvs", "var/log/st2"):
        (root / name).mkdir(parents=True, exist_ok=True)
    (root / "etc/st2/keys").mkdir(parents=True)


def _runners(target: Path, version: Version) -> None:
    for source in sorted((OURS / "runners").iterdir()):
        since, until = RUNNER_BANDS.get(source.name, ((2, 1, 0), None))
        if since <= version and (until is None or version < until):
            copy_folder(source, target / source.name)


def _configuration(root: Path, version: Version) -> list[str]:
    sections = {f"SINCE_{since[0]}_{since[1]}": "" for since in CONF_SECTIONS}
    for since, text in CONF_SECTIONS.items():
        if version >= since:
            sections[f"SINCE_{since[0]}_{since[1]}"] = text
    sections["GUNICORN"] = ".gunicorn" if version in GUNICORN_LOGGING else ""
    files = {"st2/st2.conf": render(OURS / "etc/st2.conf", sections), "st2/htpasswd": ""}
    files["logrotate.d/st2"] = (OURS / "etc/logrotate").read_text()
    for name in st2_services(version):
        text = render(OURS / "etc/logging.conf", {"NAME": name})
        files[f"st2/logging.{name.removeprefix('st2')}.conf"] = text
        if name in units.HTTP_PORTS and version in GUNICORN_LOGGING:
            files[f"st2/logging.{name.removeprefix('st2')}.gunicorn.conf"] = text
    for name, text in files.items():
        write(root / "etc" / name, text)
    return [f"/etc/{name}" for name in files]
