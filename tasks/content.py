"""invoke content.*: keys and API keys out of one st2 instance, into another, and the proof that both have the same."""

import json as json_
import secrets
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from invoke.context import Context
from invoke.exceptions import Exit

from rollout.codec import Malformed, canonical
from rollout.content.compare import OVER_S, Comparison, What, compare, listed
from rollout.content.convert import Target
from rollout.content.items import ApiKey, Item, Key, shown
from rollout.content.stream import Reader, passing
from rollout.errors import Inhibited, Interrupted, LinkLost, PlanRefused, StepFailed, Unreachable, UsageError
from rollout.model import Deployment
from rollout.quote import shell
from tasks import age
from tasks.content_import import COLLISIONS, Decision, apply, refuse, refuse_failures, remarks, told
from tasks.content_sides import (
    AGAIN,
    PARTS,
    Place,
    Side,
    of_archive,
    of_host,
    placed,
    places,
    refuse_while_open,
)
from tasks.edge import HOSTS_HELP, VERSION, Desk, command, desk, moment
from tasks.export_files import PART

if TYPE_CHECKING:
    from tasks.content_archive import About, Archive, Writer

SUFFIX = ".content"
TAKE_UP_S = 3600  # how old what was read by an export that broke off may be
_UNCOUNTED = ("skew", "executions", "shadowed")
_EXECUTIONS = "action_execution_d_b"
_FROM = {
    "from_": "the archive that content.export has written",
    "identity": "the file of the private key that decrypts it",
}
_NOT_MOVED = "not in it: packs and their configurations, rules and the like, RBAC, st2.conf, audit logs"


@command(
    iterable=["encrypt_to"],
    help={
        "hosts": HOSTS_HELP,
        "to": "the folder for it; the archive is DIR/DEPLOYMENT.content",
        "encrypt_to": "a public key of age (age1..., ssh-ed25519 ..., ssh-rsa ...), several times for several; always wanted",
        "json": "one JSON object on stdout",
    },
)
def export(c: Context, hosts: str = "", to: str = "", encrypt_to: list[str] | None = None, json: bool = False) -> None:
    """Write the keys of every scope and user, and the API keys, into one encrypted archive here; changes nothing there."""
    again = "invoke content.export --hosts NAME --to DIR --encrypt-to age1..."
    if not to:
        raise UsageError("where to? --to is missing", again)
    if not encrypt_to:
        raise UsageError("secrets leave their host encrypted alone, and --encrypt-to is missing", again)
    age.recipients(encrypt_to)
    with desk(c) as sitting:
        deployments = sitting.select(hosts, whole=True).deployments
        places = _left([placed(sitting, each) for each in deployments], to, sitting)
        for each in places:
            refuse_while_open(each)
        if sitting.dry:
            for each in places:
                sitting.out(
                    f"{each.deployment.name}: would write {_path(to, each.deployment)}, read on {each.host.name}"
                )
            return
        made: list[dict[str, Any]] = []
        try:
            for each in places:
                made.append(_exported(sitting, each, _path(to, each.deployment), tuple(encrypt_to), json))
        finally:
            # Of several deployments a later one may fail: what was exported before it stands on the disk and is told.
            if json and made:
                sitting.out(json_.dumps({"schema": "stormlift.content.export/1", "archives": made}, indent=1))


def _left(sources: list[Place], to: str, sitting: Desk) -> list[Place]:
    """Those of SOURCES that have no archive yet; the others are named. Raises UsageError when none is left."""
    there = [each for each in sources if _path(to, each.deployment).exists()]
    if len(there) == len(sources):
        names = ", ".join(str(_path(to, each.deployment)) for each in there)
        raise UsageError(f"{names}: there already", "move it away, or name another folder: --to DIR")
    for each in there:
        sitting.say(f"{_path(to, each.deployment)}: is there already, and stays as it is")
    return [each for each in sources if each not in there]


def _path(to: str, deployment: Deployment) -> Path:
    return Path(to) / f"{deployment.name}{SUFFIX}"


def _exported(sitting: Desk, source: Place, path: Path, encrypt_to: tuple[str, ...], quiet: bool) -> dict[str, Any]:
    from tasks.content_archive import About

    store = source.facts[source.host.name].store
    about = About(source.deployment.name, source.release, f"stormlift {VERSION}", time.time(), encrypt_to)
    with closing(_begun(sitting, path, about, encrypt_to)) as writer:
        for part in PARTS:
            if not writer.has(part):
                _part(sitting, source, writer, part, (store.collections if store else {}).get(_EXECUTIONS))
        manifest = writer.seal()
    counts = {name: each.about for name, each in manifest.parts.items()}
    if not quiet:
        sitting.out(f"{source.deployment.name}: {path}: {_counts(counts)}")
        sitting.out(f"  {_NOT_MOVED}")
    return {"archive": str(path), "deployment": source.deployment.name, "release": source.release, "parts": counts}


