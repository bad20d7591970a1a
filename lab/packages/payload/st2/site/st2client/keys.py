"""st2 key list | get | set | load | delete | delete_by_prefix (st2client/st2client/commands/keyvalue.py)."""

import argparse
import json
from pathlib import Path
from typing import Any

from st2common import traits

from st2client import output
from st2client.api import NotFound, OperationFailure, call
from st2client.files import read

SCOPED = ("name", "value", "secret", "encrypted", "scope", "user", "expire_timestamp")
LISTED = SCOPED if traits.SCOPED_KEYS else ("name", "value", "expire_timestamp")
DEFAULT_SCOPE = "system"
LISTED_SCOPE = "all" if traits.SCOPE_OF_ALL else DEFAULT_SCOPE


def add_to(branches: Any) -> None:
    """Add the branch `key` to the client's parser."""
    commands = branches.add_parser("key").add_subparsers(dest="command", required=True)
    listing = _command(commands, "list", _list, scope=True, decrypt=True)
    listing.add_argument("--prefix")
    if traits.CLIENT_LIMIT:
        listing.add_argument("-n", "--last", type=int, default=traits.CLIENT_LIMIT)
    _command(commands, "get", _get, scope=True, decrypt=True).add_argument("name")
    setting = _command(commands, "set", _set, scope=True)
    setting.add_argument("name")
    setting.add_argument("value")
    setting.add_argument("-l", "--ttl", type=int)
    if traits.SCOPED_KEYS:
        how = setting.add_mutually_exclusive_group()
        how.add_argument("-e", "--encrypt", action="store_true")
        if traits.TAKES_ENCRYPTED:
            how.add_argument("--encrypted", action="store_true")
    loading = _command(commands, "load", _load if traits.LOADS_WHOLE_KEYS else _load_names_and_values)
    loading.add_argument("file", type=Path)
    if traits.LOADS_WHOLE_KEYS:
        loading.add_argument("-c", "--convert", action="store_true")
    _command(commands, "delete", _delete, scope=True).add_argument("name")
    _command(commands, "delete_by_prefix", _delete_by_prefix).add_argument("-p", "--prefix", required=True)


def _command(
    commands: Any, name: str, run: Any, *, scope: bool = False, decrypt: bool = False
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name)
    parser.set_defaults(run=run)
    parser.add_argument("-j", "--json", action="store_true")
    if scope and traits.SCOPED_KEYS:
        parser.add_argument("-s", "--scope", default=LISTED_SCOPE if name == "list" else DEFAULT_SCOPE)
        parser.add_argument("-u", "--user")
    if decrypt and traits.SCOPED_KEYS:
        short = ("-d",) if name == "get" or traits.TAKES_ENCRYPTED else ()
        parser.add_argument(*short, "--decrypt", action="store_true")
    return parser


def _query(flags: argparse.Namespace) -> dict[str, str]:
    query = {name: getattr(flags, name, None) for name in ("scope", "user", "prefix")}
    if getattr(flags, "decrypt", False):
        query["decrypt"] = "true"
    return {name: value for name, value in query.items() if value}


def _list(flags: argparse.Namespace) -> int:
    query = _query(flags)
    if traits.CLIENT_LIMIT:
        query["limit"] = str(flags.last)
    print(output.many(call("GET", "/keys", query=query), LISTED, use_json=flags.json))
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
    body["encrypted"] = getattr(flags, "encrypted", None) or None
    body |= {name: getattr(flags, name, None) for name in ("scope", "user")}
    saved = _put(body)
    print(output.one(saved, ("name", "value", "expire_timestamp"), use_json=flags.json))
    return 0


def _put(body: dict[str, Any]) -> Any:
    given = {name: value for name, value in body.items() if value is not None}
    return call("PUT", f"/keys/{given['name']}", body=given)


def _load(flags: argparse.Namespace) -> int:
    loaded = []
    for item in read(flags.file):
        body = {name: item.get(name) for name in ("name", "scope", "user", "secret", "ttl")}
        body["value"] = _text(item["value"], flags)
        if traits.TAKES_ENCRYPTED and item.get("encrypted"):
            # Such a one is secret by that alone, and is stored as it stands.
            body |= {"encrypted": True, "secret": True}
        loaded.append(
            _put(
                {
                    "scope": DEFAULT_SCOPE,
                    **{name: value for name, value in body.items() if value},
                    "value": body["value"],
                }
            )
        )
    print(output.many(loaded, ("name", "value", "secret", "scope", "user", "ttl"), use_json=flags.json))
    return 0


def _text(value: Any, flags: argparse.Namespace) -> str:
    if isinstance(value, str):
        return value
    if not flags.convert:
        raise ValueError(
            f"Item {value!r} is not a string: only strings are taken, unless --convert makes them of others"
        )
    return json.dumps(value)


def _load_names_and_values(flags: argparse.Namespace) -> int:
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
