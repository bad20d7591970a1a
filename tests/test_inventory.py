"""The inventory as an operator meets it: the file is written, a mistake is named, --hosts chooses."""

import time
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import inventory
from inventory.environment import Environment, read_environment
from inventory.selection import Inventory, Selection
from rollout.errors import InventoryError, UnknownName, UsageError
from rollout.model import HOOKS, Deployment, Host, St2Auth

SHIPPED = Path(inventory.__file__).parent

PROD = """\
defaults: {user: stanley, identity: keys/prod, target: 2.2.1}
hosts:
  box: 10.0.0.1
  left: 10.0.0.2
  right: {address: 10.0.0.3, port: 2222, sudo: ask}
  solo: solo.example.com
deployments:
  box: [box]
  pair: {hosts: [left, right], target: 2.1.1}
groups:
  dc1: [box, left]
  all-of-it: [dc1, pair, solo]
"""


def write(directory: Path, name: str, text: str) -> Path:
    path = directory / f"{name}.yml"
    path.write_text(text)
    return path


def prod(directory: Path) -> Inventory:
    write(directory, "prod", PROD)
    return inventory.load("prod", directory)


def names(selection: Selection) -> list[str]:
    return [deployment.name for deployment in selection.deployments]


def hosts(selection: Selection) -> list[str]:
    return [host.name for host in selection.hosts]


# The files that are shipped.


def test_the_manual_of_the_format_is_a_valid_file_that_shows_every_key() -> None:
    manual = SHIPPED / "example.yml"
    example = read_environment(manual)
    assert example.deployments and example.groups and example.gateways
    assert [hook.point for hook in example.hooks] == list(HOOKS)
    assert {host.sudo for host in example.hosts.values()} == {"nopasswd", "ask", "env:DC2_SUDO"}
    for key in (
        *("known_hosts", "implied", "defaults", "hosts", "deployments", "groups", "hooks"),
        *("user", "port", "identity", "gateway", "sudo", "st2_auth", "target", "address"),
        *(*HOOKS, "command", "timeout"),
    ):
        assert f"{key}:" in manual.read_text()


def test_the_manual_is_never_part_of_a_selection(tmp_path: Path) -> None:
    write(tmp_path, "example", (SHIPPED / "example.yml").read_text())
    everything = prod(tmp_path).select("*", whole=True)
    assert names(everything) == ["box", "pair", "solo"]
    with pytest.raises(UnknownName, match="called example") as caught:
        inventory.load("example", tmp_path).select("example", whole=False)
    assert "copy it to a name of yours" in caught.value.hint


def test_a_broken_manual_breaks_nothing(tmp_path: Path) -> None:
    write(tmp_path, "example", "hosts: [")
    assert names(prod(tmp_path).select("pair", whole=True)) == ["pair"]


def test_the_lab_file_describes_the_four_hosts_of_the_lab() -> None:
    lab = inventory.load("lab", SHIPPED)
    chosen = lab.select("lab", whole=True)
    state = SHIPPED.parent / "lab" / "state"
    assert names(chosen) == ["apt1", "yum1", "pair"]
    assert [(host.name, host.address, host.port, host.user) for host in chosen.hosts] == [
        ("apt1", "127.0.0.1", 22011, "deploy"),
        ("yum1", "127.0.0.1", 22012, "deploy"),
        ("apt2", "127.0.0.1", 22013, "deploy"),
        ("yum2", "127.0.0.1", 22014, "deploy"),
    ]
    assert {host.identity for host in chosen.hosts} == {str(state / "id_ed25519")}
    assert [host.sudo for host in chosen.hosts] == ["nopasswd"] * 3 + [f"file:{state / 'sudo-password'}"]
    assert {deployment.target for deployment in chosen.deployments} == {"2.2.1"}
    assert lab.known_hosts("yum2") == state / "known_hosts"


# What a file says.


def test_defaults_reach_every_host_and_a_host_may_differ(tmp_path: Path) -> None:
    by_name = {host.name: host for host in prod(tmp_path).hosts}
    identity = str(tmp_path / "keys" / "prod")
    assert by_name["box"] == Host("box", "10.0.0.1", 22, "stanley", identity, "", "nopasswd")
    assert by_name["right"] == Host("right", "10.0.0.3", 2222, "stanley", identity, "", "ask")


def test_a_deployment_may_have_its_own_target_and_a_single_host_is_one(tmp_path: Path) -> None:
    targets = {deployment.name: deployment.target for deployment in prod(tmp_path).deployments}
    assert targets == {"box": "2.2.1", "pair": "2.1.1", "solo": "2.2.1"}


