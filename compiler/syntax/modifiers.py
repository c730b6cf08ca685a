"""One table: every modifier, what it accepts, what it becomes.

`apply` turns the raw values of a detection item (`field|modifier|…: values`) into `values`: flags are taken off,
the remaining chain is applied left to right to each value.
"""

from __future__ import annotations

import base64
import ipaddress
import itertools
import math
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import re2

from sigmac.compiler.diagnostics.diagnostic import did_you_mean
from sigmac.compiler.ir.values import (
    ANY,
    DASH,
    DASHES,
    Alternatives,
    Boolean,
    Compare,
    Exists,
    FieldRef,
    Network,
    Null,
    Number,
    Part,
    Placeholder,
    Regex,
    Text,
    TimePart,
    Value,
    Wildcard,
    join,
    parse_text,
)

MAX_ENCODED_DASHES = 200
MAX_EXPANSIONS = 10_000
MAX_PATTERN = 100_000  # characters
MAX_PROGRAM = 200_000  # instructions of RE2: the steps that a character takes at worst
MAX_COST = 2_000_000  # of a rule's values, see `cost`


class ModifierError(Exception):
    """An item that its modifiers do not allow: code, sentence, hint, and the index of the value at fault (or None).

    `others` are the faults of the item's other values.
    """

    def __init__(self, code: str, message: str, hint: str = "", index: int | None = None):
        super().__init__(message)
        self.code, self.message, self.hint, self.index = code, message, hint, index
        self.others: tuple[ModifierError, ...] = ()


@dataclass(frozen=True, slots=True)
class Modifier:
    """A row of the table: its class, the names that may follow it, and what it does in one line."""

    name: str
    kind: str  # flag, placement, encoding, preparation, type, regex-flag
    followers: frozenset[str]
    meaning: str


PLACEMENTS = frozenset({"contains", "startswith", "endswith"})
_BASE64 = ("base64", "base64offset")
_UTF16 = ("wide", "utf16le", "utf16be", "utf16")
_STRING = (*PLACEMENTS, *_BASE64, *_UTF16, "windash", "expand")
_COMPARE = ("lt", "lte", "gt", "gte")
_TIME = ("minute", "hour", "day", "week", "month", "year")
_REGEX_FLAGS = {"i": "i", "ignorecase": "i", "m": "m", "multiline": "m", "s": "s", "dotall": "s"}
_RANGES = {
    "minute": (0, 59),
    "hour": (0, 23),
    "day": (1, 31),
    "week": (1, 53),
    "month": (1, 12),
    "year": (1, 9999),
}


def _row(name: str, kind: str, followers: Iterable[str], meaning: str) -> tuple[str, Modifier]:
    return name, Modifier(name, kind, frozenset(followers), meaning)


MODIFIERS: dict[str, Modifier] = dict(
    [
        _row("all", "flag", (), "every value must match, not just one"),
        _row("neq", "flag", (), "negates the whole item; true for absent fields"),
        _row("cased", "flag", (), "letter case counts"),
        _row("contains", "placement", ("windash", "expand"), "anywhere in the value"),
        _row("startswith", "placement", ("windash", "expand"), "at the start of the value"),
        _row("endswith", "placement", ("windash", "expand"), "at the end of the value"),
        _row(
            "windash",
            "preparation",
            (*PLACEMENTS, *_BASE64, *_UTF16, "expand"),
            "a dash before a word stands for - / – — ―",  # noqa: RUF001
        ),
        _row(
            "expand",
            "preparation",
            (*PLACEMENTS, *_BASE64, *_UTF16, "windash"),
            "%name% is replaced by the placeholder's values",
        ),
        _row("base64", "encoding", (*PLACEMENTS, *_BASE64), "base64 of the bytes"),
        _row("base64offset", "encoding", PLACEMENTS, "base64 at each of the three offsets"),
        _row("wide", "encoding", (*_BASE64, *PLACEMENTS), "UTF-16, little endian"),
        _row("utf16le", "encoding", (*_BASE64, *PLACEMENTS), "UTF-16, little endian"),
        _row("utf16be", "encoding", (*_BASE64, *PLACEMENTS), "UTF-16, big endian"),
        _row("utf16", "encoding", _BASE64, "UTF-16 with a byte order mark, before base64"),
        _row("re", "type", (*_REGEX_FLAGS, "expand"), "RE2 regular expression, searched"),
        *[
            _row(name, "regex-flag", (), f"regular expression flag {flag}")
            for name, flag in _REGEX_FLAGS.items()
        ],
        _row("cidr", "type", (), "an address in the network"),
        _row("exists", "type", (), "the field is present (true) or absent (false)"),
        _row("fieldref", "type", PLACEMENTS, "compares with another field of the event"),
        *[_row(name, "type", (), f"compares numerically, {name}") for name in _COMPARE],
        *[_row(name, "type", _COMPARE, f"the {name} of a timestamp") for name in _TIME],
    ]
)