def _begun(sitting: Desk, path: Path, about: "About", encrypt_to: tuple[str, ...]) -> "Writer":
    """An archive that is begun, or taken up from one that broke off a while ago; what is older says too little of now."""
    from tasks.content_archive import begin

    writer = begin(path, about, encrypt_to)
    if writer.parts and time.time() - writer.about.at > TAKE_UP_S:
        sitting.say(f"{path}{PART}: is of {moment(writer.about.at)}, and begun anew")
        writer.close()
        Path(f"{path}{PART}").unlink()
        return begin(path, about, encrypt_to)
    for name in writer.parts:
        sitting.say(f"{path}: {name} as they were at {moment(writer.about.at)}: taken up from an export that broke off")
    return writer


def _part(sitting: Desk, source: Place, writer: "Writer", part: str, executions: int | None) -> None:
    """Read one part and have it in the archive, with what is to be known of it without decrypting it."""
    link, counts, skew = sitting.fleet[source.host.name], _Counts(), 0.0

    def blocks() -> Iterator[bytes]:
        nonlocal skew
        with closing(link.stream("move", "read", part)) as came:
            for block in passing(came, reader):
                if reader.head and not skew:
                    skew = time.time() - reader.head.at
                yield block

    def about() -> dict[str, Any]:
        end = reader.finish()
        told = {"expired": end.expired, "shadowed": end.shadowed.count, "odd": end.odd.count, "skew": skew}
        return {**counts.found, **told, **({"executions": executions} if executions is not None else {})}

    reader = Reader(counts.take, link.name)
    try:
        writer.add(part, blocks(), about)
    except Malformed as error:
        raise StepFailed(str(error), AGAIN, host=link.name) from None
    except StepFailed as error:
        error.hint = error.hint or f"settle that on {link.name}, then {AGAIN}: parts that are whole are kept"
        raise


class _Counts:
    """How many items of each sort have passed."""

    def __init__(self) -> None:
        self.found: dict[str, int] = {}

    def take(self, item: Item) -> None:
        """Count ITEM."""
        self._one("apikeys" if isinstance(item, ApiKey) else f"{item.scope}_keys")
        if isinstance(item, Key):
            for sort, counts in (
                ("secret_keys", item.secret),
                ("expiring_keys", item.expires),
                ("stale_keys", item.stale),
            ):
                if counts:
                    self._one(sort)

    def _one(self, sort: str) -> None:
        self.found[sort] = self.found.get(sort, 0) + 1


def _counts(parts: dict[str, dict[str, Any]]) -> str:
    sorts = [(sort, n) for each in parts.values() for sort, n in each.items() if sort not in _UNCOUNTED and n]
    words = [f"{n} {sort.replace('_', ' ')}" for sort, n in sorts]
    return ", ".join(words) or "nothing"


# --- import --------------------------------------------------------------------------------------------------


@command(
    name="import",
    help={
        **_FROM,
        "hosts": HOSTS_HELP,
        "collisions": "of what is there already and differs: stop (the default), keep, or replace",
        "yes": "do not ask",
        "json": "one JSON object on stdout",
    },
)
def import_(
    c: Context,
    from_: str = "",
    identity: str = "",
    hosts: str = "",
    collisions: str = "stop",
    yes: bool = False,
    json: bool = False,
) -> None:
    """Write what an archive holds into a new instance, through its API; the same command again goes on with what is left."""
    if not hosts.strip():
        raise UsageError("into which instance? --hosts is missing", "invoke content.import --from FILE --hosts NAME")
    if collisions not in COLLISIONS:
        raise UsageError(f"--collisions {collisions!r} is none of {', '.join(COLLISIONS)}", "--collisions keep")
    archive = _archive(from_, identity)
    with desk(c) as sitting:
        [into] = places(sitting, hosts)
        refuse_while_open(into)
        target, salt = Target(into.release), bytes.fromhex(archive.manifest.salt)
        _ready(sitting, into, any(each.about.get("secret_keys") for each in archive.manifest.parts.values()))
        link = sitting.fleet[into.host.name]
        side, there = of_archive(archive, target, salt), of_host(link, into, target, salt, new=True)
        decision = Decision(compare(side.prints, there.prints, time.time(), OVER_S), collisions, there.prints)
        show = sitting.say if json or not sitting.dry else sitting.out
        show(f"{into.deployment.name} (st2 {into.release}, through {into.host.name}) <- {_of(archive)}")
        show("\n".join([*told(decision, side, side.prints), *_checklist(archive, side)]))
        refuse(decision, side, target)
        if not sitting.dry and decision.chosen:
            sitting.confirm(f"write {len(decision.chosen)} items into {into.deployment.name}?", yes)
            there = _write(sitting, into, archive, decision)
        after = compare(side.prints, there.prints, time.time())
        if json:
            sitting.out(json_.dumps(_imported(into, archive, decision, after), indent=1))
        if not sitting.dry:
            _refuse_left(into, decision, after)
            kept = len(decision.differing) - len(decision.replaced)
            but = f" but {kept} that differ and were kept" if kept else ""
            sitting.say(f"{into.deployment.name}: has all of it{but}; prove it: {_verify(from_, identity, hosts)}")


