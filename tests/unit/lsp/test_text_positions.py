"""Positions of editors, places of diagnostics and offsets are the same spots of a text."""

from __future__ import annotations

import pytest
from lsprotocol.types import Position, PositionEncodingKind

from sigmac.compiler.diagnostics.diagnostic import Place
from sigmac.lsp.texts.text_positions import TextPositions

TEXT = "a\r\nbü🦊c\u2028d\n\n𝔘"
UNITS = {PositionEncodingKind.Utf8: 1, PositionEncodingKind.Utf16: 2}
CODECS = {
    PositionEncodingKind.Utf8: "utf-8",
    PositionEncodingKind.Utf16: "utf-16-le",
    PositionEncodingKind.Utf32: "utf-32-le",
}


@pytest.mark.parametrize("encoding", CODECS, ids=str)
def test_positions_count_the_units_of_the_encoding(encoding: PositionEncodingKind) -> None:
    positions = TextPositions(TEXT, encoding)
    for offset in range(len(TEXT) + 1):
        if TEXT[offset : offset + 1] == "\n" and TEXT[offset - 1 : offset] == "\r":
            continue  # no position is inside a break
        before = TEXT[:offset].replace("\r\n", "\n").split("\n")
        units = len(before[-1].encode(CODECS[encoding])) // UNITS.get(encoding, 4)
        assert positions.position(offset) == Position(len(before) - 1, units)
        assert positions.offset(Position(len(before) - 1, units)) == offset


def test_a_position_inside_a_character_is_at_its_begin() -> None:
    assert TextPositions("🦊b", PositionEncodingKind.Utf16).offset(Position(0, 1)) == 0


def test_a_position_behind_a_line_is_at_its_end() -> None:
    positions = TextPositions("ab\ncd")
    assert positions.offset(Position(0, 9)) == 2
    assert positions.offset(Position(9, 0)) == 5


def test_places_count_lines_as_yaml_does() -> None:
    positions = TextPositions(TEXT, PositionEncodingKind.Utf32)
    assert positions.range_of(Place("f", 3, 1, 1)) == positions.range(8, 9)
    assert positions.range_of(Place("f", 2, 3, 99)) == positions.range(5, 7)
    assert positions.range_of(Place("f", 2)) == positions.range(3, 7)
    assert positions.range_of(Place("f")) == positions.range(0, 0)


def test_a_byte_order_mark_is_no_column_of_a_place() -> None:
    assert TextPositions("\ufefftitle: x").offset_of(Place("f", 1, 1)) == 1


def test_a_lone_surrogate_is_a_unit() -> None:
    assert TextPositions("\ud83da").position(1) == Position(0, 1)
