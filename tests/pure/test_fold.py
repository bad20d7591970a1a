"""Names of hosts folded as an operator writes them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollout.fold import fold, unfold

names = st.builds(
    "{}{}".format,
    st.sampled_from(["st2-", "web", "db0", "a", "x-a", "10.0.0."]),
    st.one_of(
        st.integers(0, 120).map(str), st.integers(0, 30).map("{:02}".format), st.sampled_from("abcz"), st.just("")
    ),
)


@pytest.mark.parametrize(
    ("given_", "folded"),
    [
        (("st2-a", "st2-b", "st2-c", "st2-d"), "st2-[a-d]"),
        (("st2-3", "st2-1", "st2-2", "st2-7"), "st2-[1-3,7]"),
        (("web8", "web9", "web10"), "web[8-10]"),
        (("web08", "web09", "web10"), "web[08-10]"),
        (("web01", "web02", "web03", "db1"), "web[01-03], db1"),
        (("apt1", "yum1", "apt2", "yum2"), "apt1, apt2, yum1, yum2"),
        (("lone",), "lone"),
        (("beta", "betb", "betc"), "beta, betb, betc"),
        ((), ""),
    ],
)
def test_hosts_read_as_an_operator_would_write_them(given_: tuple[str, ...], folded: str) -> None:
    assert fold(given_) == folded


@given(st.lists(names))
def test_no_name_is_lost_or_invented(several: list[str]) -> None:
    assert sorted(unfold(fold(several))) == sorted(set(several))