def test_a_login_of_root_needs_no_sudo(tmp_path: Path) -> None:
    write(tmp_path, "prod", "hosts: {a: 10.0.0.1, b: {address: 10.0.0.2, user: me}}")
    assert [host.sudo for host in inventory.load("", tmp_path).hosts] == ["root", "nopasswd"]


def test_a_release_stays_as_it_was_typed(tmp_path: Path) -> None:
    write(tmp_path, "prod", "defaults: {target: 2.10}\nhosts: {a: 10.0.0.1}")
    assert inventory.load("prod", tmp_path).deployments[0].target == "2.10"


def test_paths_count_from_the_file_and_home_is_the_operators(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/operator")
    text = """\
known_hosts: ../trusted
hosts:
  a: {address: 10.0.0.1, identity: ~/.ssh/id, sudo: "file:../secrets/a"}
  b: {address: 10.0.0.2, identity: /etc/keys/b}
"""
    where = tmp_path / "inventory"
    where.mkdir()
    write(where, "prod", text)
    loaded = inventory.load("prod", where)
    assert [host.identity for host in loaded.hosts] == ["/home/operator/.ssh/id", "/etc/keys/b"]
    assert loaded.hosts[0].sudo == f"file:{tmp_path / 'secrets' / 'a'}"
    assert loaded.known_hosts("a") == tmp_path / "trusted"


def test_trusted_keys_are_beside_the_file_unless_it_says_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prod(tmp_path)
    monkeypatch.chdir(tmp_path.parent)
    loaded = inventory.load("prod", Path(tmp_path.name))
    assert loaded.known_hosts("box") == tmp_path / "known_hosts"


def test_a_gateway_is_a_host_of_the_file_or_an_address_and_is_not_upgraded(tmp_path: Path) -> None:
    text = """\
defaults: {user: deploy, identity: /keys/id, gateway: bastion}
hosts:
  bastion: {address: 203.0.113.1, user: jump, gateway: outer@198.51.100.1:2200}
  inner: 10.0.0.1
  six: {address: "fd00::7", gateway: "jump@[2001:db8::1]:22"}
  near: {address: 10.0.0.2, gateway: ""}
"""
    write(tmp_path, "prod", text)
    loaded = inventory.load("prod", tmp_path)
    assert [host.name for host in loaded.hosts] == ["inner", "six", "near"]
    bastion, outer, six = loaded.gateway("inner"), loaded.gateway("bastion"), loaded.gateway("six")
    assert bastion and (bastion.address, bastion.user) == ("203.0.113.1", "jump")
    assert outer and (outer.address, outer.port, outer.user, outer.identity) == (
        *("198.51.100.1", 2200, "outer"),
        "/keys/id",
    )
    assert six and (six.address, six.port) == ("2001:db8::1", 22)
    assert loaded.gateway("near") is None
    assert [gateway.address for gateway in loaded.way("inner")] == ["198.51.100.1", "203.0.113.1"]
    assert loaded.way("near") == ()
    assert {loaded.known_hosts(gateway.name) for gateway in loaded.way("inner")} == {tmp_path / "known_hosts"}
    with pytest.raises(UnknownName) as caught:
        loaded.select("bastion", whole=False)
    assert "bastion is only a gateway" in caught.value.hint


def test_anchors_and_merge_keys_save_typing(tmp_path: Path) -> None:
    text = """\
hosts:
  a: &base {address: 10.0.0.1, user: deploy, port: 2222}
  b: {<<: *base, address: 10.0.0.2}
  c: {<<: [{port: 23}, *base], address: 10.0.0.3}
"""
    write(tmp_path, "prod", text)
    found = [(host.address, host.user, host.port) for host in inventory.load("prod", tmp_path).hosts]
    assert found == [("10.0.0.1", "deploy", 2222), ("10.0.0.2", "deploy", 2222), ("10.0.0.3", "deploy", 23)]


def test_words_that_yaml_takes_for_something_else_are_names_all_the_same(tmp_path: Path) -> None:
    write(tmp_path, "prod", "hosts: {no: 10.0.0.1, 12: 10.0.0.2}\ndeployments: {on: [no, 12]}")
    assert names(inventory.load("prod", tmp_path).select("12", whole=True)) == ["on"]


# What is wrong with a file is said with line and key.

MISTAKES = [
    ("hosts: {a: 10.0.0.1}\nhost: {}\n", 2, "host: unknown key", "did you mean hosts?"),
    ("hosts:\n  a: 10.0.0.1\n  a: 10.0.0.2\n", 3, "a: stands here twice, first on line 2", ""),
    ("hosts:\n  a:\n    adress: 10.0.0.1\n", 3, "hosts.a.adress: unknown key", "did you mean address?"),
    ("hosts:\n  a:\n    port: 22\n", 2, "hosts.a.address: missing", ""),
    ("hosts:\n  a:\n", 2, "hosts.a: expected a DNS name or an IP address, found nothing", ""),
    ("hosts:\n  a: [10.0.0.1]\n", 2, "hosts.a: expected keys with values, found a list", ""),
    ("hosts:\n  a: me@10.0.0.1\n", 2, "hosts.a: expected a DNS name", "keys of their own"),
    ("hosts:\n  a: 10.0.0.1:2222\n", 2, "hosts.a: expected a DNS name", "keys of their own"),
    ("hosts:\n  a: 10.0.0.256\n", 2, "hosts.a: expected a DNS name", ""),
    ("hosts:\n  a: 10.0.0.1\n  b: 10.0.0.1\n", 3, "hosts.b: 10.0.0.1 port 22 is a already", ""),
    ("hosts: []\n", 1, "hosts: expected keys with values, found an empty list", ""),
    ("hosts: {}\n", 1, "hosts: expected at least one host", ""),
    ("defaults: {user: me}\n", 1, "hosts: missing", "example.yml"),
    ("hosts:\n  -a: 10.0.0.1\n", 2, "hosts.-a: expected a name of letters", ""),
    ("hosts:\n  'a b': 10.0.0.1\n", 2, "hosts.a b: expected a name of letters", ""),
    ("hosts:\n  ? [a]\n  : 10.0.0.1\n", 2, "a list or a table as a key", ""),
    ("defaults:\n  port: 0\nhosts: {a: 10.0.0.1}\n", 2, "defaults.port: expected a number from 1 to 65535", ""),
    ("defaults:\n  port: 65536\nhosts: {a: 10.0.0.1}\n", 2, "defaults.port: expected a number", ""),
    ("defaults:\n  port: ssh\nhosts: {a: 10.0.0.1}\n", 2, "defaults.port: expected a number", ""),
    ("defaults:\n  port: '22'\nhosts: {a: 10.0.0.1}\n", 2, "defaults.port: expected a number", "without quotes"),
    ("defaults:\n  port: 022\nhosts: {a: 10.0.0.1}\n", 2, "defaults.port: expected a number", ""),
    ("defaults:\n  port: true\nhosts: {a: 10.0.0.1}\n", 2, "defaults.port: expected a number", ""),
    ("defaults:\n  user: a b\nhosts: {a: 10.0.0.1}\n", 2, "defaults.user: expected a login name", ""),
    ("defaults:\n  user: -oProxyCommand=x\nhosts: {a: 10.0.0.1}\n", 2, "defaults.user: expected a login name", ""),
    (
        "defaults:\n  sudo: nopaswd\nhosts: {a: 10.0.0.1}\n",
        2,
        "defaults.sudo: expected nopasswd",
        "did you mean nopasswd?",
    ),
    ("defaults:\n  sudo: 'env:'\nhosts: {a: 10.0.0.1}\n", 2, "defaults.sudo: expected nopasswd", ""),
    ("defaults:\n  sudo: 'file:'\nhosts: {a: 10.0.0.1}\n", 2, "defaults.sudo: expected nopasswd", ""),
    ("defaults:\n  sudo: yes\nhosts: {a: 10.0.0.1}\n", 2, "defaults.sudo: expected nopasswd", ""),
    ("defaults:\n  target: new\nhosts: {a: 10.0.0.1}\n", 2, "defaults.target: expected a release such as 2.2.1", ""),
    (
        "defaults:\n  identity: ~nobody-of-this-name/id\nhosts: {a: 10.0.0.1}\n",
        2,
        "defaults.identity: expected a path",
        "",
    ),
    ("defaults:\n  address: 10.0.0.1\nhosts: {a: 10.0.0.1}\n", 2, "defaults.address: unknown key", ""),
    ("implied: no\nhosts: {a: 10.0.0.1}\n", 1, "implied: expected true or false", ""),
    ("known_hosts:\nhosts: {a: 10.0.0.1}\n", 1, "known_hosts: expected a path, found nothing", ""),
    ("hosts: {a: 10.0.0.1}\ndeployments:\n  d: [b]\n", 3, "deployments.d: no host is called b", ""),
    ("hosts: {web1: 10.0.0.1}\ndeployments:\n  d: [web2]\n", 3, "no host is called web2", "did you mean web1?"),
    ("hosts: {a: 10.0.0.1}\ndeployments:\n  d: []\n", 3, "deployments.d: expected a list of names", ""),
    ("hosts: {a: 10.0.0.1}\ndeployments:\n  d: a\n", 3, "deployments.d: expected keys with values, found one word", ""),
    ("hosts: {a: 10.0.0.1}\ndeployments:\n  d: {target: 2.2.1}\n", 3, "deployments.d.hosts: missing", ""),
    ("hosts: {a: 10.0.0.1}\ndeployments:\n  d: [a, a]\n", 3, "deployments.d: a stands here twice", ""),
    ("hosts: {a: 10.0.0.1}\ndeployments:\n  d: [a]\n  e: [a]\n", 4, "deployments.e: a is in d already", ""),
    (
        "hosts: {a: 10.0.0.1}\ngroups:\n  g: [nobody]\n",
        3,
        "groups.g: no deployment, host or group is called nobody",
        "",
    ),
    ("hosts: {a: 10.0.0.1}\ngroups:\n  g: [h]\n  h: [g]\n", 4, "groups.h: a group that holds itself: g, h, g", ""),
    ("hosts:\n  a: {address: 10.0.0.1, gateway: b}\n", 2, "hosts.a.gateway: no host of this file is called b", ""),
    ("hosts:\n  a: {address: 10.0.0.1, gateway: 'u@h:x'}\n", 2, "hosts.a.gateway: expected the name of a host", ""),
    ("hosts:\n  a: {address: 10.0.0.1, gateway: a}\n", 2, "hosts.a.gateway: the way goes in a circle: a, a", ""),
    ("defaults:\n  gateway: b\nhosts: {a: 10.0.0.1, b: {address: 10.0.0.2, gateway: a}}\n", 2, "in a circle", "direct"),
    ("hosts: {a: 10.0.0.1, b: 10.0.0.2}\ndeployments:\n  a: [b]\n", 3, "deployment a: the name stands for a host", ""),
    ("hosts: {a: 10.0.0.1, b: 10.0.0.2}\ngroups:\n  a: [b]\n", 3, "group a: the name stands for a", ""),
    (
        "hosts: {a: 10.0.0.1, b: 10.0.0.2}\ngroups:\n  prod: [b]\n",
        3,
        "group prod: the name stands for an environment",
        "",
    ),
    ("", 1, "the file is empty", "example.yml"),
    ("# nothing yet\n", 1, "the file is empty", "example.yml"),
    ("- a\n", 1, "expected keys such as hosts:", "example.yml"),
    ("hosts:\n\ta: 10.0.0.1\n", 2, "a tab, expected blanks", "two blanks a level"),
    ("hosts:\n  a: 10.0.0.1\n---\nhosts: {}\n", 3, "a second document begins", ""),
    ("hosts:\n  a: b: c\n", 2, "not valid YAML: mapping values are not allowed here", ""),
    ("hosts:\n  a: {address: 10.0.0.1\n", 3, "not valid YAML: expected ',' or '}'", ""),
    ("hosts:\n  a: *nowhere\n", 2, "not valid YAML: found undefined alias", ""),
    ("hosts:\n  a: @home\n", 2, "not valid YAML: found character '@'", "needs quotes"),
    ("hosts:\n  a: 'x\x01'\n", 2, "character '\\x01' has no place", ""),
    ("hosts:\n  a: !!python/object:os.system {}\n", 2, "a YAML tag, expected plain words", "needs quotes"),
    ("hosts: &a\n  a: *a\n", 2, "nested too deep, or an alias that holds itself", ""),
    ("hosts:\n  a: {<<: 3}\n", 2, "<<: expected a table to merge", ""),
]


@pytest.mark.parametrize(("text", "line", "says", "hint"), MISTAKES)
def test_a_mistake_is_named_with_file_line_key_and_what_was_expected(
    tmp_path: Path, text: str, line: int, says: str, hint: str
) -> None:
    path = write(tmp_path, "prod", text)
    with pytest.raises(InventoryError) as caught:
        inventory.load("prod", tmp_path)
    assert caught.value.message.startswith(f"{path}:{line}: ")
    assert says in caught.value.message
    assert hint in caught.value.hint
    assert "\n" not in caught.value.message and not caught.value.message.endswith(".")
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("key", ["password", "sudo_password", "sudo_pass", "passphrase", "api_token", "Password"])
def test_a_password_in_the_file_is_refused_and_not_shown(tmp_path: Path, key: str) -> None:
    write(tmp_path, "prod", f"hosts:\n  a:\n    address: 10.0.0.1\n    {key}: hunter2!\n")
    with pytest.raises(InventoryError, match=rf"prod.yml:4: hosts.a.{key}: a secret has no place") as caught:
        inventory.load("prod", tmp_path)
    assert "sudo: ask" in caught.value.hint and "env:NAME" in caught.value.hint
    assert "hunter2" not in caught.value.message + caught.value.hint


@pytest.mark.parametrize(
    "line",
    [
        "sudo: hunter2",
        "sudo: env:hunter2!",
        "sudo: !hunter2",
        "sudo: *hunter2",
        "sudo: [hunter2]",
        "gateway: me:hunter2@10.0.0.9:22",
        "address: me:hunter2@10.0.0.9",
        "user: me:hunter2",
        "implied: hunter2",
    ],
)
def test_a_password_in_the_wrong_place_is_not_shown_either(tmp_path: Path, line: str) -> None:
    write(tmp_path, "prod", f"hosts:\n  a:\n    port: 22\n    {line}\n")
    with pytest.raises(InventoryError) as caught:
        inventory.load("prod", tmp_path)
    assert "hunter2" not in caught.value.message + caught.value.hint
    assert caught.value.__context__ is None or caught.value.__suppress_context__


def test_nine_lines_that_stand_for_a_billion_values_are_refused_at_once(tmp_path: Path) -> None:
    levels = ["l0: &l0 [x, x, x, x, x, x, x, x, x]"]
    levels += [f"l{i}: &l{i} [{', '.join([f'*l{i - 1}'] * 9)}]" for i in range(1, 9)]
    merges = ["m0: &m0 {x: 1}", *(f"m{i}: &m{i} {{<<: [{', '.join([f'*m{i - 1}'] * 9)}]}}" for i in range(1, 9))]
    for lines in (levels, merges):
        write(tmp_path, "prod", "\n".join(lines))
        began = time.monotonic()
        with pytest.raises(InventoryError, match="at most 100000 values"):
            inventory.load("prod", tmp_path)
        assert time.monotonic() - began < 5


def test_a_file_that_is_too_deep_or_too_big_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "prod", "hosts: " + "[" * 5000)
    with pytest.raises(InventoryError, match="nested too deep"):
        inventory.load("prod", tmp_path)
    write(tmp_path, "prod", "#" * (2 << 20))
    with pytest.raises(InventoryError, match="expected at most 1048576"):
        inventory.load("prod", tmp_path)


