"""Every error that an operator can meet.

StormliftError(message, hint)         exit  says
├── UsageError                           2  nothing was changed
│   ├── UnknownName                         --hosts names nothing in the inventory
│   ├── InventoryError                      file, line, key, and what was expected
│   └── PlanFileError                       a file of a plan that cannot be written, read or believed
├── PlanRefused                          2  nothing was changed
│   ├── UnknownRelease                      no such st2 release
│   ├── Downgrade                           the target is older than what is there
│   ├── FactsMoved                          a plan of a file no longer fits the hosts: host and fact, before and now
│   └── Inhibited                           preflight found what must be settled first
├── Locked                               4  another run holds the lock
├── Unreachable                          5  nothing was changed: connect, host key, login, becoming root
│   └── NoAnswer                            nothing answers there: refused, timed out
├── StepFailed                           3  stopped at a step, resumable
│   ├── LinkLost                            the host goes on by itself; the same command picks it up
│   ├── Undecided                           an interrupted step that only the operator can settle
│   └── HookFailed                          a command of the operator's own, on the controller
└── Interrupted                        130  Ctrl-C, resumable

Messages are lower case, without a full stop, and name the host first. The hint is what to type next.
Anything that is not a StormliftError is a bug and keeps its traceback.
"""


class StormliftError(Exception):
    """What went wrong, in a sentence, and what to do about it."""

    exit_code = 3

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(StormliftError):
    """A flag or a name is wrong; nothing was changed."""

    exit_code = 2


class UnknownName(UsageError):
    """A word of --hosts names nothing in the inventory."""


class InventoryError(UsageError):
    """An inventory file cannot be used as it is."""


class PlanFileError(UsageError):
    """A file of a plan cannot be written, read, or believed."""


class PlanRefused(StormliftError):
    """There is no safe way from here to the target; nothing was changed."""

    exit_code = 2


class UnknownRelease(PlanRefused):
    """No st2 release of this name."""


class Downgrade(PlanRefused):
    """The target is older than what is installed."""


class FactsMoved(PlanRefused):
    """What decided a plan is no longer so; nothing was changed."""


class Inhibited(PlanRefused):
    """Preflight found something that must be settled before any change."""


class Locked(StormliftError):
    """Another run holds the deployment's lock."""

    exit_code = 4


class Unreachable(StormliftError):
    """A host cannot be reached, or root on it cannot; nothing was changed."""

    exit_code = 5


class NoAnswer(Unreachable):
    """Nothing answers at the host's address, so it may be down; a wrong key, login or password is another matter."""


class StepFailed(StormliftError):
    """A step failed on a host; the journal knows where, the same command goes on from there."""

    def __init__(self, message: str, hint: str = "", *, host: str = "", step: str = "", log: str = "") -> None:
        super().__init__(message, hint)
        self.host = host
        self.step = step
        self.log = log


class LinkLost(StepFailed):
    """The link to a host is gone; what runs there goes on by itself."""


class Undecided(StepFailed):
    """A step was interrupted and only the operator can say how it ended."""


class HookFailed(StepFailed):
    """A hook failed or ran out of its time; `leaves` says what that means for st2."""

    def __init__(self, message: str, hint: str = "", *, step: str = "", log: str = "", leaves: str = "") -> None:
        super().__init__(message, hint, step=step, log=log)
        self.leaves = leaves


class Interrupted(StormliftError):
    """The operator pressed Ctrl-C."""

    exit_code = 130
