"""What the state of a Mistral database asks of the operator, and who else is on it. Pure."""

from collections.abc import Mapping
from typing import Any

from rollout.catalogue import mistral_head
from rollout.facts import MUTE, Facts, MistralFacts, Session, mistral_host
from rollout.journal import open_run

SOUND = ("empty", "old", "between", "upgraded", "recreated")
# From this revision on the tables that a repair would drop are the real store of executions.
FIRST_WITH_EXECUTIONS = "012"
_LOCAL = ("local", "hidden", "::1", "")

NEXT = {
    "empty": "set it up: invoke mistral.upgrade --hosts {name}",
    "old": "bring it to its head: invoke mistral.upgrade --hosts {name}",
    "between": "bring it to its head: invoke mistral.upgrade --hosts {name}",
    "broken": "repair it: invoke mistral.recover --hosts {name}",
    "upgraded": "nothing needs repair",
    "recreated": "nothing can be repaired: the rows are gone, unless a backup has them",
    "damaged": "restore the newest backup of the database: no command can tell what was in what is missing",
    "unmanaged": "restore a backup, or, when nothing in it is needed, drop and create the database, then "
    "invoke mistral.upgrade --hosts {name}",
    "unknown-revision": "install the st2mistral that made it, or restore the backup of before; never `stamp` it",
    "half-installed": "install st2mistral again on {host}, at the version that is there",
}
_CAUSES = {
    "password": "make the password in [database] connection of /etc/mistral/mistral.conf and that of its role the same",
    "role": "create the role that /etc/mistral/mistral.conf names, or mend [database] connection there",
    "database": "create the database that /etc/mistral/mistral.conf names, or mend [database] connection there",
    "pg_hba": "let {host} in: a line of pg_hba.conf on the database server, then reload it",
    "starting": "wait until PostgreSQL is up: invoke mistral.status --hosts {name}",
    "full": "end sessions on the database server, or raise max_connections",
    "disk": "free space on the database server",
    "name": "mend the host name in [database] connection of /etc/mistral/mistral.conf, or the name service of {host}",
    "permission": "give the tables back to the role of /etc/mistral/mistral.conf: alter table ... owner to ...",
    "locked": "somebody holds a lock on its tables: end that session (pg_stat_activity), then the same command again",
    "down": "start PostgreSQL where [database] connection of /etc/mistral/mistral.conf points to",
    "conf": "mend /etc/mistral/mistral.conf; in a password @, :, % and $ are written %40, %3A, %25, %24",
}


def next_step(state: MistralFacts, name: str, host: str) -> str:
    """What to do about STATE, found from HOST of the deployment NAME; for `broken` past 011 there is no command."""
    if state.state == "broken" and state.revision >= FIRST_WITH_EXECUTIONS:
        return (
            f"restore the newest backup: at revision {state.revision} tables that would be dropped may hold what mistral "
            f"did since; it was upgraded that far by hand"
        )
    text = NEXT.get(state.state) or _CAUSES.get(state.cause, "look at what PostgreSQL says there")
    return text.format(name=name, host=host)


def revisions(state: MistralFacts) -> tuple[str, ...]:
    """The pending revisions, with the tables that they make: `012 (event_triggers_v2)`."""
    return tuple(f"{each} ({', '.join(made)})" if (made := state.creates.get(each)) else each for each in state.pending)


def outsiders(facts: Mapping[str, Facts]) -> tuple[Session, ...]:
    """Sessions on the database from addresses that no host of the deployment has: somebody else works on it.

    Addresses are the server's view: a host counts by what it has and by how the server sees it. A session through a socket
    or the loopback came from the server's own machine; one whose address is hidden (another role's) may have.
    """
    state = facts[name].mistral if (name := mistral_host(facts)) else None
    if state is None:
        return ()
    ours = {address for each in facts.values() for address in each.addresses}
    ours |= {each.mistral.client_address for each in facts.values() if each.mistral}
    if _loopback(state.server_address) or state.server_address in ours:
        return tuple(each for each in state.sessions if not _loopback(each.address) and each.address not in ours)
    return tuple(each for each in state.sessions if each.address not in ours)


def _loopback(address: str) -> bool:
    return address in _LOCAL or address.startswith("127.")


def told(session: Session) -> str:
    """A session as an operator reads it."""
    what = f" ({session.application})" if session.application else ""
    return f"{session.user} from {session.address}{what}"