def test_a_file_in_another_encoding_is_refused_with_the_line(tmp_path: Path) -> None:
    (tmp_path / "prod.yml").write_bytes("hosts:\n  a: 10.0.0.1 # Köln\n".encode("latin-1"))
    with pytest.raises(InventoryError, match=r"prod\.yml:2: not UTF-8") as caught:
        inventory.load("prod", tmp_path)
    assert "iconv" in caught.value.hint


def test_a_byte_order_mark_does_not_matter(tmp_path: Path) -> None:
    (tmp_path / "prod.yml").write_bytes(b"\xef\xbb\xbfhosts: {a: 10.0.0.1}\n")
    assert inventory.load("prod", tmp_path).hosts[0].name == "a"


def test_a_directory_without_environments_says_how_to_begin(tmp_path: Path) -> None:
    write(tmp_path, "example", "hosts: {a: 10.0.0.1}")
    with pytest.raises(InventoryError, match="expected an environment file") as caught:
        inventory.load("", tmp_path)
    assert caught.value.hint.startswith("cp ")
    with pytest.raises(InventoryError, match="no inventory there"):
        inventory.load("", tmp_path / "nowhere")


def test_a_file_name_that_hosts_cannot_take_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "my prod", "hosts: {a: 10.0.0.1}")
    with pytest.raises(InventoryError, match="expected a file name that --hosts can take"):
        inventory.load("", tmp_path)


