"""The program lab-store."""

import argparse
import json
import shutil
import sys
from pathlib import Path

from st2common import config, traits
from st2common.content import bootstrap, registrar
from st2common.models.db.keyvalue import KeyValuePairDB
from st2common.service_setup import current_store, db_setup, db_teardown
from st2common.util.crypto import CryptoKey

from st2lab.fill import fill
from st2lab.seed import sample_keys


def main() -> int:
    """Do one command against the datastore of /etc/st2/st2.conf."""
    parser = argparse.ArgumentParser(prog="lab-store", description=__doc__)
    parser.add_argument("--config-file", default="/etc/st2/st2.conf")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("init", help="make the tables, and on this host the deployment's crypto key")
    commands.add_parser("seed", help="init, the sample keys, and what a first `st2ctl reload --register-all` registers")
    commands.add_parser("dump", help="every key and API key as one JSON object a line, as it is stored")
    filling = commands.add_parser(
        "fill", help="add COUNT keys as an operator has them, CANARY in their values; 12 API keys"
    )
    filling.add_argument("count", type=int)
    filling.add_argument("canary")
    commands.add_parser("clean", help="remove every key, execution and piece of content, as `st2ctl clean` does")
    commands.add_parser("log", help="every run of a script as one JSON object a line")
    moved = commands.add_parser("mongodb", help="the server says from now on that it is this release of MongoDB")
    moved.add_argument("release")
    flags = parser.parse_args()
    config.CONF.read([flags.config_file])
    db_setup()
    if flags.command == "mongodb":
        mongodb(flags.release)
    elif flags.command == "fill":
        init()
        print(json.dumps(fill(current_store(), CryptoKey.read(_key_path()), flags.count, flags.canary)))
    else:
        COMMANDS[flags.command]()
    db_teardown()
    return 0


def init() -> None:
    """Make the tables (connecting did that) and the crypto key, the same one on every host of a deployment."""
    database = config.CONF.database
    path = Path(_key_path())
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_key().to_json())
        path.chmod(0o640)
        shutil.chown(path, "root", "st2")
    if not current_store().run("SELECT release FROM lab_server"):
        mongodb(traits.MONGODB)
    print(f"lab-store: {database.db_name} on {database.host} is ready", file=sys.stderr)


def mongodb(release: str) -> None:
    """What the server says that it is, to every host of the deployment."""
    current_store().run("DELETE FROM lab_server")
    current_store().run("INSERT INTO lab_server (release) VALUES (%s)", (release,))


def seed() -> None:
    """Put the sample keys in; a second run adds nothing."""
    init()
    there = {item.name for item in KeyValuePairDB.objects()}
    rows = [row for row in sample_keys(_key()) if row.name not in there]
    for row in rows:
        row.save()
    registrar.register_built_in_runners(current_store())
    for kind in bootstrap.registered_kinds():
        registrar.register(current_store(), kind)
    print(f"lab-store: {len(rows)} keys added", file=sys.stderr)


def clean() -> None:
    """Empty the store; the log of scripts stays."""
    current_store().run("TRUNCATE key_value_pair_d_b, api_key_d_b, content_d_b, action_execution_d_b")


def dump() -> None:
    """Print every key, then every API key, which says its kind."""
    for id_, uid, doc in current_store().run("SELECT id, uid, doc FROM key_value_pair_d_b ORDER BY uid, id"):
        print(json.dumps({"id": id_, "uid": uid, **doc}, sort_keys=True, ensure_ascii=False))
    for id_, uid, doc in current_store().run("SELECT id, uid, doc FROM api_key_d_b ORDER BY uid, id"):
        print(json.dumps({"id": id_, "uid": uid, "kind": "apikey", **doc}, sort_keys=True, ensure_ascii=False))


def log() -> None:
    """Print the log of scripts."""
    columns = ("n", "run", "script", "release", "host", "at::text", "outcome")
    for row in current_store().run(f"SELECT {', '.join(columns)} FROM lab_script_log ORDER BY n"):
        print(json.dumps({name.removesuffix("::text"): value for name, value in zip(columns, row, strict=True)}))


def _key_path() -> str:
    return config.CONF.get("keyvalue", "encryption_key_path", "/etc/st2/keys/datastore_key.json")


def _key() -> CryptoKey:
    database = config.CONF.database
    return CryptoKey.from_seed(f"{database.db_name}:{database.username}:{database.password}")


COMMANDS = {"init": init, "seed": seed, "dump": dump, "log": log, "clean": clean}
