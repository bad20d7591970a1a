"""A backup on its way: what passes is what the manifest says to the last byte, or it is refused with the file's name."""

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollout import archive
from rollout.archive import Archive, Head, begun, checked
from rollout.codec import Malformed
from tests.pure.carried import FILES, HOSTILE, NAME, manifest, member, sent, tar


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


def passed(data: bytes, size: int = 4096) -> bytes:
    return b"".join(checked(pieces(data, size), Archive()))


def refused(data: bytes) -> str:
    with pytest.raises(Malformed) as caught:
        passed(data)
    return str(caught.value)


@pytest.mark.parametrize("size", [1 << 20, 512, 511, 7])
def test_what_passes_is_handed_on_as_it_is(size: int) -> None:
    assert passed(tar(), size) == tar()


def test_what_is_announced_is_found_behind_whatever_a_login_says() -> None:
    head, blocks = begun(pieces(sent(), 100))
    assert head == Head(NAME, head.manifest, sum(map(len, FILES.values())))
    assert b"".join(blocks) == tar()
    for text in (b"", b"bash: no such thing\n", b"x" * (3 << 20), b"@stormlift-backup {]\n", b"@stormlift-backup 7\n"):
        with pytest.raises(Malformed):
            begun(pieces(text, 1 << 16))


@given(at=st.integers(0, len(tar()) - 1), bit=st.integers(0, 7))
@settings(max_examples=60, deadline=None)
def test_no_flipped_bit_of_a_file_passes(at: int, bit: int) -> None:
    whole = tar()
    bad = bytearray(whole)
    bad[at] ^= 1 << bit
    try:
        assert passed(bytes(bad)) == bytes(bad)
    except Malformed:
        return
    # What passes all the same is no byte of any file: the padding, or a part of a header that says nothing of it.
    seen = Archive()
    seen.feed(bytes(bad))
    assert seen.end().files == archive.manifest(manifest()).files


@given(cut=st.integers(0, len(tar()) - 513))
@settings(max_examples=60, deadline=None)
def test_an_archive_that_is_cut_off_anywhere_is_not_whole(cut: int) -> None:
    assert refused(tar()[:cut])


def test_where_it_was_cut_off_is_said() -> None:
    data = tar()
    assert "in the middle of mistral.dump" in refused(data[: data.index(b"PGDMP") + 5000])
    assert "ends before nothing.txt, packages.txt" in refused(data[: data.index(b"packages.txt", 4096) - 1])
    assert "ends before manifest.json" in refused(b"")
    assert "end is cut off" in refused(data[:-512])


def test_a_byte_that_differs_names_the_file() -> None:
    bad = {**FILES, "mistral.dump": FILES["mistral.dump"][:-1] + b"x"}
    assert refused(tar(bad, manifest())).startswith("mistral.dump is not what was written")
    longer = {**FILES, "mistral.dump": FILES["mistral.dump"] + b"x"}
    assert "mistral.dump has 140006 bytes, its manifest says 140005" in refused(tar(longer, manifest()))


@pytest.mark.parametrize("what", HOSTILE)
def test_nothing_passes_but_plain_files_of_the_manifest(what: str) -> None:
    said = refused(member("manifest.json", manifest()) + HOSTILE[what] + tar()[-1024:])
    assert "\x1b" not in said and len(said) < 200


def test_a_file_that_comes_twice_or_before_its_manifest_is_refused() -> None:
    one, text = member("files.json", FILES["files.json"]), member("manifest.json", manifest())
    assert "came twice" in refused(text + one + one)
    assert "before it" in refused(one + text)
    assert "behind the end" in refused(tar() + one)
    assert "behind the end" in refused(tar()[:-512] + b"\1" * 512)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"{", "no JSON"),
        (b"[" * 100_000, "no JSON"),
        (b"[]", "none of stormlift.backup/1"),
        (manifest({}, schema="stormlift.backup/2"), "none of stormlift.backup/1"),
        (manifest(files=[]), "manifest.json.files"),
        (manifest(files={"a": {"bytes": "1", "sha256": "0" * 64}}), "manifest.json.files.a.bytes"),
        (manifest(files={"a": {"bytes": -1, "sha256": "0" * 64}}), "no file of a backup"),
        (manifest(files={"a": {"bytes": 1, "sha256": "0" * 63 + "\n"}}), "no file of a backup"),
        (manifest(files={"../a": {"bytes": 1, "sha256": "0" * 64}}), "no file of a backup"),
        (manifest(files={"a\n": {"bytes": 1, "sha256": "0" * 64}}), "no file of a backup"),
        (manifest(files={"manifest.json": {"bytes": 1, "sha256": "0" * 64}}), "no file of a backup"),
    ],
)
def test_a_manifest_that_is_none(text: bytes, says: str) -> None:
    assert says in refused(tar(text=text))


def test_a_manifest_of_a_later_release_may_say_more() -> None:
    found = archive.manifest(manifest(FILES, tool="stormlift 9", packages={"st2": "2.0.1-3"}, external="snapshot 7"))
    assert (found.deployment, found.release, found.at, found.external) == ("main", "2.0.1", 1793498400.0, "snapshot 7")


def test_a_dump_of_a_hundred_gigabytes_has_a_header() -> None:
    text = manifest({}, files={"mistral.dump": {"bytes": 100 << 30, "sha256": "0" * 64}})
    seen = Archive()
    seen.feed(member("manifest.json", text) + member("mistral.dump", b"", size=100 << 30) + b"x" * 1000)
    assert seen.at == "mistral.dump"
    with pytest.raises(Malformed, match=r"in the middle of mistral\.dump, 107374181400 bytes of 107374182400 early"):
        seen.end()
