"""Checks of characters: what looks like something else, or like nothing at all."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from sigmac.compiler.checks.items import ENCODINGS, strings
from sigmac.compiler.checks.metadata import place_of
from sigmac.compiler.diagnostics.diagnostic import Diagnostic, Place
from sigmac.compiler.syntax.modifiers.modifiers import MODIFIERS
from sigmac.compiler.syntax.rule import Filter, Item, Rule, items

# Letters of other scripts that look like a Latin one in most fonts. Source: Unicode TR 39.
LOOKALIKES = dict(
    zip(
        "аеорсхуіјѕһԁԛԝАВЕКМНОРСТУХІЈЅαορνυικΑΒΕΖΗΙΚΜΝΟΡΤΥΧ",
        "aeopcxyijshdqwABEKMHOPCTYXIJSaopvuikABEZHIKMNOPTYX",
        strict=True,
    )
)
_LATIN = re.compile(r"[A-Za-z]")
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_JOINERS = "\u200c\u200d"  # part and join Persian letters, make one of two emoji
_TAGS = range(0xE0020, 0xE0080)  # spell out the region of a flag


def misleading_characters(rule: Rule | Filter) -> Iterator[Diagnostic]:
    """W_INVISIBLE and W_LOOKALIKE in title, search identifiers, field names and values."""
    for text, place, what in _texts(rule):
        # What is wider than its text is written with escapes, which can be seen.
        if not text.isascii() and place.width <= len(text) + 2:
            yield from _invisible(text, place, what)
            yield from _lookalike(text, place, what)


def _texts(rule: Rule | Filter) -> Iterator[tuple[str, Place, str]]:
    if "title" in rule.meta.nodes:
        yield rule.meta.title, place_of(rule, "title"), "the title"
    for name, detection in rule.detections.items():
        yield name, rule.places.get(name, rule.place), "the search identifier"
        for item in items(detection):
            if item.field:
                yield "|".join((item.field, *item.modifiers)), item.place, "the field name"
            for raw, place in zip(item.raw, item.places, strict=False):
                if isinstance(raw, str):
                    yield raw, place, "the value"


def _invisible(text: str, place: Place, what: str) -> Iterator[Diagnostic]:
    visible = any(not _is_invisible(text, i) and not text[i].isspace() for i in range(len(text)))
    for index, char in enumerate(text):
        # A value of blanks alone looks for just them.
        if _is_invisible(text, index) and (visible or char in _BIDI):
            name = unicodedata.name(char, "a control character")
            message = f"{what} holds U+{ord(char):04X} {name}, which cannot be seen"
            hint = f'remove it, or write it as "{_yaml_escape(char)}" in double quotes'
            yield Diagnostic("W_INVISIBLE", message, _at(place, text, index), hint)
            return


def _is_invisible(text: str, index: int) -> bool:
    char = text[index]
    if char.isascii():
        return False
    category = unicodedata.category(char)
    if category == "Zs":
        return True  # a blank that is not the usual one
    if category not in ("Cc", "Cf", "Zl", "Zp") or ord(char) in _TAGS:
        return False
    return not (char in _JOINERS and not text[index - 1 : index].isascii())


def _lookalike(text: str, place: Place, what: str) -> Iterator[Diagnostic]:
    for word in re.finditer(r"[^\W\d_]+", text):
        if _LATIN.search(word[0]):
            for index, char in enumerate(word[0], word.start()):
                if char in LOOKALIKES:
                    name = unicodedata.name(char)
                    latin = LOOKALIKES[char]
                    message = f"{what} holds U+{ord(char):04X} {name}, which looks like `{latin}`"
                    hint = f'write `{latin}`, or "{_yaml_escape(char)}" in double quotes'
                    yield Diagnostic("W_LOOKALIKE", message, _at(place, text, index), hint)
                    return


def _yaml_escape(char: str) -> str:
    return f"\\u{ord(char):04x}" if ord(char) < 0x10000 else f"\\U{ord(char):08x}"


def _at(place: Place, text: str, index: int) -> Place:
    """The place of one character of a scalar; that of the scalar where it is not written in one
    line as it is.
    """
    if place.width not in (len(text), len(text) + 2):
        return place
    quote = (place.width - len(text)) // 2
    return Place(place.file, place.line, place.column + quote + index, 1, place.document)


def outer_blanks(item: Item) -> Iterator[Diagnostic]:
    """W_BLANK: a blank at an end that the event's value must have too; around a field name."""
    if item.field is None:
        return
    if item.field != item.field.strip():
        message = f"the field name `{item.field[:60]}` has a blank at its end"
        yield Diagnostic("W_BLANK", message, item.place, "remove it: names are compared exactly")
    if not set(item.modifiers) <= {"startswith", "endswith", "all", "cased", "neq"}:
        return
    for raw, _, place in strings(item):
        if not raw.strip():
            continue
        front = raw[0].isspace() and "endswith" not in item.modifiers
        back = raw[-1].isspace() and "startswith" not in item.modifiers
        if front or back:
            where = "begins" if front else "ends"
            message = f"`{raw[:60]}` {where} with a blank that must stand there in the event"
            hint = "remove it if it is not meant; `contains` finds a text anywhere"
            yield Diagnostic("W_BLANK", message, place, hint)


