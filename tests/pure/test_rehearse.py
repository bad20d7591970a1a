"""A rehearsal is planned from a backup, and quoted by the next plan."""

from dataclasses import replace
from typing import Any

import pytest

import migrations
from rollout import rehearse
from rollout.durations import LAB, earlier
from rollout.errors import PlanRefused
from rollout.facts import BackupFacts, Facts
from rollout.journal import Record
from rollout.model import Phase
from rollout.plan import plan
from tests.pure.boxes import box, by_name, deployment, version

ONE = deployment("a")
TAKEN = BackupFacts("r1/backup.create", 100, release="2.0.1", files={"mistral.dump": 1, "files.tar": 1})
BOTH = replace(TAKEN, files={"mistral.dump": 1, "store.archive": 1})


def host(**changes: Any) -> Facts:
    return replace(box("a", "2.0.1"), **{"backups": (TAKEN,), **changes})


def refusal(facts: Facts, target: str = "2.2.1", name: str = "") -> str:
    with pytest.raises(PlanRefused) as caught:
        rehearse.rehearse(ONE, by_name(facts), target, name, migrations.ALL)
    assert caught.value.hint
    return caught.value.message


def test_the_new_packages_are_unpacked_aside_and_upgrade_a_copy_of_what_the_backup_holds() -> None:
    made = rehearse.rehearse(ONE, by_name(host()), "2.2.1", "", migrations.ALL)
    steps = {step.id: step.argv for phase in made.phases for step in phase.steps}
    assert steps["rehearse.packages"][1:] == (
        "aside",
        f"st2={version('st2', '2.2.1')}",
        f"st2mistral={version('st2mistral', '2.2.1')}",
    )
    assert steps["rehearse.mistral"][1:] == ("mistral", "rehearse", TAKEN.name)
    assert Phase.STOP not in {phase.name for phase in made.phases}


def test_scripts_that_take_another_configuration_are_run_on_a_copy_of_the_store() -> None:
    made = rehearse.rehearse(ONE, by_name(host(backups=(BOTH,))), "2.2.1", "", migrations.ALL)
    steps = {step.id: step.argv for phase in made.phases for step in phase.steps}
    script = "2.1.datastore-scopes=/opt/stackstorm/st2/bin/st2-migrate-datastore-scopes.py"
    assert steps["rehearse.store"][1:] == ("store", "rehearse", TAKEN.name, script)


def test_what_cannot_be_rehearsed_is_refused_with_a_way_out() -> None:
    assert "there is no backup" in refusal(host(backups=()))
    assert "there is no backup r9" in refusal(host(), name="r9")
    assert "is of 2.0.1 already" in refusal(host(), target="2.0.1")
    assert "offer no st2 and no st2mistral" in refusal(host(available={}))
    assert "holds no dump of which anything to 3.4.1" in refusal(host(), target="3.4.1")
    assert "holds no dump" in refusal(host(backups=(replace(TAKEN, files={"files.tar": 1}),)))


def tried(at: int, release: str = "2.2.1") -> Record:
    seconds = {"mistral.upgrade": 73.25, "mistral.populate": 4.04}
    return Record(1, "r2", "rehearsed", at, data={"release": release, "backup": TAKEN.name, "seconds": seconds})


def notes(*journal: Record) -> str:
    made = plan(ONE, by_name(host(journal=journal)), "2.2.1", migrations.ALL)
    return " ".join(note for note in made.notes if "rehearsed" in note)


def test_the_next_plan_quotes_it_until_something_was_settled() -> None:
    assert notes(tried(5)) == (
        "rehearsed from the backup r1/backup.create: it went well, and took: mistral.populate 4.0 s, mistral.upgrade 73 s"
    )
    assert not notes() and not notes(tried(5, "2.3.2"))
    assert not notes(tried(5), Record(1, "r3", "settled", 6, data={"release": "2.0.1"}))


def test_what_it_took_is_what_the_next_plan_counts_with() -> None:
    facts = by_name(host(journal=(tried(5),)))
    assert earlier(facts["a"].journal) == {("mistral.upgrade", ""): 73, ("mistral.populate", ""): 4}
    slower = (
        plan(ONE, facts, "2.2.1", migrations.ALL).downtime_s
        - plan(ONE, by_name(host()), "2.2.1", migrations.ALL).downtime_s
    )
    assert slower == (73 - LAB["mistral.upgrade"]) + (4 - LAB["mistral.populate"])
