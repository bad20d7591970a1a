"""Read st2_auth: where the credentials for the st2 API come from. What they are never stands in an inventory."""

import re

from inventory.document import Value, mistake
from inventory.shapes import close, found, table, text
from rollout.model import St2Auth

SOURCES = ("environment", "prompt", "host")
KINDS = ("token", "api_key")
_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]*")


def st2_auth(value: Value, key: str) -> St2Auth:
    """The source, and of the environment the variable. What stands there is never shown: it may be the token itself."""
    entries = table(value, key, ("from", *KINDS))
    if "from" not in entries:
        raise mistake(value.place, f"{key}.from", f"missing, expected one of {', '.join(SOURCES)}")
    source = text(entries["from"].value, f"{key}.from", "a word")
    if source.text not in SOURCES:
        what = f"expected one of {', '.join(SOURCES)}, found {found(source)}"
        raise mistake(source.place, f"{key}.from", what, close(source.text, SOURCES))
    named = [kind for kind in KINDS if kind in entries]
    if source.text != "environment" and named:
        raise mistake(entries[named[0]].place, f"{key}.{named[0]}", "goes with from: environment only")
    if source.text == "environment" and len(named) != 1:
        raise mistake(value.place, key, "expected token: or api_key: with the name of a variable, and one of them only")
    variables = {kind: _variable(entries[kind].value, f"{key}.{kind}") for kind in named}
    return St2Auth(source.text, **variables)


def _variable(value: Value, key: str) -> str:
    expected = "the name of an environment variable in capitals, such as ST2_AUTH_TOKEN"
    word = text(value, key, expected).text
    if not _VARIABLE.fullmatch(word):
        raise mistake(value.place, key, f"expected {expected}", "the secret itself never stands here")
    return word
