"""The files of an export: whole and named, or not there; what goes wrong is a sentence with the next command."""

import csv
import errno
import gzip
import json
import os
import re
import stat
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any, cast

import pytest

from remote.host import RemoteHost
from rollout.copytext import Row
from rollout.errors import Inhibited, StepFailed, StormliftError, Unreachable, UsageError
from rollout.page import from_page
from rollout.records import Digest
from tasks import exports
from tasks.export_files import CSV, HTML, JSONL, MANIFEST, Order
from tests.pure.sent import COLUMNS, sent

ROWS: list[Row] = [("1", "SUCCESS", "a\tb\n"), ("2", "ERROR", None), ("3", "SUCCESS", "")]


class Link:
    """A host that sends these blocks and then, if there is one, meets this error."""

    name = "box"

    def __init__(self, *blocks: bytes, error: BaseException | None = None) -> None:
        self.blocks, self.error = blocks, error
        self.asked: tuple[str, ...] = ()
        self.left = False

    def stream(self, *words: str) -> Generator[bytes, None, None]:
        self.asked = words
        try:
            yield from self.blocks
            if self.error:
                raise self.error
        finally:
            self.left = True


def export(link: Link, folder: Path, *, dump: str = "", page: bool = True) -> dict[str, Any]:
    order = Order("main", folder, dump, page)
    return exports.export(cast(RemoteHost, link), order, lambda text: None)


def refused(action: Callable[[], object], kind: type[StormliftError]) -> StormliftError:
    with pytest.raises(kind) as caught:
        action()
    assert type(caught.value) is kind and caught.value.hint and "\n" not in caught.value.message
    return caught.value


def test_every_file_holds_every_row_and_is_its_owner_s_alone(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "export"
    link = Link(sent(ROWS))
    manifest = export(link, folder)
    assert link.asked == ("mistral", "export") and link.left
    assert sorted(path.name for path in folder.iterdir()) == sorted((JSONL, CSV, HTML, MANIFEST))
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}

    with gzip.open(folder / JSONL, "rt") as lines:
        assert [tuple(json.loads(line)[name] for name in COLUMNS) for line in lines] == ROWS
    with gzip.open(folder / CSV, "rt", newline="") as table:
        assert list(csv.reader(table)) == [list(COLUMNS), *([value or "" for value in row] for row in ROWS)]
    with open(folder / HTML, "rb") as page:
        assert list(from_page(page)) == ROWS
    assert json.loads((folder / MANIFEST).read_text()) == manifest
    assert manifest["rows"] == 3 and manifest["states"] == {"SUCCESS": 2, "ERROR": 1}
    digest = Digest()
    for row in ROWS:
        digest.add(row)
    assert manifest["database_digest"] == manifest["files"][JSONL]["digest"] == str(digest)
    for name, each in manifest["files"].items():
        assert each["bytes"] == (folder / name).stat().st_size and each["whole"] and each["rows"] == 3


def test_the_page_offers_the_states_that_its_records_have(tmp_path: Path) -> None:
    manifest = export(Link(sent([*ROWS, ("4", None, ""), ("5", "", None)])), tmp_path / "export")
    assert manifest["states"] == {"SUCCESS": 2, "ERROR": 1, "none": 2}
    about = re.search(r'id="about">(.*?)</script>', (tmp_path / "export" / HTML).read_text("utf-8"))
    assert about and json.loads(about[1])["states"] == {"SUCCESS": 2, "ERROR": 1}


def test_what_is_told_names_the_digest_the_sizes_and_the_memory(tmp_path: Path) -> None:
    manifest = export(Link(sent(ROWS)), tmp_path / "export", page=False)
    text = exports.told(tmp_path / "export", manifest)
    assert "3 rows of executions_v2 from box (database mistral): ERROR 1, SUCCESS 2" in text
    assert manifest["database_digest"] in text and str(tmp_path / "export") in text and "host 1 MiB" in text
    assert HTML not in text and manifest["peak_kib"]["controller"] > 1024


