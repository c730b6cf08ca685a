"""Modules compiled piece by piece: lines stay right, each piece runs once."""

from __future__ import annotations

import traceback
from pathlib import Path

import pytest

from sigmac.runtime.pack.lazy_source import LazySource
from tests.unit.packs import make_pack, rule

TEXT = """\
import math

COUNT = []


def first(x):
    return x + len(COUNT)


def second(x):
    def inner():
        return math.floor(
            1 / x
        )

    return [inner() for _ in range(1)][0]
"""


def test_pieces_see_the_head_and_nothing_runs_before_it_is_asked_for() -> None:
    source = LazySource(TEXT.encode(), "/x/a.py", "a")
    namespace = source.prepare(3)
    assert namespace["COUNT"] == []
    assert "first" not in namespace
    assert source.piece("first", 6, 7)(1) == 1
    assert source.piece("first", 6, 7) is source.piece("first", 6, 7)
    assert source.prepare() is namespace
    assert namespace["__name__"] == "a"
    assert source.lines(6, 7) == "def first(x):\n    return x + len(COUNT)\n"


def test_a_traceback_points_to_the_line_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "a.py"
    file.write_text(TEXT)
    source = LazySource(TEXT.encode(), str(file), "a")
    source.prepare(3)
    second = source.piece("second", 10, 16)
    with pytest.raises(ZeroDivisionError) as caught:
        second(0)
    frames = [
        f for f in traceback.extract_tb(caught.value.__traceback__) if f.filename == str(file)
    ]
    assert [(f.name, f.lineno) for f in frames] == [
        ("second", 16),
        ("<listcomp>", 16),
        ("inner", 13),
    ] or [(f.name, f.lineno) for f in frames] == [("second", 16), ("inner", 13)]
    assert frames[-1].line == "1 / x"


def test_the_functions_of_a_pack_know_their_lines(tmp_path: Path) -> None:
    rules = "---\n".join(rule(f"s: {{f: a{i}}}\ncondition: s", f"Rule {i}") for i in range(60))
    pack = make_pack(rules, tmp_path)
    for number in (0, 31, 59):
        code = pack.conditions[number].__code__  # type: ignore[attr-defined]
        assert Path(code.co_filename).is_relative_to(tmp_path / "pack" / "conditions")
        line = Path(code.co_filename).read_text().splitlines()[code.co_firstlineno - 1]
        assert line == f"def {code.co_name}(event: Event) -> bool:"
        assert pack.match({"f": f"a{number}"})[0].rule.title == f"Rule {number}"