@dataclass(frozen=True, slots=True)
class Applied:
    """An item after its modifiers; `warnings` are code, text and the index of the value (None: the item).

    `cost` is that of its values, as the function says.
    """

    values: tuple[Value, ...]
    all: bool
    negated: bool
    warnings: tuple[tuple[str, str, int | None], ...]
    cost: int


def split(key: str) -> tuple[str | None, tuple[str, ...]]:
    """`field|mod|mod` as field (None for keywords) and modifier names."""
    field, *names = key.split("|")
    return field or None, tuple(names)


def cost(value: Value) -> int:
    """What a value takes to compile beyond the length of its text: large patterns, many alternatives."""
    if isinstance(value, Regex):
        return 4 * value.size  # an instruction takes RE2 half a microsecond
    if isinstance(value, Alternatives):
        return sum(
            cost(each) + (10 + len(str(each)) if isinstance(each, Text) else 0)
            for each in value.values
        )
    return 0


def apply(
    field: str | None, names: tuple[str, ...], raw: list[Any], budget: int = MAX_COST
) -> Applied:
    """Apply modifiers to the raw YAML scalars of one item, whose values may cost `budget` together.

    Raises `ModifierError` with the code that `docs/semantics.md` names.
    """
    _check_names(names)
    flags = {name for name in names if MODIFIERS[name].kind == "flag"}
    chain = tuple(name for name in names if MODIFIERS[name].kind != "flag")
    _check_order(names, chain, flags, field)
    if not raw:
        raise ModifierError(
            "E_EMPTY", "the list of values is empty", "give a value, or remove the item"
        )
    warnings: list[tuple[str, str, int | None]] = []
    if "all" in flags and len(raw) == 1:
        warnings.append(("W_ALL_SINGLE", "`all` has no effect on a single value", None))
    values: list[Value] = []
    faults: list[ModifierError] = []
    spent = 0
    for index, value in enumerate(raw):
        try:
            made = _value(field, chain, "cased" in flags, value, len(raw), warnings, index)
            spent += cost(made)
            if spent > budget:
                _refuse_cost(made)
            values.append(made)
        except ModifierError as error:
            error.index = index
            faults.append(error)
            if spent > budget:
                break
    if faults:
        faults[0].others = tuple(faults[1:])
        raise faults[0]
    return Applied(tuple(values), "all" in flags, "neq" in flags, tuple(warnings), spent)


def _refuse_cost(value: Value) -> None:
    if isinstance(value, Regex):
        message = "the regular expressions of this rule are too large together"
        raise ModifierError("E_REGEX_UNSUPPORTED", message, "repeat less, or split the rule")
    message = "the encodings of this rule's values make too many alternatives"
    raise ModifierError("E_ENCODING", message, "split the rule")


def _check_names(names: tuple[str, ...]) -> None:
    for name in names:
        if name not in MODIFIERS:
            lower = name.lower().strip()
            hint = f"write `{lower}`" if lower in MODIFIERS else did_you_mean(lower, MODIFIERS)
            raise ModifierError("E_MODIFIER", f"there is no modifier `{name[:60]}`", hint)
    for name in names:
        if names.count(name) > 1:
            raise ModifierError("E_MODIFIER", f"the modifier `{name}` stands twice", "remove one")


def _conflict(message: str, hint: str = "") -> ModifierError:
    return ModifierError("E_MOD_CONFLICT", message, hint)


