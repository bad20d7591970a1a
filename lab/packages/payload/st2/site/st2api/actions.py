"""/v1/actions, /v1/packs, /v1/runnertypes, ...: the content that was registered."""

from typing import Any

from st2common.content import registrar
from st2common.service_setup import current_store
from st2lab.serve import Abort, Request, Response

from st2api.paging import page

KINDS = {"actions": "actions", "packs": "packs", "runnertypes": "runners", "rules": "rules", "sensortypes": "sensors"}


def answer(request: Request, word: str, ref: str) -> Response:
    """One piece by its ref or name, or the list, filtered by pack and name."""
    found = [_to_api(document) for document in registrar.find(current_store(), KINDS[word])]
    if ref:
        for item in found:
            if ref.removeprefix("views/overview/") in (item.get("ref"), item["name"]):
                return Response(200, item)
        if ref != "views/overview":
            raise Abort(404, f'Resource with a reference or id "{ref}" not found')
    for name in ("pack", "name"):
        if name in request.query:
            found = [item for item in found if item.get(name) == request.query[name]]
    return page(request, found)


def _to_api(document: dict[str, Any]) -> dict[str, Any]:
    shown = {"enabled": True, "description": "", "tags": [], **document}
    shown.pop("registered_by", None)
    return {**shown, "id": document.get("ref") or document["name"]}