def disagreements(facts: Mapping[str, Facts]) -> tuple[str, ...]:
    """What hosts that carry Mistral say of its database, where that is not what the one that counts says."""
    chosen = mistral_host(facts)
    first = facts[chosen].mistral if chosen else None
    if first is None:
        return ()
    others = [(name, each.mistral) for name, each in facts.items() if name != chosen and each.mistral]
    return tuple(
        f"{name}: {other.sentence}{_elsewhere(first, other)}"
        for name, other in others
        if _elsewhere(first, other)
        or (other.state, other.revision, other.head) != (first.state, first.revision, first.head)
    )


def _elsewhere(first: MistralFacts, other: MistralFacts) -> str:
    differ = first.identity and other.identity and first.identity != other.identity
    return f", in another database ({other.identity}, not {first.identity})" if differ else ""


def at_odds(facts: Mapping[str, Facts]) -> tuple[str, ...]:
    """The disagreements that a change of the database must not go over: of hosts that carry Mistral and see a database."""
    carriers = {name: each.mistral for name, each in facts.items() if "st2mistral" in each.installed}
    seeing = tuple(f"{name}: " for name, state in carriers.items() if state and state.state not in MUTE)
    return tuple(each for each in disagreements(facts) if each.startswith(seeing))


def view(facts: Mapping[str, Facts]) -> tuple[str, MistralFacts]:
    """The host whose view of the database counts, and what it sees; `absent` where none carries Mistral.

    A package that dpkg could not configure does not count as installed; that it stands there is seen by what it answers.
    """
    host = mistral_host(facts)
    if state := facts[host].mistral if host else None:
        return host, state
    if torn := next((name for name, each in facts.items() if each.mistral and each.unhealthy), ""):
        said = f"the package st2mistral is not whole: {facts[torn].unhealthy[0]}"
        return torn, MistralFacts("half-installed", sentence=said, cause="package")
    return host, MistralFacts("absent", sentence=_absent(facts))


def status(name: str, facts: Mapping[str, Facts]) -> dict[str, Any]:
    """The state of the Mistral database of the deployment NAME with its evidence, as `mistral.status --json` shows it."""
    host, state = view(facts)
    return {
        "name": name,
        "state": state.state,
        "sentence": state.sentence,
        "next": _next_of(state, name, host, facts),
        "host": host,
        "revision": state.revision,
        "head": state.head,
        "pending": list(state.pending),
        "creates": {revision: list(tables) for revision, tables in state.creates.items()},
        "drop": list(state.drop),
        "rows": state.rows,
        "unfinished": state.unfinished,
        "sessions": [told(each) for each in state.sessions],
        "outsiders": [told(each) for each in outsiders(facts)],
        "processes": [f"{at}: {line}" for at, each in facts.items() for line in each.processes if "mistral" in line],
        "disagreements": list(disagreements(facts)),
    }


def _next_of(state: MistralFacts, name: str, host: str, facts: Mapping[str, Facts]) -> str:
    """next_step, but on a sound database a run that was cut off comes first: mistral is held until it is through."""
    if state.state == "absent":
        return ""
    for command in ("mistral.recover", "mistral.upgrade") if state.state in SOUND else ():
        for each in facts.values():
            if opened := open_run(each.journal, command):
                return f"run {opened.run} is open, go on with it: invoke {command} --hosts {name}"
    return next_step(state, name, host)


def _absent(facts: Mapping[str, Facts]) -> str:
    release = next((each.release for each in facts.values() if each.release), "")
    if release and not mistral_head(release):
        return f"Mistral is no part of StackStorm {release}: it was removed with 3.3, workflows are Orquesta's"
    return "no host carries st2mistral"


def status_text(row: Mapping[str, Any]) -> str:
    """The same for a person: the sentence, what it rests on, what to type next."""
    lines = [f"{row['name']}: {row['state']}: {row['sentence']}"]
    if row["pending"]:
        made = [
            f"{each} ({', '.join(row['creates'][each])})" if each in row["creates"] else each for each in row["pending"]
        ]
        lines.append(f"  pending revisions: {', '.join(made)}")
    if row["drop"]:
        lines.append(f"  stand already: {', '.join(row['drop'])}")
    if row["rows"]:
        lines.append(f"  rows: {', '.join(f'{table} {count}' for table, count in row['rows'].items())}")
    if row["unfinished"]:
        lines.append(f"  unfinished: {row['unfinished']} of executions_v2")
    lines.append(f"  sessions: {', '.join(row['sessions']) or '-'}; processes: {len(row['processes'])}")
    if row["outsiders"]:
        lines.append(f"  not from this deployment: {', '.join(row['outsiders'])}")
    lines += [f"  another view: {each}" for each in row["disagreements"]]
    if row["next"]:
        lines.append(f"  next: {row['next']}")
    return "\n".join(lines)
