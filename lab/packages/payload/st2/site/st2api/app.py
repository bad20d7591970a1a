"""The API of st2: which path goes to which controller, and who may ask."""

from dataclasses import replace

from st2common import __version__, config, traits
from st2common.content import registrar
from st2common.models.db.auth import ApiKeyDB, hashed
from st2common.service_setup import current_store, db_setup
from st2lab.serve import Abort, Application, Request, Response

from st2api import actions, apikeys, executions, keys

# Who asks when nobody had to log in ([system_user] user).
SYSTEM_USER = "stanley"
ROOT = {"version": __version__, "docs_url": "http://docs.stackstorm.com"}


def make() -> Application:
    """Set up the datastore as st2api does (st2api/st2api/app.py), then answer."""
    config.CONF.read(["/etc/st2/st2.conf"])
    store = db_setup()
    if not traits.RUNNERS_ARE_CONTENT:
        registrar.register_built_in_runners(store)
    if traits.RUNNERS_IN_PACKAGE:
        registrar.register_runners(store)
    return answer


def answer(request: Request) -> Response:
    """Find the controller; the paths with and without /v1 are the same."""
    request = replace(request, user=_authorize(request))
    words = [word for word in request.path.split("/") if word]
    if words and words[0] == "v1":
        words.pop(0)
    if not words:
        return Response(200, ROOT)
    rest = "/".join(words[1:])
    if words[0] in ("keys", "apikeys"):
        # A slash, however it was sent, ends the name, and there is nothing behind it (StackStorm/st2 issue 4789).
        _, _, rest = request.path.removeprefix("/").removeprefix("v1/").partition("/")
        if "/" in rest:
            raise Abort(404, "The resource could not be found.")
        return (keys if words[0] == "keys" else apikeys).answer(request, rest)
    if words[0] in ("executions", "actionexecutions"):
        return executions.answer(request, rest)
    if request.method == "GET" and words[0] in actions.KINDS:
        return actions.answer(request, words[0], rest)
    raise Abort(404, "The resource could not be found.")


def _authorize(request: Request) -> str:
    """Let a token or an API key in, and say whose it is."""
    system_user = config.CONF.get("system_user", "user", SYSTEM_USER)
    if config.CONF.get("auth", "enable", "True").lower() != "true":
        return system_user
    token = request.headers.get("x-auth-token") or request.query.get("x-auth-token")
    key = request.headers.get("st2-api-key") or request.query.get("st2-api-key")
    if token:
        rows = current_store().run("SELECT doc FROM content_d_b WHERE kind = 'tokens' AND ref = %s", (token,))
        if not rows:
            raise Abort(401, "Unauthorized - Token with the provided value is not valid.")
        return str(rows[0][0]["user"])
    if key:
        there = ApiKeyDB.objects(key_hash=hashed(key))
        if not there:
            raise Abort(401, "Unauthorized - ApiKey with key_hash=******** not found.")
        if not there[0].enabled:
            raise Abort(401, "Unauthorized - API key is disabled.")
        return str(there[0].user or system_user)
    raise Abort(401, "Unauthorized - One of Token or API key required.")