def test_a_dump_is_named_to_the_host_and_proved_by_its_text(tmp_path: Path) -> None:
    link = Link(sent(ROWS, source="dump"))
    manifest = export(link, tmp_path / "export", dump="/root/a b.dump")
    assert link.asked == ("mistral", "export", "--dump", "/root/a b.dump")
    assert manifest["source"]["name"] == "/root/a b.dump"
    assert "from the dump /root/a b.dump, 1970" in (tmp_path / "export" / HTML).read_text("utf-8")
    assert manifest["database_digest"] is None and manifest["source"]["kind"] == "dump"
    assert "pg_restore" in exports.told(tmp_path, manifest)


def test_no_row_at_all_is_an_export_too(tmp_path: Path) -> None:
    manifest = export(Link(sent([])), tmp_path / "export")
    assert manifest["rows"] == 0 and all(each["whole"] for each in manifest["files"].values())


@pytest.mark.parametrize(
    ("foot", "names"),
    [
        ({"sha256": "0" * 64}, (JSONL, CSV, HTML)),
        ({"rows": 4}, (JSONL, CSV, HTML)),
        ({"digest": {"rows": 3, "high": "1", "low": "2"}}, (JSONL,)),
    ],
)
def test_files_that_differ_from_their_source_never_get_their_names(
    tmp_path: Path, foot: dict[str, Any], names: tuple[str, ...]
) -> None:
    folder = tmp_path / "export"
    error = refused(lambda: export(Link(sent(ROWS, **foot)), folder), StepFailed)
    assert error.message.startswith(f"main: {', '.join(names)} read back differ") and str(folder) in error.message
    assert {path.name for path in folder.iterdir()} == {f"{name}.part" for name in (JSONL, CSV, HTML)}


@pytest.mark.parametrize(("name", "at"), [(JSONL, -12), (CSV, -12), (HTML, -12), (HTML, 12), (HTML, -2000)], ids=str)
def test_what_the_disk_made_of_a_file_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, at: int
) -> None:
    folder, fsync = tmp_path / "export", os.fsync

    def rots(handle: int) -> None:
        fsync(handle)
        path = Path(os.readlink(f"/proc/self/fd/{handle}"))
        if path.name.startswith(name):
            data = bytearray(path.read_bytes())
            data[at] ^= 1
            path.write_bytes(data)

    monkeypatch.setattr("tasks.export_files.os.fsync", rots)
    error = refused(lambda: export(Link(sent(ROWS)), folder), StepFailed)
    assert error.message.startswith(f"main: {name} read back differ")


def test_what_is_read_back_was_let_go_of_by_the_machine_s_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[tuple[str, str]] = []

    def note(what: str, handle: int) -> None:
        done.append((what, Path(os.readlink(f"/proc/self/fd/{handle}")).name.removesuffix(".part")))

    monkeypatch.setattr("tasks.export_files.os.fsync", lambda handle: note("synced", handle))
    monkeypatch.setattr(
        "tasks.export_files.os.posix_fadvise", lambda handle, at, size, how: note(f"told {how}", handle)
    )
    export(Link(sent(ROWS)), tmp_path / "export")
    for name in (JSONL, CSV, HTML):
        assert [what for what, of in done if of == name] == ["synced", f"told {os.POSIX_FADV_DONTNEED}"]


def test_whoever_is_killed_while_the_files_are_named_leaves_no_manifest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, rename, seen = tmp_path / "export", os.rename, list[set[str]]()

    def look(source: str, target: str) -> None:
        rename(source, target)
        seen.append({path.name for path in folder.iterdir()})

    monkeypatch.setattr("tasks.export_files.os.rename", look)
    export(Link(sent(ROWS)), folder)
    assert [MANIFEST in names for names in seen] == [False, False, False, True]
    assert seen[-1] == {JSONL, CSV, HTML, MANIFEST}


def test_a_folder_that_is_there_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("mine")
    link = Link(sent(ROWS))
    error = refused(lambda: export(link, tmp_path), UsageError)
    assert "nothing is overwritten" in error.message and link.asked == ()
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
    error = refused(lambda: export(link, tmp_path / "kept" / "export"), UsageError)
    assert "cannot be made" in error.message


