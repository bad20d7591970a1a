"""st2 run, st2 action, st2 execution (st2client/st2client/commands/action.py)."""

import argparse
import time
from typing import Any

from st2client import output
from st2client.api import NotFound, OperationFailure, call

WAITING = ("requested", "scheduled", "running", "canceling", "delayed", "pausing", "paused", "resuming")
POLL_EVERY = 0.3
SHOWN = ("id", "action.ref", "context.user", "status", "start_timestamp", "end_timestamp")


def add_to(branches: Any) -> None:
    """Add `run`, `action` and `execution` to the client's parser."""
    run = branches.add_parser("run")
    run.set_defaults(run=_run)
    run.add_argument("ref")
    run.add_argument("parameters", nargs="*")
    run.add_argument("-a", "--async", action="store_true", dest="async_")
    _json(run)
    actions = branches.add_parser("action").add_subparsers(dest="command", required=True)
    listing = actions.add_parser("list")
    listing.set_defaults(run=_action_list)
    listing.add_argument("-p", "--pack")
    _json(listing)
    _json(get := actions.add_parser("get"))
    get.set_defaults(run=_action_get)
    get.add_argument("ref")
    executions = branches.add_parser("execution").add_subparsers(dest="command", required=True)
    _json(listing := executions.add_parser("list"))
    listing.set_defaults(run=_execution_list)
    listing.add_argument("-n", "--last", type=int, default=50)
    listing.add_argument("--action")
    listing.add_argument("-s", "--status")
    for name, function in (("get", _execution_get), ("cancel", _execution_cancel)):
        _json(one := executions.add_parser(name))
        one.set_defaults(run=function)
        one.add_argument("id")


def _json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-j", "--json", action="store_true")


def _run(flags: argparse.Namespace) -> int:
    # Words without a name are the command line of a shell action.
    named = dict(word.split("=", 1) for word in flags.parameters if "=" in word)
    words = [word for word in flags.parameters if "=" not in word] + flags.words
    if words:
        named["cmd"] = " ".join(words)
    execution = call("POST", "/executions", body={"action": flags.ref, "parameters": named})
    if flags.async_:
        print(f"To get the results, execute:\n st2 execution get {execution['id']}")
        return 0
    while execution["status"] in WAITING:
        time.sleep(POLL_EVERY)
        execution = call("GET", f"/executions/{execution['id']}")
    _print_execution(execution, use_json=flags.json)
    # Only `failed` is a failure: a timeout or a canceled run is told apart by its status alone.
    return 1 if execution["status"] == "failed" else 0


def _action_list(flags: argparse.Namespace) -> int:
    found = call("GET", "/actions", query={"pack": flags.pack} if flags.pack else None)
    print(output.many(found, ("ref", "pack", "description"), use_json=flags.json))
    return 0


def _action_get(flags: argparse.Namespace) -> int:
    try:
        found = call("GET", f"/actions/{flags.ref}")
    except NotFound as error:
        raise OperationFailure(f"Resource {flags.ref} not found.") from error
    print(output.one(found, sorted(found), use_json=flags.json))
    return 0


def _execution_list(flags: argparse.Namespace) -> int:
    query = {"limit": str(flags.last), "action": flags.action, "status": flags.status}
    found = call("GET", "/executions", query={name: value for name, value in query.items() if value})
    rows = [{**item, "action.ref": item["action"]["ref"], "context.user": item["context"]["user"]} for item in found]
    print(output.many(rows, SHOWN, use_json=flags.json))
    return 0


def _execution_get(flags: argparse.Namespace) -> int:
    try:
        _print_execution(call("GET", f"/executions/{flags.id}"), use_json=flags.json)
    except NotFound as error:
        raise OperationFailure(f"Execution with id {flags.id} not found.") from error
    return 0


def _execution_cancel(flags: argparse.Namespace) -> int:
    call("DELETE", f"/executions/{flags.id}")
    print(f"execution with id {flags.id} canceled.")
    return 0


def _print_execution(execution: dict[str, Any], *, use_json: bool) -> None:
    if use_json:
        print(output.as_json(execution))
        return
    print(f"id: {execution['id']}\nstatus: {execution['status']}")
    for title in ("parameters", "result"):
        print(f"{title}:")
        for name, value in sorted((execution.get(title) or {}).items()):
            print(f"  {name}: {value}")
