"""Releases sort as releases do, package versions are read as both package managers write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollout import catalogue
from rollout.errors import UnknownRelease
from rollout.versions import PackageVersion, minor, order

numbers = st.integers(0, 99)
triples = st.tuples(numbers, numbers, numbers)


def text(triple: tuple[int, int, int]) -> str:
    return ".".join(map(str, triple))


@given(triples, triples)
def test_releases_sort_by_number_not_by_letter(one: tuple[int, int, int], other: tuple[int, int, int]) -> None:
    assert (order(text(one)) < order(text(other))) == (one < other)
    assert (order(text(one)) == order(text(other))) == (one == other)


def test_the_cases_that_others_got_wrong() -> None:
    assert order("2.9.3") < order("2.10.0") < order("3.0.0")
    assert order("2.3dev") < order("2.3.0") < order("2.3.1")
    assert order("2.2.1") < order("2.3dev")
    assert order("2.1") == order("2.1.0")


@given(triples)
def test_a_development_build_comes_before_its_release_and_after_the_last_one(triple: tuple[int, int, int]) -> None:
    major, second, patch = triple
    dev = f"{major}.{second + 1}dev"
    assert order(text((major, second, patch))) < order(dev) < order(text((major, second + 1, 0)))


@pytest.mark.parametrize("word", ["", "latest", "v", "2..1", "st2"])
def test_what_is_no_release_is_an_error_not_a_guess(word: str) -> None:
    with pytest.raises(UnknownRelease):
        order(word)


def test_minor_is_a_number_of_two() -> None:
    assert (minor("2.10.4"), minor("2.2.1"), minor("3.9.0"), minor("2.3dev")) == ("2.10", "2.2", "3.9", "2.3")


@pytest.mark.parametrize(
    ("written", "epoch", "release", "revision"),
    [
        ("2.2.1-8", 0, "2.2.1", "8"),
        ("1:2.2.1-8.el7", 1, "2.2.1", "8.el7"),
        ("0:2.10.4-1", 0, "2.10.4", "1"),
        ("(none):2.2.1-8", 0, "2.2.1", "8"),
        ("2.2.1", 0, "2.2.1", ""),
        ("2.3dev-44", 0, "2.3dev", "44"),
        ("2.3dev", 0, "2.3dev", "0"),
        ("  2.2.1-8\n", 0, "2.2.1", "8"),
        ("3.8.1-2+bionic", 0, "3.8.1", "2+bionic"),
    ],
)
def test_a_package_version_is_read(written: str, epoch: int, release: str, revision: str) -> None:
    version = PackageVersion.parse(written)
    assert (version.epoch, version.release, version.revision) == (epoch, release, revision)
    assert version.text == written.strip()


@given(triples, st.integers(0, 3), st.integers(1, 99), st.sampled_from(["", ".el7", "~xenial"]))
def test_every_release_comes_back_from_its_package(
    triple: tuple[int, int, int], epoch: int, number: int, tail: str
) -> None:
    version = PackageVersion.parse(f"{f'{epoch}:' if epoch else ''}{text(triple)}-{number}{tail}")
    assert (version.epoch, version.release) == (epoch, text(triple))


@pytest.mark.parametrize("written", ["", ":", "1:"])
def test_what_is_no_package_version_is_an_error(written: str) -> None:
    with pytest.raises(UnknownRelease):
        PackageVersion.parse(written)


def test_the_catalogue_is_in_order_and_knows_every_release_once() -> None:
    assert list(catalogue.RELEASES) == sorted(set(catalogue.RELEASES), key=order)