def test_a_folder_that_cannot_even_be_looked_for_is_said_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(path: object, *words: object, **more: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    error = refused(lambda: export(Link(), tmp_path / ("x" * 300)), UsageError)
    assert "cannot be made: File name too long" in error.message
    monkeypatch.setattr(os, "mkdir", denied)
    monkeypatch.setattr(os, "lstat", denied)
    error = refused(lambda: export(Link(), tmp_path / "closed"), UsageError)
    assert "cannot be made: Permission denied" in error.message and "--to" in error.hint


def test_a_link_that_is_lost_leaves_nothing_so_that_the_same_command_can_be_typed_again(tmp_path: Path) -> None:
    whole, folder = sent(ROWS), tmp_path / "export"
    lost = Unreachable("box: the connection was lost: reset", "the same command again")
    for at in (0, len(whole) // 2, len(whole)):
        error = refused(lambda at=at: export(Link(whole[:at], error=lost), folder), Unreachable)  # type: ignore[misc]
        assert error.message == f"{lost.message}; no file is left" and not folder.exists()
    assert export(Link(whole), folder)["rows"] == 3


def test_a_host_that_sends_nothing_says_what_is_to_be_settled_first(tmp_path: Path) -> None:
    folder, said = tmp_path / "export", StepFailed("box: mistral: there is no file /a", host="box")
    error = refused(lambda: export(Link(error=said), folder, dump="/a"), Inhibited)
    assert error.exit_code == 2 and "pg_dump -Fc" in error.hint and not folder.exists()
    error = refused(lambda: export(Link(error=StepFailed("box: mistral: refused")), folder), Inhibited)
    assert "invoke mistral.status --hosts box" in error.hint


def test_a_host_that_fails_on_the_way_and_one_that_ends_too_early(tmp_path: Path) -> None:
    folder, whole = tmp_path / "export", sent(ROWS)
    said = StepFailed("box: mistral: terminating connection due to administrator command", host="box", log="x")
    for cut in (whole[:-30], whole):
        error = refused(lambda cut=cut: export(Link(cut, error=said), folder), StepFailed)  # type: ignore[misc]
        assert "terminating connection" in error.message and "no file is left" in error.message
        assert not folder.exists()
    error = refused(lambda: export(Link(whole[:-30]), folder), StepFailed)
    assert "ends too early" in error.message and error.hint == "the same command again" and not folder.exists()


def test_a_dump_that_breaks_off_is_to_be_looked_at_before_the_same_command_is_typed_again(tmp_path: Path) -> None:
    said = StepFailed("box: mistral: /a b is cut off in the middle of executions_v2", host="box")
    link = Link(sent(ROWS, source="dump")[:-30], error=said)
    error = refused(lambda: export(link, tmp_path / "export", dump="/a b"), StepFailed)
    assert error.hint.startswith("on box, pg_restore -f /dev/null '/a b' reads the dump")


def test_a_dump_in_an_encoding_that_nobody_reads_says_how_to_get_one_that_is_read(tmp_path: Path) -> None:
    link, folder = Link(sent(ROWS, source="dump", encoding="EUC_JP")), tmp_path / "export"
    error = refused(lambda: export(link, folder, dump="/a"), Inhibited)
    assert "EUC_JP" in error.message and "encoding is UTF8" in error.hint and not folder.exists() and link.left


@pytest.mark.parametrize(("code", "says"), [(errno.ENOSPC, "the disk is full"), (errno.EIO, "cannot be written")])
def test_a_disk_that_fails_is_named_and_what_was_written_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, says: str
) -> None:
    def fails(handle: int) -> None:
        raise OSError(code, os.strerror(code))

    folder = tmp_path / "export"
    monkeypatch.setattr("tasks.export_files.os.fsync", fails)
    link = Link(sent(ROWS))
    error = refused(lambda: export(link, folder), StepFailed)
    assert says in error.message and str(folder) in error.message and not folder.exists() and link.left


def test_a_disk_that_has_no_room_for_the_manifest_is_full_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, fsync = tmp_path / "export", os.fsync

    def fails(handle: int) -> None:
        if MANIFEST in os.readlink(f"/proc/self/fd/{handle}"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fsync(handle)

    monkeypatch.setattr("tasks.export_files.os.fsync", fails)
    error = refused(lambda: export(Link(sent(ROWS)), folder), StepFailed)
    assert "the disk is full" in error.message and not folder.exists()


def test_ctrl_c_leaves_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "export"
    with pytest.raises(KeyboardInterrupt):
        export(Link(sent(ROWS)[:80], error=KeyboardInterrupt()), folder)
    assert not folder.exists()
