"""The awkward records of `records.txt`, and others that only a loop can say."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

_BYTES = re.compile(rb"<((?:[0-9A-F]{2})+)(?:\*(\d+))?>")


def read_records() -> list[bytes]:
    """What each line of `records.txt` stands for; some are several lines."""
    lines = Path(__file__).with_name("records.txt").read_bytes().split(b"\n")
    return [_BYTES.sub(_spelled_out, line) for line in lines if line and not line.startswith(b"#")]


def _spelled_out(match: re.Match[bytes]) -> bytes:
    return bytes.fromhex(match[1].decode()) * int(match[2] or 1)


# What may stand at every place of a block of 64 bytes: it ends, begins or breaks a string.
_PIECES = (
    *(b'"', b'\\"', b"\\\\", b"\\n", b"\\u0041", b"\\ud83d\\ude00", b"\\/", b"\\"),
    *("é".encode(), "\u212a".encode(), "😀".encode(), b"\xff", b"\xe2\x84", b"\t", b"\n"),
)


def records_at_block_ends() -> Iterator[bytes]:
    """Records in which each of these pieces stands at every offset of a block, and keys and values end there."""
    for size in range(201):
        padding = b"x" * size
        yield b'{"A":"' + padding + b'"}'
        yield b'{"A":"' + padding + b'evil"}'
        yield b'{"' + padding + b'":"evil keyword"}'
        yield b"{" + b" " * size + b'"A":"evil"}'
        yield b'{"A":"' + padding
        yield b'{"A":"evil keyword","N":' + b"5" * (size % 45) + b"}" + padding
    for size in range(66):
        for piece in _PIECES:
            yield b'{"A":"' + b"x" * size + piece + b'evil keyword","B":"' + piece + b'"}'


def huge_records() -> Iterator[bytes]:
    """Records of a megabyte and more, and records of more values or keys than the engine lists."""
    size = 1 << 20
    yield b'{"A":"' + b"x" * size + b'evil keyword"}'
    yield b'{"A":"evil' + b"\\u0078" * (size // 6) + b'"}'
    yield b'{"A":"' + "é".encode() * (size // 2) + b'evil"}'
    yield b'{"A":["' + b'","'.join(b"%d evi" % i for i in range(17_000)) + b'","evil"]}'
    yield b"{" + b",".join(b'"k%d":"v"' % i for i in range(5_000)) + b',"A":"evil keyword"}'
    yield b'{"A":"evil","N":[' + b",".join(b"%d" % i for i in range(17_000)) + b"]}"
    yield b'{"A":"evil",' + b" " * size + b'"N":5}'
    yield b'{"A":"evil","Z":"' + b"x" * size
    yield b"\xff" * size
