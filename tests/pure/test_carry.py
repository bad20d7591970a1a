"""The program that carries backups on their host: what it sends, what it takes and what it never does, what it removes."""

import errno
import os
import signal
import stat
import sys
from collections.abc import Iterator
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import remote
from remote import program
from rollout import retention
from rollout.archive import Archive, begun, checked
from tests.pure.carried import END, FILES, HOSTILE, NAME, lay, manifest, member, sent, tar
from tests.pure.onhost import SHELLS, OnHost

RUN, HOP = NAME.split("/")
NO_NAMES = (
    "",
    "run",
    "/etc",
    "run/",
    "/run/hop",
    "run/../hop",
    "../run",
    "run/.hop",
    "run/a/b",
    "run/*",
    "run/a b",
    "-f/x",
    "run/-rf",
)


@pytest.fixture(params=SHELLS)
def host(request: pytest.FixtureRequest, tmp_path: Path) -> OnHost:
    """A host with the shell that this one has."""
    return OnHost(tmp_path, request.param)


@pytest.fixture
def box(tmp_path: Path) -> OnHost:
    """A host."""
    return OnHost(tmp_path)


def tree(folder: Path) -> dict[str, bytes]:
    """Every file under FOLDER."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# Out.


def test_a_backup_is_sent_as_it_lies_there_and_nothing_is_written(host: OnHost) -> None:
    folder = lay(host.state)
    (folder / "seconds.files").write_text("not in the manifest")
    before = tree(host.folder)
    done = host.given(b"", "backup", "send", NAME)
    assert done.returncode == 0 and done.stderr == b"", done
    head, blocks = begun(iter([done.stdout]))
    archive = Archive()
    assert b"".join(checked(blocks, archive)) == tar()
    assert head.name == NAME and head.bytes == sum(map(len, FILES.values()))
    assert head.manifest == sha256((folder / "manifest.json").read_bytes()).hexdigest()
    assert tree(host.folder) == before


@pytest.mark.parametrize("name", NO_NAMES)
def test_what_is_no_name_of_a_backup_is_refused(box: OnHost, name: str) -> None:
    assert not retention.named(name)
    for words in (("send", name), ("receive", "", name), ("forget", name)):
        done = box.call("backup", *words)
        assert done.returncode == 1 and "is no name of a backup: RUN/HOP" in done.stderr and done.stdout == "", done


@pytest.mark.parametrize("name", [NAME, "r/2.2.1@web-1", "_/_", "@a/b.c"])
def test_what_is_a_name_is_one_to_both_sides(box: OnHost, name: str) -> None:
    assert retention.named(name) and box.call("backup", "forget", name).stdout == f"{name} is not here\n"


def test_what_is_not_whole_is_not_begun(box: OnHost) -> None:
    folder = lay(box.state)
    (folder / "mistral.dump").write_bytes(b"shorter")
    done = box.call("backup", "send", NAME)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"{NAME}/mistral.dump has 7 bytes, its manifest says 140005\n"
    (folder / "mistral.dump").unlink()
    assert f"{NAME}/mistral.dump cannot be read: No such file" in box.call("backup", "send", NAME).stderr
    (folder / "mistral.dump").symlink_to("/etc/passwd")
    assert "is no plain file" in box.call("backup", "send", NAME).stderr
    (folder / "manifest.json").write_text("{}")
    assert "is no manifest of stormlift.backup/1" in box.call("backup", "send", NAME).stderr
    (folder / "manifest.json").unlink()
    assert f"{NAME} has no manifest, so it is not whole" in box.call("backup", "send", NAME).stderr


# In.


def test_what_was_sent_comes_back_byte_for_byte_for_root_alone(host: OnHost) -> None:
    done = host.given(tar(), "backup", "receive", "", NAME)
    assert done.returncode == 0 and done.stdout.startswith(b"@stormlift-ready\nreceived "), done
    folder = host.state / RUN / "backup" / HOP
    assert tree(folder) == {**FILES, "manifest.json": manifest()}
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    assert {stat.S_IMODE(path.stat().st_mode) for path in (folder, folder.parent, folder.parents[1])} == {0o700}
    assert host.given(b"", "backup", "send", NAME).stdout.endswith(tar())


def test_one_that_is_there_is_told_and_left_as_it_is(box: OnHost) -> None:
    folder = lay(box.state)
    done = box.given(tar(), "backup", "receive", "", NAME)
    assert done.returncode == 0 and done.stdout.decode() == f"@stormlift-there {sha256(manifest()).hexdigest()}\n"
    (folder / "manifest.json").unlink()
    done = box.given(tar(), "backup", "receive", "", NAME)
    assert done.returncode == 1 and b"is here, and not whole" in done.stderr
    assert tree(folder) == dict(FILES)


def test_only_the_holder_of_the_lock_may_give_something(box: OnHost) -> None:
    done = box.given(tar(), "backup", "receive", "a-token-that-was-taken-over", NAME)
    assert done.returncode == 77 and b"ready" not in done.stdout and not (box.state / RUN).exists()


@pytest.mark.parametrize("what", HOSTILE)
def test_nothing_is_taken_but_plain_files_of_the_manifest(box: OnHost, what: str) -> None:
    before = tree(box.folder)
    done = box.given(member("manifest.json", manifest()) + HOSTILE[what] + END, "backup", "receive", "", NAME)
    assert done.returncode == 1 and len(done.stderr) < 300 and b"\x1b" not in done.stderr, done
    assert b"Traceback" not in done.stderr
    assert tree(box.folder) == before and list((box.state / RUN / "backup").iterdir()) == []


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "cut off in the middle of manifest.json"),
        (b"\1" * 512, "no tar where manifest.json should begin"),
        (tar()[: tar().index(b"PGDMP") + 5000], "cut off in the middle of mistral.dump"),
        (tar()[:-700], "cut off in the middle of the end"),
        (tar({**FILES, "mistral.dump": FILES["mistral.dump"][:-1] + b"x"}, manifest()), "mistral.dump came in damaged"),
        (tar(text=manifest(FILES, "other/2.2.1")), "what comes in is 'other/2.2.1', not"),
        (tar(text=manifest(FILES, schema="stormlift.backup/2")), "is no manifest of stormlift.backup/1"),
        (tar(text=b"[" * 200_000), "is no manifest"),
        (tar(text=manifest(files={"../x": {"bytes": 0, "sha256": "0" * 64}})), "is no manifest"),
        (tar({"a": b"x"}, manifest())[:-1024] + END, "'a' is not in the manifest"),
        (tar()[:-1024] + member("files.json", b"{}\n") + END, "more comes in than the manifest names"),
        (tar() + b"x", "something comes in behind the end"),
    ],
)
def test_what_is_cut_off_or_damaged_leaves_nothing(box: OnHost, data: bytes, says: str) -> None:
    done = box.given(data, "backup", "receive", "", NAME)
    assert done.returncode == 1 and says in done.stderr.decode(), done
    assert list((box.state / RUN / "backup").iterdir()) == []


def test_one_that_was_killed_leaves_nothing_named_and_the_next_one_clears_up(box: OnHost) -> None:
    program = box.begin([str(box.folder / "program.sh"), "backup", "receive", "", NAME])
    assert program.stdin and program.stdout and program.stdout.readline() == "@stormlift-ready\n"
    os.write(program.stdin.fileno(), tar()[: tar().index(b"PGDMP") + 30_000])
    (aside,) = (box.state / RUN / "backup").iterdir()
    box.wait_for(aside / "files.json")
    for pid in children(program.pid):
        os.kill(pid, signal.SIGKILL)
    program.communicate()
    assert aside.name.startswith(f".{HOP}.receiving.") and list(aside.parent.iterdir()) == [aside]
    assert box.given(tar(), "backup", "receive", "", NAME).returncode == 0
    assert [path.name for path in aside.parent.iterdir()] == [HOP]


def test_one_that_waits_for_a_lost_link_takes_nothing_away_from_the_next(box: OnHost) -> None:
    first = box.begin([str(box.folder / "program.sh"), "backup", "receive", "", NAME])
    assert first.stdout and first.stdout.readline() == "@stormlift-ready\n"
    (aside,) = (box.state / RUN / "backup").iterdir()
    second = box.begin([str(box.folder / "program.sh"), "backup", "receive", "", NAME])
    assert second.stdin and second.stdout and second.stdout.readline() == "@stormlift-ready\n"
    assert first.communicate()[1] == "what comes in is cut off in the middle of manifest.json\n"
    (other,) = aside.parent.iterdir()
    assert other != aside
    assert os.write(second.stdin.fileno(), tar()) == len(tar())
    second.communicate()
    assert second.returncode == 0 and tree(aside.parent / HOP) == {**FILES, "manifest.json": manifest()}


def children(pid: int) -> list[int]:
    """What PID has started."""
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.fixture
def carry(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The program as a module."""
    monkeypatch.syspath_prepend(str(Path(remote.__file__).parent / "onhost"))
    for name in ("carry", "carry_in"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    import carry  # type: ignore[import-not-found]

    yield carry
    for name in ("carry", "carry_in"):
        sys.modules.pop(name, None)


def received(carry: Any, monkeypatch: pytest.MonkeyPatch, folder: Path, data: bytes) -> int:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    mask = os.umask(0)
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=BytesIO(data)))
    try:
        return int(carry.main("receive", NAME, str(folder)))
    finally:
        os.umask(mask)
        for number, handler in before.items():
            signal.signal(number, handler)