def _verify(archive: str, identity: str, hosts: str) -> str:
    return shell(["invoke", "content.verify", "--from", archive, "--identity", identity, "--hosts", hosts])


def _archive(from_: str, identity: str) -> "Archive":
    from tasks.content_archive import read

    if not from_ or not identity:
        raise UsageError(
            f"--{'identity' if from_ else 'from'} is missing",
            "--from FILE names the archive, --identity KEY what decrypts it",
        )
    return read(Path(from_), age.identities(identity))


def _of(archive: "Archive") -> str:
    about = archive.about
    return f"{about.deployment} (st2 {about.release}), exported {moment(about.at)}"


def _ready(sitting: Desk, into: Place, secrets_come: bool) -> None:
    """Raise Inhibited where the instance could not take what is written."""
    if into.facts[into.host.name].hold:
        raise Inhibited(
            f"{into.host.name}: nothing of st2 can start there, a hold is on", "invoke status says whose it is"
        )
    said = sitting.fleet[into.host.name].probe("move", "look", given=sitting.fleet.auth(into.host))
    try:
        told = dict(json_.loads(said.strip().splitlines()[-1]))
        found = {name: told[name] for name in ("answers", "let_in", "why", "crypto_key")}
    except (ValueError, IndexError, KeyError, TypeError):
        raise StepFailed(f"{into.host.name}: what it says of its API cannot be read", AGAIN, log=said) from None
    if not found["answers"]:
        raise Inhibited(f"{into.host.name}: {found['why']}", f"invoke services.start --hosts {into.deployment.name}")
    if not found["let_in"]:
        raise Inhibited(
            f"{into.host.name}: the API wants credentials", "say in the inventory where they come from: st2_auth"
        )
    if found["crypto_key"] and secrets_come:
        raise Inhibited(
            f"{into.host.name}: secrets cannot be encrypted there: {found['crypto_key']}",
            "st2-generate-symmetric-crypto-key makes a key; st2.conf names it; then st2ctl restart",
        )


def _write(sitting: Desk, into: Place, archive: "Archive", decision: Decision) -> Side:
    """Write, and give what is there then. What breaks off meanwhile has changed something."""
    run, name = f"import-{archive.about.id[:12]}", into.host.name
    try:
        found = apply(sitting, into, archive, decision, run)
        refuse_failures(into, found)
        salt = bytes.fromhex(archive.manifest.salt)
        return of_host(sitting.fleet[name], into, Target(into.release), salt, new=True)
    except Unreachable as error:
        raise LinkLost(
            f"{error.message}; what was written until then stays", f"{AGAIN} writes the rest", host=name
        ) from None
    except KeyboardInterrupt:
        raise Interrupted(
            f"{into.deployment.name}: stopped while items were written; those that are, stay",
            f"{AGAIN} writes the rest",
        ) from None


def _refuse_left(into: Place, decision: Decision, after: Comparison) -> None:
    """Raise StepFailed for what was to be there now and is not."""
    kept = frozenset(decision.differing) - decision.replaced
    odd = [each for each in after.of(What.MISSING, What.DIFFERS, What.EXPIRY) if each not in kept]
    if odd:
        raise StepFailed(
            f"{into.deployment.name}: {len(odd)} items are not there as they were: {'; '.join(listed(odd))}",
            f"somebody may have changed or removed them meanwhile; {AGAIN}",
        )


def _checklist(archive: "Archive", side: Side) -> list[str]:
    """What no software moves, as far as the archive tells."""
    users = sorted(shown(each) for each in side.owners)
    owners = sorted({shown(each.user) for each in side.prints if each.user})
    lines = ["  for a person to do:"]
    if users:
        lines.append(f"    these users must be able to log in there, as API keys are theirs: {', '.join(users)}")
    if owners:
        lines.append(f"    and these, who have keys: {', '.join(owners[:20])}{_more(owners)}")
    executions = next((each.about.get("executions") for each in archive.manifest.parts.values()), None)
    if executions:
        lines.append(f"    the history stays behind: {executions} executions")
    return [
        *lines,
        f"    {_NOT_MOVED}",
        "    webhooks, chatops and whoever calls the old host by its name must be pointed here",
    ]


