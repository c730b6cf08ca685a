"""A blind, fast mutation fuzzer: whatever the bytes, `match_batch` says what the scalar path says.

    python -m tests.fuzz.fuzz_batch [SECONDS] [SEED]

It changes lines of recorded kinds and hostile shapes (bits, bytes, pieces, bytes that mean something to JSON or UTF-8)
and compares both paths on the whole batch, with the compiled kernels alone: `fuzz_kernels.py` is guided, and a hundred
times slower.
A difference is printed with the batch that shows it, and the exit status is 1.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

from sigmac.runtime import Pack
from tests.fuzz.shapes import shaped
from tests.unit.packs import make_pack, rule

RULES = "---\n".join(
    rule(detection, title)
    for title, detection in {
        "text": "s: {Image|endswith: '\\cmd.exe', 'CommandLine|contains': ['/c', 'ä']}\ncondition: s",
        "number": "s: {EventID: [1, 4624], 'Size|gte': 10}\ncondition: s",
        "path": "s: {a.b: x, a.c|exists: true}\ncondition: s or not s",
        "word": "k: [mimikatz, sekurlsa]\ncondition: k",
        "short": "k: [abc]\nf: {Image: null}\ncondition: k and not f",
    }.items()
)
LINES = (
    rb'{"EventID":1,"Image":"C:\\Windows\\cmd.exe","CommandLine":"cmd \u002fc \"x\""}',
    rb'{"a":{"b":["x",{"c":1}],"c":null},"EventID":"4624","Size":1.5e1}',
    '{"CommandLine":"Ä \u212a 😀","a.b":"X","t":[true,false,null,-0,0.10]}'.encode(),
    rb' {"x":{"y":[[],{},"MimiKatz","sekurlsa::"]},"Image":null,"n":18446744073709551616} ',
    rb'{"k":"abc","k":"d","Image":"\ud83d\ude00","Size":"12"}',
)
PIECES = (
    *(bytes([byte]) for byte in b'"\\{}[]:,\n\r\t 0-.eEu'),
    *(
        b"\\u",
        b"\\ud800",
        b"null",
        b"true",
        b"NaN",
        b"\xff",
        b"\xc3",
        b"\xed\xa0\x80",
        b"\xef\xbb\xbf",
        b"\0",
    ),
    *(b"9" * 19, b"1e400", b'"Image":', b'"a":', b"{" * 70, b"[" * 70, b"x" * 63, b" " * 64),
)


def mutated(line: bytes, random: Random) -> bytes:
    """A line with a few changes."""
    data = bytearray(line)
    for _ in range(random.choice((0, 1, 1, 2, 5))):
        at = random.randint(0, len(data))
        match random.randrange(4):
            case 0 if data:
                data[at % len(data)] ^= 1 << random.randrange(8)
            case 1:
                del data[at : at + random.randint(1, 9)]
            case 2:
                data[at:at] = random.choice(PIECES)
            case _:
                other = random.choice(LINES)
                start = random.randrange(len(other))
                data[at:at] = other[start : start + random.randint(1, 30)]
    return bytes(data)


def batches(random: Random) -> Iterator[bytes]:
    """Batches of mutated lines without end; some lines have a hostile shape."""
    while True:
        lines = [
            mutated(shaped(random) if random.random() < 0.05 else random.choice(LINES), random)
            for _ in range(random.randint(1, 40))
        ]
        yield random.choice((b"\n", b"\n", b"\r\n", b"\n\n")).join(lines)


def difference(pack: Pack, data: bytes) -> str:
    """What the two paths say differently of a batch; "" where they agree."""
    batch, each = pack.match_batch(data), pack.match_each(data)
    for what in ("record", "rule"):
        if getattr(batch, what).tolist() != getattr(each, what).tolist():
            return f"{what}: {getattr(batch, what).tolist()} and {getattr(each, what).tolist()}"
    if batch.rejected != each.rejected or batch.records != each.records:
        return f"rejected: {batch.rejected} and {each.rejected}"
    return ""


def main(seconds: float = 60, seed: int = 0) -> int:
    """Fuzz for some seconds; 1 where a difference was found."""
    end, count = time.monotonic() + seconds, 0
    with tempfile.TemporaryDirectory() as folder:
        pack = make_pack(RULES, Path(folder))
        for data in batches(Random(seed)):
            count += 1
            found = difference(pack, data)
            if found:
                print(f"seed {seed}, batch {count}: {found}\n{data!r}")
                return 1
            if time.monotonic() > end:
                print(f"{count:,} batches, no difference")
                return 0
    return 0


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
