"""What a host keeps of itself and gets back byte for byte, by the real program on folders of the test's own."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from remote import program

HEAD = '{"deployment":"prod","host":"a","tool":"stormlift"'
SECRET = "s3cret-in-conf"


class Box:
    """A host's file system in a folder, with one backup that is being taken."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "root"
        self.state = folder / "state"
        self.backup = self.state / "r1" / "backup" / "2.2.1"
        self.conf = self.root / "etc" / "st2"
        (self.conf / "keys").mkdir(parents=True)
        (self.root / "etc" / "mistral").mkdir()
        self.state.mkdir()
        (self.conf / "st2.conf").write_text(f"[database]\npassword = {SECRET}\n")
        (self.conf / "st2.conf").chmod(0o640)
        (self.conf / "keys" / "datastore_key.json").write_text("{}")
        (self.conf / "old.conf").symlink_to("st2.conf")
        (self.conf / os.fsdecode(b"caf\xe9.conf")).write_bytes(b"\xff\xfe")
        self._program = program.python("backup_files", "backup")

        self.environment: dict[str, str] = {}

    def run(self, *words: str, largest: int = 0) -> "subprocess.CompletedProcess[str]":
        """One verb of the program, as a step of run r2 (its own backup is r1's).

        No file gets larger than LARGEST blocks of 512 bytes, if any: it stands for a full disk.
        """
        own = {
            "STORMLIFT_ROOT": str(self.root),
            "STORMLIFT_STATE": str(self.state),
            "STORMLIFT_STACK": "/opt/stackstorm",
            "STORMLIFT_BACKUP": str(self.backup),
            "STORMLIFT_RUN_DIR": str(self.state / "r2"),
            "STORMLIFT_LOGS": str(self.root / "log"),
            "STORMLIFT_HEAD": HEAD,
            "LC_ALL": "C",
        }
        return subprocess.run(
            [
                "sh",
                "-c",
                f"{f'ulimit -f {largest}; ' if largest else ''}trap '' XFSZ; exec python3 - \"$@\"",
                "sh",
                *words,
            ],
            input=self._program,
            env={**os.environ, **own, **self.environment},
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            timeout=60,
            check=False,
        )

    def does(self, *words: str) -> str:
        """The same; it must succeed."""
        done = self.run(*words)
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stderr == "" and SECRET not in done.stdout
        return done.stdout

    def refuses(self, *words: str, largest: int = 0) -> str:
        """The same; it must fail, in words."""
        done = self.run(*words, largest=largest)
        assert done.returncode == 1 and done.stderr == "" and SECRET not in done.stdout, done.stderr
        return done.stdout

    def picture(self) -> dict[str, tuple[object, ...]]:
        """Everything under /etc, with content, mode, owner and time."""
        found: dict[str, tuple[object, ...]] = {}
        for path in sorted((self.root / "etc").rglob("*")):
            there = path.lstat()
            held = os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else None
            at = int(there.st_mtime) if path.is_file() and not path.is_symlink() else 0
            found[str(path)] = (there.st_mode, there.st_uid, there.st_gid, at, held)
        return found


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return Box(tmp_path)


@pytest.fixture
def sealed(box: Box) -> Box:
    box.does("files", "st2api.service")
    box.does("seal", "release=2.0.1", "set=st2")
    return box


def test_what_was_changed_removed_or_added_is_as_it_was_and_nothing_of_it_is_thrown_away(sealed: Box) -> None:
    before = sealed.picture()
    (sealed.conf / "st2.conf").write_text("[database]\n")
    (sealed.conf / "st2.conf").chmod(0o644)
    (sealed.conf / "old.conf").unlink()
    shutil.rmtree(sealed.conf / "keys")
    (sealed.conf / "st2.conf.dpkg-dist").write_text("new default\n")
    (sealed.conf / "conf.d").mkdir()
    (sealed.conf / "conf.d" / "x").write_text("x\n")
    said = sealed.refuses("same", str(sealed.backup))
    assert "/etc/st2/old.conf is gone" in said and "st2.conf differs in mode, size" in said and "was not there" in said
    told = sealed.does("put-back", str(sealed.backup))
    assert sealed.picture() == before
    moved = sealed.state / "r2" / "moved-away" / "etc" / "st2"
    assert (moved / "st2.conf").read_text() == "[database]\n"
    assert (moved / "st2.conf.dpkg-dist").read_text() == "new default\n" and (moved / "conf.d" / "x").exists()
    assert "st2.conf.dpkg-dist: it was not there when the backup was taken" in told
    assert sealed.does("same", str(sealed.backup)) and sealed.does("put-back", str(sealed.backup))


