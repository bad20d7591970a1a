"""st2 apikey list | load | create | delete (st2client/st2client/commands/auth.py)."""

import argparse
import json
from pathlib import Path
from typing import Any

from st2client import output
from st2client.api import NotFound, OperationFailure, call
from st2client.files import read

LISTED = ("id", "user", "metadata")


def add_to(branches: Any) -> None:
    """Add the branch `apikey` to the client's parser."""
    commands = branches.add_parser("apikey").add_subparsers(dest="command", required=True)
    listing = _command(commands, "list", _list)
    listing.add_argument("-u", "--user")
    listing.add_argument("-d", "--detail", action="store_true")
    listing.add_argument("--show-secrets", action="store_true")
    _command(commands, "load", _load).add_argument("file", type=Path)
    making = _command(commands, "create", _create)
    making.add_argument("-u", "--user")
    making.add_argument("-m", "--metadata", type=json.loads, default={})
    making.add_argument("-k", "--only-key", action="store_true")
    _command(commands, "delete", _delete).add_argument("key_or_id")


def _command(commands: Any, name: str, run: Any) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name)
    parser.set_defaults(run=run)
    parser.add_argument("-j", "--json", action="store_true")
    return parser


def _list(flags: argparse.Namespace) -> int:
    query = {"user": flags.user, "show_secrets": "True" if flags.show_secrets else None}
    found = call("GET", "/apikeys", query={name: value for name, value in query.items() if value})
    attributes = sorted({name for item in found for name in item}) if flags.detail else LISTED
    print(output.many(found, attributes, use_json=flags.json))
    return 0


def _load(flags: argparse.Namespace) -> int:
    made = []
    for item in read(flags.file):
        body = {
            "user": item["user"],
            "key_hash": item["key_hash"],
            "metadata": item.get("metadata", {}),
            # Whoever leaves it out gets a key that lets nobody in.
            "enabled": item.get("enabled", False),
        }
        made.append(call("POST", "/apikeys", body=body))
    print(output.many(made, LISTED, use_json=flags.json))
    return 0


def _create(flags: argparse.Namespace) -> int:
    body = {"user": flags.user, "metadata": flags.metadata}
    made = call("POST", "/apikeys", body={name: value for name, value in body.items() if value})
    print(made["key"] if flags.only_key else output.one(made, sorted(made), use_json=flags.json))
    return 0


def _delete(flags: argparse.Namespace) -> int:
    try:
        call("DELETE", f"/apikeys/{flags.key_or_id}")
    except NotFound as error:
        raise OperationFailure(f'ApiKey with id "{flags.key_or_id}" not found') from error
    print(f'Resource with id "{flags.key_or_id}" has been successfully deleted.')
    return 0
