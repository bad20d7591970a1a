"""POST /tokens for the users of /etc/st2/htpasswd (st2auth/st2auth/controllers@v2.2.1)."""

import base64
import binascii
import hashlib
import secrets
from datetime import datetime, timedelta, timezone
from pathlib import Path

from st2common import config
from st2common.service_setup import current_store, db_setup
from st2lab.serve import Abort, Application, Request, Response
from st2lab.store import as_json

HTPASSWD = Path("/etc/st2/htpasswd")
LIFE = timedelta(hours=24)


def make() -> Application:
    """Connect to the datastore, then answer."""
    config.CONF.read(["/etc/st2/st2.conf"])
    db_setup()
    return answer


def answer(request: Request) -> Response:
    """A token for a good password, 401 for any other."""
    if request.method != "POST" or request.path.rstrip("/") not in ("/tokens", "/v1/tokens"):
        raise Abort(404, "The resource could not be found.")
    user = _checked_user(request.headers.get("authorization", ""))
    expiry = datetime.now(timezone.utc) + LIFE
    token = {"user": user, "token": secrets.token_hex(16), "expiry": expiry.isoformat(), "metadata": {}}
    current_store().run(
        "INSERT INTO content_d_b (kind, ref, doc) VALUES ('tokens', %s, %s)", (token["token"], as_json(token))
    )
    return Response(201, token)


def _checked_user(header: str) -> str:
    kind, _, value = header.partition(" ")
    try:
        user, _, password = base64.b64decode(value).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        user = password = ""
    digest = "{SHA}" + base64.b64encode(hashlib.sha1(password.encode()).digest()).decode()
    if kind.lower() != "basic" or f"{user}:{digest}" not in HTPASSWD.read_text().split():
        raise Abort(401, "Invalid or missing credentials")
    return user
