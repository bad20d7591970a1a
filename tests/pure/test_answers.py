"""What hosts say of themselves, as recorded from hosts of both families and as they may say it elsewhere."""

import json
from pathlib import Path

import pytest

from remote import facts as parsers
from rollout import catalogue, journal
from rollout.codec import Malformed
from rollout.errors import StepFailed
from rollout.facts import Facts, LockFacts, Session
from rollout.model import UnitState

ANSWERS = Path(__file__).parent / "data" / "answers"


def answer(name: str) -> str:
    return (ANSWERS / f"{name}.txt").read_text()


def read(name: str) -> Facts:
    return parsers.read(name.split("-", maxsplit=1)[0], answer(name))


# Whole answers.


def test_a_host_of_the_apt_family() -> None:
    facts = read("apt1-2.0.1")
    assert (facts.host, facts.distro, facts.os_name) == ("apt1", "xenial", "Ubuntu 16.04.7 LTS")
    assert (facts.init, facts.manager, facts.expected_manager) == ("systemd", "apt", "apt")
    assert facts.installed == {"st2": "2.0.1-6", "st2web": "2.0.1-3", "st2chatops": "2.0.1-2", "st2mistral": "2.0.1-3"}
    assert facts.release == "2.0.1" and facts.unhealthy == facts.held == ()
    assert facts.available["st2"] == ("2.2.1-8", "2.2.0-7", "2.1.1-3", "2.0.1-6", "1.5.1-4", "1.4.0-8")
    assert facts.units["st2api"] == UnitState("active", "enabled") and "st2api.socket" not in facts.units
    assert set(catalogue.MISTRAL_UNITS) <= set(facts.units) and len(facts.processes) == 14
    assert facts.evidence == {"keys-unscoped": 0, "keys-old-scope": 40}
    assert facts.tools == ("apt-get", "dpkg-query")
    assert facts.journal == () and facts.damage == "" and facts.lock is None and facts.fence == 0
    assert facts.free_kib["/var"] == 80521976 and facts.clock > 0 and len(facts.machine) == 32


def test_its_mistral() -> None:
    state = read("apt1-2.0.1").mistral
    assert state is not None
    assert (state.state, state.revision, state.head, state.unfinished) == ("upgraded", "011", "011", 2)
    assert state.rows == {"executions_v2": 20} and state.identity.endswith("/mistral")
    assert state.sessions == (Session("127.0.0.1/32", "", "mistral"),) * 2


def test_a_host_of_the_yum_family() -> None:
    facts = read("yum1-2.0.1")
    assert (facts.distro, facts.manager, facts.expected_manager) == ("el7", "yum", "yum")
    assert facts.installed["bwc-enterprise"] == "2.0.1-2"
    assert facts.available["bwc-enterprise"] == ("2.2.1-3", "2.2.0-2", "2.1.1-1", "2.0.1-2")
    assert set(facts.available) <= set(catalogue.PACKAGES)


def test_a_host_whose_upgrade_failed_at_its_last_step_but_two() -> None:
    facts = read("apt1-restart-failed")
    assert facts.release == "2.2.1" and journal.settled(facts.journal) == "" and facts.fence == 1
    opened = journal.open_run(facts.journal)
    assert opened is not None and opened.data["to"] == "2.2.1"
    assert journal.status(facts.journal, opened.run, "2.2.1:mistral.upgrade").state == "done"
    failed = journal.status(facts.journal, opened.run, "2.2.1:2.1.restart")
    assert (failed.state, failed.attempts, failed.code) == ("failed", 1, 1)
    assert journal.status(facts.journal, opened.run, "2.2.1:settle.record").state == "none"


@pytest.mark.parametrize("keep", [0.0, 0.3, 0.9, 0.999])
def test_an_answer_that_was_cut_off_is_no_answer(keep: float) -> None:
    text = answer("apt1-2.0.1")
    with pytest.raises(StepFailed, match="apt1: cannot read") as caught:
        parsers.read("apt1", text[: int(len(text) * keep)].replace("@end", ""))
    assert caught.value.host == "apt1" and caught.value.hint


def test_a_host_that_says_nothing_but_the_end_is_empty_and_not_a_crash() -> None:
    facts = parsers.read("a", "\n@end\n")
    assert (facts.distro, facts.manager, facts.release, facts.mistral) == ("", "", "", None)


def test_what_a_login_prints_first_is_no_section() -> None:
    assert parsers.read("apt1", f"Welcome!\n@nosuch\n{answer('apt1-2.0.1')}") == read("apt1-2.0.1")


