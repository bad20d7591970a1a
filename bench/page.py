"""docs/downtime.md, written from rounds that were measured."""

import subprocess
from collections.abc import Iterable, Sequence
from datetime import datetime, timezone
from pathlib import Path

from bench.figures import Round, Setting, figure, newest, ratio

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "downtime.md"
KEPT = ROOT / "bench" / "downtime.jsonl"
# What the median of stormlift may be of the script's, by the seconds that a package takes; with dumps.
AT_MOST = {2.0: 0.6, 0.0: 1.1}
INTRO = """# Downtime

Written by `make bench-downtime`; do not edit. A box of each family of the lab (docs/lab.md) goes from 2.0.1 to 2.2.1, in each
round once by a plain script of the upgrade page's commands over one ssh (`bench/script.py`), and once by
`invoke upgrade --yes`. Each time it is a fresh copy of the same image; who goes first alternates. With backup the script takes
the same dumps inside its stop, by the same tools; what stormlift keeps beside them, and that it reads dumps back, counts
against it. Without, neither dumps anything.

st2 is down from the first of API, auth and stream that does not answer, until all three answer and every unit that ran before
is active: asked on the host itself, every 50 ms (units every 200 ms), by the same program for both (`bench/onhost/watch.py`).
That is the column `down`. `in all` has later times as well: stormlift restarts the services at the end, as 2.1 asks for, and
the script does not. Seconds are medians, lowest and highest in brackets. The lines behind them are in bench/downtime.jsonl.

"""


def commit() -> str:
    """The commit that the working tree is at, with `+` where anything but what is written here was changed since."""
    written = [f":!{path.relative_to(ROOT)}" for path in (PAGE, KEPT)]
    changed = _git("status", "--porcelain", "--untracked-files=no", "--", ".", *written)
    return _git("rev-parse", "--short=12", "HEAD") + ("+" if changed else "")


def _git(*words: str) -> str:
    return subprocess.run(("git", *words), cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


def text(rounds: Iterable[Round]) -> str:
    """The page: for each setting what was measured on the newest commit, by host and together."""
    parts = [_setting(setting, found) for setting, found in newest(rounds).items()]
    return INTRO + "\n".join(parts)


def _setting(setting: Setting, rounds: Sequence[Round]) -> str:
    delay, backup = setting
    packages = f"{delay:g} s of download time a package" if delay else "no download time"
    lines = [
        f"## {packages}, {'with' if backup else 'without'} backup",
        "",
        f"Commit {rounds[-1].commit}, {_day(rounds[-1].run)}. {verdict(setting, rounds)}",
        "",
        "| host | rounds | script: down | stormlift: down | of the script's | script: in all | stormlift: in all |",
        "|---|---|---|---|---|---|---|",
    ]
    hosts = list(dict.fromkeys(each.host for each in rounds))
    groups = {host: [each for each in rounds if each.host == host] for host in hosts}
    if len(hosts) > 1:
        groups["together"] = list(rounds)
    return "\n".join([*lines, *(_row(name, group) for name, group in groups.items())]) + "\n"


def _day(run: str) -> str:
    return datetime.strptime(run, "%Y%m%d-%H%M%S").replace(tzinfo=timezone.utc).strftime("%Y-%m-%d")


def _row(name: str, rounds: Sequence[Round]) -> str:
    cells = (
        name,
        str(len(rounds)),
        str(figure([each.script.down_s for each in rounds])),
        str(figure([each.stormlift.down_s for each in rounds])),
        f"{ratio(rounds):.2f}",
        str(figure([each.script.all_s for each in rounds])),
        str(figure([each.stormlift.all_s for each in rounds])),
    )
    return f"| {' | '.join(cells)} |"


def verdict(setting: Setting, rounds: Sequence[Round]) -> str:
    """What the rounds come to, and whether that is what is wanted of this setting."""
    delay, backup = setting
    said = f"stormlift's median is {ratio(rounds):.2f} of the script's"
    if not backup or delay not in AT_MOST:
        return f"{said}."
    return f"{said}; at most {AT_MOST[delay]} is wanted: {'met' if ratio(rounds) <= AT_MOST[delay] else 'NOT met'}."