def _check_order(
    names: tuple[str, ...], chain: tuple[str, ...], flags: set[str], field: str | None
) -> None:
    for first in ("re", "cidr", "exists"):
        if first in names and names[0] != first:
            raise _conflict(f"`{first}` must be the first modifier", f"write `{first}|…`")
    if "exists" in names and len(names) > 1:
        raise _conflict("`exists` stands alone", "write two items")
    for name in chain:
        if MODIFIERS[name].kind == "regex-flag" and chain[0] != "re":
            raise _conflict(f"`{name}` needs `re` in front", f"write `re|{name}`")
    # What follows `re` changes the pattern, whatever stands between them; else each changes what stands before it.
    pairs = [("re", each) for each in chain[1:]] if chain[:1] == ("re",) else pairwise(chain)
    for before, after in pairs:
        if after not in MODIFIERS[before].followers:
            raise _conflict(f"`{after}` cannot follow `{before}`", _order_hint(before, after))
    if sum(name in PLACEMENTS for name in chain) > 1:
        raise _conflict("only one of contains, startswith, endswith can be used", "write two items")
    if any(name in _BASE64 or name in _UTF16 for name in chain) and chain[-1:] in (
        ("windash",),
        ("expand",),
    ):
        raise _conflict(f"`{chain[-1]}` must stand before an encoding")
    if "utf16" in chain and not any(name in _BASE64 for name in chain):
        raise _conflict(
            "`utf16` needs base64 behind it: a byte order mark cannot occur inside text"
        )
    if "cased" in flags and chain and chain[0] not in (*_STRING, "fieldref"):
        raise _conflict(f"`cased` cannot be used with `{chain[0]}`")
    if field is None and chain and (chain[0] in ("exists", "fieldref") or chain[0] in _TIME):
        raise _conflict(f"`{chain[0]}` needs a field, this is a keyword")


def _order_hint(before: str, after: str) -> str:
    if before in PLACEMENTS and (after in _BASE64 or after in _UTF16):
        return f"write `{after}|{before}`"
    return ""


def _value(
    field: str | None,
    chain: tuple[str, ...],
    cased: bool,
    value: Any,
    count: int,
    warnings: list[tuple[str, str, int | None]],
    index: int,
) -> Value:
    kind = chain[0] if chain else ""
    if isinstance(value, float) and not math.isfinite(value):
        raise ModifierError("E_VALUE_TYPE", "NaN and infinity are no values of JSON")
    if not isinstance(value, (str, int, float, bool, type(None))):
        what = "a map" if isinstance(value, dict) else f"a {type(value).__name__}"
        raise ModifierError("E_VALUE_TYPE", f"{what} cannot be a value here", "put it in quotes")
    if kind == "re":
        return _regex(chain, value, warnings, index)
    if kind == "cidr":
        return _network(value)
    if kind == "exists":
        if not isinstance(value, bool) or count != 1:
            raise ModifierError(
                "E_VALUE_TYPE", "`exists` takes exactly one of true and false", "no quotes"
            )
        return Exists(value)
    if kind == "fieldref":
        return _fieldref(chain, cased, value)
    if kind in _COMPARE:
        return Compare(kind, _number(kind, value))
    if kind in _TIME:
        number = _number(kind, value)
        low, high = _RANGES[kind]
        if not low <= number <= high:
            warnings.append(("W_RANGE", f"`{kind}` lies between {low} and {high}", index))
        return TimePart(kind, chain[1] if len(chain) > 1 else "eq", number)
    return _text(field, chain, cased, value, count, warnings, index)


def _text(
    field: str | None,
    chain: tuple[str, ...],
    cased: bool,
    value: Any,
    count: int,
    warnings: list[tuple[str, str, int | None]],
    index: int,
) -> Value:
    if not isinstance(value, str):
        if chain or cased:
            name = chain[0] if chain else "cased"
            raise ModifierError(
                "E_VALUE_TYPE", f"`{name}` takes strings", "put the value in quotes"
            )
        if isinstance(value, bool):
            return Boolean(value)
        if value is None:
            if field is None:
                raise ModifierError("E_EMPTY", "a keyword cannot be null")
            if count > 1:
                message = "null in a list of values: the specification forbids it, it is ORed"
                warnings.append(("W_NULL_IN_LIST", message, index))
            return Null()
        return Number(value)
    if field is None and value == "":
        raise ModifierError("E_EMPTY", "a keyword cannot be empty")
    parts = parse_text(value, expand="expand" in chain)
    if "windash" in chain:
        marked = join(_mark_dashes(parts))
        if marked == parts:
            warnings.append(
                ("W_WINDASH_NO_SITE", "`windash` finds no dash to vary in this value", index)
            )
        parts = marked
    if "base64offset" in chain and "contains" not in chain and field is not None:
        message = "`base64offset` without `contains` asks for the whole value"
        warnings.append(("W_OFFSET_NO_CONTAINS", message, index))
    encodes = any(name in _BASE64 or name in _UTF16 for name in chain)
    if encodes and any(isinstance(part, Placeholder) for part in parts):
        return Text(parts, cased, pending=chain)
    return finish(parts, chain, cased)


