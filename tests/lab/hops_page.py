"""docs/hops.md, written from hops that were run."""

from collections.abc import Sequence
from datetime import datetime, timezone

from tests.lab.crash.page import ROOT, commit
from tests.lab.hops import Hop

PAGE = ROOT / "docs" / "hops.md"
INTRO = """# Hops

Written by `make hops`; do not edit. Each row: the deployments of the lab (docs/lab.md) are taken by one
`invoke upgrade --to RELEASE --batch 100%` to the next release that the lab has. Before it, what stops the plan is settled as an
operator would. It counts as done when the command ended with 0, packages and journal of every host say the new release, every
unit runs, API, auth and stream answer as the new release, `core.local` succeeds, no key was lost or changed, and the same
command again has nothing to do.

"""


def write(done: Sequence[Hop]) -> None:
    """Write the page from hops that all came to a healthy end."""
    PAGE.write_text(text(done, commit(PAGE)))


def text(done: Sequence[Hop], at: str) -> str:
    """The page: a row a hop and deployment."""
    when = datetime.now(timezone.utc).strftime("%Y-%m-%d")
    pairs = dict.fromkeys((each.origin, each.target) for each in done)
    lines = [
        f"{INTRO}Commit {at}, {when}. {len(pairs)} hops, {len(done)} with each deployment counted; seconds are those of the "
        "command for all three deployments side by side, `down` those that st2 did not serve.",
        "",
        "| from | to | deployment | system | seconds | down | settled before | steps of releases that ran |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for each in done:
        cells = (each.origin, each.target, each.deployment, each.system, f"{each.seconds:.0f}", str(each.down_s),
                 ", ".join(each.did) or "-", ", ".join(each.ran) or "-")  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"
