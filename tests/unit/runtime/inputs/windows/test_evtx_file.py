"""EVTX files, read by the package `evtx` in a process of its own."""

from __future__ import annotations

import gzip
import io
import json
import os
import signal
import struct
from pathlib import Path

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sigmac.runtime.errors import InputError
from sigmac.runtime.inputs import apart
from sigmac.runtime.inputs.format import Event, Item, Unreadable
from sigmac.runtime.inputs.lines import read_blocks
from sigmac.runtime.inputs.windows import evtx_file
from sigmac.runtime.inputs.windows.evtx_file import FORMAT, read

CORPUS = Path(__file__).resolve().parents[6] / "shared" / "corpus"
FILES = CORPUS / "formats" / "evtx"
HEADER, CHUNK = 4096, 65536

pytest.importorskip("evtx", reason="the extra evtx is not installed")
corpus = pytest.mark.skipif(not FILES.is_dir(), reason=f"there is no corpus at {FILES}")


def header() -> bytes:
    return (b"ElfFile\x00" + struct.pack("<3Q", 0, 0, 1)).ljust(HEADER, b"\x00")


def items(data: bytes) -> list[Item]:
    return [*read(io.BytesIO(data))]


def some_file() -> bytes:
    return next(iter(sorted(FILES.glob("*.evtx")))).read_bytes()


@corpus
def test_files_give_the_flat_events_of_the_corpus() -> None:
    blocks = read_blocks(str(CORPUS / "evtx-attack" / "events.ndjson.zst"))
    flat = b"".join(block.data for block in blocks).splitlines()
    index = json.loads((FILES / "index.json").read_bytes())
    assert len(index) > 40
    differing: dict[str, int] = {}
    for name, (first, last) in index.items():
        made = items((FILES / name).read_bytes())
        assert [item.position for item in made] == list(range(last - first + 1))
        for item, line in zip(made, flat[first - 1 : last], strict=True):
            assert isinstance(item, Event)
            event, expected = orjson.loads(item.data), orjson.loads(line)
            # The corpus has this time under another name, booleans as texts, and texts of `Data` as one.
            event["TimeCreated"] = event.pop("TimeCreated_SystemTime")
            for key in event.keys() | expected.keys():
                value = event.get(key)
                if isinstance(value, bool):
                    value = str(value).lower()
                elif isinstance(value, list) and isinstance(expected.get(key), str):
                    value = "\n".join(value)
                if value != expected.get(key):
                    differing[key] = differing.get(key, 0) + 1
    # One event of a driver has a `Version` of its own, which the corpus has beside that of System.
    assert differing == {"Version": 1, "EventData_Version": 1}


@corpus
def test_a_stream_that_only_reads_gives_the_same() -> None:
    data = some_file()
    packed = gzip.GzipFile(fileobj=io.BytesIO(gzip.compress(data)))
    assert [*read(packed)] == items(data)


@corpus
def test_what_is_cut_off_is_told_and_the_rest_read() -> None:
    data = some_file()
    whole, cut = items(data), items(data[:-1000])
    assert cut[:-1] == whole
    assert cut[-1] == Unreadable(len(whole), "the file is cut off within the chunk at byte 4,096")


@corpus
def test_a_damaged_chunk_leaves_the_others() -> None:
    data = some_file()
    records = len(items(data))
    made = items(data[:HEADER] + b"x" * CHUNK + bytes(CHUNK) + data[HEADER:])
    assert made[0] == Unreadable(0, "there is no chunk of records at byte 4,096")
    assert [type(item) for item in made[1:]] == [Event] * records


@corpus
def test_a_record_that_cannot_be_read_is_told() -> None:
    data = bytearray(some_file())
    second = data.find(b"\x2a\x2a\x00\x00", HEADER + 512 + 4)
    data[second : second + 4] = b"????"
    made = items(bytes(data))
    assert isinstance(made[0], Event)
    (told,) = [item for item in made if isinstance(item, Unreadable)]
    assert "cannot be read" in told.reason


@corpus
def test_a_reader_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    data = some_file()
    endless = bytearray(data)
    # Two entries of the table of strings lead to each other: the package follows them for ever.
    endless[HEADER + 0x80 : HEADER + 0x84] = struct.pack("<I", 0xB8)
    endless[HEADER + 0xB8 : HEADER + 0xBC] = struct.pack("<I", 0x80)
    monkeypatch.setattr(apart, "PATIENCE", 2.0)
    made = items(bytes(endless) + data[HEADER:])
    told = "the rest of the chunk at byte 4,096 cannot be read: its reader gave no answer for 2 s"
    assert made[0] == Unreadable(0, told)
    assert [type(item) for item in made[1:]] == [Event] * len(items(data))


@corpus
def test_a_reader_that_ends_is_started_again() -> None:
    data = some_file()
    whole = items(data)
    with apart.Apart(evtx_file._RECORDS) as asked:
        process = asked._process
        assert process is not None
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert items(data) == whole


def test_what_is_no_evtx_file_is_refused() -> None:
    assert FORMAT.recognises(header())
    assert not FORMAT.recognises(b'{"a": 1}')
    with pytest.raises(InputError, match="this is no EVTX file"):
        items(b"no such thing")
    with pytest.raises(InputError, match="cut off within its header"):
        items(header()[:100])
    assert items(header()) == []


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install 'sigmac\[evtx\]'"):
        items(header())


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apart, "PATIENCE", 3.0)


@corpus
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(
        st.tuples(st.integers(0, 20_000), st.binary(min_size=1, max_size=8)), min_size=1, max_size=8
    )
)
def test_no_damage_ends_the_reader(impatient: None, changes: list[tuple[int, bytes]]) -> None:
    data = bytearray(some_file())
    for at, some in changes:
        data[HEADER + at : HEADER + at + len(some)] = some
    made = items(bytes(data))
    assert [item.position for item in made] == list(range(len(made)))
    for item in made:
        assert not isinstance(item, Event) or isinstance(orjson.loads(item.data), dict)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=600))
def test_no_bytes_of_a_chunk_end_the_reader(some: bytes) -> None:
    for item in items(header() + b"ElfChnk\x00" + some):
        assert isinstance(item, Unreadable)


@corpus
@pytest.mark.parametrize("room", [0, 1 << 20])
def test_many_chunks_are_read_in_their_order(room: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apart, "_room", lambda pipe: room)
    files = [file.read_bytes() for file in sorted(FILES.glob("*.evtx"))[:20]]
    apiece = [item.data for data in files for item in items(data) if isinstance(item, Event)]
    whole = items(header() + b"".join(data[HEADER:] for data in files))
    assert [item.data for item in whole if isinstance(item, Event)] == apiece


@corpus
def test_a_file_that_is_left_in_the_middle_leaves_the_next_one_alone() -> None:
    data = some_file()
    reading = read(io.BytesIO(data + data[HEADER:] * 5))
    first = next(reading)
    reading.close()
    assert items(data)[0] == first