# Several files.


def test_a_word_is_found_in_whatever_file_it_stands(tmp_path: Path) -> None:
    prod(tmp_path)
    write(tmp_path, "stage", "hosts: {box9: 10.9.0.1, box10: 10.9.0.2}\ngroups: {nine: [box9]}")
    assert names(inventory.load("nine", tmp_path).select("nine", whole=True)) == ["box9"]
    both = inventory.load("stage,pair", tmp_path).select("stage,pair", whole=True)
    assert names(both) == ["box9", "box10", "pair"]


def test_a_mistake_in_a_file_that_may_hold_the_word_is_an_error(tmp_path: Path) -> None:
    prod(tmp_path)
    write(tmp_path, "stage", "hosts: {a: 10.0.0.1")
    with pytest.raises(InventoryError, match=r"stage\.yml"):
        inventory.load("pair", tmp_path)
    assert names(inventory.load("prod", tmp_path).select("prod,!pair", whole=True)) == ["box", "solo"]


def test_two_files_may_hold_the_same_host_when_they_say_the_same(tmp_path: Path) -> None:
    write(tmp_path, "prod", "hosts: {a: 10.0.0.1, b: 10.0.0.2}")
    write(tmp_path, "west", "hosts: {b: 10.0.0.2}")
    both = inventory.load("*", tmp_path).select("prod,west", whole=True)
    assert names(both) == ["a", "b"]


