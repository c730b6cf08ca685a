"""Lines out of files and standard input, compressed or not, whole or not."""

from __future__ import annotations

import gzip
import io
import os
import sys
from pathlib import Path

import pytest

from sigmac.runtime.errors import InputError
from sigmac.runtime.inputs import compressions
from sigmac.runtime.inputs.lines import Block, read_blocks

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

LINES = b"".join(b'{"n": %d}\n' % number for number in range(1000))
PACKED = {
    "a.ndjson": LINES,
    "a.ndjson.gz": gzip.compress(LINES),
    "a.ndjson.zst": zstd.compress(LINES, options={zstd.CompressionParameter.checksum_flag: 1}),
    "two.gz": gzip.compress(LINES[:500]) + gzip.compress(LINES[500:]),
    "two.zst": zstd.compress(LINES[:500]) + zstd.compress(LINES[500:]),
}


def joined(blocks: list[Block]) -> bytes:
    """The data of blocks that say rightly which lines they hold."""
    data = b""
    for block in blocks:
        assert block.first == data.count(b"\n")
        data += block.data
    return data


@pytest.mark.parametrize("chunk", [1, 7, 1000, 1 << 20])
@pytest.mark.parametrize("name", PACKED)
def test_every_line_arrives_once_and_whole(tmp_path: Path, name: str, chunk: int) -> None:
    file = tmp_path / name
    file.write_bytes(PACKED[name])
    blocks = list(read_blocks(str(file), chunk=chunk))
    assert joined(blocks) == LINES
    assert all(block.data.endswith(b"\n") for block in blocks)
    assert blocks[-1].read <= len(PACKED[name])


def test_a_last_line_without_newline_and_blank_lines_are_kept(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"\n\na\r\n\nb")
    blocks = list(read_blocks(str(file), chunk=2))
    assert joined(blocks) == b"\n\na\r\n\nb"
    assert blocks[-1] == Block(str(file), b"b", 4, blocks[-1].read)


def test_an_empty_file_has_no_blocks(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    assert list(read_blocks(str(tmp_path / "a"))) == []


@pytest.mark.parametrize("name", ["a.ndjson.gz", "a.ndjson.zst", "two.gz", "two.zst"])
def test_a_compressed_file_that_is_cut_off_gives_what_came_before(
    tmp_path: Path, name: str
) -> None:
    noise = b"".join(b'{"n": "%s"}\n' % os.urandom(60).hex().encode() for _ in range(2000))
    data = gzip.compress(noise) if name.endswith("gz") else zstd.compress(noise)
    file = tmp_path / name
    file.write_bytes(data[: len(data) - 40])
    found: list[bytes] = []
    with pytest.raises(InputError, match="cut off"):
        found.extend(block.data for block in read_blocks(str(file), chunk=1000))
    assert noise.startswith(b"".join(found))
    assert sum(map(len, found)) > len(noise) / 4


@pytest.mark.parametrize("name", ["a.gz", "a.zst"])
def test_a_file_that_is_not_compressed_as_its_name_says(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    file.write_bytes(LINES)
    with pytest.raises(InputError, match=name):
        list(read_blocks(str(file)))


@pytest.mark.parametrize("name", ["a.ndjson.gz", "a.ndjson.zst"])
def test_a_damaged_byte_in_a_compressed_file(tmp_path: Path, name: str) -> None:
    data = bytearray(PACKED[name])
    data[len(data) // 2] ^= 0xFF
    file = tmp_path / name
    file.write_bytes(data)
    with pytest.raises(InputError, match="damaged"):
        list(read_blocks(str(file)))


def test_a_line_that_is_too_long_is_named_by_its_number(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"a\nb\n" + b"x" * 5000 + b"\n")
    blocks = read_blocks(str(file), chunk=100, max_record=1000)
    assert next(blocks).first == 0
    with pytest.raises(InputError, match=r"a:3: the line is longer than 1,000 bytes"):
        list(blocks)


@pytest.mark.parametrize("name", ["a.gz", "a.zst", "a"])
def test_a_bomb_is_read_no_further(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compressions, "_HARMLESS", 1 << 20)
    text = b"\n" * (4 << 20)
    pack = {"a.gz": gzip.compress, "a.zst": zstd.compress, "a": bytes}[name]
    file = tmp_path / name
    file.write_bytes(pack(text))
    assert len(joined(list(read_blocks(str(file), max_expansion=100_000)))) == len(text)
    if name == "a":
        assert len(joined(list(read_blocks(str(file), max_expansion=1)))) == len(text)
        return
    found: list[bytes] = []
    with pytest.raises(InputError, match="more than 50 times as long"):
        found.extend(
            block.data for block in read_blocks(str(file), chunk=1 << 16, max_expansion=50)
        )
    assert len(b"".join(found)) == 1 << 20


def test_a_binary_file_is_read_as_lines(tmp_path: Path) -> None:
    file = tmp_path / "a.bin"
    data = bytes(range(256)) * 8
    file.write_bytes(data)
    assert joined(list(read_blocks(str(file)))) == data


@pytest.mark.parametrize("name", ["missing.ndjson", "."])
def test_what_cannot_be_opened(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=r"No such file|Is a directory"):
        list(read_blocks(str(tmp_path / name)))


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.TextIOWrapper(io.BufferedReader(io.BytesIO(LINES + b"last")))
    monkeypatch.setattr(sys, "stdin", stream)
    assert joined(list(read_blocks("-", chunk=100))) == LINES + b"last"
