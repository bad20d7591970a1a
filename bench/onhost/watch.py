"""Say whenever st2 on this host begins to serve or ceases to, until standard input ends.

  watch.py UNIT...   for each change a line of JSON: what (api, auth, stream or units), up, at (seconds of a clock that
                     only grows)

api, auth and stream are up while they answer over HTTP; units are up while all of UNIT... are active. What goes down
counts from the question that found it so, what comes up from the answer. Runs on the host, as st2 listens there alone.
"""

import http.client
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable

PORTS = {"auth": 9100, "api": 9101, "stream": 9102}
EVERY_S = 0.05
UNITS_EVERY_S = 0.2
PATIENCE_S = 5.0  # on a busy host an answer may take seconds; whoever is stopped hangs up at once
ONE_LINE = threading.Lock()


def answers(port: int) -> bool:
    """401 without a token proves life, a server's own error does not."""
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    try:
        link.request("GET", "/")
        return link.getresponse().status < 500
    except (OSError, http.client.HTTPException):
        return False
    finally:
        link.close()


def active(units: list[str]) -> bool:
    """Whether systemd calls all of UNITS active."""
    said = subprocess.run(["systemctl", "is-active", *units], capture_output=True, text=True, check=False)
    words = said.stdout.split()
    return len(words) == len(units) and set(words) == {"active"}


def watch(what: str, looks: Callable[[], bool], every: float) -> None:
    """Look for ever."""
    known = None
    while True:
        began = time.monotonic()
        up = looks()
        if up != known:
            at = time.monotonic() if up else began
            with ONE_LINE:
                print(json.dumps({"what": what, "up": up, "at": at}), flush=True)
            known = up
        time.sleep(max(0.0, began + every - time.monotonic()))


def main(units: list[str]) -> None:
    """Watch everything side by side, and end with standard input: nobody listens any more."""
    looks: list[tuple[str, Callable[[], bool], float]] = [("units", lambda: active(units), UNITS_EVERY_S)]
    looks += [(name, lambda port=port: answers(port), EVERY_S) for name, port in PORTS.items()]  # type: ignore[misc]
    for each in looks:
        threading.Thread(target=watch, args=each, daemon=True).start()
    sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1:])