def _mark_dashes(parts: tuple[Part, ...]) -> Iterator[Part]:
    for part in parts:
        if not isinstance(part, str):
            yield part
            continue
        end = 0
        for site in re.finditer(r"\B[-/]\b", part):
            yield part[end : site.start()]
            yield DASH
            end = site.end()
        yield part[end:]


def finish(parts: tuple[Part, ...], chain: tuple[str, ...], cased: bool) -> Value:
    """Apply encodings and placement to a string whose placeholders are replaced.

    Raises `ModifierError` (`E_ENCODING`) for what cannot be encoded.
    """
    forms: list[tuple[Part, ...]] = [parts]
    encodings = [name for name in chain if name in _BASE64 or name in _UTF16]
    if encodings:
        _bound_variants(parts)
        forms = [
            (text,) if text else ()
            for variant in _dash_variants(parts)
            for text in _encode(variant, encodings)
        ]
    for name in chain:
        if name in PLACEMENTS:
            forms = [_place(form, name) for form in forms]
    texts = tuple(Text(form, cased) for form in dict.fromkeys(forms))
    return texts[0] if len(texts) == 1 else Alternatives(texts)


def _place(parts: tuple[Part, ...], placement: str) -> tuple[Part, ...]:
    front = (ANY,) if placement in ("contains", "endswith") else ()
    back = (ANY,) if placement in ("contains", "startswith") else ()
    return join((*front, *parts, *back))


def _bound_variants(parts: tuple[Part, ...]) -> None:
    sites = sum(part is DASH for part in parts)
    variants = len(DASHES) ** min(sites, 8)
    if variants > MAX_ENCODED_DASHES:
        message = f"{sites} dashes before an encoding make more than {MAX_ENCODED_DASHES} values"
        raise ModifierError("E_ENCODING", message)
    if sites and variants * sum(len(part) for part in parts if isinstance(part, str)) > MAX_COST:
        raise ModifierError(
            "E_ENCODING", "the value is too long to be encoded with each kind of dash"
        )


def _dash_variants(parts: tuple[Part, ...]) -> Iterator[str]:
    sites = sum(part is DASH for part in parts)
    for dashes in itertools.product(DASHES, repeat=sites):
        left = iter(dashes)
        text = [next(left) if part is DASH else part for part in parts]
        if not all(isinstance(piece, str) for piece in text):
            hint = r"write \* or \? for the character itself"
            raise ModifierError("E_ENCODING", "a wildcard cannot be encoded", hint)
        yield "".join(map(str, text))


_CODECS = {
    "wide": "utf-16-le",
    "utf16le": "utf-16-le",
    "utf16be": "utf-16-be",
    "utf16": "utf-16-le",
}


def _encode(text: str, encodings: list[str]) -> list[str]:
    try:
        data = [text.encode(_CODECS.get(encodings[0], "utf-8"))]
    except UnicodeEncodeError:
        raise ModifierError("E_ENCODING", "a lone surrogate cannot be encoded") from None
    if encodings[0] == "utf16":
        data = [b"\xff\xfe" + data[0]]
    if encodings[-1] in _UTF16:
        if not text.isascii():
            message = "a UTF-16 form of non-ASCII text can only stand before base64"
            raise ModifierError("E_ENCODING", message)
        return [data[0].decode("latin-1")]
    for name in encodings:
        if name == "base64":
            data = [base64.b64encode(piece) for piece in data]
        elif name == "base64offset":
            data = [_base64_at(piece, shift) for piece in data for shift in range(3)]
    return [piece.decode("ascii") for piece in data]


def _base64_at(data: bytes, shift: int) -> bytes:
    """The characters of base64 that are the same whatever stands before (at this shift) and after the data."""
    encoded = base64.b64encode(bytes(shift) + data)
    tail = (0, 3, 2)[(len(data) + shift) % 3]
    return encoded[(0, 2, 3)[shift] : len(encoded) - tail]


def _number(name: str, value: Any) -> int | float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ModifierError("E_VALUE_TYPE", f"`{name}` takes a number", "write it without quotes")
    return value


