"""Read an archive of mongodump's to its last byte, and tell what is in it. Python 2.7 and 3, nothing but the standard library.

The format (mongo-tools, common/archive: archive.go, parser.go, multiplexer.go; the same from 3.2 to 100.x): four bytes of
magic, a block that tells the collections, then blocks of documents. A block is a header, bodies, and four bytes of ones; each
header and body is a document of BSON. The last block of a collection has a header with EOF, and a CRC-64 of its documents:
that one is left to mongorestore, as Python makes only some MB of it in a second.
"""

import io
import struct

MAGIC, TERMINATOR = 0x8199E26D, -1
SMALLEST, LARGEST = 5, (16 << 20) + (16 << 10)  # of a document, as the tools have it
_NUMBERS = {1: "<d", 8: "<b", 16: "<i", 18: "<q"}


class Damaged(Exception):
    """The file is no whole archive; in words, with the byte."""


def documents_in(path):
    """Collection to its number of documents. Raises Damaged."""
    with io.open(path, "rb", buffering=1 << 20) as archive:
        try:
            magic = archive.read(4)
            if len(magic) < 4 or struct.unpack("<I", magic)[0] != MAGIC:
                raise Damaged("it does not begin as an archive of mongodump's does")
            header, bodies = block(archive, keep=True)
            found = dict((fields(each)["collection"], 0) for each in bodies)
            closed = set()
            while True:
                header, bodies = block(archive)
                if header is None:
                    break
                name = header["collection"]
                if name in closed:
                    raise Damaged("%s goes on behind its end" % name)
                found[name] = found.get(name, 0) + bodies
                if header.get("EOF"):
                    closed.add(name)
        except Damaged as error:
            raise Damaged("%s is no whole archive at byte %d: %s" % (path, archive.tell(), error))
        except (KeyError, ValueError, struct.error):
            raise Damaged("%s is no whole archive at byte %d: what stands there is no header" % (path, archive.tell()))
    half = sorted(name for name in found if found[name] and name not in closed)
    if half:
        raise Damaged("%s is no whole archive: it ends in the middle of %s" % (path, ", ".join(half)))
    return found


def block(archive, keep=False):
    """(header, bodies) of the next block: the number of bodies, or with KEEP themselves; (None, 0) at the end of the file."""
    header = document(archive, at_end=None)
    if header is None:
        return None, 0
    count, bodies = 0, []
    while True:
        body = document(archive, at_end=False)
        if body is TERMINATOR:
            return fields(header), bodies if keep else count
        count += 1
        if keep:
            bodies.append(body)


def document(archive, at_end):
    """The bytes of the next document, or TERMINATOR. At the end of the file AT_END, which must be None where that may be."""
    length = archive.read(4)
    if not length and at_end is None:
        return None
    if len(length) < 4:
        raise Damaged("the file ends in the middle")
    size = struct.unpack("<i", length)[0]
    if size == TERMINATOR:
        if at_end is None:
            raise Damaged("a block has no header")
        return TERMINATOR
    if not SMALLEST <= size <= LARGEST:
        raise Damaged("%d is no size of a document" % size)
    rest = archive.read(size - 4)
    if len(rest) < size - 4:
        raise Damaged("the file ends in the middle of a document")
    if rest[-1:] != b"\0":
        raise Damaged("a document does not end where it says")
    return length + rest


def fields(data):
    """A flat document of strings and numbers, as headers are. Raises ValueError, struct.error."""
    found, at = {}, 4
    while at < len(data) - 1:
        kind = ord(data[at : at + 1])
        end = data.index(b"\0", at)
        name, at = data[at + 1 : end].decode("utf-8"), end + 1
        if kind == 2:
            size = struct.unpack_from("<i", data, at)[0]
            if not 0 < size <= len(data) - at - 4:
                raise ValueError("a string is longer than its document")
            found[name], at = data[at + 4 : at + 3 + size].decode("utf-8"), at + 4 + size
        elif kind in _NUMBERS:
            found[name] = struct.unpack_from(_NUMBERS[kind], data, at)[0]
            at += struct.calcsize(_NUMBERS[kind])
        else:
            raise ValueError("a header has a field of kind %d" % kind)
    return found