def test_sections_end_where_the_next_begins() -> None:
    assert parsers.sections("\n@os\nID=x\n\n@hold\n\n@end\n") == {"os": "ID=x", "hold": ""}
    with pytest.raises(Malformed):
        parsers.sections("@os\nID=x\n")


# The system.


@pytest.mark.parametrize(
    ("os_release", "redhat", "said"),
    [
        ('ID=ubuntu\nVERSION_ID="14.04"\nPRETTY_NAME="U"', "", ("ubuntu", "14.04", "U")),
        ("ID='centos'\nVERSION_ID='7'", "CentOS Linux release 7.9.2009 (Core)", ("centos", "7", "centos")),
        ("", "CentOS release 6.9 (Final)", ("centos", "6.9", "CentOS release 6.9 (Final)")),
        (
            "",
            "Red Hat Enterprise Linux Server release 6.10 (Santiago)",
            ("centos", "6.10", "Red Hat Enterprise Linux Server release 6.10 (Santiago)"),
        ),
        ("", "", ("", "", "")),
        ("# comment\n\nID=debian\n", "", ("debian", "", "debian")),
    ],
)
def test_the_system_is_read_from_either_file(os_release: str, redhat: str, said: tuple[str, str, str]) -> None:
    assert parsers.read_os(os_release, redhat) == said


@pytest.mark.parametrize(
    ("tools", "manager"),
    [
        ("apt-get\ndpkg-query", "apt"),
        ("yum\nrpm", "yum"),
        ("apt-get\ndpkg-query\nrpm", "apt"),
        ("yum\nrpm\ndpkg-query", "yum"),
        ("apt-get", ""),
        ("rpm", ""),
        ("", ""),
    ],
)
def test_the_manager_is_the_one_that_the_host_has_whole(tools: str, manager: str) -> None:
    assert parsers.read_manager(tools) == manager


# Packages.


def test_offers_are_sorted_by_version_newest_first() -> None:
    text = "st2 2.9.3-1\nst2 2.10.0-2\nst2 2.10.0-10\nst2 2.10.0-2\nst2web 2.2.1-3\nvim 9-1\nodd"
    assert parsers.read_available("apt", text) == {
        "st2": ("2.10.0-10", "2.10.0-2", "2.9.3-1"),
        "st2web": ("2.2.1-3",),
    }


def test_offers_of_yum_are_read_with_epochs_and_without_architecture() -> None:
    text = "Available Packages\nst2.x86_64   1:2.2.1-8.el7   StackStorm_stable\nst2.x86_64  2.9.0-1  x\nst2web.noarch 2.2.1-3 x"
    assert parsers.read_available("yum", text) == {"st2": ("1:2.2.1-8.el7", "2.9.0-1"), "st2web": ("2.2.1-3",)}


@pytest.mark.parametrize("odd", ["2.2.1~rc1-1", "master-1", "2.2.1.git20170401-1"])
def test_one_odd_version_in_a_repository_hides_none_of_the_others(odd: str) -> None:
    found = parsers.read_available("apt", f"st2 2.2.0-7\nst2 {odd}\nst2 2.2.1-8")
    assert [version for version in found["st2"] if version != odd] == ["2.2.1-8", "2.2.0-7"]


# Units, disks.


def test_units_that_are_not_there_are_left_out_and_masked_ones_are_not() -> None:
    text = (
        "Id=st2api.service\nLoadState=loaded\nActiveState=failed\nUnitFileState=enabled\n\n"
        "Id=st2auth.service\nLoadState=masked\nActiveState=inactive\nUnitFileState=masked\n\n"
        "Id=st2web.service\nLoadState=not-found\nActiveState=inactive\nUnitFileState=\n\n"
        "Id=st2api.socket\nLoadState=loaded\nActiveState=active\nUnitFileState=static\n"
    )
    assert parsers.read_units(text) == {
        "st2api": UnitState("failed", "enabled"),
        "st2auth": UnitState("inactive", "masked"),
        "st2api.socket": UnitState("active", "static"),
    }
    assert parsers.read_units("") == {}


def test_free_space_belongs_to_the_place_that_was_asked_about() -> None:
    head = "Filesystem     1024-blocks     Used Available Capacity Mounted on\n"
    text = head + "/dev/sda1 100 40 60 40% /\n/dev/sdb1 100 90 10 90% /opt\ntmpfs 50 0 50 0% /tmp\n"
    assert parsers.read_disk(text) == {"/var": 60, "/opt": 10, "/tmp": 50}
    assert parsers.read_disk("") == {}


# Mistral, journal, lock.


def test_a_host_without_mistral_has_none() -> None:
    assert parsers.read_mistral("") is None
    assert parsers.read("a", "\n@packages\nst2 2.2.1-8\n@mistral\n@end\n").mistral is None


