"""StackStorm 2.2: Mistral's database splits executions_v2; the schema itself is moved by every hop's mistral phase."""

from rollout.model import Migration

# The page's one item for 2.2 is the general Mistral step, which every hop runs that changes st2mistral; what is
# special to 2.2 (old executions stay in executions_v2 and are no longer listed) is said by the plan.
MIGRATION = Migration(release="2.2.0", title="Mistral's executions_v2 is split into three tables", steps=())
