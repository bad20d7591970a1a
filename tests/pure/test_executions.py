"""What a host says of executions that st2 has not finished: the real program against a small API."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from remote import program
from tests.pure.onhost import OnHost

WORD = "w0rd-that-nobody-sees"
ORQUESTA = {"id": "5a", "status": "paused", "runner": {"name": "orquesta"}, "action": {"ref": "p.flow"}}
LOCAL = {"id": "5b", "status": "running", "action": {"ref": "core.local", "runner_type": "local-shell-cmd"}}


@dataclass
class Api:
    """An st2 API with EXECUTIONS that lets in who shows one of LETS_IN; `seen` is the methods that it was asked with."""

    executions: list[dict[str, Any]] = field(default_factory=list)
    lets_in: tuple[tuple[str, str], ...] = ()
    seen: set[str] = field(default_factory=set)
    url: str = ""


@pytest.fixture
def api() -> Iterator[Api]:
    made = Api()

    class Answers(BaseHTTPRequestHandler):
        """As st2api does: a page of at most `limit`, the total in a header."""

        def do_GET(self) -> None:
            made.seen.add("GET")
            if made.lets_in and not any(self.headers.get(name) == value for name, value in made.lets_in):
                self.send_error(401)
                return
            query = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
            found = [each for each in made.executions if each["status"] == query["status"]]
            body = json.dumps(found[: int(query["limit"])]).encode()
            self.send_response(200)
            self.send_header("X-Total-Count", str(len(found)))
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            made.seen.add("POST")
            self.send_error(500)

        def log_message(self, *words: object) -> None:
            """Nothing: the test's own output counts."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        made.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield made
        server.shutdown()


def said(url: str, client: Path, **environment: str) -> str:
    """What the host says; CLIENT is the folder of root's own st2 client."""
    done = subprocess.run(
        [sys.executable, "-"],
        input=program.python("st2_api", "executions"),
        env={**os.environ, "STORMLIFT_API": url, "STORMLIFT_CLIENT": str(client), **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0 and done.stderr == "", done.stderr
    assert WORD not in done.stdout
    return done.stdout.strip()


def test_what_is_not_through_is_counted_by_its_state(api: Api, tmp_path: Path) -> None:
    done = [{"id": f"{n}", "status": status} for n, status in enumerate(("succeeded", "failed", "timeout", "canceled"))]
    api.executions = [LOCAL, {**LOCAL, "id": "5c"}, ORQUESTA, *done, {"id": "9", "status": "abandoned"}]
    assert said(api.url, tmp_path) == ("executions-unfinished 3 2 running, 1 paused\nworkflows-unfinished 1 5a")


def test_a_total_that_no_page_holds_is_counted(api: Api, tmp_path: Path) -> None:
    api.executions = [{**LOCAL, "id": f"{number}"} for number in range(250)]
    assert said(api.url, tmp_path) == "executions-unfinished 250 250 running"


def test_nothing_is_said_where_all_is_through(api: Api, tmp_path: Path) -> None:
    assert said(api.url, tmp_path) == ""


@pytest.mark.parametrize(("header", "variable"), [("X-Auth-Token", "ST2_AUTH_TOKEN"), ("St2-Api-Key", "ST2_API_KEY")])
def test_a_token_and_an_api_key_of_the_operator_are_shown_as_what_they_are(
    api: Api, tmp_path: Path, header: str, variable: str
) -> None:
    api.lets_in, api.executions = ((header, WORD),), [LOCAL]
    assert said(api.url, tmp_path, **{variable: WORD}) == "executions-unfinished 1 1 running"
    assert said(api.url, tmp_path, ST2_AUTH_TOKEN=WORD, ST2_API_KEY=WORD) == "executions-unfinished 1 1 running"


def test_root_s_own_client_is_asked_for_its_api_key_and_then_for_the_token_that_it_kept(
    api: Api, tmp_path: Path
) -> None:
    api.executions = [LOCAL]
    (tmp_path / "config").write_text(f"[credentials]\nusername = st2admin\napi_key = {WORD}\n")
    api.lets_in = (("St2-Api-Key", WORD),)
    assert said(api.url, tmp_path) == "executions-unfinished 1 1 running"
    (tmp_path / "config").write_text("[credentials]\nusername = st2admin\npassword = other\n")
    (tmp_path / "token-st2admin").write_text(json.dumps({"token": WORD, "expire_timestamp": 1}))
    api.lets_in = (("X-Auth-Token", WORD),)
    assert said(api.url, tmp_path) == "executions-unfinished 1 1 running"


def test_nobody_logs_in_with_a_password(api: Api, tmp_path: Path) -> None:
    api.lets_in = (("X-Auth-Token", WORD),)
    (tmp_path / "config").write_text(f"[credentials]\nusername = st2admin\npassword = {WORD}\n")
    assert "executions-unknown 1 the API wants credentials" in said(api.url, tmp_path)
    assert api.seen == {"GET"}


def test_a_word_that_does_not_count_any_more_is_told_and_not_shown(api: Api, tmp_path: Path) -> None:
    api.lets_in = (("X-Auth-Token", "another"),)
    assert said(api.url, tmp_path, ST2_AUTH_TOKEN=WORD).startswith("executions-unknown 1 the API wants credentials")


def test_an_api_that_is_down_is_no_error(tmp_path: Path) -> None:
    assert said("http://127.0.0.1:9", tmp_path).startswith(
        "executions-unknown 1 st2's API does not answer on this host"
    )


def test_a_proxy_of_the_host_is_not_asked(api: Api, tmp_path: Path) -> None:
    api.executions = [LOCAL]
    proxies = dict.fromkeys(("http_proxy", "HTTP_PROXY", "all_proxy"), "http://127.0.0.1:9")
    assert said(api.url, tmp_path, **proxies, no_proxy="", NO_PROXY="") == "executions-unfinished 1 1 running"


def test_a_later_hop_is_not_begun_while_a_workflow_is_under_way(api: Api, tmp_path: Path) -> None:
    host = OnHost(tmp_path)
    python = tmp_path / "stack" / "st2" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    host.environment |= {"STORMLIFT_API": api.url, "STORMLIFT_CLIENT": str(tmp_path)}
    api.executions = [LOCAL]
    assert host.call("workflows-through").returncode == 0
    api.executions = [LOCAL, ORQUESTA]
    told = host.call("workflows-through")
    assert told.returncode == 1 and "1 workflows are unfinished" in told.stderr
    api.lets_in = (("X-Auth-Token", WORD),)
    told = host.call("workflows-through")
    assert told.returncode == 0 and told.stdout.startswith("not known: the API wants credentials")
