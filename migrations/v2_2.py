"""StackStorm 2.2: Mistral's database splits executions_v2; the schema itself is moved by every hop's mistral phase."""

from rollout.model import Migration, looked_at

# The page's one item for 2.2 is the general Mistral step, which every hop runs that changes st2mistral; what is
# special to 2.2 (old executions stay in executions_v2 and are no longer listed) is said by the plan.
MIGRATION = Migration(
    release="2.2.0",
    title="Mistral's executions_v2 is split into three tables; {{user.}} and {{system.}} are gone from Jinja",
    steps=(
        looked_at(
            "2.2.jinja-user-system",
            "keys are named {{st2kv.user.x}} and {{st2kv.system.x}}",
            "jinja-user-system",
            remedy="write {{st2kv.user.x}} for {{user.x}}, and {{st2kv.system.x}} for {{system.x}}, in these files",
            why="2.2 no longer knows the short names: an action or a rule that uses them fails when it renders",
            source="st2docs upgrade_notes.rst, v2.2",
        ),
    ),
)
