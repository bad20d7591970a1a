"""Look at the keys of the datastore through st2's own models. Runs in st2's virtualenv, Python 2.7 and 3.

keys.py count     keys-unscoped N, keys-old-scope N, keys-both-scopes N [SCOPE NAME]
keys.py both      keys-both-scopes N [SCOPE NAME], the first that stands under the old SCOPE and under its new one
keys.py scoped    0 when every key has a scope (postcondition of the 1.5 step), else 1
keys.py renamed   0 when no key is under `system` or `user` any more (postcondition of the 2.1 step), else 1
"""

import sys

from st2common import config
from st2common.models.db.keyvalue import KeyValuePairDB
from st2common.service_setup import db_setup

config.parse_args(args=["--config-file", "/etc/st2/st2.conf"])
try:
    db_setup(ensure_indexes=False)  # looking only; releases before 2.2 do not know the parameter
except TypeError:
    db_setup()


def count(**query):
    return KeyValuePairDB.objects(**query).count()


def both():
    """What stops the step of 2.1: it cannot give a key the scope where one of its name stands already."""
    found = []
    for old_scope in ("system", "user"):
        new = set(each.name for each in KeyValuePairDB.objects(scope="st2kv." + old_scope))
        if new:
            found += ["%s %s" % (old_scope, each.name) for each in KeyValuePairDB.objects(scope=old_scope) if each.name in new]
    return sorted(found)


asked = sys.argv[1]
if asked in ("count", "both"):
    twice = both()
    print(" ".join(["keys-both-scopes %d" % len(twice)] + twice[:1]))
if asked == "both":
    sys.exit(0)
unscoped = count(scope__exists=False)
old = count(scope__in=["system", "user"])
if asked == "count":
    print("keys-unscoped %d\nkeys-old-scope %d" % (unscoped, old))
elif asked == "scoped" and unscoped:
    print("%d keys have no scope" % unscoped)
    sys.exit(1)
elif asked == "renamed" and old:
    print("%d keys are still under the scopes system and user" % old)
    sys.exit(1)
