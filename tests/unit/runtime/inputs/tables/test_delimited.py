"""CSV and its kin."""

from __future__ import annotations

import csv
import io
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sigmac.runtime.errors import InputError
from sigmac.runtime.inputs.format import Event, Item, Unreadable
from sigmac.runtime.inputs.lines import MAX_RECORD
from sigmac.runtime.inputs.tables.delimited import FORMAT, read


def items(text: str | bytes) -> list[Item]:
    return [*read(io.BytesIO(text.encode() if isinstance(text, str) else text))]


def events(text: str | bytes) -> list[dict[str, Any]]:
    return [orjson.loads(item.data) for item in items(text) if isinstance(item, Event)]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_each_delimiter(delimiter: str, end: str) -> None:
    rows = ["Event ID,@timestamp,Image,User", '1,x,C:\\a.exe,"a, b"', "2,,,u"]
    text = end.join(rows).replace(",", delimiter).replace(f"a{delimiter} b", "a, b") + end
    expected = [
        {"Event ID": "1", "@timestamp": "x", "Image": "C:\\a.exe", "User": "a, b"},
        {"Event ID": "2", "User": "u"},
    ]
    for start in (b"", b"\xef\xbb\xbf", b"#TYPE System.Object\r\n", f"sep={delimiter}\n".encode()):
        assert FORMAT.recognises(start + text.encode())
        assert events(start + text.encode()) == expected


@pytest.mark.parametrize(
    "text",
    [
        "a,b\n",  # no rows
        "a\n1\n",
        "a,b\n1,2,3\n",
        '{"a": 1, "b": 2}\n{"a": 1, "b": 2}\n',
        "1,2\n3,4\n",
        "Jan  1 00:00:00 host app[1]: a, b\nJan  1 00:00:00 host app[1]: a, b\n",
        "a=1,b=2\na=1,b=2\n",
        "#fields\ta\tb\nx\ty\tz\n",
        "",
        "\n\n",
        '"a,b\n1,2\n',
        'a,b\n"1"x,2\n',
        '10.0.0.1 - - [1/Jan/2024] "GET /?a,b HTTP/1.1" 200 1, 2\n',
    ],
)
def test_what_is_not_recognised(text: str) -> None:
    assert not FORMAT.recognises(text.encode())


def test_a_row_over_several_lines_is_one_event() -> None:
    text = 'a,b\n"x ""y"",\r\n\r\nz",1\n2,"3"\n'
    assert events(text) == [{"a": 'x "y",\r\n\r\nz', "b": "1"}, {"a": "2", "b": "3"}]
    assert [item.position for item in items(text)] == [1, 4]


def test_quotation_marks_within_a_cell_are_characters() -> None:
    assert events('a,b\nx "y",1" z\n2,3\n') == [{"a": 'x "y"', "b": '1" z'}, {"a": "2", "b": "3"}]


def test_the_index_of_pandas_has_no_name() -> None:
    text = ",a,b\n0,x,y\n1,z,\n"
    assert FORMAT.recognises(text.encode())
    assert events(text) == [{"a": "x", "b": "y"}, {"a": "z"}]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("1", "the row has 1 cells, the header 2"),
        ("1,2,3", "the row has 3 cells, the header 2"),
        ("," * 20_000, "the row has more than 10,000 cells"),
        ('"",' * 20_000, "the row has more than 10,000 cells"),
        ('"1"x,2', "text stands behind the quotation mark that ends a cell"),
        ("x" * (MAX_RECORD + 1) + ",2", "the row is longer than 16,777,216 bytes"),
        ('"' + ("x" * 1000 + "\n") * 17_000 + '",2', "the row is longer than 16,777,216 bytes"),
    ],
)
def test_a_row_that_does_not_fit_is_told_and_the_rest_read(row: str, reason: str) -> None:
    made = items(f"a,b\n1,2\n{row}\n3,4\n")
    assert made[1] == Unreadable(2, reason)
    assert made[-1] == Event(made[-1].position, b'{"a":"3","b":"4"}')


def test_a_quotation_mark_without_an_end_is_told() -> None:
    assert items('a,b\n1,2\n"3,4\n5,6\n')[1:] == [
        Unreadable(2, "the quotation mark of a cell has no end: nothing is read up to line 4")
    ]


@pytest.mark.parametrize("text", ["", "x\n", '{"a": 1}\n', "\n\n"])
def test_without_names_nothing_is_read(text: str) -> None:
    with pytest.raises(InputError, match="no names of columns"):
        items(text)


def test_two_columns_of_one_name_are_told() -> None:
    with pytest.raises(InputError, match="two columns have the name 'a'"):
        items("a,b,a\n1,2,3\n")


def test_bytes_that_are_no_utf_8() -> None:
    assert events(b"a,b\nM\xfcller,2\n") == [{"a": "M�ller", "b": "2"}]


CELLS = st.text(
    st.characters(codec="utf-8", exclude_characters="\x00"), max_size=6
) | st.sampled_from(['"', ",", "\n", '""', "a,b", "\r\n"])


@given(st.lists(st.tuples(CELLS, CELLS, CELLS), max_size=8), st.sampled_from(",;\t|"))
def test_what_the_standard_library_writes_is_read(rows: list[tuple[str, ...]], mark: str) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=mark, quoting=csv.QUOTE_ALL)
    writer.writerows([("a", "b", "c"), *rows])
    expected = [{n: c for n, c in zip("abc", row, strict=True) if c} for row in rows]
    assert events(text.getvalue()) == expected


@given(st.binary(max_size=200))
def test_no_bytes_end_the_reader(some: bytes) -> None:
    FORMAT.recognises(some)
    FORMAT.recognises(b"a,b\n" + some)
    FORMAT.recognises(b'a,b\n"' + some)
    for item in items(b"a,b\n" + some):
        assert isinstance(item, Unreadable) or isinstance(orjson.loads(item.data), dict)
