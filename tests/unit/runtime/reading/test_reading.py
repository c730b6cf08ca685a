"""Files of any wrapping, compression and encoding give their events, with the places where they stand."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import json
import lzma
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import lz4.frame
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sigmac.runtime.errors import InputError
from sigmac.runtime.reading.reading import Reading, read_events

ONE = {"EventID": 1, "Image": "a\u00fc"}
TWO = {"EventID": 2, "Image": None}
EVTX = {"Event": {"System": {"EventID": 1}, "EventData": {"Image": "a\u00fc"}}}


def events(path: Path, **how: Any) -> list[tuple[int, Any]]:
    return [
        (block.position(line), json.loads(text))
        for block in read_events(str(path), Reading(**how))
        for line, text in enumerate(block.data.splitlines())
        if text.strip()
    ]


def written(folder: Path, data: bytes, name: str = "events.log") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


TEXT = json.dumps(ONE).encode()


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (TEXT + b"\n\n" + json.dumps(TWO).encode(), [(0, ONE), (2, TWO)]),
        (b"\xef\xbb\xbf" + TEXT, [(0, ONE)]),
        (json.dumps([ONE, TWO]).encode(), [(0, ONE), (1, TWO)]),
        (json.dumps([ONE, TWO], indent=2).encode(), [(0, ONE), (1, TWO)]),
        (TEXT + TEXT, [(0, ONE), (1, ONE)]),
        (json.dumps(ONE).encode("utf-16"), [(0, ONE)]),
        (json.dumps([ONE], indent=1).encode("utf-16-le"), [(0, ONE)]),
        (json.dumps({"Records": [ONE, TWO]}).encode(), [(0, ONE), (0, TWO)]),
        (json.dumps({"Records": [ONE, TWO]}, indent=2).encode(), [(0, ONE), (1, TWO)]),
        (json.dumps({"value": [ONE], "@odata.context": "x"}).encode(), [(0, ONE)]),
        (json.dumps({"hits": {"hits": [{"_id": "1", "_source": ONE}]}}).encode(), [(0, ONE)]),
        (json.dumps({"preview": False, "result": ONE}).encode(), [(0, ONE)]),
        (json.dumps({"time": 1, "host": "h", "event": ONE}).encode(), [(0, ONE)]),
        (json.dumps({"_raw": json.dumps(ONE), "_time": "x"}).encode(), [(0, ONE)]),
        (json.dumps({"log": json.dumps(ONE) + "\n", "stream": "stdout"}).encode(), [(0, ONE)]),
        (json.dumps(EVTX).encode(), [(0, {"EventID": 1, "Image": "a\u00fc"})]),
        (gzip.compress(TEXT, mtime=0), [(0, ONE)]),
        (bz2.compress(TEXT), [(0, ONE)]),
        (lzma.compress(TEXT), [(0, ONE)]),
        (lz4.frame.compress(TEXT), [(0, ONE)]),
    ],
)
def test_it_is_told_by_its_content(data: bytes, expected: Any, tmp_path: Path) -> None:
    assert events(written(tmp_path, data)) == expected


@pytest.mark.parametrize(
    "event",
    [
        {"event": {"code": "1"}, "process": {"executable": "x"}},
        {"records": "many"},
        {"value": [1, 2]},
        {"value": [], "Image": "x"},
        {"result": {"code": 0}, "Image": "x"},
        {"message": "{not json", "@timestamp": "x"},
        {"hits": 5},
    ],
)
def test_an_event_with_a_key_like_a_wrapping_stays(event: Any, tmp_path: Path) -> None:
    assert events(written(tmp_path, json.dumps(event).encode())) == [(0, event)]


def test_archives(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("one.json", json.dumps([ONE], indent=1))
        archive.writestr("two.ndjson.gz", gzip.compress(TEXT))
    names = [block.name for block in read_events(str(tmp_path / "a.zip"), Reading())]
    assert names == [f"{tmp_path}/a.zip:one.json", f"{tmp_path}/a.zip:two.ndjson.gz"]
    assert events(tmp_path / "a.zip") == [(0, ONE), (0, ONE)]
    with tarfile.open(tmp_path / "b.tgz", "w:gz") as made:
        info = tarfile.TarInfo("logs/one.ndjson")
        info.size = len(TEXT)
        made.addfile(info, io.BytesIO(TEXT))
    assert events(tmp_path / "b.tgz") == [(0, ONE)]


def test_a_path_selects(tmp_path: Path) -> None:
    path = written(tmp_path, json.dumps({"a": [{"b": ONE}, {"b": TWO}, {"c": 1}]}).encode())
    assert events(path, select="a[].b") == [(0, ONE), (0, TWO)]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"\x00\x01\x02\x03" * 100, "no known format of logs; `sigmac formats` lists them"),
        (b"plain text\nand more\n", "no known format of logs"),
        (gzip.compress(TEXT * 1000, mtime=0)[:-20], "the compressed file is damaged or cut off"),
        (b"PK\x03\x04" + b"\x00" * 100, "the archive cannot be read"),
        (b'[{"a": 1}, {"b"', "it ends within a value, after 1 objects"),
        (
            lzma.compress(b'{"a": 1}\n' * (20 << 20)),
            "more than 500 times as long as the compressed file",
        ),
    ],
)
def test_what_cannot_be_read_is_one_sentence(data: bytes, said: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=said):
        list(read_events(str(written(tmp_path, data)), Reading()))


def test_without_the_package_for_it_a_file_says_which(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "lz4.frame", None)
    path = str(written(tmp_path, lz4.frame.compress(TEXT)))
    with pytest.raises(InputError, match=r"lz4 needs a package: pip install 'sigmac\[lz4\]'"):
        list(read_events(path, Reading()))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.binary(max_size=600),
    st.sampled_from([b"", b"{", b"[", b"PK\x03\x04", b"\x1f\x8b", b"\xff\xfe", b"BZh"]),
)
def test_no_bytes_do_harm(tmp_path: Path, data: bytes, start: bytes) -> None:
    with contextlib.suppress(InputError):
        list(read_events(str(written(tmp_path, start + data)), Reading()))
