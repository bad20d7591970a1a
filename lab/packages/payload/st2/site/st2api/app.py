"""The API of st2: which path goes to which controller, and who may ask."""

from st2common import __version__, config, traits
from st2common.content import registrar
from st2common.service_setup import current_store, db_setup
from st2lab.serve import Abort, Application, Request, Response

from st2api import actions, executions, keys

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
    _authorize(request)
    words = [word for word in request.path.split("/") if word]
    if words and words[0] == "v1":
        words.pop(0)
    if not words:
        return Response(200, ROOT)
    # Names of keys may hold slashes.
    rest = "/".join(words[1:])
    if words[0] == "keys":
        return keys.answer(request, rest)
    if words[0] in ("executions", "actionexecutions"):
        return executions.answer(request, rest)
    if request.method == "GET" and words[0] in actions.KINDS:
        return actions.answer(request, words[0], rest)
    raise Abort(404, "The resource could not be found.")


def _authorize(request: Request) -> None:
    if config.CONF.get("auth", "enable", "True").lower() != "true":
        return
    token = request.headers.get("x-auth-token") or request.query.get("x-auth-token")
    if not token:
        raise Abort(401, "Unauthorized - One of Token or API key required.")
    if not current_store().run("SELECT 1 FROM content_d_b WHERE kind = 'tokens' AND ref = %s", (token,)):
        raise Abort(401, "Unauthorized - Token with the provided value is not valid.")
