"""Count what st2 has not finished yet, through its API on this host. Reads only: it never logs in. Python 2.7 and 3.

Prints KEY COUNT PLACE, a line each: executions-unfinished, workflows-unfinished (those of Orquesta), or executions-unknown
with the reason. Credentials are, in this order: ST2_AUTH_TOKEN and ST2_API_KEY, and of root's own st2 client the api_key
of its configuration, then the token that it has kept from its last login. With a password alone nobody is asked: logging
in would write a token into st2's database.
"""

import json
import os
import sys

try:
    from configparser import RawConfigParser
    from urllib.error import HTTPError
    from urllib.parse import urlencode
    from urllib.request import ProxyHandler, Request, build_opener
except ImportError:
    from ConfigParser import RawConfigParser
    from urllib import urlencode

    from urllib2 import HTTPError, ProxyHandler, Request, build_opener

API = os.environ.get("STORMLIFT_API") or "http://127.0.0.1:9101"
CLIENT = os.environ.get("STORMLIFT_CLIENT") or "/root/.st2"
# Every one that an execution can leave again (st2common/constants/action.py); what a release does not know finds nothing.
UNFINISHED = "requested scheduled delayed running pausing paused resuming pending canceling".split()
ORQUESTA = ("orquesta", "orchestra")
PAGE = 100  # the most that the API gives at a time
SECONDS = 10


def credentials():
    """Headers, one after the other: the first that is let in counts."""
    found = [{}]  # a st2 without authentication asks nobody
    given = (("X-Auth-Token", "ST2_AUTH_TOKEN"), ("St2-Api-Key", "ST2_API_KEY"))
    told = [{header: os.environ[name]} for header, name in given if os.environ.get(name)]
    if told:
        return found + told
    parser = RawConfigParser()
    parser.read(os.path.join(CLIENT, "config"))

    def value(option):
        return parser.get("credentials", option) if parser.has_option("credentials", option) else ""

    if value("api_key"):
        found.append({"St2-Api-Key": value("api_key")})
    for name in sorted(os.listdir(CLIENT)) if os.path.isdir(CLIENT) else ():
        if name.startswith("token-"):
            with open(os.path.join(CLIENT, name)) as file:
                found.append({"X-Auth-Token": str(json.load(file).get("token", ""))})
    return found


def asked(status, headers):
    """How many executions are in STATUS, and the newest of them."""
    query = urlencode([("status", status), ("limit", PAGE), ("exclude_attributes", "result,trigger_instance")])
    # No proxy of the host's is to see the credentials: this stays on the host.
    opener = build_opener(ProxyHandler({}))
    answer = opener.open(Request("%s/v1/executions?%s" % (API, query), headers=headers), timeout=SECONDS)
    items = json.loads(answer.read().decode("utf-8"))
    return int(answer.headers.get("X-Total-Count") or len(items)), items


def let_in():
    """The headers that the API takes."""
    for headers in credentials():
        try:
            asked(UNFINISHED[0], headers)
            return headers
        except HTTPError as error:
            if error.code not in (401, 403):
                raise
    return None


def runner(item):
    named = item.get("runner") or {}
    return named.get("name") or item.get("action", {}).get("runner_type")


def main():
    headers = let_in()
    if headers is None:
        return "executions-unknown 1 the API wants credentials, and root's st2 client here has none that need no login"
    total, places, workflows = 0, [], []
    for status in UNFINISHED:
        count, items = asked(status, headers)
        total += count
        places += ["%d %s" % (count, status)] if count else []
        workflows += [item["id"] for item in items if runner(item) in ORQUESTA]
    lines = ["executions-unfinished %d %s" % (total, ", ".join(places))] if total else []
    lines += ["workflows-unfinished %d %s" % (len(workflows), workflows[0])] if workflows else []
    return "\n".join(lines)


try:
    said = main()
except Exception as error:  # down, or none on this host: a look, not a failure
    said = "executions-unknown 1 st2's API does not answer on this host: %s" % (error or type(error).__name__)
if said:
    print(said)
sys.exit(0)