def _network(value: Any) -> Network:
    if not isinstance(value, str):
        raise ModifierError("E_CIDR", "`cidr` takes a string such as 10.0.0.0/8")
    if not re.fullmatch(r"[0-9a-fA-F:.]+(/\d{1,3})?", value):
        raise ModifierError(
            "E_CIDR", f"`{value[:60]}` is no network", "write it as 10.0.0.0/8 or fe80::/10"
        )
    try:
        return Network(str(ipaddress.ip_network(value)))
    except ValueError as error:
        hint = ""
        if "host bits" in str(error):
            hint = f"write {ipaddress.ip_network(value, strict=False)}"
        raise ModifierError("E_CIDR", f"`{value[:60]}` is no network", hint) from None


def _fieldref(chain: tuple[str, ...], cased: bool, value: Any) -> FieldRef:
    if not isinstance(value, str) or not value:
        raise ModifierError("E_VALUE_TYPE", "`fieldref` takes the name of a field")
    name = Text(parse_text(value)).literal
    if name is None:
        raise ModifierError(
            "E_VALUE_TYPE", "the name of a field has no wildcards", r"write \* for a star"
        )
    return FieldRef(name, chain[1] if len(chain) > 1 else "equals", cased)


_ELSEWHERE = "find it by a pattern without, and rule out the rest by another item under `not`"
_NO_BACKTRACKING = "write `(?:…)` and a plain repeat: RE2 never tries twice"
# What RE2 does not have: how it is recognized, its name, and what to write instead.
_UNSUPPORTED = [
    (r"\(\?<?[=!]", "lookahead and lookbehind", _ELSEWHERE),
    (r"\\[1-9]|\\k|\(\?P=", "back-references", "write out what is repeated"),
    (r"\(\?>", "atomic groups", _NO_BACKTRACKING),
    (r"[*+?}]\+", "possessive repeats", _NO_BACKTRACKING),
    (r"\(\?\(", "conditional groups", "write both cases with `|` between them"),
    (r"\(\?(R|[0-9]|&|P>)", "recursion", "write out the levels that occur"),
    (r"\(\?#", "comments `(?#…)`", "remove the comment"),
    (r"\(\?[a-zA-Z]*x", "the flag x", "write the pattern without blanks and comments"),
    (r"\\u", r"`\uHHHH`", r"write `\x{HHHH}`"),
    (r"\\Z", r"`\Z`", "write `$`"),
    (r"\\h", r"`\h`", r"write `[ \t]`"),
    (r"\\R", r"`\R`", r"write `\r?\n`"),
    (r"\\e", r"`\e`", r"write `\x1b`"),
    (r"\\([HKEcNXGyY])", "this escape", "RE2's own escapes are in its syntax page"),
]


def re2_options() -> Any:
    """RE2's options as every part of sigmac uses them: UTF-8, nothing logged."""
    options = re2.Options()
    options.log_errors = False
    return options


def check_regex(pattern: str) -> int:
    """The number of instructions of RE2's program for a pattern.

    Raises `ModifierError`: `E_REGEX` or `E_REGEX_UNSUPPORTED` where RE2 does not take the pattern or it is too large.
    """
    if len(pattern) > MAX_PATTERN:
        message = f"the pattern is longer than {MAX_PATTERN:,} characters"
        raise ModifierError("E_REGEX_UNSUPPORTED", message, "split it")
    try:
        size: int = re2.compile(pattern, re2_options()).programsize
    except (re2.error, UnicodeEncodeError) as error:
        said = error.args[0] if error.args else ""
        reason = said.decode("utf-8", "replace") if isinstance(said, bytes) else "not UTF-8"
        order = re.search(r"repetition size: (\{(\d+),(\d+)\})", reason)
        if order and int(order[2]) > int(order[3]):
            message = f"the bounds of the repeat `{order[1]}` are in the wrong order"
            raise ModifierError("E_REGEX", message, f"write `{{{order[3]},{order[2]}}}`") from None
        if "repetition size" in reason or "too large" in reason or "nesting" in reason:
            message = f"RE2 refuses the pattern: {reason[:120]}"
            raise ModifierError("E_REGEX_UNSUPPORTED", message, "repeats go up to 1000") from None
        bare = re.sub(r"\\\\", "", pattern)
        for sign, what, hint in _UNSUPPORTED:
            if re.search(sign, bare):
                message = f"RE2, which runs in linear time, has no {what}"
                raise ModifierError("E_REGEX_UNSUPPORTED", message, hint) from None
        raise ModifierError("E_REGEX", f"not a regular expression: {reason[:120]}") from None
    if size > MAX_PROGRAM:
        message = f"the pattern takes {size:,} instructions, more than {MAX_PROGRAM:,}"
        raise ModifierError("E_REGEX_UNSUPPORTED", message, "repeat less, or use smaller classes")
    return size


