"""What moves between instances: read from a stream, rewritten for a release, held against the other side."""

import json
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollout.codec import Malformed
from rollout.content import certificate
from rollout.content.compare import EXPIRY_S, OVER_S, Comparison, What, compare, held, listed, totals
from rollout.content.convert import Target, comparable, left, lost, written
from rollout.content.items import ApiKey, Identity, Item, Key, Print, item, print_of
from rollout.content.stream import MARK, Named, Reader, passing
from rollout.secret import Secret

SALT, CANARY = b"s" * 32, "canary-of-a-value"
RELEASES = ("1.4.0", "1.5.1", "2.0.1", "2.1.1", "2.2.1", "2.10.4", "3.0.1", "3.9.0")
KEY: dict[str, Any] = {"kind": "key", "scope": "system", "user": "", "name": "a", "secret": False, "value": CANARY,
                       "expires": None, "stale": False}  # fmt: skip
API_KEY: dict[str, Any] = {"kind": "apikey", "user": "ann", "key_hash": "ab" * 64, "metadata": {}, "enabled": True,
                           "created": ""}  # fmt: skip


def stream(*lines: dict[str, Any], head: dict[str, Any] | None = None, **end: Any) -> bytes:
    """What a host sends; END are keys of the last line that shall say something else."""
    first = {
        "schema": "stormlift.content/1",
        "release": "2.2.1",
        "at": 1.0,
        "host": "box",
        "parts": ["keys"],
        **(head or {}),
    }
    body = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    last = {"kind": "end", "records": len(lines), "sha256": sha256(body).hexdigest(), "told": {}, **end}
    return MARK + json.dumps(first).encode() + b"\n" + body + json.dumps(last).encode() + b"\n"


def read(data: bytes, size: int = 1 << 16) -> list[Item]:
    found: list[Item] = []
    reader = Reader(found.append, "box")
    for _ in passing(iter([data[at : at + size] for at in range(0, len(data), size)]), reader):
        pass
    return found


# The stream.


@given(st.integers(1, 200))
def test_a_stream_may_come_in_pieces_of_any_size(size: int) -> None:
    found = read(
        b"Welcome to box!\n" + stream(KEY, API_KEY, {**KEY, "name": "b/c", "scope": "user", "user": "ann"}), size
    )
    assert [each.identity for each in found] == [
        Identity("key", "a", "system"),
        Identity("apikey", "ab" * 64),
        Identity("key", "b/c", "user", "ann"),
    ]


@given(st.integers(0, 10_000))
def test_a_stream_that_is_cut_anywhere_is_not_whole(at: int) -> None:
    data = stream(KEY, API_KEY)
    with pytest.raises(Malformed):
        read(data[: at % len(data)])


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"no such file\n", "is no content of st2"),
        (stream(KEY, head={"schema": "stormlift.content/2"}), "its schema is stormlift.content/2"),
        (stream(KEY, records=2), "are not those that were sent"),
        (stream(KEY, sha256="0" * 64), "are not those that were sent"),
        (stream(KEY) + b"more\n", "something behind its end"),
        (stream({**KEY, "kind": "pack"}), "line 1: neither a key nor an API key"),
        (stream(KEY, {**KEY, "value": 7}), "line 2.value: expected str, found int"),
        (stream({**KEY, "scope": "st2kv.system"}), "line 1: a key has a scope"),
        (stream({**KEY, "user": "ann"}), "line 1: a key has a scope"),
        (stream(KEY).replace(b'"name"', b'"nome"'), "not those|unknown key 'nome'"),
        (stream(KEY).replace(b'{"kind": "key"', b'{"kind": "key'), "line 1 is no JSON"),
    ],
)
def test_what_is_no_stream_is_refused_with_its_place_and_without_a_value(data: bytes, says: str) -> None:
    with pytest.raises(Malformed, match=says) as caught:
        read(data)
    assert CANARY not in str(caught.value)


def test_a_value_is_never_shown() -> None:
    [found] = read(stream(KEY))
    assert CANARY not in f"{found} {found!r}" and isinstance(found, Key) and found.value.reveal() == CANARY


# Rewritten.


