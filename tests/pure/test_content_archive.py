"""Exported content in one file: encrypted before it touches the disk, taken up after any kill, and no byte of it may change."""

import errno
import json
import os
import re
import stat
import subprocess
import tarfile
import tracemalloc
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyrage
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rollout.codec import Malformed
from rollout.errors import StepFailed, StormliftError, Unreachable, UsageError
from tasks import age, content_form
from tasks.content_archive import About, Archive, Manifest, Part, begin, put, read

CANARY = b"canary-5d0c7a41"
KEY, OTHER = pyrage.x25519.Identity.generate(), pyrage.x25519.Identity.generate()
TO = (str(KEY.to_public()),)
ABOUT = About("main", "3.6.0", "stormlift 0.1.0", 1793498400)
PARTS = {"keys": CANARY * 70, "api-keys": b"", "rules": b"x" * 600 + CANARY}
PLACE = re.compile(r"bytes? \d+")
SAME_FOLDER = settings(
    max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def pieces(data: bytes) -> Iterator[bytes]:
    return (data[at : at + 400] for at in range(0, len(data), 400))


def export(path: Path, parts: dict[str, bytes] = PARTS, to: tuple[str, ...] = TO, about: About = ABOUT) -> Manifest:
    """What an operator's export does, and does again after it was killed."""
    writer = begin(path, about, to)
    try:
        for name, data in parts.items():
            if not writer.has(name):
                writer.add(name, pieces(data), lambda data=data: {"items": len(data)})  # type: ignore[misc]
        return writer.seal()
    finally:
        writer.close()


def poured(archive: Archive) -> dict[str, bytes]:
    found = dict[str, bytes]()
    for name in archive.manifest.parts:
        blocks = list[bytes]()
        archive.pour(name, blocks.append)
        found[name] = b"".join(blocks)
    return found


def refused(action: Callable[[], object], kind: type[StormliftError] = UsageError) -> StormliftError:
    with pytest.raises(kind) as caught:
        action()
    error = caught.value
    assert type(error) is kind and error.hint and "\n" not in error.message and CANARY.decode() not in error.message
    return error


def broken(error: BaseException) -> Iterator[bytes]:
    yield CANARY * 10_000
    raise error


def names(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "main.content"


@pytest.fixture
def part(path: Path) -> Path:
    """Its file while it is written."""
    return Path(f"{path}.part")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("whole") / "main.content"
    export(path)
    return path.read_bytes()


# Whole.


@pytest.mark.parametrize("who", [KEY, OTHER])
def test_every_recipient_reads_what_was_exported(path: Path, who: Any) -> None:
    manifest = export(path, to=(*TO, f" {OTHER.to_public()} ", *TO))
    archive = read(path, (who,))
    assert poured(archive) == PARTS and archive.manifest == manifest and list(manifest.parts) == list(PARTS)
    assert archive.about == replace(ABOUT, recipients=(*TO, str(OTHER.to_public())), id=archive.about.id)
    assert manifest.parts["keys"].about == {"items": 1050} and manifest.parts["keys"].plain_bytes == 1050
    assert len(archive.about.id) == 32 and len(manifest.salt) == 64
    assert names(path.parent) == ["main.content"] and stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_key_of_ssh_reads_it_and_its_comment_is_not_told(path: Path, part: Path) -> None:
    key = path.with_name("key")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "ann@desk", "-f", key], check=True)
    public = key.with_suffix(".pub").read_text()
    writer = begin(path, ABOUT, (public,))
    writer.add("keys", pieces(CANARY))
    writer.close()
    assert b"ann@desk" not in part.read_bytes()
    export(path, {"keys": b"taken up"}, (public.replace("ann@desk", ""),))
    assert poured(read(path, age.identities(str(key)))) == {"keys": CANARY}


def test_tar_lists_it_and_its_parts_are_files_of_age(path: Path) -> None:
    export(path)
    listed = subprocess.run(["tar", "tf", path], check=True, capture_output=True, text=True).stdout.split()
    parts = [f"{name}{end}" for name in PARTS for end in (".age", ".json")]
    assert listed == ["about.json", *parts, "manifest.json.age"]
    with tarfile.open(path) as tar:
        sealed, about = (tar.extractfile(name) for name in ("keys.age", "about.json"))
        assert sealed and pyrage.decrypt(sealed.read(), [KEY]) == PARTS["keys"]
        assert about and json.load(about)["deployment"] == "main"