def test_a_mistral_whose_virtualenv_is_gone_is_not_taken_for_none() -> None:
    """Its python is a link to one that an upgrade of the system took away; the package manager still has the package."""
    state = parsers.read("a", "\n@packages\nst2mistral 2.2.1-4\n@mistral\n@end\n").mistral
    assert state is not None and state.state == "half-installed" and "st2mistral is not whole" in state.sentence


def test_noise_before_the_state_is_no_harm_and_noise_instead_of_it_is_a_state_of_its_own() -> None:
    state = parsers.read_mistral('SADeprecationWarning: old\n{"state": "old", "revision": "011", "head": "020"}\n')
    assert state is not None and (state.state, state.revision) == ("old", "011")
    state = parsers.read_mistral("Traceback (most recent call last):\nImportError: No module named psycopg2")
    assert state is not None and state.state == "unreachable" and "psycopg2" in state.sentence


def test_a_store_that_was_not_looked_at_is_none_and_noise_is_a_look_that_failed() -> None:
    assert parsers.read_store("") is None
    state = parsers.read_store(
        'DeprecationWarning: old\n{"db": "st2", "size": 7, "collections": {"a": 1}, "tool": "3.4.24"}\n'
    )
    assert state is not None and (state.db, state.size, state.tool, state.restore_tool) == ("st2", 7, "3.4.24", "")
    state = parsers.read_store("Segmentation fault")
    assert state is not None and state.cause == "library" and "Segmentation fault" in state.sentence


def test_a_damaged_journal_is_said_and_not_raised() -> None:
    records, damage = parsers.read_journal(
        '{"v":1,"run":"r","event":"opened"}\nrubbish\n{"v":1,"run":"r","event":"closed"}'
    )
    assert "line 2" in damage and records == ()


def holder(**changes: object) -> str:
    return json.dumps(
        {"run": "r1", "by": "op@console", "message": "upgrade", "fence": 7, "plan": "p", "pid": 5, **changes}
    )


def test_a_lock_is_read() -> None:
    assert parsers.read_lock(f"12\nabcd\n{holder()}") == LockFacts("r1", "op@console", "upgrade", 7, 12, "abcd", "p", 5)
    assert parsers.read_lock("") is None


@pytest.mark.parametrize("text", ["12\nabcd\n", "12\nabcd\nrubbish", "12\nabcd\n{}", f"12\nabcd\n{holder(fence='x')}"])
def test_a_lock_whose_holder_cannot_be_read_is_still_a_lock(text: str) -> None:
    lock = parsers.read_lock(text)
    assert lock is not None
    assert (lock.token, lock.age) == ("abcd", 12) and lock.by


def test_versions_are_read_as_numbers_whatever_a_package_manager_writes_around_them() -> None:
    text = "node 10.1.0\nnode-offered 1:12.22.9~dfsg-1ubuntu3\nmongodb 4.0.28\npython-offered none\nodd\nother (none)\n"
    assert parsers.read_versions(text) == {
        "node": "10.1.0",
        "node-offered": "12.22.9",
        "mongodb": "4.0.28",
        "python-offered": "none",
    }


def test_what_packs_and_settings_hold_against_a_release_is_read_with_its_place() -> None:
    lines = "\n@content\nrunner-names 2 /opt/stackstorm/packs/my pack/a.yaml:3\nbroken\nrbac x y\n"
    facts = parsers.read("apt1", answer("apt1-2.0.1").replace("\n@journal\n", f"{lines}\n@journal\n"))
    assert facts.evidence["runner-names"] == 2 and facts.evidence["keys-old-scope"] == 40
    assert facts.places == {"runner-names": "/opt/stackstorm/packs/my pack/a.yaml:3"}


def test_a_backup_that_came_with_the_image_of_another_host_is_none_of_this_one() -> None:
    line = {"name": "r1/2.2.1", "at": 5, "bytes": 1, "wrong": "", "files": {"files.tar": 1}}
    rows = [{**line, "host": "a"}, {**line, "host": "b"}, line]
    found = parsers.read_backups("\n".join(map(json.dumps, rows)), "b")
    assert [each.wrong for each in found] == ["it is of the host a", "", ""]


@pytest.mark.parametrize("name", ["../../../../home/ann/.ssh/x", "/etc/x", "r1/..", "r1/my own copy", ""])
def test_no_host_can_name_a_backup_so_that_it_comes_to_another_folder_here(name: str) -> None:
    (found,) = parsers.read_backups(json.dumps({"name": name, "at": 5, "files": {"files.tar": 1}}), "a")
    assert found.wrong == "its name is none of a backup"
