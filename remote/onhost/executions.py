"""Count what st2 has not finished yet, through its API on this host. Reads only. Python 2.7 and 3.

Prints KEY COUNT PLACE, a line each: executions-unfinished, workflows-unfinished (those of Orquesta), or executions-unknown
with the reason.
"""

import sys

from st2_api import Api, Refused, Silence

try:
    from urllib.parse import urlencode
except ImportError:
    from urllib import urlencode

# Every one that an execution can leave again (st2common/constants/action.py); what a release does not know finds nothing.
UNFINISHED = "requested scheduled delayed running pausing paused resuming pending canceling".split()
ORQUESTA = ("orquesta", "orchestra")
PAGE = 100  # the most that the API gives at a time


def query(status):
    """The path of the executions that are in STATUS."""
    return "/v1/executions?" + urlencode(
        [("status", status), ("limit", PAGE), ("exclude_attributes", "result,trigger_instance")]
    )


def runner(item):
    named = item.get("runner") or {}
    return named.get("name") or item.get("action", {}).get("runner_type")


def main():
    api = Api()
    if not api.let_in(query(UNFINISHED[0])):
        return "executions-unknown 1 the API wants credentials, and root's st2 client here has none that need no login"
    total, places, workflows = 0, [], []
    for status in UNFINISHED:
        answer, items = api.ask("GET", query(status))
        count = int(answer.getheader("X-Total-Count") or len(items))
        total += count
        places += ["%d %s" % (count, status)] if count else []
        workflows += [item["id"] for item in items if runner(item) in ORQUESTA]
    lines = ["executions-unfinished %d %s" % (total, ", ".join(places))] if total else []
    lines += ["workflows-unfinished %d %s" % (len(workflows), workflows[0])] if workflows else []
    return "\n".join(lines)


try:
    said = main()
except (Refused, Silence) as error:  # down, or none on this host: a look, not a failure
    said = "executions-unknown 1 %s" % error
except Exception as error:  # its text is somebody else's, and may quote anything
    said = "executions-unknown 1 st2's API on this host cannot be asked: %s" % type(error).__name__
if said:
    print(said)
sys.exit(0)
