"""The certificate of a roll-over: what both sides have, digests of it, and what differs, by name and never by value."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from rollout.content.compare import Comparison, Prints, What, totals

SCHEMA = "stormlift.content-certificate/1"
_MOST_NAMED = 10_000


@dataclass(frozen=True)
class Of:
    """One side: its deployment, release, where it was read (a host, or an archive's id), and when, in seconds since 1970."""

    deployment: str
    release: str
    read: str
    at: float


def certificate(
    old: Of, new: Of, prints: tuple[Prints, Prints], found: Comparison, about: Mapping[str, Any]
) -> dict[str, Any]:
    """The certificate as an object; `equal` is what it certifies. ABOUT is who made it, when, with what, and remarks."""
    differing = found.of(What.MISSING, What.DIFFERS, What.EXPIRY)
    return {
        "schema": SCHEMA,
        "equal": found.equal,
        "old": asdict(old),
        "new": asdict(new),
        "groups": totals(*prints, found),
        "differences": [{"what": found.found[each].value, **_named(each)} for each in differing[:_MOST_NAMED]],
        "differences_count": len(differing),
        "beside": len(found.beside),
        **about,
    }


def _named(each: Any) -> dict[str, str]:
    # The digest of an API key is as good as the key for whoever can write into a database.
    return {"kind": each.kind, "user": each.user, "item": str(each)}


def text(data: Mapping[str, Any]) -> str:
    """The certificate in lines for a person."""
    old, new = data["old"], data["new"]
    lines = [" -> ".join(f"{each['deployment']} (st2 {each['release']}, {each['read']})" for each in (old, new))]
    for name, each in data["groups"].items():
        over = f", {each['expired']} expired meanwhile" if each["expired"] else ""
        lines.append(f"  {name}: {each['same']} of {each['old']} the same{over}")
    lines += [f"  {each['what']}: {each['item']}" for each in data["differences"][:_SHOWN]]
    if (more := data["differences_count"] - _SHOWN) > 0:
        lines.append(f"  and {more} more, in the certificate")
    if data["beside"]:
        lines.append(f"  beside them {new['deployment']} has {data['beside']} items of its own")
    lines += [f"  {each}" for each in data.get("remarks", ())]
    verdict = "equal" if data["equal"] else f"NOT equal: {data['differences_count']} differences"
    return "\n".join([*lines, verdict])


_SHOWN = 20
