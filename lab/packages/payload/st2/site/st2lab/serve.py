"""Serve an application as gunicorn does for st2: same command line, same port, one process instead of two."""

import argparse
import importlib
import json
import logging
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from st2lab import faults

LOG = logging.getLogger("st2")


@dataclass(frozen=True)
class Request:
    """One request, its body parsed."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any = None
    # Who asks, as far as the application found it out.
    user: str = ""


@dataclass(frozen=True)
class Response:
    """One answer; a body of None is sent as no body at all."""

    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


class Abort(Exception):
    """An answer other than success, with the faultstring that st2 puts into it."""

    def __init__(self, status: int, faultstring: str) -> None:
        super().__init__(faultstring)
        self.status = status


Application = Callable[[Request], Response]


class Handler(BaseHTTPRequestHandler):
    """Turns HTTP into Request and Response."""

    protocol_version = "HTTP/1.1"
    # An answer goes out whole: in two parts, the second waits for the client's word that the first has come.
    wbufsize = -1
    disable_nagle_algorithm = True
    application: Application

    def answer(self) -> None:
        """Answer one request, whatever its method."""
        try:
            response = type(self).application(self._request())
        except Abort as abort:
            response = Response(abort.status, {"faultstring": str(abort)})
        except Exception:  # a server outlives the failure of one request
            LOG.exception("request failed")
            response = Response(500, {"faultstring": "Internal Server Error"})
        self._send(response)

    do_GET = do_POST = do_PUT = do_DELETE = answer

    def log_message(self, format: str, *args: object) -> None:
        """Log to the service's file."""
        LOG.info(format, *args)

    def _request(self) -> Request:
        parts = urlsplit(self.path)
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            body = json.loads(raw) if raw else None
        except ValueError as error:
            raise Abort(400, f"Failed to parse request body: {error}") from error
        headers = {name.lower(): value for name, value in self.headers.items()}
        return Request(self.command, unquote(parts.path), dict(parse_qsl(parts.query)), headers, body)

    def _send(self, response: Response) -> None:
        data = b"" if response.body is None else json.dumps(response.body, indent=4, sort_keys=True).encode()
        self.send_response(response.status)
        for name, value in {"Content-Type": "application/json", **response.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


class Server(ThreadingHTTPServer):
    """One thread a connection, none of them kept at the end."""

    daemon_threads = True
    request_queue_size = 128


def main() -> int:
    """Run the application that lies beside the gunicorn_config.py of the command line."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("config", type=Path)
    parser.add_argument("-b", "--bind", required=True)
    flags, _ = parser.parse_known_args()
    name = flags.config.parent.name
    faults.at_service_start()
    _log_to(Path(f"/var/log/st2/{name}.log"))
    # The real services set up their database before they listen: with the database away the port is closed.
    application = importlib.import_module(f"{name}.app").make()
    handler = type("BoundHandler", (Handler,), {"application": staticmethod(application)})
    host, _, port = flags.bind.rpartition(":")
    LOG.info("%s listens on %s", name, flags.bind)
    Server((host, int(port)), handler).serve_forever()
    return 0


def _log_to(path: Path) -> None:
    try:
        logging.basicConfig(filename=path, level=logging.INFO, format="%(asctime)s %(levelname)s [-] %(message)s")
    except OSError:
        logging.basicConfig(stream=sys.stderr, level=logging.INFO)
