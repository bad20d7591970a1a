"""What is found of the stores that a deployment has in common: MongoDB, RabbitMQ, Mistral's PostgreSQL. Pure."""

import re
from collections.abc import Iterator, Mapping

from rollout import mistral
from rollout.facts import Facts, StoreFacts, mistral_host, store_host
from rollout.findings import found
from rollout.model import Finding
from rollout.versions import order

Hosts = Mapping[str, Facts]
_ARCHIVES = "3.2"  # the release of mongodump that brought --archive
_NAMES = {"mongodb": "MongoDB", "rabbitmq": "RabbitMQ"}


def silent(deployment: str, facts: Hosts, target: str) -> Iterator[Finding]:
    """Servers that st2.conf names and that a host gets no connection to."""
    for name, each in facts.items():
        for server in each.around.silent:
            cause = f"no connection to {_NAMES[server.kind]} at {server.where}: {server.why}"
            yield found(f"{server.kind}-unreachable", name, cause)


def keys(deployment: str, facts: Hosts, target: str) -> Iterator[Finding]:
    """Keys of the datastore that the migration of 2.1 could not rename; every host sees the same ones."""
    for name, each in facts.items():
        if (count := each.evidence.get("keys-both-scopes", 0)) and order(target) >= order("2.1"):
            scope, _, key = each.places.get("keys-both-scopes", "").partition(" ")
            more = f", and {count - 1} more like it" if count > 1 else ""
            cause = f"{key} is under {scope} and under st2kv.{scope}{more}"
            user, _, own = key.rpartition(":") if scope == "user" else ("", "", key)
            yield found("keys-both-scopes", name, cause, scope=f"{scope} --user {user}" if user else scope, name=own)
            return


def local(store: str) -> bool:
    """True for a database that is reached on the host's own loopback: on another host it is another one."""
    return store.startswith(("127.", "localhost:", "::1:"))


def stores(deployment: str, facts: Hosts, target: str) -> Iterator[Finding]:
    """Hosts of one deployment whose st2.conf name different databases of MongoDB."""
    named = {name: each.around.store for name, each in facts.items() if each.around.store}
    seen = {f"{name}'s own {store}" if local(store) else store for name, store in named.items()}
    if len(seen) > 1:
        said = ", ".join(f"{name} names {store}" for name, store in named.items())
        yield found("stores-differ", deployment, f"its hosts name different databases of MongoDB: {said}")


def tools(deployment: str, facts: Hosts, target: str) -> Iterator[Finding]:
    """A host that could not dump Mistral's database."""
    name = mistral_host(facts)
    missing = [tool for tool in ("pg_dump", "pg_restore") if name and tool not in facts[name].tools]
    if missing:
        yield found("dump-tools-missing", name, f"{' and '.join(missing)} would be needed to dump Mistral's database")


def store_tools(deployment: str, facts: Hosts, target: str) -> Iterator[Finding]:
    """A host that could not dump st2's database, or not put it back."""
    name = store_host(facts)
    store = facts[name].store if name else None
    if store is not None and (wrong := list(_unfit(store))):
        manager = facts[name].manager
        yield found("store-tools-missing", name, f"{' and '.join(wrong)}", manager=manager, deployment=deployment)


def store_login(deployment: str, facts: Hosts, target: str) -> Iterator[Finding]:
    """A database that a look could not read. One that does not answer is told by the connection that it does not take."""
    name = store_host(facts)
    store = facts[name].store if name else None
    if store is not None and store.cause in ("settings", "login", "rights"):
        yield found("store-unreadable", name, store.sentence, deployment=deployment)


def _unfit(store: StoreFacts) -> Iterator[str]:
    """What is wrong with the tools of MongoDB; a release that is no number is taken for a new one."""
    for tool, release in (("mongodump", store.tool), ("mongorestore", store.restore_tool)):
        number = re.match(r"\d+(\.\d+)*", release)
        if not release:
            yield f"{tool} is missing, which st2's database would need"
        elif number and order(number[0]) < order(_ARCHIVES):
            yield f"{tool} {release} knows no archives, which came with {_ARCHIVES}"


def mistral_state(deployment: str, facts: Hosts, target: str) -> Iterator[Finding]:
    """What the state of Mistral's database asks for, and who else is on it."""
    host = mistral_host(facts)
    state = facts[host].mistral if host else None
    if state is None:
        return
    if state.state not in mistral.SOUND:
        remedy = mistral.next_step(state, deployment, host)
        yield found(f"mistral-{state.state}", host, state.sentence, remedy=remedy)
    if state.state in ("between", "recreated"):
        yield found(f"mistral-{state.state}", host, state.sentence)
    if others := mistral.outsiders(facts):
        cause = f"somebody else works on Mistral's database: {', '.join(map(mistral.told, others))}"
        yield found("mistral-shared", host, cause)
    if state.unfinished and order(target) >= order("2.2.0") and state.revision < "020":
        cause = f"{state.unfinished} executions of Mistral are unfinished and will stay so for ever"
        yield found("mistral-unfinished", host, cause)


def differ(deployment: str, facts: Hosts, target: str) -> Iterator[Finding]:
    """Hosts of one deployment that use different Mistral databases."""
    seen = {each.mistral.identity: name for name, each in facts.items() if each.mistral and each.mistral.identity}
    if len(seen) > 1:
        where = ", ".join(f"{name} uses {identity}" for identity, name in seen.items())
        yield found("databases-differ", deployment, f"its hosts use different Mistral databases: {where}")
