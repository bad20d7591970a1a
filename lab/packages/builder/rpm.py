"""Write .rpm files, and the repodata that makes their folder a yum repository."""

import os
import subprocess
import tempfile
from pathlib import Path

from .model import Package
from .tree import write

# No brp scripts (they would strip and byte-compile), no build ids, fast compression.
DEFINES = (
    "__os_install_post %{nil}",
    "_build_id_links none",
    "_binary_payload w1.gzdio",
    "_buildhost lab",
    "_build_name_fmt %%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm",
)


def build(package: Package, out: Path) -> None:
    """Write PACKAGE into OUT with the real rpmbuild."""
    with tempfile.TemporaryDirectory(prefix="rpm-") as name:
        top = Path(name)
        write(top / "package.spec", spec(package))
        command = ["rpmbuild", "-bb", "--quiet", "--target", "noarch", "-D", f"_topdir {top}", "-D", f"_rpmdir {out}"]
        command += ["-D", f"_dbpath {top}/db", *(part for text in DEFINES for part in ("-D", text))]
        done = subprocess.run(
            [*command, str(top / "package.spec")],
            env={**os.environ, "HOME": name},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise SystemExit(f"rpmbuild {package.name}: {done.stderr[-3000:]}")


def index(out: Path) -> None:
    """Write repodata for the .rpm files in OUT."""
    command = ["createrepo_c", "--quiet", "--no-database", "--simple-md-filenames", str(out)]
    subprocess.run(command, check=True)


def spec(package: Package) -> str:
    """The spec file: the tree as it is, configuration files kept on upgrade, the scriptlets."""
    requires = "".join(f"Requires: {name}\n" for name in package.depends)
    scripts = "".join(f"%{name}\n{text}\n" for name, text in package.scripts.items())
    return f"""\
Name: {package.name}
Version: {package.version}
Release: {package.revision}
Summary: {package.summary} (stand-in of the stormlift lab)
License: ASL 2.0
BuildArch: noarch
AutoReqProv: no
{requires}
%description
{package.summary}, a stand-in of the stormlift lab.

%install
cp -a {package.tree}/. %{{buildroot}}/

{scripts}
%files
%defattr(-,root,root,-)
{_files(package)}
"""


def _files(package: Package) -> str:
    lines = []
    for path in sorted(package.tree.rglob("*")):
        name = "/" + str(path.relative_to(package.tree))
        if path.is_symlink() or not path.is_dir():
            kept = "%config(noreplace) " if name in package.conffiles else ""
            lines.append(f'{kept}"{name}"')
        elif "/st2" in name or "/mistral" in name or "/opt/stackstorm" in name:
            # System folders belong to the base system; these are ours.
            lines.append(f'%dir "{name}"')
    return "\n".join(lines)