@pytest.mark.parametrize("at", ["mistral.dump", "manifest.json"])
def test_a_disk_that_fills_up_leaves_nothing(
    carry: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str], at: str
) -> None:
    def full(handle: int) -> None:
        if os.readlink(f"/proc/self/fd/{handle}").endswith(at):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    folder = tmp_path / RUN / "backup" / HOP
    assert received(carry, monkeypatch, folder, tar()) == 1
    assert capsys.readouterr().err == f"{NAME}: No space left on device\n" and list(folder.parent.iterdir()) == []


def test_a_disk_without_room_for_it_is_told_before_anything_is_written(
    carry: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "statvfs", lambda place: SimpleNamespace(f_bavail=1, f_frsize=4096))
    folder = tmp_path / RUN / "backup" / HOP
    monkeypatch.setattr("carry_in.created", lambda path: pytest.fail(f"{path} was written"))
    assert received(carry, monkeypatch, folder, tar()) == 1
    assert "No space left on device: 0 MiB free" in capsys.readouterr().err and list(folder.parent.iterdir()) == []


def test_it_has_its_name_when_all_of_it_is_on_the_disk(
    carry: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder, done = tmp_path / RUN / "backup" / HOP, list[str]()
    rename = os.rename

    def named(source: str, target: str) -> None:
        done.append("renamed")
        rename(source, target)

    monkeypatch.setattr(os, "fsync", lambda handle: done.append(Path(os.readlink(f"/proc/self/fd/{handle}")).name))
    monkeypatch.setattr(os, "rename", named)
    assert received(carry, monkeypatch, folder, tar()) == 0
    assert done == [*sorted(FILES), "manifest.json", f".{HOP}.receiving.{os.getpid()}", "renamed", "backup"]


def test_the_program_is_short_enough_for_an_argument() -> None:
    """Linux takes 128 KiB for one; standard input belongs to the data."""
    assert len(program.python("carry_in", "carry").encode()) < 64 << 10


# Away.


def test_what_is_forgotten_is_gone_and_nothing_else(host: OnHost) -> None:
    gone, kept, unfinished = (
        lay(host.state),
        lay(host.state, name=f"{RUN}/2.1.1"),
        lay(host.state, name="other/2.2.1@web1"),
    )
    (unfinished / "manifest.json").unlink()
    done = host.call("backup", "forget", NAME, "other/2.2.1@web1", "never/2.2.1")
    assert done.returncode == 0, done
    assert done.stdout == f"{NAME} is removed\nother/2.2.1@web1 is removed\nnever/2.2.1 is not here\n"
    assert not gone.exists() and not unfinished.parent.exists() and (host.state / "other").is_dir()
    assert tree(kept) == {**FILES, "manifest.json": manifest(FILES, f"{RUN}/2.1.1")}


@pytest.mark.parametrize("link", ["hop", "backup", "run"])
def test_what_a_link_leads_to_is_left_alone(host: OnHost, link: str) -> None:
    elsewhere = lay(host.folder / "elsewhere")
    run, _, hop = NAME.partition("/")
    at = {"hop": host.state / run / "backup" / hop, "backup": host.state / run / "backup", "run": host.state / run}[
        link
    ]
    at.parent.mkdir(parents=True, exist_ok=True)
    at.symlink_to({"hop": elsewhere, "backup": elsewhere.parent, "run": elsewhere.parents[1]}[link])
    for words in (("forget", NAME), ("send", NAME), ("receive", "", NAME)):
        done = host.call("backup", *words)
        assert done.returncode == 1 and "is a link" in done.stderr, done
    assert tree(elsewhere) == {**FILES, "manifest.json": manifest()}


def test_a_link_in_a_backup_is_removed_and_not_what_it_leads_to(host: OnHost) -> None:
    folder = lay(host.state)
    (host.folder / "dear").mkdir()
    (host.folder / "dear" / "file").write_text("dear")
    (folder / "link").symlink_to(host.folder / "dear")
    assert host.call("backup", "forget", NAME).returncode == 0
    assert not folder.exists() and (host.folder / "dear" / "file").read_text() == "dear"


def test_one_name_that_is_none_keeps_all_of_them(box: OnHost) -> None:
    folder = lay(box.state)
    assert box.call("backup", "forget", NAME, "../..").returncode == 1 and folder.is_dir()


def test_nothing_of_what_is_in_it_is_told(box: OnHost) -> None:
    canary = b"canary-0f1063f5"
    files = {"files.tar": canary * 1000}
    lay(box.state, files)
    damaged = tar({"files.tar": canary * 999 + b"x" * len(canary)}, manifest(files, "a/b"))
    for done in (
        box.given(damaged, "backup", "receive", "", "a/b"),
        box.given(tar(files, manifest(files, "c/d"))[:-9000], "backup", "receive", "", "c/d"),
        box.given(canary * 100, "backup", "receive", "", "e/f"),
        box.given(b"", "backup", "forget", NAME),
    ):
        assert canary not in done.stdout + done.stderr and done.stdout
    assert sent(files)[:200].find(canary) < 0