def test_a_wiped_folder_comes_back(sealed: Box) -> None:
    before = sealed.picture()
    shutil.rmtree(sealed.conf)
    sealed.does("put-back", str(sealed.backup))
    assert sealed.picture() == before


def test_a_folder_that_took_a_files_place_and_the_other_way_round(sealed: Box) -> None:
    before = sealed.picture()
    (sealed.conf / "st2.conf").unlink()
    (sealed.conf / "st2.conf").mkdir()
    (sealed.conf / "st2.conf" / "mine").write_text("mine\n")
    shutil.rmtree(sealed.conf / "keys")
    (sealed.conf / "keys").write_text("a file\n")
    sealed.does("put-back", str(sealed.backup))
    assert sealed.picture() == before
    moved = sealed.state / "r2" / "moved-away" / "etc" / "st2"
    assert (moved / "st2.conf" / "mine").read_text() == "mine\n" and (moved / "keys").read_text() == "a file\n"


@pytest.mark.parametrize("names", ["any", "ASCII"])
def test_names_of_files_may_be_of_any_letters_though_the_host_knows_ascii_alone(box: Box, names: str) -> None:
    if names == "ASCII":  # what a Python before 3.7 makes of LC_ALL=C
        box.environment = {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    (box.conf / "früh.conf").write_text("x")
    box.does("files", "st2api.service")
    box.does("seal", "release=2.0.1")
    before = box.picture()
    (box.conf / "früh.conf").write_text("changed")
    (box.conf / "später.conf").write_text("new")
    said = box.refuses("same", str(box.backup))
    assert "/etc/st2/früh.conf differs in size" in said and "/etc/st2/später.conf was not there" in said
    assert "/etc/st2/später.conf: it was not there" in box.does("put-back", str(box.backup))
    assert box.picture() == before


def test_a_reason_may_be_of_any_letters(box: Box) -> None:
    box.environment = {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    box.does("seal", "release=2.0.1", "external=Schnappschuss für 4711")
    (row,) = [json.loads(line) for line in box.does("list").splitlines()]
    assert row["external"] == "Schnappschuss für 4711"


def test_a_backup_is_of_the_moment_at_which_its_first_dump_began(box: Box) -> None:
    """st2 may serve on for the hours that a dump takes; what it stores meanwhile is lost by going back."""
    box.backup.mkdir(parents=True)
    for name, seconds, at in (("store.archive", 100, 5000), ("mistral.dump", 3000, 6000)):
        (box.backup / name).write_bytes(b"x")
        os.utime(box.backup / name, (at, at))
        (box.backup / f"seconds.{name.partition('.')[0]}").write_text(str(seconds))
    box.does("seal", "release=2.0.1")
    assert json.loads((box.backup / "manifest.json").read_text())["at"] == 3000


def test_a_disk_that_is_full_while_files_go_back_is_told_in_words(sealed: Box) -> None:
    (sealed.conf / "large").write_bytes(b"x" * 400_000)
    sealed.does("seal", "release=2.0.1")
    (sealed.conf / "large").unlink()
    said = sealed.refuses("put-back", str(sealed.backup), largest=200)
    assert "File too large" in said and not (sealed.conf / "large").exists()
    sealed.does("put-back", str(sealed.backup))
    assert (sealed.conf / "large").stat().st_size == 400_000


def test_what_changes_after_it_was_copied_is_copied_again_before_the_seal(box: Box) -> None:
    box.does("files", "st2api.service")
    (box.conf / "st2.conf").write_text("[database]\npassword = another\n")
    before = box.picture()
    assert "copied, as it had changed" in box.does("seal", "release=2.0.1")
    shutil.rmtree(box.conf)
    box.does("put-back", str(box.backup))
    assert box.picture() == before


def test_without_a_manifest_there_is_no_backup(box: Box) -> None:
    box.does("files", "st2api.service")
    assert "has no manifest" in box.refuses("check", str(box.backup))
    assert "has no manifest" in box.refuses("put-back", str(box.backup))
    (row,) = [json.loads(line) for line in box.does("list").splitlines()]
    assert row["name"] == "r1/2.2.1" and "has no manifest" in row["wrong"] and row["bytes"] > 0


def test_a_seal_wants_the_dumps_that_the_plan_takes(box: Box) -> None:
    box.does("files", "st2api.service")
    assert "mistral.dump is not in" in box.refuses("seal", "needs=mistral.dump", "release=2.0.1")
    assert not (box.backup / "manifest.json").exists()


@pytest.mark.parametrize("name", ["files.tar", "files.json", "packages.txt", "packs.json", "units.json"])
def test_a_flipped_bit_a_lost_byte_or_a_missing_file_is_refused_by_name(sealed: Box, name: str) -> None:
    path, before = sealed.backup / name, sealed.picture()
    whole = path.read_bytes()
    for damaged in (bytes([whole[0] ^ 1, *whole[1:]]), whole[:-1], None):
        path.unlink() if damaged is None else path.write_bytes(damaged)
        assert str(path) in sealed.refuses("check", str(sealed.backup))
        assert str(path) in sealed.refuses("put-back", str(sealed.backup))
        assert sealed.picture() == before, "nothing was put back of what is not whole"
        path.write_bytes(whole)
    assert sealed.does("check", str(sealed.backup))


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema": "stormlift.backup/9", "files": {}}'])
def test_a_manifest_that_is_none_is_told(sealed: Box, text: str) -> None:
    (sealed.backup / "manifest.json").write_text(text)
    assert "manifest of" in sealed.refuses("check", str(sealed.backup))
    (row,) = [json.loads(line) for line in sealed.does("list").splitlines()]
    assert "manifest" in row["wrong"]


def test_no_byte_of_the_manifest_can_be_another_one(sealed: Box) -> None:
    path = sealed.backup / "manifest.json"
    whole = path.read_bytes()
    for word in (b'"release"', b'"2.0.1"', b'"bytes"', b'"files.tar"', b'"at"', b'"units"', b'"set"', b'"name"'):
        at = whole.find(word) + 1
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        if at:
            assert "manifest of" in sealed.refuses("check", str(sealed.backup)), word
            (row,) = [json.loads(line) for line in sealed.does("list").splitlines()]
            assert "damaged" in row["wrong"] and row["name"] == "r1/2.2.1"


def test_everything_is_its_owners_alone_and_the_manifest_says_what_it_is_of(sealed: Box) -> None:
    for path in [sealed.backup, *sealed.backup.iterdir()]:
        assert path.stat().st_mode & 0o077 == 0, path
    found = json.loads((sealed.backup / "manifest.json").read_text())
    assert (found["deployment"], found["host"], found["release"]) == ("prod", "a", "2.0.1")
    assert set(found["files"]) == {path.name for path in sealed.backup.iterdir()} - {
        "manifest.json",
        "seconds.files",
        "seconds.seal",
    }


def test_a_disk_that_is_full_leaves_nothing_half(box: Box) -> None:
    """A limit on the size of files stands for it: every write beyond it fails, as it does on a full disk."""
    (box.conf / "large").write_bytes(b"x" * 400_000)
    script = f"ulimit -f 200; trap '' XFSZ; exec {shutil.which('python3')} - \"$@\""
    done = subprocess.run(
        ["sh", "-c", script, "sh", "files", "st2api.service"],
        input=program.python("backup_files", "backup"),
        env={**os.environ, "STORMLIFT_ROOT": str(box.root), "STORMLIFT_BACKUP": str(box.backup)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1 and "the configuration could not be kept" in done.stdout, done.stderr
    assert list(box.backup.iterdir()) == []
    box.does("files", "st2api.service")
    box.does("seal", "release=2.0.1")


def test_a_crypto_key_that_lies_elsewhere_goes_along(box: Box) -> None:
    (box.root / "srv").mkdir()
    (box.root / "srv" / "key.json").write_text("key\n")
    (box.conf / "st2.conf").write_text("[keyvalue]\nencryption_key_path = /srv/key.json\n")
    box.does("files", "st2api.service")
    box.does("seal", "release=2.0.1")
    (box.root / "srv" / "key.json").unlink()
    box.does("put-back", str(box.backup))
    assert (box.root / "srv" / "key.json").read_text() == "key\n"