@pytest.mark.parametrize(
    ("second", "what"),
    [
        ("hosts: {a: 10.0.0.9}", "host a: defined differently before"),
        ("hosts: {a: {address: 10.0.0.1, port: 23}}", "host a: defined differently before"),
        ("known_hosts: elsewhere\nhosts: {a: 10.0.0.1}", "host a: defined differently before"),
        ("hosts: {c: 10.0.0.3}\ngroups: {g: [c]}", "group g: defined differently before"),
        ("hosts: {c: 10.0.0.3}\ndeployments: {g: [c]}", "deployment g: the name stands for a group of other hosts"),
        ("hosts: {prod: 10.0.0.3}", "host prod: the name stands for an environment of other hosts"),
        ("hosts: {a: 10.0.0.1}\ndeployments: {d: [a]}", "deployment d: a is in the deployment a already"),
    ],
)
def test_one_name_for_two_things_is_refused_with_both_places(tmp_path: Path, second: str, what: str) -> None:
    write(tmp_path, "prod", "hosts: {a: 10.0.0.1, b: 10.0.0.2}\ngroups: {g: [b]}")
    write(tmp_path, "west", second)
    with pytest.raises(InventoryError) as caught:
        inventory.load("*", tmp_path)
    assert what in caught.value.message
    assert "west.yml:" in caught.value.message and "prod.yml:" in caught.value.message


