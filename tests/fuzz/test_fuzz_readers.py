"""A short run of the fuzzer with every test run; `python -m tests.fuzz.fuzz_readers` goes on for as long as asked."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from sigmac.runtime.reading.known_formats import formats
from tests.fuzz.fuzz_readers import FILES, fault, mutated


@pytest.mark.parametrize("seed", range(3))
def test_mutated_files_are_read_or_refused(tmp_path: Path, seed: int) -> None:
    random = Random(seed)
    names = [None, *formats()]
    for _ in range(300):
        data, form = mutated(random.choice(FILES), random), random.choice(names)
        assert fault(data, form, tmp_path) == "", (form, data)


def test_a_member_of_an_archive_without_a_name(tmp_path: Path) -> None:
    (packed,) = (each for each in FILES if each.startswith(b"PK\x03\x04"))
    at = packed.rindex(b"a.ndjson")
    nameless = packed[:at] + bytes(8) + packed[at + 8 :]
    assert fault(nameless, None, tmp_path) == ""
