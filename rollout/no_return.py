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


def sentence(phases: tuple[PhasePlan, ...], external: str = "") -> str:
    """Where the point of no return is, and what going back means before and after it; "" where there is none. EXTERNAL is why
    no dumps are taken."""
    at = turning_point(phases)
    if at is None:
        return ""
    phase, step = at
    what = "the first step of migrations" if phase.name is Phase.MIGRATIONS else step.id
    if step.id == "packages.set":
        before = "starts st2 again"
    elif external:
        elsewhere = f"After it only what was taken elsewhere goes back: {external}"
        return f"{what}. Before it `invoke rollback` puts the packages back. {elsewhere}"
    else:
        before = "loses nothing"
    after = "After it the dumps are put back as well, and what st2 stored since the stop is lost"
    return f"{what}. Before it `invoke rollback` {before}. {after}"
