"""What differs from release to release in st2's own code. Sources: tags of StackStorm/st2."""

from st2common import __version__

VERSION = tuple(int(part) for part in __version__.split("."))

# Keys have a scope and a secret flag from 1.5; before, the model had neither field.
SCOPED_KEYS = VERSION >= (1, 5, 0)
# MongoEngine 0.10 (1.6) refuses fields that a model has not; 0.8 took any.
STRICT_DOCUMENTS = VERSION >= (1, 6, 0)
# 2.1: system -> st2kv.system, user -> st2kv.user.
RENAMED_SCOPES = VERSION >= (2, 1, 0)
# Up to 2.0 the services register the runners themselves when they start.
RUNNERS_ARE_CONTENT = VERSION >= (2, 1, 0)
# From 2.8 a script without --config-file reads /etc/st2/st2.conf; before, it reads nothing.
DEFAULT_CONFIG_FILES = ("/etc/st2/st2.conf",) if VERSION >= (2, 8, 0) else ()
# The 1.5 script of 1.6.0 to 2.0.1 hands the model a field that it has not (mended by st2 PR 2800).
SCRIPT_SETS_ENCRYPTED = VERSION < (2, 1, 0)
# Keys per answer of GET /v1/keys: all of them up to 2.2.
KEYS_DEFAULT_LIMIT = None if VERSION < (2, 3, 0) else 100
KEYS_MAXIMUM_LIMIT = None if VERSION < (2, 4, 0) else 100
# limit=-1 for all of them, if an administrator asks: without RBAC everybody is one.
LIMIT_OF_ALL = VERSION >= (2, 6, 0)
# The scope `all`: the system's keys and those of whoever asks.
SCOPE_OF_ALL = VERSION >= (2, 9, 0)
# Keys of others are an administrator's matter under RBAC, and nobody's without it (CVE-2018-20345; 2.9.2 had it before 2.10.1).
OTHERS_REFUSED = VERSION >= (2, 10, 1)
# A value may come as ciphertext and is stored as it is (st2 PR 4547).
TAKES_ENCRYPTED = VERSION >= (3, 0, 0)
# keyczar was a library of st2's until st2common.util.crypto did the same by itself.
OWN_CRYPTO = VERSION >= (2, 10, 0)
# Python 3 alone: what was `str` for both is bytes here and text there.
TELLS_BYTES = VERSION >= (3, 0, 0)
# `st2 key list -n`, and how many keys it asks for.
CLIENT_LIMIT = None if VERSION < (2, 4, 0) else 50
# `st2 key load` looks at more than name and value, takes YAML, and has --convert.
LOADS_WHOLE_KEYS = VERSION >= (2, 6, 0)
# Runners are Python packages of st2's own virtualenv; services register them when they start.
RUNNERS_IN_PACKAGE = VERSION >= (2, 10, 0)
# `st2-register-content --register-recreate-virtualenvs`.
RECREATES_VIRTUALENVS = VERSION >= (3, 4, 0)
# argparse of Python 3 writes the version to stdout, and from 3.4 on there is no other Python.
VERSION_TO_STDOUT = VERSION >= (3, 4, 0)
# What is installed for MongoDB on the day of a release (scripts/ of StackStorm/st2-packages).
MONGODB = next(
    release
    for since, release in (
        ((3, 9, 0), "7.0.26"),
        ((3, 3, 0), "4.0.28"),
        ((2, 4, 0), "3.4.24"),
        ((1, 6, 0), "3.2.22"),
        ((0,), "2.6.12"),
    )
    if since <= VERSION
)
