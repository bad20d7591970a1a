"""The package server's program: files over HTTP, of which every package may take a while, as over a slow link.

How many seconds is read from a file at each request, so that it is changed while the server runs; no file means none.
Lists of packages and whatever else is asked for come at once. A client's packages come one after the other, however many
it asks for at the same time: its link is the same for all of them.
"""

import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

SECONDS = Path("/run/lab/package-seconds")
PACKAGES = (".deb", ".rpm")


def seconds_of(file: Path) -> float:
    """What FILE says; nothing in it, or no file, is no wait."""
    try:
        return float(file.read_text().strip() or 0)
    except FileNotFoundError:
        return 0.0


class Links:
    """The links of the clients, by address; `sleep` lets time pass."""

    def __init__(self, file: Path = SECONDS, sleep: Callable[[float], None] = time.sleep) -> None:
        self._file = file
        self._sleep = sleep
        self._busy: dict[str, threading.Lock] = defaultdict(threading.Lock)

    def carry(self, client: str) -> None:
        """Let pass what a package takes on the way to CLIENT, behind those that are on their way."""
        with self._busy[client]:
            if seconds := seconds_of(self._file):
                self._sleep(seconds)


class Files(SimpleHTTPRequestHandler):
    """Serves a folder."""

    def __init__(self, links: Links, *args: object, **more: object) -> None:
        self._links = links
        super().__init__(*args, **more)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        """Answer, a package after its time."""
        if self.path.partition("?")[0].endswith(PACKAGES):
            self._links.carry(self.client_address[0])
        super().do_GET()


def server(folder: Path, port: int, links: Links) -> ThreadingHTTPServer:
    """A server of FOLDER, not yet serving."""
    return ThreadingHTTPServer(("", port), partial(Files, links, directory=str(folder)))


if __name__ == "__main__":
    server(Path(sys.argv[1]), int(sys.argv[2]), Links()).serve_forever()