@pytest.mark.parametrize(
    ("release", "system", "user"),
    [("1.5.1", "system", "user"), ("2.0.1", "system", "user"), ("2.1.1", "st2kv.system", "st2kv.user"),
     ("2.10.4", "st2kv.system", "st2kv.user"), ("3.9.0", "st2kv.system", "st2kv.user")],
)  # fmt: skip
def test_scopes_have_the_names_of_the_release(release: str, system: str, user: str) -> None:
    target = Target(release)
    assert written(Key("a", Secret("v")), target, None, 0.0) == {
        "kind": "key", "name": "a", "scope": system, "user": "", "secret": False, "ttl": None, "value": "v"}  # fmt: skip
    of_ann = written(Key("a", Secret("v"), "user", "ann", secret=True, expires=9.0), target, 9.0, 0.5)
    assert (of_ann["scope"], of_ann["user"], of_ann["secret"], of_ann["ttl"]) == (user, "ann", True, 9)


def test_a_release_without_scopes_takes_plain_keys_alone() -> None:
    old = Target("1.4.0")
    plain, secret, of_ann = (
        Key("a", Secret("v")),
        Key("a", Secret("v"), secret=True),
        Key("a", Secret("v"), "user", "ann"),
    )
    assert not lost(plain, old) and written(plain, old, None, 0.0)["scope"] == ""
    assert "no secrets" in lost(secret, old) and "no keys of users" in lost(of_ann, old)
    assert "none by its digest" in lost(ApiKey("ann", "ab"), old)
    assert not any(lost(each, Target("1.5.1")) for each in (plain, secret, of_ann, ApiKey("ann", "ab")))


def test_what_is_left_of_an_expiry_is_carried_in_whole_seconds() -> None:
    assert [left(*each) for each in ((None, 5.0), (10.0, 5.0), (10.2, 5.0), (5.0, 5.0), (4.0, 5.0))] == [
        None,
        5,
        6,
        0,
        -1,
    ]


# Compared.

NAMES = st.builds(Identity, st.just("key"), st.text("ab/ ", min_size=1, max_size=3), st.just("system"))
PRINTS = st.dictionaries(NAMES, st.builds(print_of, st.text("xy", max_size=2), st.just(SALT)), max_size=6)


@given(PRINTS, PRINTS)
def test_two_sides_are_equal_when_the_new_one_has_everything_as_it_was(
    old: dict[Identity, Print], new: dict[Identity, Print]
) -> None:
    found = compare(old, new, 0.0)
    assert found.equal == all(new.get(each) == print_ for each, print_ in old.items())
    assert set(found.of(*What)) == set(old) and set(found.beside) == set(new) - set(old)
    lines = totals(old, new, found)
    assert sum(each["old"] for each in lines.values()) == len(old)
    assert all(each["same"] == each["old"] for each in lines.values()) == found.equal
    assert all(each["old_digest"] == each["new_digest"] for each in lines.values()) == found.equal


@settings(max_examples=60)
@given(st.text(max_size=5), st.text(max_size=5), st.booleans(), st.booleans(), st.sampled_from(RELEASES))
def test_no_change_of_an_item_goes_unseen(a: str, b: str, secret_a: bool, secret_b: bool, release: str) -> None:
    target = Target(release)
    one, two = Key("a", Secret(a), secret=secret_a), Key("a", Secret(b), secret=secret_b)
    same = print_of(comparable(one, target), SALT) == print_of(comparable(two, target), SALT)
    assert same == (a == b and (secret_a == secret_b or not target.scoped))


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        (None, None, What.SAME),
        (100.0, 100.0 + EXPIRY_S, What.SAME),
        (100.0, 101.0 + EXPIRY_S, What.EXPIRY),
        (None, 5.0, What.EXPIRY),
        (5.0, None, What.EXPIRY),
    ],
)
def test_an_expiry_may_be_off_by_what_links_and_clocks_cost(old: float | None, new: float | None, what: What) -> None:
    assert held(Print(b"x", old), Print(b"x", new), -9.0) is what
    assert held(Print(b"x", old), None, -999.0) is What.MISSING
    assert held(Print(b"x", old), Print(b"y", new), -9.0) is What.DIFFERS


