"""A page of one file that searches records: rows in gzip'd chunks that the page unpacks; written and read as a stream."""

import base64
import gzip
import json
import re
import zlib
from collections.abc import Iterable, Iterator
from hashlib import sha256
from typing import Any

from rollout.codec import Malformed
from rollout.copytext import Row
from rollout.records import json_text

CHUNK_ROWS = 2000
LEVEL = 6  # of gzip; 9 takes nearly twice the time for a few hundredths of the size
_CHUNK_BYTES = 4 << 20  # a chunk is unpacked whole
_SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)
_ROWS, _POLICY, _ABOUT = "@ROWS@", "@SCRIPT-HASH@", "@ABOUT@"
_OPEN, _CLOSE = b'<script type="application/octet-stream" class="rows">', b"</script>\n"


class Page:
    """The parts of a page in their order: `head`, what `add` gives, `tail`. TEMPLATE is its HTML."""

    def __init__(self, template: str) -> None:
        script = _SCRIPT.search(template)
        assert script, "the template has no script"
        # No other script than this one runs in it, whatever a record holds, and nothing is fetched.
        hashed = base64.b64encode(sha256(script[1].encode()).digest()).decode()
        self._head, self._tail = template.replace(_POLICY, hashed).split(_ROWS)
        self._held: list[bytes] = []
        self._size = 0

    def head(self) -> bytes:
        """What comes before the rows."""
        return self._head.encode()

    def add(self, row: Row) -> bytes:
        """Take ROW in; gives a chunk when one is full, else nothing."""
        line = json_text(row)
        self._held.append(line)
        self._size += len(line)
        return self._chunk() if len(self._held) >= CHUNK_ROWS or self._size >= _CHUNK_BYTES else b""

    def tail(self, about: dict[str, Any]) -> bytes:
        """The last chunk, and what the page says ABOUT itself: title, columns, rows, states."""
        # Inside of a script "<" must not begin a tag.
        said = json.dumps(about).replace("<", "\\u003c")
        return self._chunk() + self._tail.replace(_ABOUT, said).encode()

    def _chunk(self) -> bytes:
        if not self._held:
            return b""
        packed = base64.b64encode(gzip.compress(b"\n".join(self._held), LEVEL, mtime=0))
        self._held, self._size = [], 0
        return _OPEN + packed + _CLOSE


def from_page(lines: Iterable[bytes]) -> Iterator[Row]:
    """The rows of a page's LINES. Raises Malformed."""
    for line in lines:
        if line.startswith(_OPEN) and line.endswith(_CLOSE):
            try:
                text = gzip.decompress(base64.b64decode(line[len(_OPEN) : -len(_CLOSE)], validate=True))
                rows = [tuple(json.loads(each)) for each in text.split(b"\n")]
            except (ValueError, EOFError, OSError, zlib.error) as error:
                raise Malformed(f"a chunk cannot be unpacked: {error}") from None
            yield from rows