def test_a_file_that_ends_in_yaml_is_not_read_and_that_is_said(tmp_path: Path) -> None:
    prod(tmp_path)
    (tmp_path / "west.yaml").write_text("hosts: {a: 10.0.0.1}")
    with pytest.raises(UnknownName) as caught:
        inventory.load("west", tmp_path).select("west", whole=False)
    assert "west.yaml is not read" in caught.value.hint


# --hosts.


@pytest.mark.parametrize(
    ("words", "deployments", "single"),
    [
        ("prod", ["box", "pair", "solo"], ["box", "left", "right", "solo"]),
        ("pair", ["pair"], ["left", "right"]),
        ("solo,box", ["solo", "box"], ["solo", "box"]),
        ("box,prod", ["box", "pair", "solo"], ["box", "left", "right", "solo"]),
        (" box , box ", ["box"], ["box"]),
        ("prod,!pair", ["box", "solo"], ["box", "solo"]),
        ("!pair,prod", ["box", "solo"], ["box", "solo"]),
        ("prod,!left,!right", ["box", "solo"], ["box", "solo"]),
        ("*o*", ["box", "pair", "solo"], ["box", "left", "right", "solo"]),
        ("s*", ["solo"], ["solo"]),
        ("prod,!?o*", ["pair"], ["left", "right"]),
        ("[lr]*,solo", ["pair", "solo"], ["left", "right", "solo"]),
        ("all-of-it,!dc1,!right", ["solo"], ["solo"]),
    ],
)
def test_words_choose(tmp_path: Path, words: str, deployments: list[str], single: list[str]) -> None:
    for whole in (True, False):
        selection = prod(tmp_path).select(words, whole=whole)
        assert (names(selection), hosts(selection), selection.notes) == (deployments, single, ())


def test_a_command_that_changes_takes_the_whole_deployment_of_a_host_and_says_so(tmp_path: Path) -> None:
    selection = prod(tmp_path).select("right", whole=True)
    assert (names(selection), hosts(selection)) == (["pair"], ["left", "right"])
    assert selection.notes == ("right stands for its deployment pair: left, right",)
    assert prod(tmp_path).select("dc1", whole=True).notes == ("left stands for its deployment pair: left, right",)
    assert prod(tmp_path).select("right,left", whole=True).notes == ()