def test_a_key_that_has_expired_meanwhile_is_not_missed() -> None:
    old, over = Identity("key", "a", "system"), Print(b"x", 100.0)
    ends = [held(over, None, now, OVER_S) for now in (90.0, 95.0, 101.0)]
    assert ends == [What.MISSING, What.EXPIRED, What.EXPIRED]
    assert compare({old: over}, {}, 101.0).equal and not compare({old: over}, {}, 90.0, OVER_S).equal
    # It may have ended a little sooner there, as expiries are carried.
    assert held(over, None, 100.0 - EXPIRY_S) is What.EXPIRED and held(over, None, 99.0 - EXPIRY_S) is What.MISSING
    assert held(Print(b"x"), None, 1e12) is What.MISSING


def test_prints_cannot_be_guessed_without_their_salt() -> None:
    content = comparable(Key("a", Secret("1234")), Target("3.9.0"))
    assert print_of(content, SALT).digest not in {print_of(content, b"t" * 32).digest, sha256(b"1234").digest()}


# Certified.


def test_a_certificate_names_what_differs_and_holds_no_value_and_no_digest_of_an_api_key() -> None:
    items: list[Item] = [Key(f"k{n}", Secret(f"{CANARY}{n}"), secret=True) for n in range(30)]
    items += [Key("mine", Secret(CANARY), "user", "ann"), ApiKey("bob", "cd" * 64, {"why": CANARY})]
    old = {each.identity: print_of(comparable(each, Target("3.9.0")), SALT) for each in items}
    new = {each: print_ for each, print_ in old.items() if each.name not in ("k7", "cd" * 64)}
    new[Identity("key", "mine", "user", "ann")] = print_of("other", SALT)
    new[Identity("key", "theirs", "system")] = print_of("own", SALT)
    found = compare(old, new, 0.0)
    sides = (certificate.Of("old", "2.2.1", "archive 1", 1.0), certificate.Of("new", "3.9.0", "box", 2.0))
    data = certificate.certificate(*sides, (old, new), found, {"by": "me", "remarks": ["1 keys have expired"]})
    text, dump = certificate.text(data), json.dumps(data)
    assert not data["equal"] and data["differences_count"] == 3 and data["beside"] == 1
    assert [each["what"] for each in data["differences"]] == ["missing", "missing", "differs"]
    assert CANARY not in text + dump and "cd" * 64 not in text + dump
    for words in ('missing: key "k7" of the system', 'differs: key "mine" of ann', "29 of 30 the same", "NOT equal: 3",
                  "missing: API key cdcdcdcd...", "1 items of its own", "1 keys have expired"):  # fmt: skip
        assert words in text, text
    whole = certificate.certificate(*sides, (old, old), compare(old, old, 0.0), {})
    assert whole["equal"] and certificate.text(whole).endswith("\nequal")


def test_long_lists_are_cut_and_counted() -> None:
    names = [Identity("key", f"k{n:02}", "system") for n in range(25)]
    assert len(listed(names)) == 21 and listed(names)[-1] == "and 5 more" and len(listed(names[:20])) == 20
    assert Comparison().equal


def test_what_would_act_on_a_screen_is_spelled_out() -> None:
    assert str(Identity("key", "a\x1b[2J\u009b\n\u202e", "user", "b\x07")) == (
        'key "a\\u001b[2J\\u009b\\n\\u202e" of b\\u0007'
    )
    assert str(Identity("key", "k\u00e4se \u65e5", "system")) == 'key "k\u00e4se \u65e5" of the system'


def test_what_a_host_tells_beside_its_items_is_believed_in_no_type() -> None:
    end = Reader(lambda each: None, "box")
    end.feed(
        stream(told={"keys": {"expired": "x", "shadowed": 3, "odd": ["a", 7], "odds": 2}, "apikeys": {"expired": 1}})
    )
    found = end.finish()
    assert (found.expired, found.shadowed, found.odd.names, found.odd.count) == (1, Named(), ("a",), 2)
    with pytest.raises(Malformed, match="is no moment"):
        read(stream(KEY).replace(b'"expires": null', b'"expires": NaN'))


def test_an_item_has_one_place_for_every_mistake() -> None:
    wrong: tuple[Any, ...] = (None, [], {}, {"kind": "key"}, {**KEY, "name": ""}, {**API_KEY, "metadata": []})
    for bad in wrong:
        with pytest.raises(Malformed, match=r"^here"):
            item(bad, "here")
