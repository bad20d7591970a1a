"""Runs on a lab host, in mistral's virtualenv: what a host's programs do to a database, many times, imported once.

A line of stdin is a JSON list: what to do, the configuration file, words.

    manage   the real mistral-db-manage
    program  a verb of the program that stormlift sends to hosts
    early    what a service of the new code does to the database before it serves: mistral/engine/engine_server.py and
             mistral/api/app.py of 4.0.0 both call db_api.setup_db() first

Each call is a process of its own, as the import is most of what one costs. Prints its exit code and what it said, as
JSON, a line each.
"""

import json
import os
import sys
import tempfile
import traceback

import mistral_database
import program
from mistral.db.sqlalchemy.migration import cli
from mistral.db.v2 import api
from oslo_config import cfg


def manage(conf, words):
    sys.argv = ["mistral-db-manage", "--config-file", conf, *words]
    return cli.main()


def verb(conf, words):
    mistral_database.CONF = conf
    os.environ["STORMLIFT_BACKUP"] = conf + ".backup"
    return program.main(words)


def early(conf, words):
    # The tool that is loaded here as well wants to hear a command of its own.
    cfg.CONF(args=["--config-file", conf, "current"], project="mistral")
    api.setup_db()


DO = {"manage": manage, "program": verb, "early": early}


def call(what, conf, words):
    """The exit code, as that of a script of its own would be, and what it said."""
    with tempfile.TemporaryFile() as said:
        child = os.fork()
        if child == 0:
            os.dup2(said.fileno(), 1)
            os.dup2(said.fileno(), 2)
            try:
                code = DO[what](conf, words)
            except SystemExit as end:
                code = end.code
            except BaseException:
                traceback.print_exc()
                code = 1
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code if isinstance(code, int) else 0 if code is None else 1)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        said.seek(0)
        return code, said.read().decode(errors="replace")


for line in iter(sys.stdin.readline, ""):
    asked, where, *rest = json.loads(line)
    print(json.dumps(call(asked, where, rest)), flush=True)
