"""Configuration over an upgrade with real packages: nothing of the operator's is lost, and what is new is shown."""

import hashlib
from typing import Any

import pytest

from lab.fleet import Fleet
from tests.lab.desk import Operator, Said, write_inventory
from tests.lab.ground import Ground

pytestmark = pytest.mark.lab
HOSTS = ("apt1", "yum1")
BESIDE = {"apt1": "dpkg-dist", "yum1": "rpmnew"}
CANARY = "kanarie-4711"
CONF = "/etc/st2/st2.conf"
WEB = "/opt/stackstorm/static/webui/config.js"
CHAT = "/opt/stackstorm/chatops/st2chatops.env"
LOGROTATE = "/etc/logrotate.d/st2"
# What an operator wrote into files of four packages.
EDITS = f"""
sed -i 's/^protocol = udp$/protocol = tcp/' {CONF}
printf '\\n[mine]\\npassword = {CANARY}\\n' >>{CONF}
printf '// mine\\n' >>{WEB}; chmod 640 {WEB}
printf 'export HUBOT_SLACK_TOKEN={CANARY}\\n' >>{CHAT}
printf '# mine\\n' >>{LOGROTATE}
printf '# password = {CANARY}\\n' >>/etc/mistral/mistral.conf
"""
MINE = (CONF, WEB, CHAT, LOGROTATE, "/etc/mistral/mistral.conf")


@pytest.fixture(scope="module")
def operator(ground: Ground, tmp_path_factory: pytest.TempPathFactory) -> Operator:
    folder = tmp_path_factory.mktemp("desk")
    fleet = ground.fresh(*HOSTS)
    write_inventory(folder, fleet)
    for host in HOSTS:
        fleet.execute(host, "sh", "-c", EDITS)
    return Operator(folder, fleet)


def picture(fleet: Fleet, host: str) -> str:
    """Content, owner and mode of what the operator has edited."""
    each = f"for f in {' '.join(MINE)}; do stat -c '%n %a %U:%G' $f; sha256sum <$f; done"
    return fleet.execute(host, "sh", "-c", each).stdout


@pytest.fixture(scope="module")
def before(operator: Operator) -> dict[str, str]:
    return {host: picture(operator.fleet, host) for host in HOSTS}


@pytest.fixture(scope="module")
def upgraded(operator: Operator, before: dict[str, str]) -> Said:
    """Both single boxes from 2.0.1 to 2.2.1, with what was edited."""
    said = operator.types("upgrade", "--hosts", "apt1,yum1", "--to", "2.2.1", "--batch", "100%", "--yes")
    assert said.code == 0, said.all
    return said


@pytest.fixture(scope="module")
def shown(operator: Operator, upgraded: Said) -> dict[str, dict[str, Any]]:
    """What `config.diff` says of each file, by host and file."""
    said = operator.types("config.diff", "--hosts", "apt1,yum1", "--json")
    assert said.code == 0 and CANARY not in said.out + said.err, said.all
    return {row["name"]: {each["file"]: each for each in row["files"]} for row in said.json["hosts"]}


@pytest.mark.parametrize("host", HOSTS)
def test_nothing_of_the_operator_s_is_lost_byte_for_byte(
    operator: Operator, upgraded: Said, before: dict[str, str], host: str
) -> None:
    assert picture(operator.fleet, host) == before[host]


@pytest.mark.parametrize("host", HOSTS)
def test_the_new_st2_conf_is_shown_against_the_old_default(shown: dict[str, dict[str, Any]], host: str) -> None:
    """2.1.0 and 2.2.0 changed the packaged st2.conf; the old one was in the old package alone."""
    row = shown[host][CONF]
    assert row["beside"] == f"{CONF}.{BESIDE[host]}"
    assert row["from"].startswith("2.0.1") and row["to"].startswith("2.2.1")
    assert row["verdict"] in ("new", "conflict")
    assert {"[content] index_url", "[system] validate_output_schema"} <= set(row["new"])
    text = "\n".join(row["text"])
    assert "+protocol = tcp" in text and "+password = [secret]" in text and "2.0.1 as shipped" in text


@pytest.mark.parametrize("host", HOSTS)
def test_the_new_default_itself_is_there_and_in_the_run_s_folder(
    operator: Operator, shown: dict[str, dict[str, Any]], host: str
) -> None:
    beside = shown[host][CONF]["beside"]
    same = f"cmp {beside} /var/lib/stormlift/*/defaults/2.2.1/new{CONF} && cat {beside}"
    assert "validate_output_schema" in operator.fleet.execute(host, "sh", "-c", same).stdout


@pytest.mark.parametrize("host", HOSTS)
def test_config_js_is_the_operator_s_and_the_new_one_lies_beside_it(
    operator: Operator, shown: dict[str, dict[str, Any]], host: str
) -> None:
    fleet = operator.fleet
    assert fleet.execute(host, "tail", "-n", "1", WEB).stdout == "// mine\n"
    assert "2.2.1" in fleet.execute(host, "head", "-n", "1", f"{WEB}.{BESIDE[host]}").stdout
    assert shown[host][WEB]["beside"] == f"{WEB}.{BESIDE[host]}"


@pytest.mark.parametrize("host", HOSTS)
def test_no_password_of_the_files_is_in_a_log_of_the_run(operator: Operator, upgraded: Said, host: str) -> None:
    logs = f"cat /var/lib/stormlift/*/*/log | grep -c {CANARY}"
    assert operator.fleet.execute(host, "sh", "-c", logs, check=False).stdout.strip() == "0"
    assert CANARY not in upgraded.out + upgraded.err


@pytest.mark.parametrize("host", HOSTS)
def test_the_log_of_the_run_shows_the_diff(operator: Operator, upgraded: Said, host: str) -> None:
    text = operator.fleet.execute(host, "sh", "-c", "cat /var/lib/stormlift/*/*config.show.1/log").stdout
    assert "[content] index_url" in text
    assert "+protocol = tcp" in text


def test_looking_changes_nothing(operator: Operator, shown: dict[str, dict[str, Any]]) -> None:
    everything = (
        "find /etc /opt/stackstorm/static /opt/stackstorm/chatops /var/lib/stormlift -printf '%p %s %T@ %m\\n' | sort"
    )
    seen = []
    for _ in range(2):
        told = [operator.fleet.execute(host, "sh", "-c", everything).stdout for host in HOSTS]
        seen.append(hashlib.sha256("".join(told).encode()).hexdigest())
        assert operator.types("config.diff", "--hosts", "apt1,yum1").code == 0
    assert seen[0] == seen[1]


@pytest.mark.parametrize("host", HOSTS)
def test_the_next_plan_points_to_what_was_not_settled(
    operator: Operator, shown: dict[str, dict[str, Any]], host: str
) -> None:
    said = operator.types("plan", "--hosts", host, "--to", "2.3.2", "--json")
    left = [each for each in said.json["findings"] if each["key"] == "conffile-left"]
    assert len(left) == 1 and f"invoke config.diff --hosts {host}" in left[0]["remedy"], said.all


def test_the_way_that_the_remedy_says_leaves_nothing_unsettled(
    operator: Operator, shown: dict[str, dict[str, Any]]
) -> None:
    """Last of this file: what was shown is taken over, and what lay beside is removed."""
    for host in HOSTS:
        operator.fleet.execute(host, "rm", *(row["beside"] for row in shown[host].values()))
    said = operator.types("config.diff", "--hosts", "apt1,yum1")
    assert said.out.count("nothing lies unsettled beside its configuration") == 2, said.all
