"""A fuzzer of all that reads files: whatever the bytes, events come out, or one sentence, and no more than fits.

    python -m tests.fuzz.fuzz_readers [SECONDS] [SEED]

It changes small files of every format, plain and compressed, and reads them as what they look like and as what they
are not. What is raised but `InputError`, takes longer than `SLOW` or gives an event that is no line is printed with the
bytes, and the exit status is 1.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import sys
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pyarrow as pa
import pyarrow.parquet as pq

from sigmac.runtime.errors import InputError
from sigmac.runtime.reading.known_formats import formats
from sigmac.runtime.reading.reading import Reading, read_events

SLOW = 20.0  # seconds for a file of a few kilobytes: readers in processes of their own take a while to start
_EVTX = b"ElfFile\x00" + bytes(4088) + b"ElfChnk\x00" + bytes(range(256)) * 255
_TEXTS = (
    b'{"EventID":1,"Image":"a.exe"}\n{"EventID":2,"x":{"y":[1,null]}}\n',
    b'{"Records":[{"eventName":"a"},{"eventName":"b"}]}',
    b'[{"a":1},\n {"a":[{"b":2}]}]',
    b'\x1e{"a":1}\n\x1e{"a":2}\n',
    b'{"Event":{"System":{"EventID":{"#text":1},"Channel":"c"},"EventData":{"Data":[{"Name":"a","#text":"b"}]}}}\n',
    b"<Events><Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System><EventID>1</EventID>"
    b"</System><EventData><Data Name='Image'>a&amp;b</Data></EventData></Event></Events>",
    b'Jan  2 03:04:05 host app[1]: user=bob act="x y"\n<34>1 2026-01-02T03:04:05Z h a 1 - [x@1 k="v"] {"a":1}\n',
    b"CEF:0|v|p|1|100|name\\|x|5|src=10.0.0.1 msg=a\\=b c act=d\n",
    b"LEEF:2.0|v|p|1|login|^|usrName=bob^src=10.0.0.1\n",
    b'type=EXECVE msg=audit(1.0:1): argc=2 a0="id" a1=2D61\ntype=PATH msg=audit(1.0:1): name=2F62\n',
    b'10.0.0.1 - - [02/Jan/2026:03:04:05 +0000] "GET /a?b=c HTTP/1.1" 404 9 "-" "curl"\n',
    b"#Software: Microsoft Internet Information Services 10.0\n#Fields: date time c-ip cs-method cs-uri-query\n"
    b"2026-01-02 03:04:05 10.0.0.1 GET -\n",
    b"#separator \\x09\n#path\tdns\n#fields\tts\tuid\n#types\ttime\tstring\n1.0\tC1\n#close\t2026\n",
    b'a,b,"c d"\n1,"x\ny",3\n4,5,6\n',
)


def _archives(text: bytes) -> Iterator[bytes]:
    yield gzip.compress(text, mtime=0)
    yield bz2.compress(text)
    yield lzma.compress(text)
    for kind in ("zip", "tar"):
        held = io.BytesIO()
        if kind == "zip":
            with zipfile.ZipFile(held, "w") as archive:
                archive.writestr("a.ndjson", text)
        else:
            with tarfile.open(fileobj=held, mode="w") as tar:
                info = tarfile.TarInfo("a.ndjson")
                info.size = len(text)
                tar.addfile(info, io.BytesIO(text))
        yield held.getvalue()
    yield text.decode().encode("utf-16")


def _tables() -> Iterator[bytes]:
    table = pa.table({"a": [1, None], "b": [["x"], []], "c": [{"d": 1.5}, None]})
    held = io.BytesIO()
    pq.write_table(table, held)
    yield held.getvalue()
    sink = io.BytesIO()
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    yield sink.getvalue()


FILES = (*_TEXTS, *_archives(_TEXTS[0]), *_tables(), _EVTX)


def mutated(data: bytes, random: Random) -> bytes:
    """A file with a few changes: bits, pieces of others, what is missing, what is there many times."""
    made = bytearray(data)
    for _ in range(random.choice((1, 1, 2, 5, 20))):
        at = random.randrange(len(made) + 1)
        match random.randrange(5):
            case 0 if made:
                made[at % len(made)] ^= 1 << random.randrange(8)
            case 1:
                del made[at : at + random.randint(1, 40)]
            case 2:
                made[at:at] = random.randbytes(random.randint(1, 8))
            case 3:
                made[at : at + 4] = random.choice(
                    (b"\xff\xff\xff\xff", b"\x00\x00\x00\x00", b"\x7f")
                )
            case _:
                other = random.choice(FILES)
                start = random.randrange(len(other))
                made[at:at] = other[start : start + random.randint(1, 60)] * random.choice(
                    (1, 1, 30)
                )
    return bytes(made)


def fault(data: bytes, form: str | None, folder: Path) -> str:
    """What is wrong with how a file is read; "" where nothing is."""
    path = folder / "file"
    path.write_bytes(data)
    started = time.monotonic()
    try:
        for block in read_events(str(path), Reading(form)):
            lines = block.data.count(b"\n") + (not block.data.endswith(b"\n"))
            if block.positions is not None and block.data and lines != len(block.positions):
                return f"{lines} lines at {len(block.positions)} places"
    except InputError as error:
        if "\n" in str(error):
            return f"{error} is no one sentence"
    except Exception as error:  # noqa: BLE001 - this is what is looked for
        return repr(error)
    took = time.monotonic() - started
    return f"{took:.1f} s" if took > SLOW else ""


def main(seconds: float = 60, seed: int = 0) -> int:
    """Fuzz for some seconds; 1 where a fault was found."""
    random, count, end = Random(seed), 0, time.monotonic() + seconds
    names = [None, None, *formats()]
    with tempfile.TemporaryDirectory() as made:
        while time.monotonic() < end:
            count += 1
            data, form = mutated(random.choice(FILES), random), random.choice(names)
            if found := fault(data, form, Path(made)):
                print(f"seed {seed}, file {count}, format {form}: {found}\n{data!r}")
                return 1
    print(f"{count:,} files, no fault")
    return 0


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
