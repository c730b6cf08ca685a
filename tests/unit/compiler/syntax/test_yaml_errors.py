"""The usual slips in YAML are told in plain words, at the place to mend, whichever parser stumbles over them."""

from __future__ import annotations

import pytest
import yaml

from sigmac.compiler.diagnostics.diagnostic import Diagnostic, RuleError
from sigmac.compiler.syntax import yaml_nodes as source

# The text of a file, line and column of the place, and the beginnings of message and hint.
SLIPS = [
    ("a:\n\tb: 1\n", (2, 1), "a tab indents the line", "indent with blanks"),
    ("a: @b\n", (1, 4), "no value can begin with '@'", "put the value in quotes"),
    ("a: %b\n", (1, 4), "no value can begin with '%'", "put the value in quotes"),
    ('a: 1\nb: "x\nc: 2\n', (2, 4), "the text in quotes that begins here", "close the quotes"),
    ("a: 'it's'\n", (1, 8), "text stands behind the end", "quote the value as a whole"),
    ('a: "C:\\Windows"\n', (1, 7), "the escape `\\W` is unknown", "write the value in single"),
    ('a: "C:\\Users"\n', (1, 9), "`\\x`, `\\u` and `\\U` need hexa", "write the value in single"),
    ("a: b: c\n", (1, 5), "a colon and a blank stand in a value", "quote a value that holds"),
    ("a: b\n  c: d\n", (2, 4), "a key stands where the value above", "indent it like the keys"),
    ("a:\n  - b\n - c\n", (3, 2), "the line is not indented like", "begin it in the column"),
    ("  a: 1\nb: 2\n", (2, 1), "the line belongs to nothing above it", "begin it in the column"),
    ("a: [b,\n  c\nd: e\n", (1, 4), "the brackets that open here are not closed", "close them"),
    ("a: {b: c\nd: e\n", (1, 4), "the brackets that open here are not closed", "close them"),
    ("a: [b\n", (1, 4), "the brackets that open here are not closed", "close them"),
    ("a: [b,\n", (2, 1), "brackets are open at the end", "close them"),
    ('a: [b, "c" d]\n', (1, 12), "a comma or a closing bracket is missing", "quote a value"),
    ("a: ]\n", (1, 4), "a bracket closes what none has opened", "put the value in quotes"),
    ("a: - b\n", (1, 4), "a list begins in the line of its key", "begin it on a new line"),
    ("a: 1\nb\nc: 2\n", (2, 1), "the line is no `key: value`", "put a colon behind the key"),
    ("a: ? b\n", (1, 4), "no value can begin with `? `", "put the value in quotes"),
    ("a: *b\n", (1, 4), "the alias `*b` has no anchor", "a value that begins with * must"),
    ("a: **\\b\n", (1, 4), "the value is read as an alias or an anchor", "a value that begins"),
    ("a: &b 1\nc: &b 2\n", (2, 4), "the anchor `&b` is set twice", "give it another name"),
    ("a: !b c\n", (1, 4), "the tag `!b` means nothing", "a value that begins with ! must"),
    ("a: !b!c d\n", (1, 4), "the tag `!b!c` means nothing", "a value that begins with ! must"),
    ("a: |b\n  c\n", (1, 5), "text stands in the line of", "begin it on the next line"),
    ("%YAML 3.0\n---\na: b\n", (1, 1), "the file is written for another YAML", "remove the line"),
    ("a: 1\nb: x\x07y\n", (2, 5), "the character U+0007 cannot stand", 'write it as "\\x07"'),
    ("a: x\0y\n", (1, 5), "the character U+0000 cannot stand", 'write it as "\\x00"'),
    ("a: \ufffe\n", (1, 4), "the character U+FFFE cannot stand", "remove it"),
]
# Of `\W` one parser marks the backslash, the other the letter.
PARSERS = [yaml.SafeLoader, *filter(None, [getattr(yaml, "CSafeLoader", None)])]


SURROGATES = [
    (r"\uD83D\uDE00", "is a surrogate pair", r"write `\U0001F600`"),
    (r"\uDE00", "the escape with the digits `DE00`", "write the character itself"),
    (r"\U00110000", "the escape with the digits `00110000`", "write the character itself"),
]


@pytest.mark.parametrize(("escape", "message", "hint"), SURROGATES)
def test_an_escaped_surrogate_is_told_with_the_escape_to_write(
    escape: str, message: str, hint: str
) -> None:
    found = refusal(f'a: "x{escape}"\n')
    assert (found.place.line, found.place.column) == (1, 8)
    assert message in found.message
    assert hint in found.hint
    if "`" in hint:
        mended = found.hint.split("`")[1]
        assert next(source.documents(f'a: "x{mended}"\n'.encode(), "a.yml"))


def refusal(text: str) -> Diagnostic:
    with pytest.raises(RuleError) as caught:
        list(source.documents(text.encode(), "a.yml"))
    return caught.value.diagnostic


@pytest.mark.parametrize("parser", PARSERS, ids=lambda each: each.__name__)
@pytest.mark.parametrize(("text", "place", "message", "hint"), SLIPS)
def test_a_slip_is_told_with_its_place_and_how_to_mend_it(
    text: str,
    place: tuple[int, int],
    message: str,
    hint: str,
    parser: type,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(source, "_Loader", parser)
    found = refusal(text)
    assert found.code == "E_YAML"
    assert found.message.startswith(message)
    assert found.hint.startswith(hint)
    line, column = place
    assert found.place.line == line
    assert found.place.column in (column, column + ("escape" in message))
