"""Let Mistral 2.0.0 start without the OpenStack clients that it imports unconditionally (4.0.0 made them optional).

Every client module is found and is empty, and every class asked of it is None; so `populate` does with the OpenStack
actions what 4.0.0 does when the clients are not installed.
"""

import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

CLIENTS = frozenset((
    "barbicanclient", "ceilometerclient", "cinderclient", "glanceclient", "heatclient", "ironic_inspector_client",
    "ironicclient", "mistralclient", "neutronclient", "novaclient", "swiftclient", "troveclient", "zaqarclient",
))  # fmt: skip


class Absent(ModuleType):
    """A client that is not there."""

    def __getattr__(self, name: str) -> None:
        # A class is None; anything else is a module below, which the import system then asks the finder for.
        if not name[0].isupper():
            raise AttributeError(name)


class AbsentClients(MetaPathFinder, Loader):
    """Finds the clients last, so that an installed one is never hidden."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Answer for the clients and their submodules alone."""
        if fullname.partition(".")[0] in CLIENTS:
            return ModuleSpec(fullname, self, is_package=True)
        return None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Make the empty module."""
        return Absent(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """There is nothing to run."""


sys.meta_path.append(AbsentClients())
