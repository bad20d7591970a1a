"""The program st2-register-content."""

import argparse
import sys
import traceback

from st2lab import faults
from st2lab.script_log import logged

from st2common import config, traits
from st2common.content import registrar
from st2common.service_setup import db_setup, db_teardown

KINDS = ("triggers", "sensors", "runners", "actions", "aliases", "policies", "rules", "configs")
RULE = "#" * 57


def main() -> int:
    """Register what the flags name; without --register-fail-on-failure a bad piece is told and forgiven."""
    flags = _parse()
    config.CONF.read(flags.config_file or list(traits.DEFAULT_CONFIG_FILES))
    faults.pause("register-sleep")
    store = db_setup()
    kinds = [kind for kind in registered_kinds() if flags.register_all or getattr(flags, f"register_{kind}")]
    if traits.RECREATES_VIRTUALENVS and flags.register_recreate_virtualenvs:
        with logged("st2-register-content virtualenvs"):
            print(f"INFO [-] Made {registrar.recreate_virtualenvs()} virtualenvs anew.", file=sys.stderr)
    try:
        with logged("st2-register-content " + ",".join(kinds)):
            for kind in kinds:
                print(f"{RULE}\n############## Registering {kind} ##############\n{RULE}", file=sys.stderr)
                count = registrar.register(store, kind)
                print(f"INFO [-] Registered {count} {kind}.", file=sys.stderr)
        code = 0
    except Exception as error:  # every failure is one kind to the caller, as in the real program
        print(f"WARNING [-] Failed to register content: {error}", file=sys.stderr)
        code = 1 if flags.register_fail_on_failure else 0
        if code:
            traceback.print_exc()
    db_teardown()
    return code


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="st2-register-content", allow_abbrev=False)
    config.add_options(parser)
    anew = ("recreate-virtualenvs",) if traits.RECREATES_VIRTUALENVS else ()
    for kind in (*registered_kinds(), "all", "setup-virtualenvs", *anew, "fail-on-failure"):
        parser.add_argument(f"--register-{kind}", action="store_true")
    parser.add_argument("--register-pack")
    return parser.parse_args()


def registered_kinds() -> list[str]:
    """The kinds of content that this release registers: configs came in 1.5 (with scopes), runners in 2.1."""
    absent = set()
    if not traits.RUNNERS_ARE_CONTENT:
        absent.add("runners")
    if not traits.SCOPED_KEYS:
        absent.add("configs")
    return [kind for kind in KINDS if kind not in absent]