def test_a_command_that_looks_may_take_a_single_host(tmp_path: Path) -> None:
    selection = prod(tmp_path).select("right", whole=False)
    assert (names(selection), hosts(selection), selection.notes) == (["pair"], ["right"], ())
    assert hosts(prod(tmp_path).select("prod,!left", whole=False)) == ["box", "right", "solo"]


def test_leaving_out_half_a_deployment_is_refused(tmp_path: Path) -> None:
    for words in ("prod,!left", "prod,!dc1", "right,!left"):
        with pytest.raises(UsageError, match="leaving out left splits the deployment pair: left, right") as caught:
            prod(tmp_path).select(words, whole=True)
        assert "'!pair'" in caught.value.hint


def test_leaving_out_what_was_not_asked_for_is_noted(tmp_path: Path) -> None:
    assert prod(tmp_path).select("box,!left", whole=True).notes == ("!left leaves out nothing that was asked for",)


def test_an_unknown_word_lists_the_known_ones_the_near_ones_first(tmp_path: Path) -> None:
    for words in ("sollo", "prod,!sollo"):
        with pytest.raises(UnknownName, match="no environment, group, deployment or host is called sollo") as caught:
            prod(tmp_path).select(words, whole=False)
        assert caught.value.hint == "did you mean solo? known: solo, prod, dc1, all-of-it, box, pair, left, right"


@pytest.mark.parametrize("words", ["--yes", "x*", "prod,!x*", "prod pair", "PROD", "10.0.0.1", "prod.yml"])
def test_nothing_is_guessed(tmp_path: Path, words: str) -> None:
    with pytest.raises(UnknownName):
        prod(tmp_path).select(words, whole=True)


@pytest.mark.parametrize("words", [",", "!", "prod,!", "!prod", "prod,!prod", "prod,!*"])
def test_what_selects_nothing_is_an_error(tmp_path: Path, words: str) -> None:
    with pytest.raises(UsageError):
        prod(tmp_path).select(words, whole=False)


def test_a_long_inventory_does_not_fill_the_screen(tmp_path: Path) -> None:
    lines = "".join(f"  st2-{i}: 10.0.{i // 250}.{i % 250 + 1}\n" for i in range(800))
    write(tmp_path, "prod", f"hosts:\n{lines}")
    with pytest.raises(UnknownName) as caught:
        inventory.load("st2-7777", tmp_path).select("st2-7777", whole=True)
    assert caught.value.hint.startswith("did you mean st2-777")
    assert caught.value.hint.endswith("and 741 more (invoke inventory.show)")


def test_no_words_mean_the_only_deployment(tmp_path: Path) -> None:
    write(tmp_path, "home", "hosts: {box: 10.0.0.1}")
    write(tmp_path, "lab", "implied: false\nhosts: {one: 10.1.0.1, two: 10.1.0.2}")
    selection = inventory.load("", tmp_path).select("", whole=True)
    assert (names(selection), hosts(selection)) == (["box"], ["box"])


def test_no_words_are_refused_when_there_are_several_deployments_or_none(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="the inventory has 3 deployments") as caught:
        prod(tmp_path).select(" ", whole=True)
    assert caught.value.hint.startswith("add --hosts NAME, as in --hosts prod; known: prod, dc1, all-of-it, box")
    with pytest.raises(UsageError, match="no deployment that goes without saying"):
        inventory.load("", SHIPPED).select("", whole=True)


# Whatever is typed.

SIZES = st.lists(st.integers(1, 3), min_size=1, max_size=5)


@st.composite
def fleets(draw: st.DrawFn) -> Inventory:
    deployments = tuple(
        Deployment(f"d{i}", tuple(Host(f"d{i}-h{j}", "10.0.0.1") for j in range(size)))
        for i, size in enumerate(draw(SIZES))
    )
    every = [host.name for deployment in deployments for host in deployment.hosts]
    groups = draw(st.dictionaries(st.sampled_from(["g1", "g2"]), st.lists(st.sampled_from(every), min_size=1)))
    return Inventory(
        deployments=deployments,
        groups={name: tuple(dict.fromkeys(members)) for name, members in groups.items()},
        environments={"prod": tuple(every)},
    )


@st.composite
def requests(draw: st.DrawFn) -> tuple[Inventory, list[str], list[str]]:
    fleet = draw(fleets())
    words = st.sampled_from([*fleet.names, "*", "d*", "*-h1", "d0*"])
    return fleet, draw(st.lists(words, min_size=1, max_size=4)), draw(st.lists(words, max_size=2))


def typed(take: list[str], leave: list[str]) -> str:
    return ",".join([*take, *(f"!{word}" for word in leave)])


