"""What is said to apt and yum, for a set of packages at exact versions."""

import pytest

from rollout.packages import Commands, commands

SET = {"st2web": "2.2.1-3", "st2": "2.2.1-8"}


@pytest.mark.parametrize("manager", ["apt", "yum"])
def test_nobody_is_asked_anything(manager: str) -> None:
    made = commands(manager, SET)
    for argv in (made.refresh, made.fetch, made.install):
        assert "-y" in argv
    if manager == "apt":
        for argv in (made.refresh, made.fetch, made.install, made.repair):
            assert "DEBIAN_FRONTEND=noninteractive" in argv


def test_apt_moves_one_set_to_exact_versions_and_keeps_configuration_files() -> None:
    made = commands("apt", SET)
    assert made.install[-2:] == ("st2=2.2.1-8", "st2web=2.2.1-3")
    assert {"--only-upgrade", "--no-remove"} <= set(made.install)
    assert {"Dpkg::Options::=--force-confdef", "Dpkg::Options::=--force-confold"} <= set(made.install)
    assert "--download-only" in made.fetch and made.fetch[-2:] == made.install[-2:]
    assert "DPkg::Lock::Timeout=300" in made.install


def test_an_unreachable_repository_is_a_failure_to_apt() -> None:
    assert "APT::Update::Error-Mode=any" in commands("apt", SET).refresh


def test_yum_installs_what_update_would_call_nothing_to_do() -> None:
    made = commands("yum", SET)
    assert made.install[-3:] == ("install", "st2-2.2.1-8", "st2web-2.2.1-3")
    assert "--downloadonly" in made.fetch and made.fetch[-2:] == made.install[-2:]


def test_yum_does_not_ask_in_the_stop_for_what_it_fetched_before() -> None:
    made = commands("yum", SET)
    assert "--setopt=*.metadata_expire=86400" in made.install
    assert not any("metadata_expire" in word for word in (*made.refresh, *made.fetch))


def test_an_epoch_is_written_as_each_manager_wants_it() -> None:
    assert commands("yum", {"st2": "0:2.2.1-8.el7"}).install[-1] == "st2-2.2.1-8.el7"
    assert commands("yum", {"st2": "1:2.2.1-8.el7"}).install[-1] == "st2-1:2.2.1-8.el7"
    assert commands("apt", {"st2": "1:2.2.1-8"}).install[-1] == "st2=1:2.2.1-8"


@pytest.mark.parametrize("manager", ["apt", "yum"])
def test_the_order_of_the_set_does_not_matter(manager: str) -> None:
    one: Commands = commands(manager, SET)
    assert one == commands(manager, dict(reversed(SET.items())))


def test_what_a_cut_off_transaction_left_is_cleared_away() -> None:
    assert commands("apt", SET).repair[-2:] == ("--configure", "-a")
    assert "--force-confold" in commands("apt", SET).repair
    assert commands("yum", SET).repair == ("stormlift-host", "rpm-duplicates")
