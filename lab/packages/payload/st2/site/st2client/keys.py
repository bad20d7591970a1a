"""st2 key list | get | set | load | delete | delete_by_prefix (st2client/st2client/commands/keyvalue.py)."""

import argparse
import json
from pathlib import Path
from typing import Any

from st2common import traits

from st2client import output
from st2client.api import NotFound, OperationFailure, call

SCOPED = ("name", "value", "secret", "encrypted", "scope", "user", "expire_timestamp")
LISTED = SCOPED if traits.SCOPED_KEYS else ("name", "value", "expire_timestamp")
DEFAULT_SCOPE = "system"


def add_to(branches: Any) -> None:
    """Add the branch `key` to the client's parser."""
    commands = branches.add_parser("key").add_subparsers(dest="command", required=True)
    listing = _command(commands, "list", _list, scope=True, decrypt=True)
    listing.add_argument("--prefix")
    _command(commands, "get", _get, scope=True, decrypt=True).add_argument("name")
    setting = _command(commands, "set", _set, scope=True)
    setting.add_argument("name")
    setting.add_argument("value")
    setting.add_argument("-l", "--ttl", type=int)
    if traits.SCOPED_KEYS:
        setting.add_argument("-e", "--encrypt", action="store_true")
    _command(commands, "load", _load).add_argument("file", type=Path)
    _command(commands, "delete", _delete, scope=True).add_argument("name")
    _command(commands, "delete_by_prefix", _delete_by_prefix).add_argument("-p", "--prefix", required=True)


def _command(
    commands: Any, name: str, run: Any, *, scope: bool = False, decrypt: bool = False
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name)
    parser.set_defaults(run=run)
    parser.add_argument("-j", "--json", action="store_true")
    if scope and traits.SCOPED_KEYS:
        parser.add_argument("-s", "--scope", default=DEFAULT_SCOPE)
        parser.add_argument("-u", "--user")
    if decrypt and traits.SCOPED_KEYS:
        parser.add_argument(*(("-d",) if name == "get" else ()), "--decrypt", action="store_true")
    return parser


def _query(flags: argparse.Namespace) -> dict[str, str]:
    query = {name: getattr(flags, name, None) for name in ("scope", "user", "prefix")}
    if getattr(flags, "decrypt", False):
        query["decrypt"] = "true"
    return {name: value for name, value in query.items() if value}


def _list(flags: argparse.Namespace) -> int:
    print(output.many(call("GET", "/keys", query=_query(flags)), LISTED, use_json=flags.json))
    return 0


def _get(flags: argparse.Namespace) -> int:
    try:
        found = call("GET", f"/keys/{flags.name}", query=_query(flags))
    except NotFound as error:
        print(f'Key Value Pair "{flags.name}" is not found.\n')
        raise OperationFailure(f"Resource {flags.name} not found.") from error
    print(output.one(found, LISTED, use_json=flags.json))
    return 0


def _set(flags: argparse.Namespace) -> int:
    body = {"name": flags.name, "value": flags.value, "ttl": flags.ttl}
    body["secret"] = getattr(flags, "encrypt", None) or None
    body |= {name: getattr(flags, name, None) for name in ("scope", "user")}
    saved = call("PUT", f"/keys/{flags.name}", body={name: value for name, value in body.items() if value is not None})
    print(output.one(saved, ("name", "value", "expire_timestamp"), use_json=flags.json))
    return 0


def _load(flags: argparse.Namespace) -> int:
    if not flags.file.is_file():
        raise ValueError(f'File "{flags.file}" doesn\'t exist')
    loaded = []
    # Up to 2.5 name and value are all that is looked at: scope, secret, user and ttl of the file are dropped.
    for item in json.loads(flags.file.read_text()):
        body = {"name": item["name"], "value": item["value"]}
        loaded.append(call("PUT", f"/keys/{item['name']}", body=body))
    print(output.many(loaded, ("id", "name", "value"), use_json=flags.json))
    return 0


def _delete(flags: argparse.Namespace) -> int:
    try:
        call("DELETE", f"/keys/{flags.name}", query=_query(flags))
    except NotFound as error:
        raise OperationFailure(f'KeyValuePair with id "{flags.name}" not found') from error
    print(f'Resource with id "{flags.name}" has been successfully deleted.')
    return 0


def _delete_by_prefix(flags: argparse.Namespace) -> int:
    names = [item["name"] for item in call("GET", "/keys", query={"prefix": flags.prefix})]
    for name in names:
        call("DELETE", f"/keys/{name}")
    print(f"Deleted {len(names)} keys\nDeleted key ids: {', '.join(names)}")
    return 0