def test_the_header_is_the_same_under_every_python() -> None:
    # Archives that are there already are compared with it, byte for byte; past 8 GiB a size is told in binary.
    found = [sha256(content_form.header("keys.age", size)).hexdigest()[:16] for size in (5, 9 << 30)]
    assert found == ["b8856dfbab3cf625", "4487e244d8a09812"]


def test_the_owner_alone_may_read_it_and_a_new_folder(tmp_path: Path) -> None:
    part = tmp_path / "new" / "main.content.part"
    writer = begin(tmp_path / "new" / "main.content", ABOUT, TO)
    assert [stat.S_IMODE(each.stat().st_mode) for each in (part, part.parent)] == [0o600, 0o700]
    writer.close()
    part.chmod(0o644)
    begin(tmp_path / "new" / "main.content", ABOUT, TO).close()
    assert stat.S_IMODE(part.stat().st_mode) == 0o600


def test_twenty_mebibytes_pass_in_little_memory(path: Path) -> None:
    export(path, {"small": b"x"})  # what is imported at first use is not counted
    path.unlink()
    came = 0

    def take(data: bytes) -> None:
        nonlocal came
        came += len(data)

    tracemalloc.start()
    try:
        writer = begin(path, ABOUT, TO)
        writer.add("keys", (bytes(1 << 16) for _ in range(320)))
        writer.seal()
        read(path, (KEY,)).pour("keys", take)
        assert came == 20 << 20 and tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


def test_a_file_for_all_to_see_is_new_and_whole_or_not_there(tmp_path: Path) -> None:
    put(tmp_path / "certificate", b"{}\n")
    assert (tmp_path / "certificate").read_bytes() == b"{}\n" and names(tmp_path) == ["certificate"]
    assert "is there already" in refused(lambda: put(tmp_path / "certificate", b"")).message
    assert str(tmp_path / "no") in refused(lambda: put(tmp_path / "no" / "certificate", b""), StepFailed).message


# Killed.


