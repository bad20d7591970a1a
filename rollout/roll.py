"""Roll deployments in batches and stop at the budget. Pure: what runs one deployment is passed in."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from rollout.errors import Interrupted, StormliftError, UsageError


@dataclass(frozen=True)
class Outcome:
    """How a deployment came out: upgraded, unchanged, failed, or not attempted."""

    name: str
    outcome: str
    hosts: tuple[str, ...]
    failed_step: str = ""
    failed_host: str = ""
    error: str = ""
    hint: str = ""
    log: str = ""
    exit_code: int = 0
    downtime_s: int = 0
    run: str = ""


def batches(count: int, spec: str) -> list[int]:
    """Sizes of the batches for COUNT deployments: "1", "25%", or a ramp "1,25%,100%" whose last item repeats."""
    items = [_size(word.strip(), count) for word in spec.split(",")]
    sizes: list[int] = []
    while sum(sizes) < count:
        size = items[min(len(sizes), len(items) - 1)]
        sizes.append(min(size, count - sum(sizes)))
    return sizes


def _size(word: str, count: int) -> int:
    number = word.removesuffix("%")
    if not number.isascii() or not number.isdigit() or int(number) == 0 or (word.endswith("%") and int(number) > 100):
        raise UsageError(
            f"--batch {word!r} is no batch", "expected a number, a percentage, or a ramp: 1 or 25% or 1,25%,100%"
        )
    return max(1, count * int(number) // 100) if word.endswith("%") else int(number)


def roll(
    names: Sequence[str],
    batch: str,
    max_failures: int,
    run_one: Callable[[str], Outcome],
    hosts: Callable[[str], tuple[str, ...]],
) -> list[Outcome]:
    """Run every deployment of NAMES, batch by batch, until more than MAX_FAILURES failed; the rest is not attempted."""
    outcomes: list[Outcome] = []
    at = 0
    for size in batches(len(names), batch):
        now = names[at : at + size]
        with ThreadPoolExecutor(len(now)) as pool:
            outcomes += pool.map(run_one, now)
        at += size
        failed = [each for each in outcomes if each.outcome == "failed"]
        if len(failed) > max_failures or any(each.exit_code == Interrupted.exit_code for each in failed):
            break
    return outcomes + [Outcome(name, "not attempted", hosts(name)) for name in names[at:]]


def failure(name: str, hosts: tuple[str, ...], error: StormliftError, run: str) -> Outcome:
    """The outcome of a deployment that ERROR stopped."""
    return Outcome(
        name,
        "failed",
        hosts,
        failed_step=getattr(error, "step", ""),
        failed_host=getattr(error, "host", ""),
        error=error.message,
        hint=error.hint,
        log=getattr(error, "log", ""),
        exit_code=error.exit_code,
        run=run,
    )
