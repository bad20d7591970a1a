"""An st2 instance on a wire host: what its virtualenv has, a database that is a file, and its API in this process.

Like the real ones where a roll-over meets them: names with a slash are not found by the API (StackStorm/st2 issue 4789), keys
of others are not written by it from 2.9.2 on, a secret is kept encrypted with the instance's own key, keys of users are stored
as USER:NAME, an API key that is there is a 409.
"""

import binascii
import json
import sys
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from tests.wire.sshd import WireHost

SITE = Path(__file__).parent / "data" / "instance_site.txt"
KEYS, API_KEYS = "key_value_pair_d_b", "api_key_d_b"
_MACHINE = ("apt-get", "apt-cache", "dpkg", "mongod", "node", "timedatectl", "systemctl", "st2")


class _Server(ThreadingHTTPServer):
    """One thread a connection; one that ends in an error is closed, and nothing is said."""

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """The test's own output counts."""


class Instance:
    """The instance of RELEASE on BOX; `documents` is its database, `before_put` is called with every body that comes."""

    def __init__(self, box: WireHost, release: str, word: str = "") -> None:
        self.box, self.release, self.word = box, release, word
        self.before_put: Callable[[dict[str, Any]], None] = lambda body: None
        self.puts = 0
        self._file = box.directory / "store.json"
        self._guard = threading.Lock()
        self.key = f"crypto-key-of-{box.name}"
        self.documents = {KEYS: [], API_KEYS: []}
        self._install()
        self._server = _Server(("127.0.0.1", 0), self._handler())
        box.env |= {"STORMLIFT_API": f"http://127.0.0.1:{self._server.server_port}", "FAKE_STORE": str(self._file)}
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        """Its API is down."""
        self._server.shutdown()
        self._server.server_close()

    @property
    def documents(self) -> dict[str, list[dict[str, Any]]]:
        """What its database holds."""
        found: dict[str, list[dict[str, Any]]] = json.loads(self._file.read_text())
        return found

    @documents.setter
    def documents(self, value: dict[str, list[dict[str, Any]]]) -> None:
        self._file.write_text(json.dumps(value))

    def encrypted(self, text: str) -> str:
        """TEXT as this instance stores a secret."""
        return binascii.hexlify(f"{json.dumps(self.key)}|{text}".encode()).decode().upper()

    def opened(self) -> dict[tuple[str, str], tuple[str, bool]]:
        """(scope, stored name) of every key to its value in clear and whether it is a secret."""
        found = {}
        for each in self.documents[KEYS]:
            value, secret = each["value"], bool(each.get("secret"))
            if secret:
                value = binascii.unhexlify(value).decode().removeprefix(f"{json.dumps(self.key)}|")
            found[each.get("scope", ""), each["name"]] = (value, secret)
        return found

    def _install(self) -> None:
        box, site = self.box, self.box.directory / "site"
        for part in SITE.read_text().split("\n== ")[1:]:
            name, _, text = part.partition("\n")
            (site / name).parent.mkdir(parents=True, exist_ok=True)
            (site / name).write_text(text)
        python = box.directory / "stack/st2/bin/python"
        python.parent.mkdir(parents=True)
        python.write_text(
            f'#!/bin/sh\nPYTHONPATH={site} PYTHONDONTWRITEBYTECODE=1 exec {sys.executable} -W ignore "$@"\n'
        )
        python.chmod(0o755)
        for name in _MACHINE:
            box.stub(name)
        # The last word is the package that is asked for.
        box.stub(
            "dpkg-query", f'for _last in "$@"; do :; done; [ "$_last" != st2 ] || printf "ii  {self.release}-8\\n"'
        )
        (box.directory / "crypto.json").write_text(json.dumps(self.key))
        conf = box.directory / "st2.conf"
        conf.write_text(
            f"[database]\nhost = 127.0.0.1\n[keyvalue]\nencryption_key_path = {box.directory / 'crypto.json'}\n"
        )
        box.env |= {"STORMLIFT_CONF": str(conf), "STORMLIFT_CLIENT": str(box.directory / "client"),
                    "FAKE_RELEASE": self.release, "FAKE_KEY": str(box.directory / "crypto.json")}  # fmt: skip

    def _put(self, name: str, body: dict[str, Any]) -> tuple[int, Any]:
        self.before_put(body)
        self.puts += 1
        stored = {"name": f"{body['user']}:{name}" if body.get("user") else name, "value": body["value"]}
        if "scope" in body:
            stored |= {"scope": body["scope"], "secret": bool(body.get("secret"))}
        if body.get("secret"):
            stored["value"] = binascii.hexlify(f"{json.dumps(self.key)}|{body['value']}".encode()).decode().upper()
        if body.get("ttl"):
            stored["expire_timestamp"] = time.time() + body["ttl"]
        with self._guard:
            documents = self.documents
            same = (stored["name"], stored.get("scope"))
            documents[KEYS] = [each for each in documents[KEYS] if (each["name"], each.get("scope")) != same] + [stored]
            self.documents = documents
        return 200, stored

    def _post(self, body: dict[str, Any]) -> tuple[int, Any]:
        with self._guard:
            documents = self.documents
            if any(each["key_hash"] == body["key_hash"] for each in documents[API_KEYS]):
                return 409, {"faultstring": "Tried to save duplicate unique keys"}
            documents[API_KEYS].append({**body, "id": f"made-{time.time_ns()}", "created_at": time.time()})
            self.documents = documents
        return 201, body

    def _replace(self, number: str, body: dict[str, Any]) -> tuple[int, Any]:
        with self._guard:
            documents = self.documents
            documents[API_KEYS] = [{**each, **body} if each["id"] == number else each for each in documents[API_KEYS]]
            self.documents = documents
        return 200, body

    def _answer(self, method: str, path: str, word: str, body: Any) -> tuple[int, Any]:
        if self.word and word != self.word:
            return 401, {"faultstring": "Unauthorized"}
        kind, _, name = path.removeprefix("/v1/").partition("/")
        if method == "PUT" and kind == "keys" and body.get("user") and self.release >= "3":
            return 403, {"faultstring": '"user" attribute can only be provided by admins when RBAC is enabled'}
        if "/" in unquote(name) or kind not in ("keys", "apikeys"):
            return 404, {"faultstring": "The resource could not be found."}
        if method == "PUT":
            return self._put(unquote(name), body) if kind == "keys" else self._replace(name, body)
        if method == "POST":
            return self._post(body)
        return 200, self.documents[KEYS if kind == "keys" else API_KEYS]

    def _handler(instance) -> type[BaseHTTPRequestHandler]:
        class Handler(BaseHTTPRequestHandler):
            """Turns HTTP into a call."""

            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                """Answer one request."""
                raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                status, found = instance._answer(
                    self.command,
                    urlsplit(self.path).path,
                    self.headers.get("X-Auth-Token", ""),
                    json.loads(raw or b"null"),
                )
                data = json.dumps(found).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_PUT = do_POST = answer

            def log_message(self, *words: object) -> None:
                """Nothing: the test's own output counts."""

        return Handler
