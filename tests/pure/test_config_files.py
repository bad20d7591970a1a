"""New defaults beside an operator's files, by the real program of hosts on folders of the test's own; apt and yum stand in.

The story is always the same: what lay there is kept, the packages change, what an operator then has and is shown is looked at.
"""

import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

from remote import program
from tests.pure.onhost import SHELLS, OnHost

CANARY = "kanarie-4711"
CONF = "/etc/st2/st2.conf"
LOGGING = "/etc/st2/logging.api.conf"
WEB = "/opt/stackstorm/static/webui/config.js"
OLD = "[api]\nhost = 127.0.0.1\nport = 9101\n\n[database]\nhost = 127.0.0.1\n\n[log]\nlevel = INFO\n"
NEW = OLD + "redirect_stderr = False\n\n[content]\nindex_url = https://index.stackstorm.org/v1/index.json\n"
MINE = OLD.replace("[database]\nhost = 127.0.0.1", f"[database]\nhost = 10.0.0.7\npassword = {CANARY}")
# Programs of a host, which say what the folder beside them says.
DPKG_QUERY = """#!/bin/sh
case "$*" in
  --version) echo dpkg-query ;;
  *Conffiles*) for last; do :; done; cat "$HOST/shipped.$last" 2>/dev/null ;;
esac
"""
RPM = """#!/bin/sh
case "$1 $2" in
  "-q --dump") cat "$HOST/shipped.$3" 2>/dev/null ;;
  "--root "*) root=$2; for last; do :; done; tar -xf "$last" -C "$root" ;;
esac
"""
APT_GET = '#!/bin/sh\ncp "$HOST"/offered/*.deb . 2>/dev/null\n'
YUM = '#!/bin/sh\nfor word; do case $word in --downloaddir=*) cp "$HOST"/offered/*.rpm "${word#*=}" ;; esac; done 2>/dev/null\n'
NOTHING = "#!/bin/sh\nexit 1\n"