def _more(names: list[str]) -> str:
    return f" and {len(names) - 20} more" if len(names) > 20 else ""


def _imported(into: Place, archive: "Archive", decision: Decision, after: Comparison) -> dict[str, Any]:
    return {
        "schema": "stormlift.content.import/1",
        "archive": archive.about.id,
        "deployment": into.deployment.name,
        "new": len(decision.new),
        "collisions": [str(each) for each in decision.differing],
        "decided": decision.collisions,
        "equal": after.equal,
    }


# --- verify --------------------------------------------------------------------------------------------------


@command(
    help={
        **_FROM,
        "source": "instead of an archive: the old instance itself, one deployment",
        "hosts": HOSTS_HELP,
        "certificate": "write the certificate into this new file",
        "sign_with": "sign it with this private SSH key: FILE.sig, which ssh-keygen -Y verify checks",
        "json": "the certificate on stdout",
    }
)
def verify(
    c: Context,
    from_: str = "",
    identity: str = "",
    source: str = "",
    hosts: str = "",
    certificate: str = "",
    sign_with: str = "",
    json: bool = False,
) -> None:
    """Read both sides and certify that the new instance has everything of the old one; exit code 3 when it has not."""
    if bool(from_) == bool(source) or not hosts.strip():
        raise UsageError(
            "two sides are compared: an archive or an old instance, and a new one",
            "invoke content.verify --from FILE --identity KEY --hosts NEW, or --source OLD --hosts NEW",
        )
    if sign_with and not certificate:
        raise UsageError("--sign-with signs a file, and --certificate is missing", "--certificate FILE")
    if sign_with and not Path(sign_with).is_file():
        raise UsageError(
            f"--sign-with {sign_with}: there is no such file",
            "name a private SSH key, or the public half of an agent's",
        )
    if certificate and Path(certificate).exists():
        raise UsageError(f"{certificate}: is there already", "name a new file: --certificate FILE")
    archive = _archive(from_, identity) if from_ else None
    with desk(c) as sitting:
        data = _compared(sitting, archive, source, hosts)
        from rollout.content.certificate import text

        sitting.out(json_.dumps(data, indent=1) if json else text(data))
        if certificate:
            _keep(sitting, data, Path(certificate), sign_with)
    if not data["equal"]:
        raise Exit(code=StepFailed.exit_code)


def _compared(sitting: Desk, archive: "Archive | None", source: str, hosts: str) -> dict[str, Any]:
    from rollout.content.certificate import Of
    from rollout.content.certificate import certificate as certified

    *old_places, new_place = places(sitting, *([] if archive else [source]), hosts)
    old_place = next(iter(old_places), None)
    if old_place and old_place.deployment == new_place.deployment:
        raise PlanRefused(
            "both sides are the same deployment", "name the old one with --source, the new one with --hosts"
        )
    target = Target(new_place.release)
    salt = bytes.fromhex(archive.manifest.salt) if archive else secrets.token_bytes(32)
    if archive:
        side, of = of_archive(archive, target, salt), Of("", "", f"archive {archive.about.id}", archive.about.at)
    else:
        assert old_place is not None
        side = of_host(sitting.fleet[old_place.host.name], old_place, target, salt)
        of = Of("", "", old_place.host.name, time.time())
    there = of_host(sitting.fleet[new_place.host.name], new_place, target, salt, new=True)
    found = compare(side.prints, there.prints, time.time())
    about = {
        "at": time.time(),
        "by": sitting.by,
        "tool": f"stormlift {VERSION}",
        "remarks": [r.strip() for r in remarks(side)],
    }
    old = Of(side.name, side.release, of.read, of.at)
    new = Of(new_place.deployment.name, new_place.release, new_place.host.name, time.time())
    return certified(old, new, (side.prints, there.prints), found, about)


def _keep(sitting: Desk, data: dict[str, Any], path: Path, sign_with: str) -> None:
    """Write the certificate, and its signature if there is a key for it."""
    from tasks.content_archive import put

    put(path, canonical(data).encode() + b"\n")
    if sign_with:
        from tasks import signing

        try:
            signing.sign(path, Path(sign_with))
        except UsageError:
            path.unlink()  # the same command again writes it
            raise
        sitting.say(f"{path}: signed; {signing.how_to_verify(path, Path(sign_with))}")
