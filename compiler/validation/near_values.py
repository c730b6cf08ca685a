"""Values of an event of which one value of a rule is true, and values that miss it by little.

All are proposals: the reference says what they are. So a mistake here costs coverage, never an answer.
"""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any

import orjson

from sigmac.compiler.ir.values import (
    ANY,
    DASH,
    DASHES,
    ONE,
    Boolean,
    Compare,
    Exists,
    Network,
    Null,
    Number,
    Part,
    Regex,
    Text,
    TimePart,
    Value,
)
from sigmac.compiler.validation.regex_strings import texts_for

FILLER = "~"  # stands for `*`: in no rule's text, and not folded
OTHER = "other"  # a value that rules hardly ask for
# What stands for `*` in further texts: a line break, what JSON escapes, what UTF-8 needs several bytes for.
FILLERS = ("", "\n", 'é"\\', "😀")
LONG = 1500  # characters: texts so long are searched in several parts at once
HUGE = 1e22  # a number that JSON writes with an exponent, and whose text is "1e+22"
# Characters that JSON escapes by a letter: the escape reads as if the letter stood there
ESCAPED_AS = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}


class Missing(Enum):
    """What stands for the value of a field that an event does not have."""

    ABSENT = "absent"


ABSENT = Missing.ABSENT


@dataclass(frozen=True, slots=True)
class Proposals:
    """`fits[0]` is the plainest value that fits; `misses` begin with the narrowest."""

    fits: tuple[Any, ...]
    misses: tuple[Any, ...]


def proposals(value: Value) -> Proposals:
    """Values to try for one value of a rule."""
    match value:
        case Text():
            return _made(_text_fits(value), _text_misses(value))
        case Regex():
            found = texts_for(value.pattern)
            return _made(iter(found), _changed(found))
        case Number(number):
            return _made(_number_fits(number), _number_misses(number))
        case Compare(operator, number):
            return _made(*_compared(operator, number))
        case Boolean(truth):
            text = "true" if truth else "false"
            fits = (truth, text, text.upper())
            misses = not truth, int(truth), f"{text}s", str(int(truth)), f" {text}"
            return Proposals(fits, misses)
        case Null():
            return Proposals((None, ABSENT, []), ("", "null", 0, {}, [OTHER], False))
        case Exists(present):
            there: tuple[Any, ...] = (OTHER, "", None, {}, 0)
            return Proposals(there, (ABSENT,)) if present else Proposals((ABSENT,), there)
        case Network(cidr):
            return _made(*_in_network(cidr))
        case TimePart():
            return _made(*_at_time(value))
    return Proposals((OTHER,), ())


def _made(fits: Iterator[Any], misses: Iterator[Any]) -> Proposals:
    return Proposals(tuple(_distinct(fits)), tuple(_distinct(misses)))


def _distinct(values: Iterator[Any]) -> Iterator[Any]:
    """Each value once, and only those that an event can have."""
    seen: set[bytes] = set()
    for each in values:
        try:
            key = b"absent" if each is ABSENT else orjson.dumps(each)
        except TypeError:  # a lone surrogate, an integer beyond 64 bits
            continue
        if key not in seen:
            seen.add(key)
            yield each


def filled(parts: tuple[Part, ...], any_: str, one: str = "x", dash: str = "-") -> str:
    """A text for the parts of a Sigma string, its wildcards replaced."""
    wild: dict[Part, str] = {ANY: any_, ONE: one, DASH: dash}
    return "".join(part if isinstance(part, str) else wild.get(part, "") for part in parts)


def _text_fits(value: Text) -> Iterator[Any]:
    parts = value.parts
    yield filled(parts, FILLER)
    plain = filled(parts, "")
    if plain.isdecimal() and len(plain) < 18:
        yield int(plain)
        if not int(plain):
            yield -0.0
        yield _huge(plain)
        if ANY in parts and len(plain) < 4:
            # So many digits that only Python writes them surely
            long = f"{plain}.1234567890123" if parts[-1] is ANY else f"0.1234567890123{plain}"
            yield float(long)
        yield float(plain)
    elif plain and not plain.strip("0123456789.+-eE"):
        yield HUGE
    if not value.cased:
        yield "".join(map(_other_case, plain))
        yield plain.replace("k", "\u212a").replace("s", "\u017f")
    for filler, dash, one in zip(FILLERS, DASHES[1:], "?\né😀", strict=True):
        yield filled(parts, filler, one, dash)
    if ANY in parts:
        # So long that it is in the second and the third of the four parts that a long text is searched in at once
        first = parts[0] is ANY
        yield FILLER * (LONG + 3 * len(plain)) * first + filled(parts[first:], FILLER * LONG)
    if plain in ("true", "false"):
        yield plain == "true"


def _huge(digits: str) -> float:
    """A number whose text ends with some digits, where there is one; in full it is written without."""
    if len(digits) == 1:
        return float(f"1e2{digits}")
    return float(f"1e{digits}") if 22 <= int(digits) <= 300 else HUGE


def _other_case(character: str) -> str:
    """The character in the other letter case, if that is one too."""
    other = character.swapcase()
    return other if len(other) == 1 else character


