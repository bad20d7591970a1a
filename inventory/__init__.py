"""Who: environment files, and the words that choose hosts and deployments from them."""

from inventory.load import environment_files, load
from inventory.selection import Inventory, Selection

__all__ = ["Inventory", "Selection", "environment_files", "load"]
