"""Files in and files out: nothing is skipped through rotations and restarts, and files hold whole lines."""

from __future__ import annotations

import errno
import gzip
import os
import pty
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import orjson
import pytest
import yaml

from sigmac.runtime.errors import StreamError
from sigmac.runtime.inputs.lines import MAX_RECORD
from sigmac.runtime.stream.dead_letters import KINDS, from_line
from sigmac.runtime.stream.files.file_sink import FileSink
from sigmac.runtime.stream.files.file_source import FileSource
from sigmac.runtime.stream.files.stdio import StdinSource, StdoutSink
from sigmac.runtime.stream.record import LONG_LINE_KEPT, LongLine, SourceEnded
from sigmac.runtime.stream.sink import Message
from tests.unit.packs import rule, write_text_pack

Make = Callable[..., FileSource]


@pytest.fixture
def source(tmp_path: Path) -> Iterator[Make]:
    """Makes sources over files, all with one state folder; closes them at the end."""
    made: list[FileSource] = []

    def make(*paths: Path, follow: bool = True) -> FileSource:
        made.append(FileSource(SimpleNamespace(paths=paths, follow=follow), tmp_path / "state", 0))
        return made[-1]

    yield make
    for each in made:
        each.close()


def read(files: FileSource, most: int = 100) -> list[tuple[bytes, int]]:
    """All that is there now, each line with its number."""
    found: list[tuple[bytes, int]] = []
    while batches := files.poll(most, 0):
        for batch in batches:
            found += [
                (value or b"", batch.origin(number).offset)
                for number, value in enumerate(batch.values)
            ]
        files.commit()
    return found


def test_lines_are_numbered_and_a_part_of_a_line_waits(tmp_path: Path, source: Make) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"a\nb\nc")
    files = source(log)
    assert read(files, most=1) == [(b"a", 0), (b"b", 1)]
    with log.open("ab") as more:
        more.write(b"c\n")
    assert read(files) == [(b"cc", 2)]


def test_a_restart_goes_on_behind_what_was_committed(tmp_path: Path, source: Make) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"a\nb\nc\n")
    files = source(log)
    files.poll(1, 0)
    files.commit()
    files.poll(1, 0)  # and not committed
    files.close()
    assert read(source(log)) == [(b"b", 1), (b"c", 2)]


def test_a_full_disk_keeps_no_positions_and_stops_nobody(
    tmp_path: Path, source: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"a\nb\nc\n")
    files = source(log)
    files.poll(1, 0)
    files.commit()
    with monkeypatch.context() as full:
        full.setattr("os.fsync", Mock(side_effect=OSError(errno.ENOSPC, "No space left on device")))
        files.poll(1, 0)
        files.commit()
    files.rewind()
    assert read(files) == [(b"c", 2)]
    assert read(source(log)) == []


