"""GET /v1/stream: no event ever comes, but the port lives and answers as the real one does to a wrong path."""

from st2common import config
from st2common.service_setup import db_setup
from st2lab.serve import Abort, Application, Request, Response


def make() -> Application:
    """Connect to the datastore, then answer."""
    config.CONF.read(["/etc/st2/st2.conf"])
    db_setup()
    return answer


def answer(request: Request) -> Response:
    """An empty stream."""
    if request.path.rstrip("/") not in ("", "/v1/stream", "/stream"):
        raise Abort(404, "The resource could not be found.")
    return Response(200, None, {"Content-Type": "text/event-stream; charset=UTF-8"})
