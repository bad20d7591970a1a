"""PostgreSQL's COPY text, row for row and back; what COPY wrote comes out of `line` again to the byte.

The format: https://www.postgresql.org/docs/current/sql-copy.html, "Text Format". COPY TO and pg_dump write no octal and no
hexadecimal escapes, so these are refused: they would stand for bytes that nobody wrote.

A value can be a hundred megabytes of escapes: texts are replaced whole, for what counts is that nothing is kept for each.
"""

from rollout.codec import Malformed

Row = tuple[str | None, ...]

_NULL = "\\N"
_ESCAPES = {"\\": "\\", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_UNSAFE = [(char, f"\\{letter}") for letter, char in _ESCAPES.items()]  # the backslash first
# PostgreSQL's names of encodings; bytes that nothing can convert (SQL_ASCII) stay what they are.
_CODECS = {
    "UTF8": "utf-8",
    "SQL_ASCII": "utf-8",
    "LATIN1": "iso8859-1",
    "LATIN9": "iso8859-15",
    "WIN1250": "cp1250",
    "WIN1251": "cp1251",
    "WIN1252": "cp1252",
}


class UnknownEncoding(Malformed):
    """Nothing is wrong with the text, but nobody here can read it."""


def codec(encoding: str) -> str:
    """Python's name of PostgreSQL's ENCODING. Raises UnknownEncoding."""
    if encoding not in _CODECS:
        raise UnknownEncoding(f"its text is in {encoding}, which cannot be read here")
    return _CODECS[encoding]


def row(text: bytes, charset: str = "utf-8") -> Row:
    """The values of one line of COPY text, without its newline; None is null. Raises Malformed."""
    try:
        line = text.decode(charset, "surrogateescape")
    except UnicodeDecodeError as error:
        raise Malformed(f"a row is not in {charset}: {error.reason}") from None
    if "\\" not in line:
        return tuple(line.split("\t"))
    return tuple(None if field == _NULL else _value(field) for field in line.split("\t"))


def line(values: Row, charset: str = "utf-8") -> bytes:
    """VALUES as COPY writes them, without the newline."""
    # Marks with a NUL, which no text of PostgreSQL's holds: so the whole row is escaped at once.
    text = "\0,".join(["\0N" if value is None else value for value in values])
    for char, escaped in _UNSAFE:
        text = text.replace(char, escaped)
    return text.replace("\0,", "\t").replace("\0N", _NULL).encode(charset, "surrogateescape")


def _value(field: str) -> str:
    if "\\" not in field:
        return field
    if "\0" in field:
        raise Malformed("a value holds a NUL, which PostgreSQL does not keep")
    text = field.replace("\\\\", "\0")
    for char, escaped in _UNSAFE[1:]:
        text = text.replace(escaped, char)
    if (at := text.find("\\")) >= 0:
        raise Malformed(f"a value holds {text[at : at + 2]!r}, which COPY does not write")
    return text.replace("\0", "\\")
