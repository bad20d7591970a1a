"""Read hosts: and defaults:, and find the gateway of each host."""

from collections.abc import Mapping
from typing import Any

from inventory import credentials, reach
from inventory.document import Entry, Place, Scalar, Value, mistake
from inventory.shapes import close, named, table
from rollout.model import Host

DEFAULTS = {
    "user": reach.user,
    "port": reach.port,
    "identity": reach.path,
    "gateway": reach.gateway,
    "sudo": reach.sudo,
    "st2_auth": credentials.st2_auth,
    "target": reach.target,
}
HOST = {"address": reach.address} | {key: how for key, how in DEFAULTS.items() if key != "target"}

# Where each key stands, by its dotted name, for what can only be judged when the whole file is read.
Places = dict[str, Place]


def read_defaults(entry: Entry | None, places: Places) -> dict[str, Any]:
    """What every host, and every deployment, has unless it says otherwise."""
    return _settings(entry.value, "defaults", DEFAULTS, places) if entry else {}


def read_hosts(value: Value, defaults: Mapping[str, Any], places: Places) -> dict[str, Host]:
    """The hosts by name, in order."""
    entries = named(value, "hosts")
    if not entries:
        raise mistake(value.place, "hosts", "expected at least one host")
    hosts = {}
    for name, entry in entries.items():
        places[f"hosts.{name}"] = entry.place
        hosts[name] = _host(name, entry, defaults, places)
    _refuse_twins(hosts, places)
    return hosts


def _settings(value: Value, key: str, readers: Mapping[str, Any], places: Places) -> dict[str, Any]:
    settings = {}
    for name, entry in table(value, key, readers).items():
        places[f"{key}.{name}"] = entry.place
        settings[name] = readers[name](entry.value, f"{key}.{name}")
    return settings


def _host(name: str, entry: Entry, defaults: Mapping[str, Any], places: Places) -> Host:
    key = f"hosts.{name}"
    if isinstance(entry.value, Scalar):
        own: dict[str, Any] = {"address": reach.address(entry.value, key)}
    else:
        own = _settings(entry.value, key, HOST, places)
    if "address" not in own:
        raise mistake(entry.place, f"{key}.address", "missing, expected a DNS name or an IP address")
    common = {each: setting for each, setting in defaults.items() if each in HOST}
    if common.get("gateway") == name:
        del common["gateway"]
    settings = common | own
    # Minimal systems have no sudo at all; who logs in as root does not need one.
    if settings.get("user", "root") == "root":
        settings.setdefault("sudo", "root")
    return Host(name=name, **settings)


def _refuse_twins(hosts: Mapping[str, Host], places: Places) -> None:
    seen: dict[tuple[str, int, str], str] = {}
    for name, host in hosts.items():
        twin = seen.setdefault((host.address, host.port, host.gateway), name)
        if twin != name:
            what = f"{host.address} port {host.port} is {twin} already ({places[f'hosts.{twin}']})"
            raise mistake(places[f"hosts.{name}"], f"hosts.{name}", what)


def find_gateways(hosts: Mapping[str, Host], places: Places) -> dict[str, Host]:
    """The gateway of each host that has one, by the host's name."""
    gateways = {}
    for name, host in hosts.items():
        if not host.gateway:
            continue
        own = f"hosts.{name}.gateway"
        key = own if own in places else "defaults.gateway"
        gateways[name] = _gateway(host, hosts, key, places)
        _refuse_circle(name, hosts, key, places)
    return gateways


def _gateway(host: Host, hosts: Mapping[str, Host], key: str, places: Places) -> Host:
    if parts := reach.jump(host.gateway):
        user, address, port = parts
        return Host(name=host.gateway, address=address, port=port, user=user, identity=host.identity)
    if host.gateway not in hosts:
        hint = close(host.gateway, hosts) or "a gateway outside this file is written user@address:port"
        raise mistake(places[key], key, f"no host of this file is called {host.gateway}", hint)
    return hosts[host.gateway]


def _refuse_circle(name: str, hosts: Mapping[str, Host], key: str, places: Places) -> None:
    way = [name]
    while (following := hosts[way[-1]].gateway) in hosts:
        if following in way:
            what = f"the way goes in a circle: {', '.join([*way, following])}"
            raise mistake(places[key], key, what, 'gateway: "" makes one of them direct')
        way.append(following)
