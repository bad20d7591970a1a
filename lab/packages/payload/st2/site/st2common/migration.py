"""What both datastore migration scripts do: every key is written again, and the first failure ends it."""

import sys
import traceback
from collections.abc import Callable

from st2lab import faults
from st2lab.script_log import logged

from st2common import config
from st2common.models.db.keyvalue import KeyValuePairDB
from st2common.persistence.keyvalue import KeyValuePair
from st2common.service_setup import db_setup, db_teardown


def run(script: str, convert: Callable[[KeyValuePairDB], KeyValuePairDB]) -> None:
    """Replace every key by what CONVERT makes of it; say so and exit as st2common/bin/migrations do."""
    config.parse_args()
    db_setup()
    code = 1
    try:
        with logged(script):
            _migrate(convert)
        print("SUCCESS: Datastore items migrated successfully.")
        code = 0
    except Exception:  # whatever it was: the real scripts have a bare except here
        print("ABORTED: Datastore migration aborted on first failure.")
    db_teardown()
    sys.exit(code)


def _migrate(convert: Callable[[KeyValuePairDB], KeyValuePairDB]) -> None:
    for item in KeyValuePair.get_all():
        faults.pause("migration-sleep")
        try:
            KeyValuePair.add_or_update(convert(item))
        except Exception:
            print(f"ERROR: Failed migrating datastore item with name: {item.name}")
            traceback.print_exc()
            raise
