"""Find the environment files that the operator's words need, and put them together into one inventory."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from inventory.document import Place
from inventory.environment import Environment, read_environment
from inventory.selection import Inventory
from rollout.errors import InventoryError
from rollout.model import Hook

MANUAL = "example"


def load(words: str, directory: Path) -> Inventory:
    """The inventory of DIRECTORY as far as WORDS need it.

    When every word is the name of an environment file only those files are read; any other word may stand in any
    file, so all are, and a mistake in one of them is an error. example.yml, the manual, never takes part.
    """
    files = environment_files(directory)
    asked = {word.strip().lstrip("!").strip() for word in words.split(",")} - {""}
    wanted = [files[word] for word in files if word in asked] if asked and asked <= set(files) else list(files.values())
    return combine([read_environment(path) for path in wanted], _strays(directory))


def environment_files(directory: Path) -> dict[str, Path]:
    """The environment files of DIRECTORY by the name that --hosts takes, in alphabetical order."""
    try:
        found = sorted(path for path in directory.iterdir() if path.suffix == ".yml" and path.is_file())
    except OSError as error:
        raise InventoryError(
            f"{directory}: no inventory there: {error.strerror}",
            "INVOKE_STORMLIFT_INVENTORY or invoke.yaml says where it is",
        ) from None
    files = {path.stem: path for path in found if path.stem != MANUAL and not path.name.startswith(".")}
    if not files:
        hint = f"cp {directory / MANUAL}.yml {directory / 'prod.yml'} and edit it"
        raise InventoryError(f"{directory}: expected an environment file such as prod.yml", hint)
    return files


def _strays(directory: Path) -> dict[str, str]:
    strays = {MANUAL: f"{MANUAL}.yml is the manual of the format, copy it to a name of yours"}
    for path in sorted(directory.glob("*.yaml")):
        strays[path.stem] = f"{path.name} is not read, environment files end in .yml"
    return strays


def combine(environments: Iterable[Environment], strays: dict[str, str] | None = None) -> Inventory:
    """One inventory of several files; InventoryError when a name would stand for two different things."""
    files = tuple(environments)
    _refuse_second_meanings(files)
    deployments = {each.name: each for file in files for each in file.deployments}
    return Inventory(
        deployments=tuple(deployments.values()),
        groups={name: hosts for file in files for name, hosts in file.groups.items()},
        environments={file.name: _hosts_of(file) for file in files},
        not_implied=frozenset(each.name for file in files if not file.implied for each in file.deployments),
        gateways={name: gateway for file in files for name, gateway in file.gateways.items()},
        trusted={
            name: file.known_hosts
            for file in files
            for name in (*(g.name for g in file.gateways.values()), *file.hosts)
        },
        strays=strays or {},
        hooks=tuple(_hooks(files)),
    )


def _hosts_of(file: Environment) -> tuple[str, ...]:
    return tuple(host.name for deployment in file.deployments for host in deployment.hosts)


def _hooks(files: tuple[Environment, ...]) -> Iterator[Hook]:
    """The hooks of each file with its deployments; one that stands in two files alike has those of the first."""
    owned: set[str] = set()
    for file in files:
        own = tuple(each.name for each in file.deployments if each.name not in owned)
        owned.update(own)
        yield from (replace(hook, deployments=own) for hook in file.hooks)


@dataclass(frozen=True)
class _Meaning:
    kind: str
    name: str
    definition: object
    hosts: frozenset[str]
    place: Place

    def same_as(self, other: "_Meaning") -> bool:
        """Two of one kind must be written alike; of two kinds (a box and its deployment) the hosts must be the same."""
        if self.kind == other.kind:
            return self.definition == other.definition
        return self.hosts == other.hosts


def _meanings(file: Environment) -> Iterator[_Meaning]:
    yield _Meaning("environment", file.name, file.path, frozenset(_hosts_of(file)), Place(file.path, 1))
    for name, host in file.hosts.items():
        definition = (host, file.known_hosts, file.gateways.get(name))
        yield _Meaning("host", name, definition, frozenset({name}), file.places[f"hosts.{name}"])
    for each in file.deployments:
        place = file.places.get(f"deployments.{each.name}") or file.places[f"hosts.{each.name}"]
        with_hooks = (each, tuple((hook.point, hook.argv, hook.timeout) for hook in file.hooks))
        yield _Meaning("deployment", each.name, with_hooks, frozenset(host.name for host in each.hosts), place)
    for name, hosts in file.groups.items():
        yield _Meaning("group", name, hosts, frozenset(hosts), file.places[f"groups.{name}"])


def _refuse_second_meanings(files: tuple[Environment, ...]) -> None:
    seen: dict[str, list[_Meaning]] = {}
    owner: dict[str, _Meaning] = {}
    for meaning in (each for file in files for each in _meanings(file)):
        for earlier in seen.setdefault(meaning.name, []):
            if not meaning.same_as(earlier):
                what = f"{meaning.kind} {meaning.name}: {_contrast(earlier, meaning)} ({earlier.place})"
                raise InventoryError(f"{meaning.place}: {what}", "give one of them another name")
        seen[meaning.name].append(meaning)
        for host in meaning.hosts if meaning.kind == "deployment" else ():
            other = owner.setdefault(host, meaning)
            if other.name != meaning.name:
                what = f"deployment {meaning.name}: {host} is in the deployment {other.name} already ({other.place})"
                raise InventoryError(f"{meaning.place}: {what}", "a host belongs to one deployment")


def _contrast(earlier: _Meaning, later: _Meaning) -> str:
    if earlier.kind == later.kind:
        return f"defined differently before{', or with other hooks' if later.kind == 'deployment' else ''}"
    return f"the name stands for {'an' if earlier.kind == 'environment' else 'a'} {earlier.kind} of other hosts already"
