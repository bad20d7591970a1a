"""What a host sends when it exports executions: the stream of remote/onhost/mistral_export.py, made of rows."""

import gzip
import json
from hashlib import sha256

from rollout import copytext
from rollout.copytext import Row
from rollout.records import Digest

COLUMNS = ("id", "state", "output")


def sent(
    rows: list[Row],
    /,
    *,
    columns: tuple[str, ...] = COLUMNS,
    source: str = "database",
    encoding: str = "UTF8",
    **foot: object,
) -> bytes:
    """The stream of ROWS; FOOT are keys of its last line that shall say something else."""
    text = b"".join(copytext.line(row) + b"\n" for row in rows)
    head = {
        "columns": columns,
        "encoding": encoding,
        "source": source,
        "of": {"name": "mistral"} if source == "database" else {"size": 1},
        "started": 1.0,
    }
    counted = Digest()
    for row in rows:
        counted.add(row)
    digest = (
        {"rows": counted.rows, "high": str(counted.high), "low": str(counted.low)} if source == "database" else None
    )
    end = {"rows": len(rows), "bytes": len(text), "sha256": sha256(text).hexdigest(), "rss_kib": 1024, "digest": digest}
    first = b"@stormlift-export " + json.dumps(head).encode() + b"\n"
    return first + gzip.compress(text) + json.dumps({**end, **foot}).encode() + b"\n"