class Box:
    """A host's file system in a folder, in the middle of run r1's hop to 2.2.1."""

    def __init__(self, folder: Path, manager: str) -> None:
        self.folder, self.manager = folder, manager
        self.root, self.state = folder / "root", folder / "state"
        self.run = "r1"
        (folder / "offered").mkdir()
        self.program("dpkg-query", DPKG_QUERY if manager == "apt" else NOTHING)
        self.program("rpm", RPM if manager == "yum" else NOTHING)
        self.program("apt-get", APT_GET)
        self.program("yum", YUM)
        self.program("dpkg-deb", '#!/bin/sh\ncat "$2"\n')
        self.program("cpio", NOTHING)
        self.put(CONF, OLD)
        self.put(LOGGING, "[loggers]\nkeys = root\n")
        self.installed("2.0.1-1", {CONF: OLD, LOGGING: "[loggers]\nkeys = root\n"})
        self.put(CONF, MINE)

    def program(self, name: str, text: str) -> None:
        path = self.folder / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)

    def path(self, name: str) -> Path:
        return self.root / name.lstrip("/")

    def put(self, name: str, text: str) -> None:
        self.path(name).parent.mkdir(parents=True, exist_ok=True)
        self.path(name).write_bytes(text.encode())

    def read(self, name: str) -> str:
        return self.path(name).read_bytes().decode()

    def installed(self, version: str, shipped: dict[str, str], package: str = "st2") -> None:
        """The package manager knows PACKAGE with what it SHIPPED, and the repositories offer just this one."""
        if self.manager == "apt":
            rows = [f" {path} {hashlib.md5(text.encode()).hexdigest()}" for path, text in shipped.items()]
        else:
            digests = {path: hashlib.sha256(text.encode()).hexdigest() for path, text in shipped.items()}
            rows = [f"{path} 9 1 {digest} 0100644 root root 1 0 0 X" for path, digest in digests.items()]
        (self.folder / f"shipped.{package}").write_text("\n".join(rows) + "\n")
        name = f"{package}_{version}_all.deb" if self.manager == "apt" else f"{package}-{version}.noarch.rpm"
        with tarfile.open(self.folder / "offered" / name, "w") as archive:
            for path, text in shipped.items():
                member = tarfile.TarInfo(f".{path}")
                member.size = len(text.encode())
                archive.addfile(member, io.BytesIO(text.encode()))

    def call(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """One verb of the program, as a step of the run."""
        own = {
            "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}",
            "HOST": str(self.folder),
            "STORMLIFT_ROOT": str(self.root),
            "STORMLIFT_STATE": str(self.state),
            "STORMLIFT_STACK": "/opt/stackstorm",
            "STORMLIFT_ARCHIVES": str(self.folder / "archives"),
            "STORMLIFT_RUN_DIR": str(self.state / self.run),
            "STORMLIFT_BACKUP": str(self.state / self.run / "backup" / "2.2.1"),
            "STORMLIFT_LOGS": str(self.root / "log"),
            "STORMLIFT_HEAD": '{"deployment":"prod","host":"a","tool":"stormlift"',
            "LC_ALL": "C",
        }
        names = ["backup_files", "backup"]
        if words[0] not in ("files", "seal"):
            names += ["config_defaults", "config_diff", "config_kept", "config_text", "config_files"]
        done = subprocess.run(
            [sys.executable, "-", *words],
            input=program.python(*names),
            env={**os.environ, **own},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert CANARY not in done.stdout + done.stderr and not done.stderr, done.stderr
        return done

    def does(self, *words: str) -> str:
        done = self.call(*words)
        assert done.returncode == 0, done.stdout
        return done.stdout

    def backed_up(self) -> None:
        """What a run keeps before the packages."""
        self.does("defaults", "st2=2.0.1-1", "st2web=2.0.1-1")
        self.does("files")
        self.does("seal", "release=2.0.1")

    def upgraded(self, new: str = NEW) -> None:
        """The package manager keeps the changed file, and puts its own beside it."""
        self.put(f"{CONF}{'.dpkg-dist' if self.manager == 'apt' else '.rpmnew'}", new)

    def looked(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.does("look").splitlines()]


@pytest.fixture(params=["apt", "yum"])
def box(request: pytest.FixtureRequest, tmp_path: Path) -> Box:
    return Box(tmp_path, request.param)


def test_an_edited_file_is_told_against_the_default_of_the_old_package(box: Box) -> None:
    box.backed_up()
    box.upgraded()
    said = box.does("show", "st2=2.2.1-8", "st2web=")
    assert "new in 2.2.1, and not in yours: [log] redirect_stderr, [content] index_url" in said
    yours, _, theirs = said.partition("+++ 2.2.1 as shipped")
    assert "-host = 127.0.0.1" in yours and "+host = 10.0.0.7" in yours and "+password = [secret]" in yours
    assert "+index_url = https://index.stackstorm.org/v1/index.json" in theirs and "10.0.0.7" not in theirs
    assert said.rstrip().splitlines()[-1] == "to read it all again: invoke config.diff"
    assert box.read(CONF) == MINE, "showing changes nothing"


def test_what_is_looked_at_later_is_read_against_the_same_default(box: Box) -> None:
    """Next morning, from another desk."""
    box.backed_up()
    box.upgraded()
    box.does("show", "st2=2.2.1-8")
    before = sorted(path for path in box.root.rglob("*"))
    (found,) = box.looked()
    assert (found["verdict"], found["from"], found["to"]) == ("new", "2.0.1-1", "2.2.1-8")
    assert found["new"] == ["[log] redirect_stderr", "[content] index_url"]
    assert sorted(path for path in box.root.rglob("*")) == before


def test_a_record_that_is_damaged_hides_no_file(box: Box) -> None:
    box.backed_up()
    box.upgraded()
    box.does("show", "st2=2.2.1-8")
    (record,) = box.state.glob("*/defaults/*/found.json")
    record.write_text("[{")
    (found,) = box.looked()
    assert found["verdict"] == "no-base"


def test_where_both_changed_the_same_line_all_three_are_shown(box: Box) -> None:
    box.backed_up()
    box.upgraded(NEW.replace("[database]\nhost = 127.0.0.1", "[database]\nhost = localhost"))
    said = box.does("show", "st2=2.2.1-8")
    both = said.partition("both changed these:")[2]
    for line in ("<<<<<<< yours, line 6", "host = 10.0.0.7", "host = 127.0.0.1", "host = localhost", ">>>>>>> 2.2.1"):
        assert line in both
    assert box.looked()[0]["verdict"] == "conflict"


def test_a_new_file_that_is_the_old_default_over_again_is_told_as_such(box: Box) -> None:
    box.backed_up()
    box.upgraded(OLD)
    assert "the release brought nothing new in it: it can be removed" in box.does("show", "st2=2.2.1-8")
    assert box.looked()[0]["verdict"] == "nothing-new"


def test_a_file_as_shipped_that_the_package_replaced_is_named_and_nothing_lies_unsettled(box: Box) -> None:
    box.backed_up()
    box.put(LOGGING, "[loggers]\nkeys = root,st2\n")
    box.installed("2.2.1-8", {CONF: OLD, LOGGING: "[loggers]\nkeys = root,st2\n"})
    said = box.does("show", "st2=2.2.1-8")
    assert f"as shipped before, the new release's now: {LOGGING}" in said
    assert "no package left a configuration file beside yours" in said and box.looked() == []


def test_without_the_old_package_two_are_compared_and_that_is_said(box: Box) -> None:
    """The repository keeps the newest only: the run goes on, and the reason is read with the diff."""
    for path in (box.folder / "offered").iterdir():
        path.unlink()
    assert f"not to be had: the default of {CONF}: the repositories no longer offer st2 2.0.1-1" in box.does(
        "defaults", "st2=2.0.1-1"
    )
    box.upgraded()
    said = box.does("show", "st2=2.2.1-8")
    assert "could not be had (the repositories no longer offer st2 2.0.1-1" in said
    assert "--- yours" in said and "+index_url" in said and "+host = 127.0.0.1" in said
    (found,) = box.looked()
    assert found["verdict"] == "no-base" and "[content] index_url" in found["new"]


def test_a_package_that_ships_another_file_than_the_installed_one_is_no_base(box: Box) -> None:
    """The repository was made anew under the same version."""
    digests = (box.folder / "shipped.st2").read_text()
    box.installed("2.0.1-1", {CONF: "[other]\n", LOGGING: "[loggers]\nkeys = root\n"})
    (box.folder / "shipped.st2").write_text(digests)
    assert "ships another one" in box.does("defaults", "st2=2.0.1-1")


def test_the_download_leaves_nothing_behind_but_the_defaults(box: Box) -> None:
    box.backed_up()
    kept = box.state / "r1" / "defaults" / "2.2.1"
    assert sorted(path.name for path in kept.iterdir()) == ["base", "index.json"]
    assert (kept / "base" / CONF.lstrip("/")).read_text() == OLD
    assert [path for path in kept.rglob("*") if path.stat().st_mode & 0o077] == []


def test_what_an_earlier_hop_brought_and_nobody_took_over_is_still_new_at_the_next(box: Box) -> None:
    """2.0.1 to 2.1 to 2.2.1: the default before the first of them stays what is compared with."""
    box.backed_up()
    middle = OLD + "redirect_stderr = False\n"
    box.upgraded(middle)
    box.does("show", "st2=2.1.0-1")
    box.run = "r2"
    box.installed("2.1.0-1", {CONF: middle})
    box.does("defaults", "st2=2.1.0-1")
    box.upgraded()
    said = box.does("show", "st2=2.2.1-8")
    assert "--- 2.0.1 as shipped" in said and "[log] redirect_stderr, [content] index_url" in said


def test_what_the_operator_settled_is_not_told_again(box: Box) -> None:
    box.backed_up()
    box.upgraded()
    box.does("show", "st2=2.2.1-8")
    for path in box.path("/etc/st2").glob("st2.conf.*"):
        path.unlink()
    assert box.looked() == []


def test_what_somebody_else_s_upgrade_left_is_shown_without_a_base(box: Box) -> None:
    box.put(f"{CONF}.rpmnew", NEW)
    (found,) = box.looked()
    assert (found["verdict"], found["from"]) == ("no-base", "")
    box.backed_up()
    assert "no run of this tool kept it" in box.does("show", "st2=2.2.1-8"), "it was there before the run"


def test_a_file_whose_place_the_package_took_is_shown_too(box: Box) -> None:
    """An rpm does so with what it calls configuration without noreplace."""
    box.backed_up()
    box.put(f"{CONF}.rpmsave", MINE)
    box.put(CONF, NEW)
    said = box.does("show", "st2=2.2.1-8")
    assert f"{CONF}: the package's new one (st2 2.2.1) has its place; yours is {CONF}.rpmsave" in said
    assert "+password = [secret]" in said


def test_a_file_that_the_operator_made_before_a_package_shipped_it_is_shown_as_that(box: Box) -> None:
    """logging.workflowengine.conf, written by hand for a release that forgot it."""
    path = "/etc/st2/logging.workflowengine.conf"
    box.put(path, "[mine]\n")
    box.backed_up()
    box.put(f"{path}.dpkg-dist", "[loggers]\n")
    box.installed("2.8.0-1", {CONF: NEW, path: "[loggers]\n"})
    said = box.does("show", "st2=2.8.0-1")
    assert f"the package's new one (st2 2.8.0) is {path}.dpkg-dist" in said
    assert "could not be had (the older package did not ship it)" in said


def test_of_a_file_of_passwords_no_line_is_shown(box: Box) -> None:
    box.put("/etc/st2/htpasswd", f"st2admin:{CANARY}\n")
    box.put("/etc/st2/htpasswd.dpkg-dist", "")
    (found,) = box.looked()
    assert found["verdict"] == "not-shown" and len(found["text"]) == 2


def test_a_file_in_no_encoding_at_all_is_shown_all_the_same(box: Box) -> None:
    box.backed_up()
    box.path(CONF).write_bytes(MINE.encode() + b"# caf\xe9 \xff\n")
    box.upgraded()
    assert "[content] index_url" in box.does("show", "st2=2.2.1-8")


def test_a_full_disk_does_not_end_the_run_and_is_said(box: Box) -> None:
    """Nothing rests on the diffs: st2 must not stay down for them."""
    box.state.mkdir()
    (box.state / "r1").write_text("no folder can be made here")
    assert "config defaults: " in box.does("defaults", "st2=2.0.1-1")
    box.upgraded()
    assert "config show: " in box.does("show", "st2=2.2.1-8")


@pytest.mark.parametrize("shell", SHELLS)
def test_the_program_asks_the_package_manager_for_the_versions_itself(tmp_path: Path, shell: str) -> None:
    """At a later hop the plan was made when an older release was there."""
    host = OnHost(tmp_path, shell)
    conf = tmp_path / "root" / "etc" / "st2" / "st2.conf"
    conf.parent.mkdir(parents=True)
    conf.write_text(OLD)
    shipped = f" {CONF} {hashlib.md5(OLD.encode()).hexdigest()}"
    said = f'case "$*" in *Abbrev*) echo "ii  2.0.1-1" ;; *Conffiles*) echo "{shipped}" ;; esac'
    (tmp_path / "bin" / "dpkg-query").write_text(f"#!/bin/sh\n{said}\n")
    (tmp_path / "bin" / "dpkg-query").chmod(0o755)
    run = host.state / "r1"
    host.environment |= {"STORMLIFT_ROOT": str(tmp_path / "root"), "STORMLIFT_RUN_DIR": str(run)}
    host.environment |= {"STORMLIFT_BACKUP": str(run / "backup" / "2.1.0")}
    done = host.call("config", "defaults", "st2")
    assert done.returncode == 0 and "the defaults of 1 files are kept" in done.stdout, done.stdout + done.stderr
    assert json.loads((run / "defaults" / "2.1.0" / "index.json").read_text())["files"][CONF]["of"] == "2.0.1-1"
    (conf.parent / "st2.conf.dpkg-dist").write_text(NEW)
    assert json.loads(host.call("config", "look").stdout)["verdict"] == "no-base"
    assert host.call("config", "show", "st2").returncode == 0
    assert json.loads(host.call("config", "look").stdout)["verdict"] == "new"


# --- config.js, which the rpm of st2web overwrites -----------------------------------------------------------

SHIPPED_WEB, MY_WEB, NEW_WEB = "// 2.0.1\n", "// 2.0.1\n// mine\n", "// 2.2.1\n"


@pytest.fixture
def web(tmp_path: Path) -> Box:
    box = Box(tmp_path, "yum")
    box.put(WEB, MY_WEB)
    box.installed("2.0.1-1", {WEB: SHIPPED_WEB}, "st2web")
    return box


def test_an_overwritten_config_js_is_the_operator_s_again_and_the_new_one_lies_beside_it(web: Box) -> None:
    web.path(WEB).chmod(0o640)
    os.chown(web.path(WEB), 1, 2)
    os.utime(web.path(WEB), (1_400_000_000, 1_400_000_000))
    web.backed_up()
    web.path(WEB).unlink()
    web.put(WEB, NEW_WEB)
    assert web.call("as-kept", WEB).returncode == 1
    web.does("put-back", WEB)
    there = web.path(WEB).stat()
    assert web.read(WEB) == MY_WEB and web.read(f"{WEB}.rpmnew") == NEW_WEB
    assert (there.st_mode & 0o7777, there.st_uid, there.st_gid, int(there.st_mtime)) == (0o640, 1, 2, 1_400_000_000)
    web.does("as-kept", WEB)
    said = web.does("show", "st2=2.2.1-8", "st2web=2.2.1-3")
    assert f"yours is kept; the package's new one (st2web 2.2.1) is {WEB}.rpmnew" in said


def test_put_back_again_changes_nothing(web: Box) -> None:
    """A step that was interrupted after it was through."""
    web.backed_up()
    web.put(WEB, NEW_WEB)
    web.does("put-back", WEB)
    assert "is as it was" in web.does("put-back", WEB)
    assert web.read(WEB) == MY_WEB and web.read(f"{WEB}.rpmnew") == NEW_WEB


def test_put_back_that_was_cut_off_between_its_two_files_ends_the_same(web: Box) -> None:
    web.backed_up()
    web.put(WEB, NEW_WEB)
    web.put(f"{WEB}.rpmnew", NEW_WEB[:3])
    web.does("put-back", WEB)
    assert web.read(WEB) == MY_WEB and web.read(f"{WEB}.rpmnew") == NEW_WEB


def test_a_config_js_that_nobody_changed_is_the_new_release_s(web: Box) -> None:
    web.put(WEB, SHIPPED_WEB)
    web.backed_up()
    web.put(WEB, NEW_WEB)
    assert "was as shipped" in web.does("put-back", WEB)
    web.does("as-kept", WEB)
    assert web.read(WEB) == NEW_WEB and not web.path(f"{WEB}.rpmnew").exists()


def test_a_config_js_that_was_changed_between_the_download_and_the_stop_is_put_back(web: Box) -> None:
    """An hour may lie between the two, and somebody edits: the backup's last look counts."""
    web.put(WEB, SHIPPED_WEB)
    web.does("defaults", "st2web=2.0.1-1")
    web.does("files")
    web.put(WEB, MY_WEB)
    web.does("seal", "release=2.0.1")
    web.put(WEB, NEW_WEB)
    web.does("put-back", WEB)
    assert web.read(WEB) == MY_WEB and web.read(f"{WEB}.rpmnew") == NEW_WEB


def test_when_it_is_not_known_whether_it_was_changed_it_is_put_back(web: Box) -> None:
    """`defaults` never got that far: rather one file too many than one line lost."""
    web.put(WEB, SHIPPED_WEB)
    web.does("files")
    web.does("seal", "release=2.0.1")
    web.put(WEB, NEW_WEB)
    web.does("put-back", WEB)
    assert web.read(WEB) == SHIPPED_WEB and web.read(f"{WEB}.rpmnew") == NEW_WEB


def test_a_config_js_that_is_a_link_elsewhere_is_one_again(web: Box) -> None:
    web.put("/srv/config.js", MY_WEB)
    web.path(WEB).unlink()
    web.path(WEB).symlink_to("/srv/config.js")
    web.backed_up()
    web.path(WEB).unlink()
    web.put(WEB, NEW_WEB)
    web.does("put-back", WEB)
    assert os.readlink(web.path(WEB)) == "/srv/config.js" and web.read(f"{WEB}.rpmnew") == NEW_WEB


def test_without_what_was_kept_nothing_is_put_back_and_the_step_fails(web: Box) -> None:
    done = web.call("put-back", WEB)
    assert done.returncode == 1 and "files.tar" in done.stdout and web.read(WEB) == MY_WEB
