"""Read content from disk and register it in the datastore, as st2-register-content does."""

import json
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from st2lab.store import Store, as_json

from st2common import __version__, traits

PACKS = Path("/opt/stackstorm/packs")
RUNNERS = Path(sysconfig.get_path("purelib")) if traits.RUNNERS_IN_PACKAGE else Path("/opt/stackstorm/runners")
VIRTUALENVS = Path("/opt/stackstorm/virtualenvs")
CONFIGS = Path("/opt/stackstorm/configs")

# Where a pack keeps what; a runner has a folder of its own (from 2.1).
FOLDERS = {
    "actions": "actions",
    "aliases": "aliases",
    "rules": "rules",
    "sensors": "sensors",
    "policies": "policies",
    "triggers": "triggers",
}
# Runner modules up to 2.0, where services register them at start; 2.1 cannot load these names any more.
BUILT_IN_RUNNERS = {
    "local-shell-cmd": "st2actions.runners.localrunner",
    "local-shell-script": "st2actions.runners.localrunner",
    "remote-shell-cmd": "st2actions.runners.ssh.paramiko_ssh_runner",
    "http-request": "st2actions.runners.httprunner",
    "action-chain": "st2actions.runners.actionchainrunner",
    "mistral-v2": "st2actions.runners.mistral.v2",
    "python-script": "st2actions.runners.pythonrunner",
}

_UPSERT = (
    "INSERT INTO content_d_b (kind, ref, doc) VALUES (%s, %s, %s)"
    " ON CONFLICT (kind, ref) DO UPDATE SET doc = EXCLUDED.doc"
)


class ContentError(Exception):
    """A piece of content that cannot be registered."""


def register_built_in_runners(store: Store) -> None:
    """What a service up to 2.0 does when it starts (st2common.bootstrap.runnersregistrar@v2.0.1)."""
    for name, module in BUILT_IN_RUNNERS.items():
        _save(store, "runners", name, {"name": name, "runner_module": module, "enabled": True})


def register_runners(store: Store) -> int:
    """Register every runner that has a folder."""
    count = 0
    for path in sorted(RUNNERS.glob("*/runner.yaml")):
        for document in _load(path):
            _save(store, "runners", document["name"], document)
            count += 1
    return count


def register(store: Store, kind: str) -> int:
    """Register content of one KIND from every pack; the pack itself is registered on the way."""
    if kind == "runners":
        return register_runners(store)
    if kind == "configs":
        return _register_configs(store)
    count = 0
    for pack in sorted(path.parent for path in PACKS.glob("*/pack.yaml")):
        _save(store, "packs", pack.name, _one(pack / "pack.yaml"))
        for path in sorted((pack / FOLDERS[kind]).glob("*.yaml")):
            document = _one(path)
            name = document.get("name") or document.get("class_name")
            if not name:
                raise ContentError(f'Failed to register {kind} "{path}": name is missing')
            document.update(pack=pack.name, name=name, ref=f"{pack.name}.{name}")
            _save(store, kind, document["ref"], document)
            count += 1
    return count


def recreate_virtualenvs() -> int:
    """Make the virtualenv of every pack anew; here it is the file that says which Python it is bound to."""
    packs = [path.parent.name for path in sorted(PACKS.glob("*/pack.yaml"))]
    for pack in packs:
        (VIRTUALENVS / pack).mkdir(parents=True, exist_ok=True)
        (VIRTUALENVS / pack / "pyvenv.cfg").write_text(f"home = {sys.prefix}/bin\nversion = {__version__}\n")
    return len(packs)


def find(store: Store, kind: str) -> list[dict[str, Any]]:
    """All registered documents of one KIND, in the order of their names."""
    rows = store.run("SELECT doc FROM content_d_b WHERE kind = %s ORDER BY ref", (kind,))
    return [doc if isinstance(doc, dict) else json.loads(doc) for (doc,) in rows]


def can_run(runner: dict[str, Any]) -> bool:
    """Whether this release can load the runner's module: 2.1 made runners pluggable and gave them new modules."""
    old = str(runner.get("runner_module", "")).startswith("st2actions.runners.")
    return old is not traits.RUNNERS_ARE_CONTENT


def _register_configs(store: Store) -> int:
    files = sorted(CONFIGS.glob("*.yaml"))
    for path in files:
        _save(store, "configs", path.stem, {"pack": path.stem, "values": _one(path)})
    return len(files)


def _save(store: Store, kind: str, ref: str, document: dict[str, Any]) -> None:
    store.run(_UPSERT, (kind, ref, as_json({**document, "registered_by": __version__})))


def _one(path: Path) -> dict[str, Any]:
    [document] = _load(path)
    return document


def _load(path: Path) -> Iterator[dict[str, Any]]:
    try:
        loaded = yaml.safe_load(path.read_text())
    except yaml.YAMLError as error:
        raise ContentError(f'Failed to parse "{path}": {error}') from error
    for document in loaded if isinstance(loaded, list) else [loaded]:
        if not isinstance(document, dict):
            raise ContentError(f'"{path}" is not a mapping')
        yield document
