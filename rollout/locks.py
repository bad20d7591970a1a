"""Who may take a deployment's lock: pure, from the lock as it lies on a host."""

from dataclasses import dataclass

from rollout.errors import Locked
from rollout.facts import LockFacts

BEAT_S = 5  # the holder gives a sign of life this often
DEAD_S = 30  # without one for this long it counts as dead


@dataclass(frozen=True)
class Me:
    """Who asks: user@machine, the run that is to be opened or resumed, and the open one that ends with it, if any."""

    by: str
    run: str
    abandons: str = ""


def decide(deployment: str, lock: LockFacts | None, me: Me, holder_runs_here: bool | None) -> tuple[str, str]:
    """What to do about LOCK: ("take", token of the dead lock or "") or ("wait", why). Raises Locked.

    holder_runs_here is False when the holder's process was on this machine and is gone, None when that cannot be known.
    Resuming one's own run is not a take-over, nor is planning it anew, as a repair does; another's dead lock is only
    given up by `locks.release`.
    """
    if lock is None:
        return "take", ""
    mine = lock.by.partition("@")[0] == me.by.partition("@")[0] and lock.run in {me.run, me.abandons} - {""}
    dead = holder_runs_here is False or abs(lock.age) >= DEAD_S  # negative: the host's clock was set back
    if mine and dead:
        return "take", lock.token
    if mine and holder_runs_here is None:
        return "wait", f"its last controller gave a sign of life {lock.age} s ago; it counts as gone after {DEAD_S} s"
    said = f"{deployment}: locked by {lock.by}, run {lock.run} ({lock.message}), last sign of life {lock.age} s ago"
    hint = f"wait for it, or look: invoke locks.show --hosts {deployment}"
    if dead:
        hint = f"if that run is dead for good: invoke locks.release --hosts {deployment}"
    raise Locked(said, hint)
