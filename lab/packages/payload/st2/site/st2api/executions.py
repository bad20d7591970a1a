"""/v1/executions: core.local really runs its command, when a worker of the action runner is alive on this host."""

import os
import signal
import subprocess
import threading
import time
import uuid
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path

from st2common.content import registrar
from st2common.service_setup import current_store
from st2lab.serve import Abort, Request, Response
from st2lab.store import Document, as_json

from st2api.paging import page

SHELL_RUNNERS = ("local-shell-cmd", "run-local")
DONE = ("succeeded", "failed", "timeout", "canceled", "abandoned")
DEFAULT_TIMEOUT = 60
# A request without a worker stays `requested`; one that comes up within this time takes it.
PATIENCE = 300.0
_running: dict[str, "subprocess.Popen[str]"] = {}


def answer(request: Request, id_: str) -> Response:
    """Request an execution, look at one or many, or cancel one."""
    if request.method == "POST" and not id_:
        return _request(request)
    if request.method == "GET":
        return Response(200, _get(id_)) if id_ else _list(request)
    if request.method == "DELETE" and id_:
        return Response(200, _cancel(id_))
    raise Abort(405, "The method is not allowed for this resource.")


def _list(request: Request) -> Response:
    found = [
        doc
        for (doc,) in current_store().run(
            "SELECT doc FROM action_execution_d_b ORDER BY doc ->> 'start_timestamp' DESC"
        )
    ]
    if "status" in request.query:
        found = [doc for doc in found if doc["status"] == request.query["status"]]
    if "action" in request.query:
        found = [doc for doc in found if doc["action"]["ref"] == request.query["action"]]
    return page(request, found)


def _request(request: Request) -> Response:
    body = request.body if isinstance(request.body, dict) else {}
    ref = str(body.get("action", ""))
    actions = {item["ref"]: item for item in registrar.find(current_store(), "actions")}
    if ref not in actions:
        raise Abort(400, f'Action "{ref}" cannot be found.')
    action = {name: actions[ref].get(name) for name in ("ref", "name", "pack", "runner_type")}
    document: Document = {
        "id": f"{int(time.time()):08x}{uuid.uuid4().hex[:16]}",
        "action": action,
        "parameters": body.get("parameters") or {},
        "context": {"user": "stanley"},
        "status": "requested",
        "start_timestamp": datetime.now(timezone.utc).isoformat(),
    }
    _save(document)
    threading.Thread(target=_take, args=(dict(document),), daemon=True).start()
    return Response(201, document)


def _take(document: Document) -> None:
    end = time.monotonic() + PATIENCE
    while not _worker_is_alive():
        if time.monotonic() > end or _get(document["id"])["status"] != "requested":
            return
        time.sleep(0.5)
    runners = {item["name"]: item for item in registrar.find(current_store(), "runners")}
    runner = runners.get(document["action"]["runner_type"])
    if not runner or not registrar.can_run(runner):
        name = document["action"]["runner_type"]
        _finish(document, "failed", {"error": f"Failed to find runner {name}: No module for it is registered."})
    elif document["action"]["runner_type"] not in SHELL_RUNNERS:
        _finish(document, "succeeded", {"result": "the stand-in runs shell commands only"})
    else:
        _run(document)


def _run(document: Document) -> None:
    parameters = document["parameters"]
    document["status"] = "running"
    _save(document)
    process = subprocess.Popen(
        ["/bin/sh", "-c", str(parameters.get("cmd", ""))],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd="/", start_new_session=True,
    )  # fmt: skip
    _running[document["id"]] = process
    status = "timeout"
    try:
        out, err = process.communicate(timeout=float(parameters.get("timeout") or DEFAULT_TIMEOUT))
        status = "succeeded" if process.returncode == 0 else "failed"
    except subprocess.TimeoutExpired:
        _end(process, signal.SIGKILL)
        out, err = process.communicate()
    del _running[document["id"]]
    if _get(document["id"])["status"] == "canceled":
        return
    good = status == "succeeded"
    result = {"failed": not good, "succeeded": good, "return_code": process.returncode}
    _finish(document, status, {**result, "stdout": out.rstrip("\n"), "stderr": err.rstrip("\n")})


def _cancel(id_: str) -> Document:
    document = _get(id_)
    if document["status"] not in DONE:
        _finish(document, "canceled", {})
        if id_ in _running:
            _end(_running[id_], signal.SIGTERM)
    return document


def _end(process: "subprocess.Popen[str]", number: signal.Signals) -> None:
    # The whole session: what a shell has started would keep its pipes open.
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)


def _finish(document: Document, status: str, result: Document) -> None:
    document.update(status=status, result=result, end_timestamp=datetime.now(timezone.utc).isoformat())
    _save(document)


def _save(document: Document) -> None:
    current_store().run(
        "INSERT INTO action_execution_d_b (id, doc) VALUES (%s, %s) ON CONFLICT (id) DO UPDATE SET doc = EXCLUDED.doc",
        (document["id"], as_json(document)),
    )


def _get(id_: str) -> Document:
    rows = current_store().run("SELECT doc FROM action_execution_d_b WHERE id = %s", (id_,))
    if not rows:
        raise Abort(404, f'Resource with id "{id_}" not found')
    found: Document = rows[0][0]
    return found


def _worker_is_alive() -> bool:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if b"/opt/stackstorm/st2/bin/st2actionrunner" in path.read_bytes().split(b"\0"):
                return True
        except OSError:
            continue
    return False
