"""The client's side of HTTP."""

import json
import os
import urllib.error
import urllib.parse
import urllib.request
from typing import Any


class OperationFailure(Exception):
    """The server said no in a way that the client expects: exit code 2."""


class NotFound(OperationFailure):
    """There is no such thing on the server."""


def call(method: str, path: str, *, query: dict[str, str] | None = None, body: Any = None) -> Any:
    """Ask the API (ST2_API_URL, else this host's) and return the parsed answer; None for an empty one."""
    base = os.environ.get("ST2_API_URL", "http://127.0.0.1:9101").rstrip("/").removesuffix("/v1")
    url = f"{base}/v1{urllib.parse.quote(path)}" + (f"?{urllib.parse.urlencode(query)}" if query else "")
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, method=method, headers={"Content-Type": "application/json"})
    if token := os.environ.get("ST2_AUTH_TOKEN"):
        request.add_header("X-Auth-Token", token)
    if key := os.environ.get("ST2_API_KEY"):
        request.add_header("St2-Api-Key", key)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            raw = answer.read()
    except urllib.error.HTTPError as error:
        raise _failure(error) from error
    except urllib.error.URLError as error:
        pool = f"HTTPConnectionPool(url='{base}')"
        raise ConnectionError(f"{pool}: Max retries exceeded with url: {path} (Caused by {error.reason})") from error
    return json.loads(raw) if raw else None


def _failure(error: urllib.error.HTTPError) -> Exception:
    try:
        message = json.loads(error.read()).get("faultstring", "")
    except ValueError:
        message = ""
    if error.code == 404:
        return NotFound(message)
    return RuntimeError(f"{error.code} Client Error: {error.reason}\nMESSAGE: {message}")