@given(requests(), st.booleans())
def test_a_selection_names_each_host_once_and_only_hosts_of_its_deployments(
    request: tuple[Inventory, list[str], list[str]], whole: bool
) -> None:
    fleet, take, leave = request
    try:
        selection = fleet.select(typed(take, leave), whole=whole)
    except UsageError:
        return
    assert selection.hosts and len(set(selection.hosts)) == len(selection.hosts)
    owners = [next(each for each in fleet.deployments if host in each.hosts) for host in selection.hosts]
    assert list(dict.fromkeys(owners)) == list(selection.deployments)


@given(requests())
def test_a_selection_for_a_change_never_splits_a_deployment(request: tuple[Inventory, list[str], list[str]]) -> None:
    fleet, take, leave = request
    try:
        selection = fleet.select(typed(take, leave), whole=True)
    except UsageError:
        return
    assert list(selection.hosts) == [host for deployment in selection.deployments for host in deployment.hosts]


@given(requests(), st.booleans())
def test_leaving_out_what_was_taken_leaves_nothing(
    request: tuple[Inventory, list[str], list[str]], whole: bool
) -> None:
    fleet, take, _ = request
    with pytest.raises(UsageError):
        fleet.select(typed(take, take), whole=whole)


@given(requests())
def test_the_first_word_comes_first(request: tuple[Inventory, list[str], list[str]]) -> None:
    fleet, take, _ = request
    assume(all(any(fnmatchcase(name, word) for name in fleet.names) for word in take))
    for whole in (True, False):
        first, all_of_it = fleet.select(take[0], whole=whole), fleet.select(typed(take, []), whole=whole)
        assert all_of_it.hosts[0] in first.deployments[0].hosts
        assert set(first.hosts) <= set(all_of_it.hosts)


def test_an_environment_remembers_where_everything_stands(tmp_path: Path) -> None:
    environment: Environment = read_environment(write(tmp_path, "prod", PROD))
    assert str(environment.places["hosts.right.port"]) == f"{tmp_path / 'prod.yml'}:5"
    assert str(environment.places["groups.dc1"]) == f"{tmp_path / 'prod.yml'}:11"


# Where the credentials for the st2 API come from.


def st2_auth(directory: Path, written: str) -> St2Auth:
    write(directory, "prod", f"hosts:\n  a:\n    address: 10.0.0.1\n    st2_auth: {written}\n")
    return inventory.load("prod", directory).hosts[0].st2_auth


def test_the_credentials_of_st2_come_from_the_host_itself_unless_it_is_said(tmp_path: Path) -> None:
    assert st2_auth(tmp_path, "{from: environment, token: ST2_AUTH_TOKEN}") == St2Auth(
        "environment", token="ST2_AUTH_TOKEN"
    )
    assert st2_auth(tmp_path, "{from: environment, api_key: KEY}") == St2Auth("environment", api_key="KEY")
    assert st2_auth(tmp_path, "{from: prompt}") == St2Auth("prompt")
    write(tmp_path, "prod", "defaults: {st2_auth: {from: prompt}}\nhosts: {a: 10.0.0.1}\n")
    assert inventory.load("prod", tmp_path).hosts[0].st2_auth == St2Auth("prompt")
    write(tmp_path, "prod", "hosts: {a: 10.0.0.1}\n")
    assert inventory.load("prod", tmp_path).hosts[0].st2_auth == St2Auth("host")


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("{token: ST2_AUTH_TOKEN}", "st2_auth.from: missing, expected one of environment, prompt, host"),
        ("{from: enviroment, token: T}", "st2_auth.from: expected one of"),
        ("{from: environment}", "expected token: or api_key:"),
        ("{from: environment, token: T, api_key: K}", "one of them only"),
        ("{from: host, token: T}", "goes with from: environment only"),
        ("{from: environment, token: 0a1b2c3d4e}", "expected the name of an environment variable"),
        ("{from: environment, token: a0b1c2d3e4}", "expected the name of an environment variable"),
        ("{from: environment, password: hunter2}", "a secret has no place in an inventory"),
        ("host", "expected keys with values"),
    ],
)
def test_credentials_in_the_wrong_place_are_named_and_never_shown(tmp_path: Path, written: str, said: str) -> None:
    with pytest.raises(InventoryError) as caught:
        st2_auth(tmp_path, written)
    told = caught.value.message + caught.value.hint
    assert said in told and "prod.yml:4" in told
    assert not [word for word in ("0a1b2c3d4e", "a0b1c2d3e4", "hunter2") if word in told]
