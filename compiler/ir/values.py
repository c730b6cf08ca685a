"""What a detection item compares with: Sigma strings, numbers, networks and so on, as plain data.

A Sigma string is parsed once, here, into literal runs and wildcards; every later stage works on the parts.
Source of the rules: Sigma specification, "Escaping" and "Modifiers"; semantics in `docs/semantics.md`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import Enum


class Wildcard(Enum):
    """A place in a Sigma string that is not one literal character."""

    ANY = "*"  # any run of characters, the empty one too
    ONE = "?"  # exactly one code point
    DASH = "[-]"  # one of DASHES, put there by `windash`

    def __repr__(self) -> str:
        return self.name


ANY, ONE, DASH = Wildcard.ANY, Wildcard.ONE, Wildcard.DASH
DASHES = "-/–—―"  # noqa: RUF001 - hyphen-minus, slash, U+2013, U+2014, U+2015


@dataclass(frozen=True, slots=True)
class Placeholder:
    """`%name%` under the modifier `expand`."""

    name: str


Part = str | Wildcard | Placeholder


@dataclass(frozen=True, slots=True)
class Text:
    """A parsed Sigma string: literal runs and wildcards in order; `cased` keeps letter case.

    `pending` are the modifiers that wait until the placeholders have values (an encoding needs the whole text).
    """

    parts: tuple[Part, ...]
    cased: bool = False
    pending: tuple[str, ...] = ()

    def __str__(self) -> str:
        return glob(self.parts)

    @property
    def literal(self) -> str | None:
        """The text, where no wildcard or placeholder is in it."""
        if not self.parts:
            return ""
        if len(self.parts) == 1 and isinstance(self.parts[0], str):
            return self.parts[0]
        return None

    @property
    def placeholders(self) -> list[str]:
        return [part.name for part in self.parts if isinstance(part, Placeholder)]


@dataclass(frozen=True, slots=True)
class Number:
    """A YAML integer or float, compared numerically."""

    value: int | float


@dataclass(frozen=True, slots=True)
class Boolean:
    value: bool


@dataclass(frozen=True, slots=True)
class Null:
    """True where the field is absent, null or an empty list."""


@dataclass(frozen=True, slots=True)
class Regex:
    """An RE2 pattern searched in the text of the value; `flags` are letters of `ims` in that order.

    `parts` is the pattern with its placeholders, until they are replaced; `size` the instructions of RE2's program
    for it.
    """

    parts: tuple[str | Placeholder, ...]
    flags: str = ""
    size: int = field(default=0, compare=False)

    @property
    def pattern(self) -> str:
        """The pattern with its flags as RE2 takes them."""
        text = "".join(part for part in self.parts if isinstance(part, str))
        return f"(?{self.flags}){text}" if self.flags else text


@dataclass(frozen=True, slots=True)
class Network:
    """An IPv4 or IPv6 network in CIDR form."""

    cidr: str


@dataclass(frozen=True, slots=True)
class Compare:
    """`lt`, `lte`, `gt` or `gte` against a number."""

    operator: str
    number: int | float


@dataclass(frozen=True, slots=True)
class TimePart:
    """One part of a timestamp (`minute` … `year`) compared with a number; operator `eq`, `lt`, `lte`, `gt`, `gte`."""

    part: str
    operator: str
    number: int | float


@dataclass(frozen=True, slots=True)
class Exists:
    present: bool


@dataclass(frozen=True, slots=True)
class FieldRef:
    """Equal to another field's value, or with a placement its text contains, starts or ends with that one's."""

    field: str
    placement: str = "equals"
    cased: bool = False


@dataclass(frozen=True, slots=True)
class Alternatives:
    """Several values from one (base64offset, placeholders): ORed, even under `all`."""

    values: tuple[Value, ...]


Value = (
    Text
    | Number
    | Boolean
    | Null
    | Regex
    | Network
    | Compare
    | TimePart
    | Exists
    | FieldRef
    | Alternatives
)


def anywhere(value: Value) -> Value:
    """What a keyword asks of each text of an event: a string, a number or a boolean stands anywhere in it."""
    match value:
        case Alternatives(values):
            return Alternatives(tuple(map(anywhere, values)))
        case Text(parts):
            return replace(value, parts=join((ANY, *parts, ANY)))
        case Number() | Boolean():
            return Text(join((ANY, plain_text(value.value), ANY)))
    return value


def plain_text(value: float | bool) -> str:
    """The text of a number or boolean, as of an event's."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    return str(value)


_SPECIAL = re.compile(r"\\([*?\\])|([*?])")
_SPECIAL_EXPAND = re.compile(r"\\([*?\\%])|([*?])|%([^%*?\\]+)%")


def parse_text(raw: str, *, expand: bool = False) -> tuple[Part, ...]:
    r"""A Sigma string's parts: a backslash escapes `*`, `?`, `\` (and `%` under `expand`), else it is itself.

    >>> parse_text(r"*\cmd.exe"), parse_text(r"a\*b?")
    ((ANY, '\\cmd.exe'), ('a*b', ONE))
    >>> parse_text(r"C:\Users\\%u%", expand=True)
    ('C:\\Users\\', Placeholder(name='u'))
    """
    parts: list[Part] = []
    end = 0
    for match in (_SPECIAL_EXPAND if expand else _SPECIAL).finditer(raw):
        parts.append(raw[end : match.start()])
        end = match.end()
        if match[1]:
            parts.append(match[1])
        elif match[2]:
            parts.append(Wildcard(match[2]))
        else:
            parts.append(Placeholder(match[3]))
    parts.append(raw[end:])
    return join(parts)


def join(parts: Iterable[Part]) -> tuple[Part, ...]:
    """The same parts in canonical form: adjacent literals joined, empty ones dropped, `**` as `*`.

    >>> join(["a", "", "b", ANY, ANY, ONE])
    ('ab', ANY, ONE)
    """
    made: list[Part] = []
    run: list[str] = []
    for part in parts:
        if isinstance(part, str):
            if part:
                run.append(part)
            continue
        if run:
            made.append("".join(run))
            run = []
        if part is ANY and made and made[-1] is ANY:
            continue
        made.append(part)
    if run:
        made.append("".join(run))
    return tuple(made)


def glob(parts: Iterable[Part]) -> str:
    r"""Parts as text: `*`, `?` and `[-]` are wildcards, `\` escapes each of `* ? [ \` that is literal.

    >>> print(glob((ANY, "\\a*", DASH, "x")))
    *\\a\*[-]x
    """
    return "".join(
        re.sub(r"([*?\[\\])", r"\\\1", part)
        if isinstance(part, str)
        else f"%{part.name}%"
        if isinstance(part, Placeholder)
        else part.value
        for part in parts
    )
