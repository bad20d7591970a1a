"""Turn one environment file into hosts, deployments and groups, or say what is wrong with it and where."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from inventory import reach
from inventory.document import Entry, Place, mistake, read
from inventory.hooks import read_hooks
from inventory.hosts import Places, find_gateways, read_defaults, read_hosts
from inventory.members import read_deployments, read_groups
from inventory.shapes import NAME, flag, table
from rollout.errors import InventoryError
from rollout.model import Deployment, Hook, Host

TOP = ("known_hosts", "implied", "defaults", "hosts", "deployments", "groups", "hooks")


@dataclass(frozen=True)
class Environment:
    """One environment file. A group is the names of its hosts; a gateway is found by the host behind it."""

    name: str
    path: Path
    known_hosts: Path
    implied: bool
    hosts: Mapping[str, Host]
    deployments: tuple[Deployment, ...]
    groups: Mapping[str, tuple[str, ...]]
    gateways: Mapping[str, Host]
    places: Mapping[str, Place]
    hooks: tuple[Hook, ...] = ()


def read_environment(path: Path) -> Environment:
    """Read PATH, whose stem is the environment's name; InventoryError names file, line and key of a mistake."""
    if not NAME.fullmatch(path.stem):
        raise InventoryError(
            f"{path}: expected a file name that --hosts can take, such as prod.yml", "rename it: letters, digits, . _ -"
        )
    top = table(read(path), "", TOP)
    places: Places = {}
    defaults = read_defaults(top.get("defaults"), places)
    if "hosts" not in top:
        raise mistake(Place(path, 1), "hosts", "missing, expected names with addresses", "example.yml shows every key")
    hosts = read_hosts(top["hosts"].value, defaults, places)
    gateways = find_gateways(hosts, places)
    used = {gateway.name for gateway in gateways.values()}
    deployments = read_deployments(top.get("deployments"), hosts, used, defaults.get("target", ""), places)
    if not deployments:
        raise mistake(top["hosts"].place, "hosts", "gateways only, expected a host to upgrade")
    return Environment(
        name=path.stem,
        path=path,
        known_hosts=_known_hosts(top.get("known_hosts"), path),
        implied="implied" not in top or flag(top["implied"].value, "implied"),
        hosts=hosts,
        deployments=deployments,
        groups=read_groups(top.get("groups"), deployments, places),
        gateways=gateways,
        places=places,
        hooks=read_hooks(top.get("hooks"), path.stem),
    )


def _known_hosts(entry: Entry | None, path: Path) -> Path:
    return Path(reach.path(entry.value, "known_hosts")) if entry else path.absolute().parent / "known_hosts"