@pytest.fixture(scope="module")
def moments(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """What the disk may hold before, in the middle of and after every write of an export."""
    path, found, real = tmp_path_factory.mktemp("killed") / "main.content", list[bytes](), os.pwrite
    part = Path(f"{path}.part")

    def pwrite(file: int, data: Any, at: int) -> int:
        before = part.read_bytes()
        found.extend(before[:at] + bytes(data[:end]) + before[at + end :] for end in (0, 1, len(data) // 2))
        return real(file, data, at)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "pwrite", pwrite)
        export(path)
    return [*found, path.read_bytes()]


def test_killed_at_any_write_the_same_command_ends_with_the_same_content(path: Path, moments: list[bytes]) -> None:
    assert len(moments) > 50
    for data in moments:
        resumes(path, data)
        assert CANARY not in data


@SAME_FOLDER
@given(st.data())
def test_cut_off_anywhere_it_is_taken_up(path: Path, moments: list[bytes], data: st.DataObject) -> None:
    # A machine that lost its power may also hold zeros, or an older block, in place of what was written last.
    moment = data.draw(st.sampled_from(moments))
    left = moment[: data.draw(st.integers(0, len(moment)))]
    resumes(path, left + data.draw(st.sampled_from([b"", bytes(700), b"x" * 700])))


def test_cut_off_at_every_record_it_is_taken_up(path: Path, whole: bytes) -> None:
    for at in range(0, len(whole) + 1, 512):
        resumes(path, whole[:at])


def resumes(path: Path, left: bytes) -> None:
    Path(f"{path}.part").write_bytes(left)
    export(path)
    archive = read(path, (KEY,))
    assert poured(archive) == PARTS and list(archive.manifest.parts) == list(PARTS)
    path.unlink()


def test_what_is_whole_stays_as_it_was_and_the_damaged_is_written_again(path: Path, part: Path, whole: bytes) -> None:
    place = {each.name: each for each in layout(path, whole)}
    part.write_bytes(whole)
    with_all = begin(path, ABOUT, TO)
    assert all(map(with_all.has, PARTS)) and not with_all.has("manifest.json")
    with_all.close()
    at = place["api-keys.age"].at + 9
    part.write_bytes(whole[:at] + b"?" + whole[at + 1 :])
    writer = begin(path, replace(ABOUT, at=1.0), TO)
    assert list(writer.parts) == ["keys"] and writer.about.at == ABOUT.at
    writer.close()
    assert part.read_bytes() == whole[: place["keys.json"].end]


def layout(path: Path, data: bytes) -> list[content_form.Member]:
    scratch = path.with_name("scratch")
    scratch.write_bytes(data)
    with open(scratch, "rb") as file:
        return content_form.layout(file.fileno())[0]


@pytest.mark.parametrize(
    ("about", "to"), [(replace(ABOUT, deployment="b"), TO), (replace(ABOUT, release="3.7.0"), TO), (ABOUT, (*TO, "o"))]
)
def test_the_rest_of_another_export_is_begun_anew(path: Path, about: About, to: tuple[str, ...]) -> None:
    writer = begin(path, ABOUT, TO)
    writer.add("keys", pieces(CANARY))
    writer.close()
    writer = begin(path, about, tuple(str(OTHER.to_public()) if word == "o" else word for word in to))
    assert not writer.has("keys") and writer.about.deployment == about.deployment
    writer.close()


@pytest.mark.parametrize(
    "error",
    [Unreachable("box: gone", "x"), StepFailed("box: no", "x"), Malformed("odd"), KeyboardInterrupt(), OSError()],
)
def test_a_part_that_fails_is_cut_off_and_the_error_goes_on(path: Path, part: Path, error: BaseException) -> None:
    writer = begin(path, ABOUT, TO)
    writer.add("keys", pieces(CANARY))
    before = part.read_bytes()

    def counts() -> dict[str, Any]:
        raise error

    attempts: list[Callable[[], object]] = [
        lambda: writer.add("rules", broken(error)),
        lambda: writer.add("rules", pieces(CANARY), counts),
    ]
    for attempt in attempts:
        with pytest.raises(type(error)) as caught:
            attempt()
        assert caught.value is error and part.read_bytes() == before and not path.exists()
    writer.add("rules", pieces(b"again"))
    writer.seal()
    assert poured(read(path, (KEY,))) == {"keys": CANARY, "rules": b"again"}


def test_nothing_plain_and_no_digest_of_it_is_on_the_disk(path: Path, part: Path) -> None:
    export(path)
    data = path.read_bytes()
    for plain in PARTS.values():
        assert sha256(plain).hexdigest().encode() not in data and sha256(plain).digest() not in data
    assert CANARY not in data
    path.unlink()
    writer = begin(path, ABOUT, TO)

    def looked() -> Iterator[bytes]:
        for block in broken(Unreachable("box: gone")):
            yield block
            yield block
            assert CANARY not in part.read_bytes()

    with pytest.raises(Unreachable):
        writer.add("keys", looked())


# Refused while it is written.


def test_what_is_there_is_not_written_over(path: Path, part: Path) -> None:
    path.write_text("mine")
    assert "another folder: --to" in refused(lambda: begin(path, ABOUT, TO)).hint and not part.exists()
    path.unlink()
    writer = begin(path, ABOUT, TO)
    path.write_text("mine")
    assert "is there already" in refused(writer.seal).message and path.read_text() == "mine"


def test_two_exports_at_the_same_time_do_not_mix(path: Path) -> None:
    first = begin(path, ABOUT, TO)
    assert "another export is writing it" in refused(lambda: begin(path, ABOUT, TO)).message
    first.seal()


def test_a_link_or_a_pipe_in_the_place_of_the_file_is_not_followed(path: Path, part: Path) -> None:
    target = path.with_name("target")
    target.write_text("mine")
    part.symlink_to(target)
    refused(lambda: begin(path, ABOUT, TO), StepFailed)
    part.unlink()
    part.hardlink_to(target)
    refused(lambda: begin(path, ABOUT, TO))
    part.unlink()
    os.mkfifo(part)
    refused(lambda: begin(path, ABOUT, TO))
    assert target.read_text() == "mine"


def test_nobody_to_encrypt_to_is_refused_before_anything_begins(path: Path, part: Path) -> None:
    for to in ((), ("alice",), (str(KEY),)):
        error = refused(lambda to=to: begin(path, ABOUT, to))  # type: ignore[misc]
        assert str(KEY) not in error.message + error.hint and not part.exists()
    assert "fewer recipients" in refused(lambda: begin(path, ABOUT, recipients(800))).hint


def recipients(count: int) -> tuple[str, ...]:
    return tuple(str(pyrage.x25519.Identity.generate().to_public()) for _ in range(count))


@pytest.mark.parametrize("name", ["", "..", "a/b", "Keys", "about", "manifest", "keys", "-a", "a" * 42, "a\n"])
def test_a_name_that_is_none_is_a_mistake_of_ours(path: Path, name: str) -> None:
    writer = begin(path, ABOUT, TO)
    writer.add("keys", pieces(b""))
    with pytest.raises(ValueError, match="cannot be added"):
        writer.add(name, pieces(b""))


@pytest.mark.parametrize(
    ("number", "says"), [(errno.ENOSPC, "the disk is full"), (errno.EIO, "main.content cannot be written: Input")]
)
def test_a_disk_that_takes_no_more_is_said_and_the_same_command_goes_on(
    path: Path, part: Path, monkeypatch: pytest.MonkeyPatch, number: int, says: str
) -> None:
    room, real = 0, os.pwrite

    def pwrite(file: int, data: Any, at: int) -> int:
        if at + len(data) > room:
            if at < room:
                return real(file, data[: room - at], at)
            raise OSError(number, os.strerror(number))
        return real(file, data, at)

    monkeypatch.setattr(os, "pwrite", pwrite)
    for room in range(0, 9000, 350):
        error = refused(lambda: export(path), StepFailed)
        assert error.message.startswith(f"{path.parent}: ") and says in error.message and "--to DIR" in error.hint
        assert part.stat().st_size <= room and not path.exists()
    monkeypatch.undo()
    export(path)
    assert poured(read(path, (KEY,))) == PARTS


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    error = refused(lambda: begin(tmp_path / "file" / "main.content", ABOUT, TO), StepFailed)
    assert error.message.startswith(f"{tmp_path / 'file'}: main.content cannot be written: ")
    assert "/proc: " in refused(lambda: begin(Path("/proc/main.content"), ABOUT, TO), StepFailed).message


def test_a_disk_that_lies_is_found_before_the_archive_has_its_name(path: Path, part: Path) -> None:
    writer = begin(path, ABOUT, TO)
    writer.add("keys", pieces(CANARY))
    with open(part, "r+b") as file:
        file.seek(layout(path, part.read_bytes())[1].at + 50)
        file.write(b"??")
    error = refused(writer.seal, StepFailed)
    assert "read back from this machine's disk: keys.age is not what was written" in error.message and not path.exists()
    writer.close()
    export(path)
    assert poured(read(path, (KEY,))) == PARTS


# Refused when it is read.


def test_every_changed_byte_is_found_and_its_place_is_named(path: Path, whole: bytes) -> None:
    places = {each.name: each for each in layout(path, whole)}
    found = set[str]()
    path.write_bytes(whole)
    with open(path, "r+b", 0) as file:
        for at, byte in enumerate(whole):
            if byte == 0 and at % 11:  # most of the zeros are padding: some of them will do
                continue
            os.pwrite(file.fileno(), bytes([byte ^ (1 << at % 8)]), at)
            error = refused(lambda: read(path, (KEY,)))
            os.pwrite(file.fileno(), bytes([byte]), at)
            spans = [(int(low), int(high)) for low, high in re.findall(r"bytes (\d+) to (\d+)", error.message)]
            assert any(low <= at < high for low, high in spans) or "ends behind" in error.message, (at, error.message)
            assert any(name in error.message for name in places) or at < 512, (at, error.message)
            found.add(re.sub(r"\d+", "N", error.message))
    assert len(found) > 12 and poured(read(path, (KEY,))) == PARTS


@SAME_FOLDER
@given(st.data())
def test_any_bytes_changed_added_or_taken_are_found(path: Path, whole: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(whole)))
    gone = data.draw(st.sampled_from([0, 1, 512, 1024, len(whole)]))
    changed = whole[:at] + data.draw(st.binary(max_size=600)) + whole[at + gone :]
    path.write_bytes(changed)
    if changed != whole:
        assert PLACE.search(refused(lambda: read(path, (KEY,))).message)


def test_every_truncation_is_found(path: Path, whole: bytes) -> None:
    for at in {*range(0, len(whole), 211), *range(0, len(whole), 512), *range(len(whole) - 1100, len(whole), 7)}:
        path.write_bytes(whole[:at])
        assert PLACE.search(refused(lambda: read(path, (KEY,))).message), at


def test_a_changed_part_is_named_as_an_operator_would_say_it(path: Path, whole: bytes) -> None:
    member = next(each for each in layout(path, whole) if each.name == "keys.age")
    path.write_bytes(whole[: member.at + 300] + b"?" + whole[member.at + 301 :])
    error = refused(lambda: read(path, (KEY,)))
    assert error.message == f"{path}: keys.age is not what was written (its bytes {member.at} to {member.past})"
    assert "another copy" in error.hint


def test_others_do_not_read_it(path: Path) -> None:
    export(path, to=(*TO, *recipients(4)))
    error = refused(lambda: read(path, (OTHER,)))
    assert "is encrypted to others, or is damaged" in error.message and "manifest.json.age" in error.message
    assert TO[0] in error.hint and "and 2 more" in error.hint
    assert "--identity FILE" in refused(lambda: read(path, ())).hint


def test_an_export_that_was_not_finished_is_said_to_be_that(path: Path, part: Path) -> None:
    writer = begin(path, ABOUT, TO)
    writer.add("keys", pieces(CANARY))
    error = refused(lambda: read(part, (KEY,)))
    assert "before its manifest.json.age" in error.message and "the same export again finishes it" in error.hint


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for place in (tmp_path / "pipe", tmp_path, Path("/dev/zero"), tmp_path / "no"):
        assert "cannot be read" in refused(lambda place=place: read(place, (KEY,))).message  # type: ignore[misc]
    (tmp_path / "text").write_text("x" * 5000)
    assert "is no archive of exported content" in refused(lambda: read(tmp_path / "text", (KEY,))).message


def member(name: str, data: bytes = b"", size: int = -1, kind: bytes = tarfile.REGTYPE) -> bytes:
    info = tarfile.TarInfo(name)
    info.mode, info.size, info.type = 0o600, len(data) if size < 0 else size, kind
    return info.tobuf(tarfile.GNU_FORMAT) + data + bytes(-len(data) % 512)


def forged(*members: bytes, parts: dict[str, Part] | None = None, about: bytes | None = None) -> bytes:
    """What somebody makes who knows the form and the recipients."""
    first = about if about is not None else content_form.text(replace(ABOUT, at=1.0, recipients=TO))
    manifest = Manifest(sha256(first).hexdigest(), "00", parts or {})
    sealed = pyrage.encrypt(content_form.text(manifest), [KEY.to_public()])
    return b"".join((member("about.json", first), *members, member("manifest.json.age", sealed), bytes(1024)))


PART = Part(3, "00", 3, "", {})
NOTE = content_form.text(PART)


@pytest.mark.parametrize(
    "data",
    [
        forged(member("../keys.age", b"xxx"), member("../keys.json", NOTE)),
        forged(member("/keys.age", b"xxx"), member("/keys.json", NOTE)),
        forged(member("keys.age", kind=tarfile.SYMTYPE), member("keys.json", NOTE)),
        forged(member("keys.age", kind=tarfile.LNKTYPE), member("keys.json", NOTE)),
        forged(member("keys.age", kind=tarfile.DIRTYPE), member("keys.json", NOTE)),
        forged(member("keys.age", kind=tarfile.GNUTYPE_SPARSE), member("keys.json", NOTE)),
        forged(member("k" * 200 + ".age", b"xxx")),
        forged(member("keys.age", b"xxx"), member("keys.json", NOTE), member("keys.age"), member("keys.json", NOTE)),
        forged(member("keys.age", b"xxx"), member("rules.json", NOTE)),
        forged(member("keys.age", b"xxx"), member("rules.age", b"xxx")),
        forged(member("keys.json", NOTE), member("keys.age", b"xxx")),
        forged(member("keys.age", size=1 << 62)),
        forged(member("keys.age", b"xxx"), member("keys.json", b"x" * 70_000)),
        forged(*(member(f"k{n}{end}", NOTE) for n in range(1000) for end in (".age", ".json"))),
        forged(member("about.age"), member("about.json", NOTE)),
        forged(member("unfinished"), member("unfinished.json", NOTE)),
        forged(about=b"{" * 60_000),
        forged(about=b"[" * 60_000),
        forged(about=b'{"a":' + b"9" * 50_000 + b"}"),
        forged(about=content_form.text({**vars(ABOUT), "schema": "stormlift.content-archive/2"})),
        forged(about=content_form.text({**vars(ABOUT), "at": float("nan")})),
        forged(about=content_form.text({**vars(ABOUT), "deployment": "\x1b[2J"})),
        forged(parts={"keys": PART}),
        forged(member("keys.age", b"xxx"), member("keys.json", NOTE)),
        forged(member("keys.age", b"xxx"), member("keys.json", NOTE), parts={"rules": PART}),
        forged(member("keys.age", b"xxx"), member("keys.json", NOTE), parts={"keys": PART}),
        forged(member("keys.age", b"xx"), member("keys.json", NOTE), parts={"keys": PART}),
        forged(member("keys.age", b"xxx"), member("keys.json", NOTE[:-1]), parts={"keys": PART}),
        forged(member("keys.age", b"xxx"), member("keys.json", NOTE), parts={"keys": replace(PART, about={"a": 1})}),
        member("about.json", content_form.text(ABOUT)) + bytes(10240),
        member("manifest.json.age") + bytes(1024),
        bytes(10240),
    ],
)
def test_a_hostile_one_is_refused_in_a_sentence(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    error = refused(lambda: read(path, (KEY,)))
    assert PLACE.search(error.message) and error.message.isprintable() and len(error.message) < 400
    Path(f"{path}.part").write_bytes(data)
    path.unlink()
    export(path)
    assert poured(read(path, (KEY,))) == PARTS


def sealed_part(plain: bytes, told: bytes, size: int, proof: bytes | None = None) -> tuple[bytes, dict[str, Part]]:
    to = [KEY.to_public()]
    stored = pyrage.encrypt(plain, to)
    proof = pyrage.encrypt(sha256(told).digest(), to) if proof is None else proof
    part = Part(len(stored), sha256(stored).hexdigest(), size, b64encode(proof).decode(), {})
    return forged(member("a.age", stored), member("a.json", content_form.text(part)), parts={"a": part}), {"a": part}


@pytest.mark.parametrize("data", [(b"abc", b"abd", 3), (b"abc", b"abc", 4), (b"abc", b"abc", 3, b"?")])
def test_a_part_that_is_not_what_its_manifest_says_is_found_when_it_is_poured(path: Path, data: Any) -> None:
    path.write_bytes(sealed_part(*data)[0])
    error = refused(lambda: read(path, (KEY,)).pour("a", lambda block: None), StepFailed)
    assert "a.age is not what was written (its bytes " in error.message


def test_a_part_that_changes_between_the_proof_and_the_pour_is_found(path: Path, whole: bytes) -> None:
    path.write_bytes(whole)
    archive = read(path, (KEY,))
    other = path.with_name("other")
    export(other, {**PARTS, "keys": CANARY * 69 + b"another-5d0c7a4"})
    for data in (other.read_bytes(), whole[:1500], b""):
        path.write_bytes(data)
        error = refused(lambda: archive.pour("keys", lambda block: None), StepFailed)
        assert "keys.age is not what was written" in error.message
    path.unlink()
    assert "No such file" in refused(lambda: archive.pour("keys", lambda block: None), StepFailed).message


@pytest.mark.parametrize("error", [Malformed("odd"), OSError(errno.ENOSPC, "full"), KeyboardInterrupt()])
def test_what_the_reader_of_a_part_meets_is_told_as_it_is(path: Path, error: BaseException) -> None:
    export(path)

    def take(data: bytes) -> None:
        raise error

    with pytest.raises(type(error)) as caught:
        read(path, (KEY,)).pour("keys", take)
    assert caught.value is error