_CONTROL = re.compile(r"[\x00-\x1f\x7f](?=\w)")
# How double quotes write a control character, and its name
_ESCAPES = {
    "\0": (r"\0", "NUL"),
    "\a": (r"\a", "a bell"),
    "\b": (r"\b", "a backspace"),
    "\t": (r"\t", "a tab"),
    "\n": (r"\n", "a line break"),
    "\v": (r"\v", "a vertical tab"),
    "\f": (r"\f", "a form feed"),
    "\r": (r"\r", "a carriage return"),
    "\x1b": (r"\e", "an escape"),
}


def control_characters(item: Item) -> Iterator[Diagnostic]:
    r"""W_CONTROL: a control character before text, as `"C:\temp"` in double quotes makes one."""
    if not ENCODINGS.isdisjoint(item.modifiers):
        return  # what is encoded often has lines
    for raw, _, place in strings(item):
        found = _CONTROL.search(raw)
        if found and place.width > 1:
            code = f"{ord(found[0]):02x}"
            escape, name = _ESCAPES.get(found[0], (rf"\x{code}", f"U+00{code.upper()}"))
            message = f"the value holds a control character, {name}"
            hint = f"in double quotes `{escape}` is an escape: use single quotes for a backslash"
            yield Diagnostic("W_CONTROL", message, place, hint)


_MODIFIER_IN_NAME = re.compile(
    r"(?<=\w)(?P<sign>[ ./:;,_\\>-]+|｜|¦)(?P<name>[A-Za-z0-9]+)\Z"  # noqa: RUF001
)
_CLEAR = frozenset({"contains", "startswith", "endswith", "windash", "base64offset", "fieldref"})


def modifier_in_name(item: Item) -> Iterator[Diagnostic]:
    """W_FIELD_MODIFIER: a field name that ends like a modifier, as `Image.endswith`."""
    if item.field is None:
        return
    match = _MODIFIER_IN_NAME.search(item.field[-60:])
    if match is None:
        return
    name = match["name"].lower()
    known = _CLEAR if match["sign"] in (".", "_", "-") else MODIFIERS
    if name in known:
        field = item.field[: -len(match[0])]
        message = f"`{match[0]}` is part of the field name `{item.field[:60]}`"
        hint = f"a modifier follows a bar: write `{field[:60]}|{name}`"
        yield Diagnostic("W_FIELD_MODIFIER", message, item.place, hint)


def field_spellings(rule: Rule | Filter) -> Iterator[Diagnostic]:
    """W_FIELD_CASE: two field names of one rule that differ by letter case only."""
    first: dict[str, str] = {}
    for detection in rule.detections.values():
        for item in items(detection):
            if item.field is None:
                continue
            other = first.setdefault(item.field.lower(), item.field)
            if other != item.field:
                message = f"the rule asks for both `{item.field[:60]}` and `{other[:60]}`"
                yield Diagnostic(
                    "W_FIELD_CASE", message, item.place, "field names are compared exactly"
                )


RULE_CHECKS = (misleading_characters, field_spellings)
ITEM_CHECKS = (outer_blanks, control_characters, modifier_in_name)
