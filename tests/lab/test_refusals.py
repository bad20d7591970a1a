"""What an operator gets wrong, or the world does: one sentence, a hint, the right exit code, and nothing changed."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.fleet import Fleet
from tests.lab.desk import Operator, Said, write_inventory

pytestmark = [pytest.mark.lab, pytest.mark.usefixtures("as_prepared")]


@pytest.fixture
def operator(fleet: Fleet, tmp_path: Path) -> Operator:
    write_inventory(tmp_path, fleet)
    return Operator(tmp_path, fleet)


@pytest.fixture(autouse=True)
def _nothing_changed(fleet: Fleet) -> Iterator[None]:
    """Every test of this file: no journal, no hold, no package changed on any host."""
    fleet.execute("apt1", "rm", "-rf", "/var/lib/stormlift")
    versions = fleet.execute("apt1", "dpkg-query", "-W").stdout
    yield
    assert fleet.execute("apt1", "dpkg-query", "-W").stdout == versions
    assert fleet.execute("apt1", "ls", "/var/lib/stormlift", check=False).returncode != 0


def refused(said: Said, code: int, *words: str) -> None:
    errors = [line for line in said.err.splitlines() if line.startswith("stormlift: error: ")]
    assert said.code == code, said.all
    assert len(errors) == 1 and "Traceback" not in said.err, said.all
    assert "stormlift: hint: " in said.err
    for word in words:
        assert word in said.err, said.all


def test_an_unknown_host_key(operator: Operator, tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("")
    text = (tmp_path / "lab.yml").read_text()
    lines = [
        f"known_hosts: {tmp_path / 'empty'}" if line.startswith("known_hosts:") else line for line in text.splitlines()
    ]
    (tmp_path / "lab.yml").write_text("\n".join(lines))
    refused(operator.types("upgrade", "--hosts", "apt1", "--yes"), 5, "SHA256:", "invoke inventory.trust --hosts apt1")

    said = operator.types("inventory.trust", "--hosts", "apt1", "--yes")
    assert said.code == 0 and "new" in said.out
    assert operator.types("status", "--hosts", "apt1").code == 0


def test_a_host_that_cannot_be_reached(operator: Operator, tmp_path: Path, fleet: Fleet) -> None:
    write_inventory(tmp_path, fleet, yum1={"port": 1})
    refused(operator.types("upgrade", "--hosts", "lab", "--yes"), 5, "yum1: 127.0.0.1 port 1: connection refused")


def test_a_host_that_cannot_be_reached_may_be_left_out_with_its_deployment(
    operator: Operator, tmp_path: Path, fleet: Fleet
) -> None:
    write_inventory(tmp_path, fleet, yum2={"port": 1})
    said = operator.types("--dry", "upgrade", "--hosts", "apt1,pair", "--skip-unreachable", "--json")
    assert said.code == 0, said.all
    assert [each["name"] for each in said.json["deployments"]] == ["apt1"]
    assert said.json["rollout"]["batches"] == [["apt1"]]
    reason = "yum2: 127.0.0.1 port 1: connection refused"
    assert said.json["skipped"] == [{"name": "pair", "hosts": ["apt2", "yum2"], "reason": reason}]
    refused(operator.types("upgrade", "--hosts", "pair", "--skip-unreachable", "--yes"), 5, reason)


def test_an_unknown_distribution(operator: Operator, fleet: Fleet) -> None:
    fleet.execute(
        "apt1",
        "sh",
        "-c",
        "printf 'ID=slackware\\nVERSION_ID=15\\nPRETTY_NAME=Slackware\\n' > /run/os; mount --bind /run/os /etc/os-release",
    )
    try:
        refused(operator.types("upgrade", "--hosts", "apt1", "--yes"), 2, "Slackware", "is none that st2 was built for")
    finally:
        fleet.execute("apt1", "umount", "/etc/os-release")


def test_an_unknown_release(operator: Operator) -> None:
    refused(
        operator.types("upgrade", "--hosts", "apt1", "--to", "2.2.9", "--yes"),
        2,
        "'2.2.9' is not an st2 release",
        "2.2.1",
    )


def test_a_downgrade(operator: Operator) -> None:
    refused(operator.types("upgrade", "--hosts", "apt1", "--to", "1.6.0", "--yes"), 2, "1.6.0 is older than 2.0.1")


def test_a_release_that_no_repository_offers(operator: Operator) -> None:
    refused(
        operator.types("upgrade", "--hosts", "apt1", "--to", "2.1.0", "--yes"),
        2,
        "offer no st2 2.1.0",
        "apt-get update",
    )


def test_bad_yaml(operator: Operator, tmp_path: Path) -> None:
    (tmp_path / "lab.yml").write_text("hosts:\n  apt1: {address: 127.0.0.1\n")
    refused(operator.types("upgrade", "--hosts", "lab", "--yes"), 2, "lab.yml:")


def test_an_unknown_name(operator: Operator) -> None:
    refused(operator.types("upgrade", "--hosts", "prd", "--yes"), 2, "prd", "lab")


def test_no_hosts_at_all(operator: Operator) -> None:
    refused(operator.types("upgrade", "--yes"), 2, "invoke upgrade --hosts")
    refused(operator.types("mistral.recover", "--yes"), 2, "--hosts")


def test_nobody_to_ask(operator: Operator) -> None:
    refused(operator.types("upgrade", "--hosts", "apt1"), 2, "--yes")


def test_a_wrong_sudo_password(operator: Operator, tmp_path: Path) -> None:
    (tmp_path / "sudo-password").write_text("wrong\n")
    refused(operator.types("upgrade", "--hosts", "pair", "--yes"), 5, "yum2: sudo refuses the password of deploy")


def test_a_user_without_any_right(operator: Operator, tmp_path: Path, fleet: Fleet) -> None:
    write_inventory(tmp_path, fleet, apt1={"user": "nosudo"})
    refused(operator.types("upgrade", "--hosts", "apt1", "--yes"), 5, "apt1: ")


@pytest.mark.parametrize(
    "words", [("plan", "--hosts", "apt1"), ("upgrade", "--hosts", "apt1", "--dry"), ("status", "--hosts", "apt1")]
)
def test_looking_changes_nothing(operator: Operator, words: tuple[str, ...]) -> None:
    said = operator.types(*words)
    assert said.code == 0, said.all
    assert "2.0.1" in said.out


def test_bare_recover_works_in_an_inventory_of_one(operator: Operator, tmp_path: Path) -> None:
    text = (tmp_path / "lab.yml").read_text().replace("implied: false", "implied: true")
    import yaml

    data = yaml.safe_load(text)
    data["hosts"] = {"apt1": data["hosts"]["apt1"]}
    data["deployments"] = {"apt1": ["apt1"]}
    (tmp_path / "lab.yml").write_text(yaml.safe_dump(data))
    refused(operator.types("mistral.recover", "--yes"), 2, "mistral.recover repairs a broken database only")


SMALL = """mkdir -p /run/small && mount -t tmpfs -o size=8m tmpfs /run/small && mkdir /run/small/upper /run/small/work &&
mount -t overlay -o lowerdir=/opt,upperdir=/run/small/upper,workdir=/run/small/work overlay /opt"""


def test_a_finding_is_waived_by_its_name_with_a_reason(operator: Operator, fleet: Fleet) -> None:
    fleet.execute("apt1", "sh", "-c", SMALL)
    try:
        words = ("plan", "--hosts", "apt1", "--waive")
        refused(operator.types("upgrade", "--hosts", "apt1", "--yes"), 2, "/opt has", "free space under /opt")
        refused(operator.types(*words, "disk-short"), 2, "KEY=REASON")
        said = operator.types(*words, "disk-short=the volume grows at noon", "--waive", "paused=oh")
        assert said.code == 0 and "inhibitor, waived: apt1: /opt has" in said.out, said.all
        assert "waived: the volume grows at noon" in said.out and "nothing to waive: paused" in said.err
    finally:
        fleet.execute("apt1", "sh", "-c", "umount /opt && umount /run/small")


def test_what_would_fail_in_the_middle_cannot_be_waived(operator: Operator, fleet: Fleet) -> None:
    fleet.execute("apt1", "apt-mark", "hold", "st2web")
    try:
        words = ("upgrade", "--hosts", "apt1", "--yes", "--waive", "package-held=I know")
        refused(operator.types(*words), 2, "package-held cannot be waived", "apt-mark unhold st2web")
    finally:
        fleet.execute("apt1", "apt-mark", "unhold", "st2web")
