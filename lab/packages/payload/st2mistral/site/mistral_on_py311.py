"""Give Python 3.11 back the names that Mistral of 2016 imports. Runs at interpreter start, from a .pth.

Python 3.10 dropped the aliases of collections.abc from collections, 3.11 dropped inspect.getargspec, and oslo.utils
dropped its copy of fnmatch.
"""

import collections
import collections.abc
import fnmatch
import inspect
import sys
from typing import Any

for _name in collections.abc.__all__:
    if not hasattr(collections, _name):
        setattr(collections, _name, getattr(collections.abc, _name))

ArgSpec = collections.namedtuple("ArgSpec", "args varargs keywords defaults")


def getargspec(func: Any) -> ArgSpec:
    """Answer as inspect.getargspec did: keyword-only arguments and annotations did not exist."""
    spec = inspect.getfullargspec(func)
    return ArgSpec(spec.args, spec.varargs, spec.varkw, spec.defaults)


if not hasattr(inspect, "getargspec"):
    inspect.getargspec = getargspec  # type: ignore[attr-defined]

sys.modules.setdefault("oslo_utils.fnmatch", fnmatch)
