"""Where going back begins to lose something. Pure: the phases of a plan in."""

from rollout.actions import NOTHING_PENDING
from rollout.model import Phase, PhasePlan, Step


def turning_point(phases: tuple[PhasePlan, ...]) -> tuple[PhasePlan, Step] | None:
    """The first step after which going back loses something; None where none does."""
    for ids, names in (({"mistral.drop", "mistral.upgrade"}, {Phase.MIGRATIONS}), ({"packages.set"}, set())):
        for phase in phases:
            for step in phase.steps:
                # What has nothing to bring forward takes nothing back either.
                if (step.id in ids and step.changes != NOTHING_PENDING) or phase.name in names:
                    return phase, step
    return None


def sentence(phases: tuple[PhasePlan, ...]) -> str:
    """Where the point of no return is, and what going back means before and after it; "" where there is none."""
    at = turning_point(phases)
    if at is None:
        return ""
    phase, step = at
    if step.id == "mistral.upgrade":
        return (
            "mistral.upgrade. Before it: put the old package versions back and start. After it: only the dump of the "
            "backup phase goes back, and what Mistral stored since is lost"
        )
    if phase.name is Phase.MIGRATIONS:
        return "the first step of migrations: the datastore is rewritten, and no dump of MongoDB is made here"
    return "packages.set. Before it nothing is changed but the services; after it the old package versions must be put back"