def _text_misses(value: Text) -> Iterator[Any]:
    parts = value.parts
    plain = filled(parts, "")
    literals = [i for i, part in enumerate(parts) if isinstance(part, str)]
    if not parts or parts[-1] is not ANY:
        yield plain + "x"
    if not parts or parts[0] is not ANY:
        yield "x" + plain
    for change in (_without_last, _without_first, _other_inside):
        for i in (literals[0], literals[-1]) if literals else ():
            text = parts[i]
            assert isinstance(text, str)
            yield filled((*parts[:i], change(text), *parts[i + 1 :]), "")
    if value.cased:
        yield plain.swapcase()
    if ONE in parts:
        yield filled(parts, "", one="")
        yield filled(parts, "", one="xx")
    if DASH in parts:
        yield filled(parts, "", dash="\u2010")
        yield filled(parts, "", dash="")
    if literals and (text := parts[literals[0]])[0] in ESCAPED_AS:  # type: ignore[index]
        yield filled((ESCAPED_AS[text[0]], text[1:], *parts[literals[0] + 1 :]), "")  # type: ignore[index]
    yield plain + "\n"
    yield f" {plain} "
    yield plain[::-1]


def _without_last(text: str) -> str:
    return text[:-1]


def _without_first(text: str) -> str:
    return text[1:]


def _other_inside(text: str) -> str:
    middle = len(text) // 2
    return text[:middle] + ("x" if text[middle : middle + 1] in "qQ" else "q") + text[middle + 1 :]


def _changed(texts: tuple[str, ...]) -> Iterator[str]:
    """Texts with one character changed, which a pattern may not find any more."""
    changes: tuple[Callable[[str], str], ...] = (
        str.swapcase,
        _without_last,
        _without_first,
        _other_inside,
        lambda text: text[1:-1],
        lambda text: text.replace(" ", ""),
        lambda text: text + text,
        lambda text: "\n".join(text),
    )
    for change in changes:
        for text in texts[:2]:
            yield change(text)


def _number_fits(number: int | float) -> Iterator[Any]:
    yield number
    yield str(number)
    if isinstance(number, int) and abs(number) < 2**53:
        yield float(number)
        yield f"{number}.0"
        yield f"{number}.00000000000000000001"  # the nearest double
    yield f"+{number}"
    if not number:
        yield -0.0


def _number_misses(number: int | float) -> Iterator[Any]:
    yield number + 1
    yield f"{number}1"
    yield number - 1
    yield f" {number}"
    yield -number if number else True
    yield number + 0.5
    yield f"{number}x"
    yield f"{number}e0"
    yield HUGE


def _compared(operator: str, number: int | float) -> tuple[Iterator[Any], Iterator[Any]]:
    up, equal = operator.startswith("g"), operator.endswith("e")
    beyond, before = (number + 1, number - 1) if up else (number - 1, number + 1)
    fits = [beyond, *([number] if equal else []), str(beyond), f"+{abs(beyond)}", HUGE, -HUGE]
    misses = [
        *([] if equal else [number]),
        before,
        str(number) + "x",
        str(before),
        f" {beyond}",
        True,
        -beyond,
    ]
    return iter(fits), iter(misses)


def _in_network(cidr: str) -> tuple[Iterator[Any], Iterator[Any]]:
    network = ipaddress.ip_network(cidr)
    first, last = int(network.network_address), int(network.broadcast_address)
    kind = type(network.network_address)
    inside = [str(kind(each)) for each in (first, last, (first + last) // 2)]
    beside = [each for each in (first - 1, last + 1) if 0 <= each < 2**network.max_prefixlen]
    outside = [str(kind(each)) for each in beside]
    if network.version == 4:
        fits = [*inside, f"::ffff:{inside[0]}"]
        misses = [
            *outside[:1],
            f"0{inside[0]}",
            f"{inside[0].rpartition('.')[0]}.256",
            *outside[1:],
            *(f"::ffff:{each}" for each in outside),
            f"{inside[0]}.",
        ]
    else:
        fits = [*inside, inside[0].upper(), network.network_address.exploded, f"{inside[0]}%eth0"]
        misses = [*outside, f"[{inside[0]}]"]
    return iter(fits), iter([*misses, f"{inside[0]}:80", f" {inside[0]}", "::", "0.0.0.0"])


def _at_time(value: TimePart) -> tuple[Iterator[Any], Iterator[Any]]:
    """Moments whose part is the number, the next and the one before: what of these fits the reference says."""
    number = int(value.number) if abs(value.number) < 10_000 else 0
    beside = {"lt": -1, "gt": 1}.get(value.operator, 0)
    fits = [*_moments(value.part, number + beside), *_moments(value.part, number)]
    near = [
        moment
        for step in (0, 1, -1)
        for moment in _moments(value.part, number + step)
        if step or value.operator in ("lt", "gt")
    ]
    return iter(fits), iter([*near, "2024-13-01", "10:10", OTHER])


def _moments(part: str, number: int) -> Iterator[Any]:
    base = datetime.datetime(2023, 7, 14, 13, 24, 35, tzinfo=datetime.UTC)
    try:
        if part == "week":
            day = datetime.date.fromisocalendar(2023, number, 3)
            moment = base.replace(month=day.month, day=day.day)
        else:
            moment = base.replace(**{part: number})  # type: ignore[arg-type]
        yield f"{moment.isoformat()[:19]}Z"
        if moment.year > 1970:
            yield int(moment.timestamp())
            yield int(moment.timestamp() * 1000)
        yield f"{moment.isoformat(' ')[:16]}+05:30"
    except (ValueError, OverflowError, TypeError):
        return
