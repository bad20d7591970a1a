"""Hooks: when one is due, what it is told, and what its failure means. Pure; the edge runs them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from rollout.errors import HookFailed, Interrupted
from rollout.model import DeploymentPlan, Hook
from rollout.roll import Outcome

SCHEMA = "stormlift.hook/1"


def due(hooks: Iterable[Hook], point: str, names: Iterable[str]) -> list[Hook]:
    """The hooks of POINT that are for one of the deployments NAMES, in the order of their files."""
    wanted = set(names)
    return [hook for hook in hooks if hook.point == point and wanted & set(hook.deployments)]


@dataclass(frozen=True)
class Occasion:
    """One time that a hook is run: about the deployments of `plans`, or about `host`, which is one of theirs."""

    hook: Hook
    run: str
    command: str
    plans: tuple[DeploymentPlan, ...]
    batch: int = 0
    batches: int = 0
    host: str = ""
    address: str = ""
    outcomes: Mapping[str, Outcome] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """The hook as an operator reads it, with whose it is this time."""
        only = self.plans[0].name if self.batch and len(self.plans) == 1 else ""
        whose = self.host or only
        return f"{whose + ': ' if whose else ''}hook {self.hook.point} of {self.hook.inventory}"

    def message(self) -> dict[str, object]:
        """What the hook reads as JSON; a key that means nothing on this occasion is null."""
        one = self.plans[0] if len(self.plans) == 1 else None
        return {
            "schema": SCHEMA,
            "hook": self.hook.point,
            "inventory": self.hook.inventory,
            "run": self.run,
            "command": self.command,
            "batch": self.batch or None,
            "batches": self.batches,
            "deployment": one.name if one else None,
            "host": self.host or None,
            "address": self.address or None,
            "from": one.origin if one else None,
            "to": one.target if one else None,
            "outcome": self._outcome(),
            "deployments": [self._deployment(plan) for plan in self.plans],
        }

    def _deployment(self, plan: DeploymentPlan) -> dict[str, object]:
        ended = self.outcomes.get(plan.name)
        return {
            "name": plan.name,
            "hosts": list(plan.hosts),
            "from": plan.origin,
            "to": plan.target,
            "outcome": ended.outcome if ended else None,
        }

    def _outcome(self) -> str | None:
        """One word for all: failed when one of them failed, upgraded when all of them are."""
        if self.hook.point.startswith("before-"):
            return None
        ended = [self.outcomes[plan.name] for plan in self.plans if plan.name in self.outcomes]
        words = {"interrupted" if each.exit_code == Interrupted.exit_code else each.outcome for each in ended}
        return next(
            (word for word in ("failed", "interrupted", "not attempted", "upgraded") if word in words), "failed"
        )

    def explained(self, error: HookFailed, log: str) -> HookFailed:
        """ERROR of the process as an operator needs it: whose hook, what it means for st2, what to type next."""
        again = f"invoke {self.command} --hosts {','.join(plan.name for plan in self.plans)}"
        leaves, hint = _MEANS.get(self.hook.point, _MEANS["after-batch"])
        message = f"{self.title}: {error.message}"
        return HookFailed(message, hint.format(again=again), step=self.hook.point, log=log, leaves=leaves)


_MEANS = {
    "before-run": ("nothing was changed", "mend the hook, then the same command again"),
    "before-batch": ("it was not begun, st2 there is as it was", "mend the hook, then {again}"),
    "before-host": (
        "st2 serves as before; packages may be downloaded, none is installed",
        "mend the hook, then {again}; it runs again for every host of the deployment",
    ),
    "after-host": (
        "st2 itself is fine: upgraded, verified and serving; the run stays open for the hook's sake",
        "mend the hook, then {again}; it runs again for every host of the deployment, and nothing else does",
    ),
    "after-batch": (
        "st2 itself is fine where it was upgraded: verified and serving",
        "do by hand what the hook was to do: for what is through it does not run again",
    ),
}
