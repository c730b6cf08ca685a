"""What is wrong with text that is no YAML, in the words of who writes rules.

A YAML parser speaks of its grammar: "did not find expected key". What it says, and what stands where it says so,
tell which of the usual slips was made. libyaml and PyYAML's own parser say the same in different words.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import yaml

from sigmac.compiler.diagnostics.diagnostic import LINE_BREAK, Place, RuleError


@dataclass(frozen=True, slots=True)
class _Slip:
    """A usual slip: what the parser says, on what text it stumbles, and how to mend it.

    `said` is looked for in the parser's words (context first), `before` and `after` match the text of the line on
    both sides of the place. `from_start`: the place to mend is where the thing begins, not where the parser stumbled.
    """

    said: str
    message: str
    hint: str
    before: str = ""
    after: str = ""
    from_start: bool = False

    def fits(self, said: str, before: str, after: str) -> bool:
        return bool(
            re.search(self.said, said)
            and re.search(self.before, before)
            and re.match(self.after, after)
        )


_QUOTE = "put the value in quotes"
_SLIPS = (
    _Slip("cannot start any token", "a tab indents the line", "indent with blanks", r"^\s*$", "\t"),
    _Slip("cannot start any token", "no value can begin with {one!r}", _QUOTE),
    _Slip(
        "quoted scalar.*unexpected end of stream",
        "the text in quotes that begins here has no end",
        "close the quotes; inside single quotes a ' is written ''",
        from_start=True,
    ),
    _Slip(
        "escape (character|code)",
        r"the escape `\{one}` is unknown in double quotes",
        r"write the value in single quotes, or `\\` for each backslash",
        after=r"[^\\]",
    ),
    _Slip(
        "escape (character|code)",
        "the escape `{two}` is unknown in double quotes",
        r"write the value in single quotes, or `\\` for each backslash",
    ),
    _Slip(
        "hexa?decimal",
        r"`\x`, `\u` and `\U` need hexadecimal digits in double quotes",
        r"write the value in single quotes, or `\\` for each backslash",
    ),
    _Slip(
        "mapping values are not allowed",
        "a colon and a blank stand in a value without quotes",
        "quote a value that holds a colon and a blank",
        r":\s",
    ),
    _Slip(
        "mapping values are not allowed",
        "a key stands where the value above goes on",
        "indent it like the keys around it, or quote the value above",
    ),
    _Slip(
        "expected (key|<block end>|'-')",
        "the line is not indented like the lines that it belongs to",
        "begin it in the column in which they begin",
        r"^\s*$",
    ),
    _Slip(
        "expected (key|<block end>|'-')",
        "text stands behind the end of a value",
        "quote the value as a whole; inside single quotes a ' is written ''",
    ),
    _Slip(
        "flow (sequence|mapping).*expected ',' or",
        "the brackets that open here are not closed",
        "close them, or quote the value that they belong to",
        r"^\s*\S*$",
        from_start=True,
    ),
    _Slip(
        "flow (sequence|mapping).*expected ',' or",
        "a comma or a closing bracket is missing",
        "quote a value that holds brackets, commas or quotes",
    ),
    _Slip("node content", "a bracket closes what none has opened", _QUOTE, after=r"[\]}]"),
    _Slip(
        "node content",
        "brackets are open at the end",
        "close them, or quote the value that they belong to",
    ),
    _Slip(
        "sequence entries are not allowed",
        "a list begins in the line of its key",
        "begin it on a new line, or quote the value",
    ),
    _Slip(
        "simple key.*expected ':'",
        "the line is no `key: value` and belongs to no value",
        "put a colon behind the key, or indent the line below the value that it belongs to",
        from_start=True,
    ),
    _Slip("mapping keys are not allowed", "no value can begin with `? `", _QUOTE),
    _Slip("duplicate anchor", "the anchor `{name}` is set twice", "give it another name"),
    _Slip(
        "undefined alias",
        "the alias `{name}` has no anchor",
        "a value that begins with * must be quoted",
    ),
    _Slip(
        "(alias|anchor).*alphabetic",
        "the value is read as an alias or an anchor",
        "a value that begins with * or & must be quoted",
        from_start=True,
    ),
    _Slip(
        "tag",
        "the tag `{name}` means nothing in a rule",
        "a value that begins with ! must be quoted",
        from_start=True,
    ),
    _Slip(
        "comment or (a )?line break|expected chomping",
        "text stands in the line of `|` or `>`",
        "begin it on the next line",
    ),
    _Slip(
        "expected '?<document start>",
        "the line belongs to nothing above it",
        "begin it in the column in which the lines above begin, or put `---` before it",
    ),
    _Slip(
        "incompatible YAML|found duplicate YAML",
        "the file is written for another YAML",
        "remove the line `%YAML`",
    ),
)


def explained(error: yaml.YAMLError, text: str, file: str) -> RuleError:
    """The error of a YAML parser as `E_YAML`, at the place to mend and with how to mend it."""
    if isinstance(error, yaml.reader.ReaderError):
        return _forbidden(chr(error.character), text, file)
    assert isinstance(error, yaml.MarkedYAMLError)
    said = f"{error.context or ''} {error.problem or ''}".strip()
    stumbled = error.problem_mark or error.context_mark
    before, after = _around(text, stumbled)
    if "invalid Unicode character escape" in said and stumbled is not None:
        return _surrogate(after, _place(file, stumbled))
    for slip in _SLIPS:
        if slip.fits(said, before, after):
            mark = error.context_mark or stumbled if slip.from_start else stumbled
            begun = _around(text, mark)[1]
            name = begun[:60].partition(" ")[0]
            message = slip.message.format(one=after[:1], two=after[:2], name=name)
            return RuleError("E_YAML", message, _place(file, mark), slip.hint)
    return RuleError("E_YAML", error.problem or said, _place(file, stumbled))


def _surrogate(after: str, place: Place) -> RuleError:
    r"""`E_YAML` for `\uD83D\uDE00`, as JSON writers escape what is beyond U+FFFF; `after` begins with its digits."""
    digits = re.match(r"[0-9A-Fa-f]*", after)
    first = digits[0] if digits else ""
    message = rf"the escape with the digits `{first}` is no character"
    hint = "write the character itself"
    pair = re.match(r"(?i)(d[89ab]..)\\u(d[c-f]..)", after)
    if pair:
        code = 0x10000 + ((int(pair[1], 16) & 0x3FF) << 10) + (int(pair[2], 16) & 0x3FF)
        message = rf"`\u{pair[0]}` is a surrogate pair, which YAML does not know"
        hint = rf"write `\U{code:08X}`, or the character itself"
    return RuleError("E_YAML", message, place, hint)


def _forbidden(character: str, text: str, file: str) -> RuleError:
    at = max(text.find(character), 0)
    before = LINE_BREAK.split(text[:at])
    code = f"U+{ord(character):04X}"
    hint = f'write it as "\\x{ord(character):02x}" in double quotes, or remove it'
    if ord(character) > 0xFF:
        hint = "remove it"
    place = Place(file, len(before), len(before[-1]) + 1)
    return RuleError("E_YAML", f"the character {code} cannot stand in YAML", place, hint)


def _around(text: str, mark: Any) -> tuple[str, str]:
    """The line of a mark, before it and from it on."""
    if mark is None:
        return "", ""
    # Marks count lines by all of YAML's line breaks, and characters in all: the latter is what is sure.
    start = mark.index - mark.column
    end = LINE_BREAK.search(text, mark.index)
    return text[start : mark.index], text[mark.index : end.start() if end else None]


def _place(file: str, mark: Any) -> Place:
    return Place(file, mark.line + 1, mark.column + 1) if mark else Place(file)