_PERCENT = re.compile(r"(\\.)|%([^%*?\\]+)%", re.DOTALL)


def _regex(
    chain: tuple[str, ...], value: Any, warnings: list[tuple[str, str, int | None]], index: int
) -> Regex:
    if not isinstance(value, str):
        raise ModifierError("E_VALUE_TYPE", "`re` takes a string", "put the value in quotes")
    given = {_REGEX_FLAGS[name] for name in chain if name in _REGEX_FLAGS}
    flags = "".join(flag for flag in "ims" if flag in given)
    parts: list[str | Placeholder] = [value]
    if "expand" in chain:
        parts, end = [], 0
        for match in _PERCENT.finditer(value):
            if match[2]:
                parts += [value[end : match.start()], Placeholder(match[2])]
                end = match.end()
        parts.append(value[end:])
    regex = Regex(tuple(part for part in parts if part != ""), flags)
    trial = "".join("x" if isinstance(part, Placeholder) else part for part in parts)
    size = check_regex(replace(regex, parts=(trial,)).pattern)
    if value == "":
        warnings.append(("W_REGEX_EMPTY", "an empty pattern matches any text", index))
    return replace(regex, size=size)


def placeholders(value: Value) -> list[str]:
    """The names of the placeholders that still stand in a value."""
    if isinstance(value, (Text, Regex)):
        return [part.name for part in value.parts if isinstance(part, Placeholder)]
    if isinstance(value, Alternatives):
        return [name for each in value.values for name in placeholders(each)]
    return []


def replace_placeholders(
    value: Value, replacement: Callable[[str], list[str | Wildcard] | None]
) -> Value:
    """The value with each placeholder that `replacement` knows put in place.

    `replacement(name)` gives the alternatives, or None to leave the placeholder. A string is read as a Sigma string,
    in a regular expression it stands for itself. Several placeholders form the cross product. Raises `ModifierError`:
    `E_PLACEHOLDER` over 10,000 alternatives, `E_ENCODING` where one cannot be encoded.
    """
    if isinstance(value, Alternatives):
        return _alternatives(replace_placeholders(each, replacement) for each in value.values)
    if not isinstance(value, (Text, Regex)) or not placeholders(value):
        return value
    choices: list[list[tuple[Part, ...]]] = []
    total = 1
    for part in value.parts:
        known = replacement(part.name) if isinstance(part, Placeholder) else None
        if known is None:
            choices.append([(part,)])
        elif isinstance(value, Regex):
            choices.append([(".*" if isinstance(k, Wildcard) else re2.escape(k),) for k in known])
        else:
            choices.append([(k,) if isinstance(k, Wildcard) else parse_text(k) for k in known])
        total *= len(choices[-1])
        if total > MAX_EXPANSIONS:
            message = f"the placeholders make more than {MAX_EXPANSIONS} values"
            raise ModifierError("E_PLACEHOLDER", message)
    made: list[Value] = []
    spent = 0
    for choice in itertools.product(*choices):
        made.append(_with_parts(value, tuple(itertools.chain.from_iterable(choice))))
        spent += cost(made[-1])
        if spent > MAX_COST:
            message = (
                "the placeholders make regular expressions or encodings that are too large together"
            )
            raise ModifierError("E_PLACEHOLDER", message)
    return _alternatives(made)


def _alternatives(values: Iterable[Value]) -> Value:
    flat = (v for m in values for v in (m.values if isinstance(m, Alternatives) else (m,)))
    unique = tuple(dict.fromkeys(flat))
    return unique[0] if len(unique) == 1 else Alternatives(unique)


def _with_parts(value: Text | Regex, parts: tuple[Part, ...]) -> Value:
    if isinstance(value, Regex):
        regex = Regex(tuple(p for p in parts if not isinstance(p, Wildcard)), value.flags)
        return regex if placeholders(regex) else replace(regex, size=check_regex(regex.pattern))
    text = Text(join(parts), value.cased, value.pending)
    if text.pending and not placeholders(text):
        return finish(text.parts, text.pending, text.cased)
    return text
