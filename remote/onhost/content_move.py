"""Keys and API keys, out of this st2 and into it. Runs in st2's virtualenv, Python 2.7 and 3.

  content_move.py look              what matters to whoever wants to write here
  content_move.py read PART...      keys, apikeys: lines of JSON on standard output
  content_move.py apply LOCK        lines of JSON from standard input, as long as the file LOCK holds what it holds now
"""

import os
import sys

from content_apply import TAKEN_OVER, TakenOver, apply, look
from content_read import PARTS, read
from st2_api import Silence
from store_server import Unusable, Wrong


def main(verb, *words):
    os.umask(0o077)
    if verb == "read" and set(words) - set(PARTS):
        raise SystemExit("none of %s: %s" % (", ".join(sorted(PARTS)), " ".join(words)))
    try:
        {"look": look, "read": read, "apply": apply}[verb](*words)
    except TakenOver as error:
        sys.stderr.write("%s\n" % error)
        return TAKEN_OVER
    except (Wrong, Unusable, Silence) as error:
        text = u"%s\n" % error
        getattr(sys.stderr, "buffer", sys.stderr).write(text.encode("utf-8"))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
