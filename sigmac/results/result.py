"""One thing that a run found: a match of a rule, or an alert of a correlation."""

from __future__ import annotations

import struct
from typing import NamedTuple

_HEAD = struct.Struct("<iII")  # key, length of the source, and with what stands behind it
_EVENT = b',"event":'
_END = b"}\n"


class Result(NamedTuple):
    """A match or an alert, in the parts of which the forms of output are made.

    `key` is the index of the rule in its pack; of a correlation -1 less its index. `source` is JSON, `more` what stands
    behind it on the wire (`,"explanation":…`, `,"correlation":…`), `event` the record's bytes, empty where no form asks
    for it.
    """

    key: int
    source: bytes
    more: bytes
    event: bytes


def packed(key: int, source: bytes, more: bytes, event: bytes) -> bytes:
    """A result as one piece, which is fast to make a line of and may wait on disk."""
    head = _HEAD.pack(key, len(source), len(source) + len(more))
    if event:
        return b"".join((head, source, more, _EVENT, event, _END))
    return b"".join((head, source, more, _END))


def unpacked(piece: bytes) -> Result:
    """What `packed` was given.

    >>> unpacked(packed(7, b"{}", b"", b'{"a":1}'))
    Result(key=7, source=b'{}', more=b'', event=b'{"a":1}')
    """
    key, source, more = _HEAD.unpack_from(piece)
    at = _HEAD.size
    event = piece[at + more + len(_EVENT) : -len(_END)]
    return Result(key, piece[at : at + source], piece[at + source : at + more], event)


def key_of(piece: bytes) -> int:
    """The key of a packed result."""
    return int.from_bytes(piece[:4], "little", signed=True)


def rest_of_line(piece: bytes, *, event: bool) -> bytes:
    """What follows the rule on the wire, from the source to the newline.

    >>> rest_of_line(packed(7, b"{}", b"", b'{"a":1}'), event=True)
    b'{},"event":{"a":1}}\\n'
    """
    if event:
        return piece[_HEAD.size :]
    _, _, more = _HEAD.unpack_from(piece)
    return piece[_HEAD.size : _HEAD.size + more] + _END