def test_a_rewind_gives_the_same_lines(tmp_path: Path, source: Make) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"a\nb\n")
    files = source(log)
    first = files.poll(10, 0)[0].values
    files.rewind()
    assert files.poll(10, 0)[0].values == first


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds that have passed for sources, as its one element."""
    now = [1000.0]
    fake = SimpleNamespace(monotonic=lambda: now[0], sleep=lambda _: None)
    monkeypatch.setattr("sigmac.runtime.stream.files.file_source.time", fake)
    return now


def test_a_rotated_file_is_read_to_its_end_first(
    tmp_path: Path, source: Make, clock: list[float]
) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"a\n")
    files = source(log)
    assert read(files) == [(b"a", 0)]
    with log.open("ab") as more:
        more.write(b"b\n")
        more.flush()
        log.rename(tmp_path / "log.1")
        log.write_bytes(b"d\n")
        assert read(files) == [(b"b", 1)]
        clock[0] += 4
        more.write(b"c\n")  # by a writer that has not noticed yet
        more.flush()
        assert read(files) == [(b"c", 2)]
        clock[0] += 4
        assert read(files) == []
        more.write(b"the last")
    clock[0] += 6
    files.poll(100, 0)
    files.rewind()
    assert read(files) == [(b"the last", 3), (b"d", 0)]


def test_a_file_that_was_rotated_while_nobody_read_is_read_to_its_end_first(
    tmp_path: Path, source: Make, clock: list[float]
) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"a\nb\n")
    files = source(log)
    files.poll(1, 0)
    files.commit()
    files.close()
    log.rename(tmp_path / "log.1")
    log.write_bytes(b"c\n")
    files = source(log)
    assert read(files) == [(b"b", 1)]
    clock[0] += 6
    assert read(files) == [(b"c", 0)]
    files.close()
    assert read(source(log)) == []


def age(path: Path, seconds: int) -> None:
    """Have a file been written so many seconds ago."""
    then = time.time() - seconds
    os.utime(path, (then, then))


@pytest.mark.parametrize("numbers", ["newest first", "oldest first"])
@pytest.mark.parametrize("rotations", [1, 2, 4])
def test_every_rotation_while_nobody_read_is_read_in_its_order(
    rotations: int, numbers: str, tmp_path: Path, source: Make, clock: list[float]
) -> None:
    log = tmp_path / "log"
    (tmp_path / "log.77").write_bytes(b"read long ago\n")
    age(tmp_path / "log.77", 1000)
    log.write_bytes(b"first\nunread\n")
    files = source(log)
    files.poll(1, 0)
    files.commit()
    files.close()
    (tmp_path / "log.bak").write_bytes(b"a copy\n")
    for turn in range(rotations):
        age(log, 100 - turn)
        rotated = 10 + turn if numbers == "oldest first" else 10 + rotations - turn
        log.rename(tmp_path / f"log.{rotated}")
        log.write_bytes(b"of %d\n" % turn)
    files = source(log)
    found = []
    for _ in range(rotations + 1):
        found += [value for value, _ in read(files)]
        clock[0] += 6
    assert found == [b"unread", *(b"of %d" % turn for turn in range(rotations))]
    files.close()
    assert read(source(log)) == []


def test_two_rotations_while_it_is_read_lose_nothing(
    tmp_path: Path, source: Make, clock: list[float]
) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"a\n")
    files = source(log)
    assert read(files) == [(b"a", 0)]
    log.rename(tmp_path / "log.2")
    log.write_bytes(b"b\n")
    log.rename(tmp_path / "log.1")
    log.write_bytes(b"c\n")
    found = []
    for _ in range(4):
        found += read(files)
        clock[0] += 6
    assert found == [(b"b", 0), (b"c", 0)]


@pytest.mark.parametrize("text", [b"longer than it was before\nby far\n", b"xxxx\nyyyy\n", b"s\n"])
@pytest.mark.parametrize("restarted", [False, True])
def test_a_file_that_was_written_anew_in_its_place_is_read_from_its_start(
    text: bytes, restarted: bool, tmp_path: Path, source: Make
) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"aaaa\nbbbb\n")
    age(log, 10)
    files = source(log)
    assert len(read(files)) == 2
    if restarted:
        files.close()
    log.write_bytes(text)  # the same inode
    files = source(log) if restarted else files
    assert read(files) == [(line, at) for at, line in enumerate(text.splitlines())]
    with log.open("ab") as more:
        more.write(b"and on\n")
    assert read(files) == [(b"and on", len(text.splitlines()))]


def test_positions_are_kept_at_the_end_where_there_is_room_again(
    tmp_path: Path, source: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"a\nb\n")
    files = source(log)
    with monkeypatch.context() as full:
        full.setattr(os, "fsync", _no_space)
        assert len(read(files)) == 2
    files.close()
    assert read(source(log)) == []


def _no_space(_: int) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("follow", [False, True])
@pytest.mark.parametrize("name", ["pipe", "pipe.gz", "folder", "device"])
def test_what_is_no_regular_file_is_refused_at_once(
    name: str, follow: bool, tmp_path: Path, source: Make
) -> None:
    path = tmp_path / name
    if name == "folder":
        path.mkdir()
    elif name == "device":
        path.symlink_to(os.devnull)
    else:
        os.mkfifo(path)
    with pytest.raises(StreamError, match=r"regular file|directory"):
        source(path, follow=follow).poll(1, 0)


def test_a_file_that_was_cut_is_read_from_its_start(tmp_path: Path, source: Make) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"aaaa\nbbbb\n")
    files = source(log)
    assert len(read(files)) == 2
    log.write_bytes(b"c\n")
    assert read(files) == [(b"c", 0)]


def test_another_file_of_the_same_name_is_read_from_its_start_after_a_restart(
    tmp_path: Path, source: Make
) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"aaaa\n")
    files = source(log)
    read(files)
    files.close()
    log.write_bytes(b"bbbb\ncccc\n")  # the same inode
    assert read(source(log)) == [(b"bbbb", 0), (b"cccc", 1)]


def test_files_that_are_not_followed_come_to_an_end(tmp_path: Path, source: Make) -> None:
    plain, packed = tmp_path / "log", tmp_path / "log.gz"
    plain.write_bytes(b"a\nb")
    packed.write_bytes(gzip.compress(b"c\nd\n"))
    files = source(plain, packed, follow=False)
    found = [files.poll(100, 0)[0].values for _ in range(3)]
    files.commit()
    assert sorted(value for values in found for value in values) == [b"a", b"b", b"c", b"d"]
    with pytest.raises(SourceEnded):
        files.poll(100, 0)


def test_a_missing_file_that_is_not_followed_is_an_error(tmp_path: Path, source: Make) -> None:
    with pytest.raises(StreamError, match="no such file"):
        source(tmp_path / "none", follow=False).poll(1, 0)


LONGEST, LONG = b"x" * MAX_RECORD, b"y" * (MAX_RECORD + 1)


def lines_of(files: FileSource | StdinSource, wait: float = 0) -> list[bytes | LongLine | None]:
    """All that comes until the source ends, or until nothing more is there."""
    found: list[bytes | LongLine | None] = []
    try:
        while batches := files.poll(100, wait):
            for batch in batches:
                assert batch.origin(0).offset == len(found)
                found += [batch.long_lines.get(i, line) for i, line in enumerate(batch.values)]
            files.commit()
    except SourceEnded:
        pass
    return found


def cut(size: int, position: int) -> LongLine:
    return LongLine(LONG[:LONG_LINE_KEPT], size, position)


@pytest.mark.parametrize("ending", [b"", b"\n"])
@pytest.mark.parametrize("name", ["log", "log.gz", "-"])
def test_a_line_that_is_too_long_is_cut_and_the_next_one_read(
    name: str, ending: bytes, tmp_path: Path, source: Make
) -> None:
    log = tmp_path / name
    data = b"\n".join([b"a", LONGEST, LONG, b"b", LONG * 2]) + ending
    log.write_bytes(gzip.compress(data, 1) if log.suffix else data)
    third = len(LONGEST) + 3
    wanted = [
        *(b"a", LONGEST, cut(len(LONG), third)),
        *(b"b", cut(2 * len(LONG), third + len(LONG) + 3)),
    ]
    if name != "-":
        assert lines_of(source(log, follow=False)) == wanted
        return
    standard = os.dup(0)
    with log.open("rb") as file:
        os.dup2(file.fileno(), 0)
    try:
        assert lines_of(StdinSource(None), wait=30) == wanted
    finally:
        os.dup2(standard, 0)
        os.close(standard)


def test_a_line_that_is_too_long_waits_for_its_end(tmp_path: Path, source: Make) -> None:
    log = tmp_path / "log"
    log.write_bytes(LONG)
    files = source(log)
    assert lines_of(files) == []
    with log.open("ab") as more:
        more.write(b"yy")
    assert lines_of(files) == []
    with log.open("ab") as more:
        more.write(b"y\nb\n")
    assert files.poll(100, 0)[0].long_lines == {0: cut(len(LONG) + 3, 0)}
    files.rewind()
    assert lines_of(files) == [cut(len(LONG) + 3, 0), b"b"]
    files.close()
    assert read(source(log)) == []


def test_a_line_that_is_too_long_is_a_dead_letter(tmp_path: Path) -> None:
    pack = write_text_pack(rule("sel: {A: evil}\ncondition: sel"), tmp_path / "pack")
    log, dead = tmp_path / "log", tmp_path / "dead.ndjson"
    log.write_bytes(b'{"A":"evil"}\n{"A":"evil' + LONG + b'"}\n{"A":"evil"}\n')
    configuration = {
        "workers": 1,
        "state": str(tmp_path / "state"),
        "packs": {"p": {"path": str(pack)}},
        "source": {"files": {"paths": [str(log)], "follow": False, "pack": "p"}},
        "matches": {"stdout": {}},
        "dead_letters": {"file": {"path": str(dead)}},
    }
    config = tmp_path / "sigmac.yml"
    config.write_text(yaml.safe_dump(configuration))
    done = subprocess.run(
        [sys.executable, "-m", "sigmac", "run", "--config", str(config)],
        capture_output=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    matches = [orjson.loads(line) for line in done.stdout.splitlines()]
    assert [match["source"]["offset"] for match in matches] == [0, 2]
    (letter,) = map(from_line, dead.read_bytes().splitlines())
    assert (letter.kind, letter.origin.topic, letter.origin.offset) == ("too_long", str(log), 1)
    assert letter.value == (b'{"A":"evil' + LONG)[:LONG_LINE_KEPT]
    assert "16,777,229 bytes" in letter.reason
    assert "from byte 13 of the file" in letter.reason


def test_the_page_has_every_kind_of_dead_letter() -> None:
    page = (Path(__file__).parents[5] / "docs" / "dead-letters.md").read_text("utf-8")
    rows = [line.split("`")[1] for line in page.splitlines() if line.startswith("| `")]
    assert [name for name in rows if not name.startswith("sigmac-")] == list(KINDS)


def sink(path: Path, index: int = 0, **changes: Any) -> FileSink:
    settings = {"path": path, "rotate_mib": 1, "rotate_hours": 24, "keep": 2, **changes}
    return FileSink(SimpleNamespace(**settings), index)


def test_lines_are_on_disk_when_flush_says_so(tmp_path: Path) -> None:
    out = sink(tmp_path / "deep" / "matches.ndjson")
    out.write([Message(b"{}"), Message(b"[]")])
    assert out.flush(1)
    assert (tmp_path / "deep" / "matches.ndjson").read_bytes() == b"{}\n[]\n"


def test_half_a_line_of_a_crash_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "matches.ndjson"
    path.write_bytes(b'{"a":1}\n{"b":')
    out = sink(path)
    out.write([Message(b"{}")])
    assert out.flush(1)
    assert path.read_bytes() == b'{"a":1}\n{}\n'


def test_workers_have_files_of_their_own(tmp_path: Path) -> None:
    assert sink(tmp_path / "matches.ndjson", 1).path.name == "matches.1.ndjson"


def test_rotation_keeps_so_many(tmp_path: Path) -> None:
    out = sink(tmp_path / "m.ndjson", rotate_mib=1e-6)
    for number in range(5):
        out.write([Message(b"%d" % number)])
        assert out.flush(1)
    rotated = sorted(tmp_path.glob("m-*.ndjson"))
    assert [each.read_bytes() for each in rotated] == [b"2\n", b"3\n"]
    assert (tmp_path / "m.ndjson").read_bytes() == b"4\n"


def test_a_disk_that_fills_up_within_a_line_cuts_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "m.ndjson"
    out = sink(path, rotate_mib=1e-6, keep=9)
    write = os.write
    room = [OSError(errno.ENOSPC, "No space left on device"), 2]

    def fills_up(file: int, data: bytes) -> int:
        match room.pop() if room else len(data):
            case int(size):
                return write(file, data[:size])
            case error:
                raise error

    with monkeypatch.context() as full:
        full.setattr("os.write", fills_up)
        full.setattr("sigmac.runtime.stream.files.file_sink._AGAIN", 0.0)
        out.write([Message(b"1234"), Message(b"5678")])
        assert not out.flush(1)
        assert out.flush(1)
    assert [each.read_bytes() for each in tmp_path.glob("m*")] == [b"1234\n5678\n"]
    out.close()


@pytest.mark.parametrize("how", ["renamed", "removed", "replaced"])
def test_a_file_that_others_take_away_is_made_anew(how: str, tmp_path: Path) -> None:
    path, aside = tmp_path / "m.ndjson", tmp_path / "aside"
    out = sink(path)
    out.write([Message(b"1")])
    assert out.flush(1)
    if how == "removed":
        path.unlink()
    else:
        path.rename(aside)
    if how == "replaced":
        path.write_bytes(b"0\n")
    out.write([Message(b"2")])
    assert out.flush(1)
    assert path.read_bytes() == (b"0\n2\n" if how == "replaced" else b"2\n")
    out.close()


def test_a_folder_that_is_gone_is_an_error_and_the_file_can_still_be_closed(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "m.ndjson"
    out = sink(path)
    path.unlink()
    path.parent.rmdir()
    path.parent.write_bytes(b"no folder")
    out.write([Message(b"1")])
    with pytest.raises(StreamError, match=r"m\.ndjson: "):
        out.flush(1)
    out.close()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_a_full_disk_is_a_stall(tmp_path: Path) -> None:
    out = sink(Path("/dev/full"))
    out.write([Message(b"{}")])
    assert not out.flush(0)
    assert out.undeliverable() == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_no_permission_is_an_error(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(StreamError, match="Permission denied"):
        sink(tmp_path / "matches.ndjson")


def test_standard_output_takes_what_its_reader_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    monkeypatch.setattr("sys.stdout", os.fdopen(writer, "wb", buffering=0))
    out = StdoutSink(None)
    messages = [Message(b"%d" % number * 500) for number in range(1000)]
    out.write(messages[:500])
    assert not out.flush(0.01)  # the pipe is full
    out.write(messages[500:])
    taken = b""
    while not out.flush(0.01):
        taken += os.read(reader, 1 << 16)
    sys.stdout.close()
    while piece := os.read(reader, 1 << 16):
        taken += piece
    os.close(reader)
    assert taken.split(b"\n") == [*(message.value for message in messages), b""]


def test_standard_output_is_harmless_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = pty.openpty()
    monkeypatch.setattr("sys.stdout", os.fdopen(theirs, "wb", buffering=0))
    out = StdoutSink(None)
    out.write([Message('{"A":"\x9b31m \u202e ä"}'.encode())])
    assert out.flush(5)
    shown = os.read(ours, 1 << 16).decode()
    os.close(ours)
    sys.stdout.close()
    assert shown == '{"A":"\\u009b31m \\u202e ä"}\r\n'
