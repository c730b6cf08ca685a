"""The obvious evaluator: slow, short, the meaning of everything else.

It walks the document model, not the IR, and has no cache, kernel or optimizer. Every faster path is tested
against it.
"""

from __future__ import annotations

import datetime
import ipaddress
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import lru_cache
from typing import Any

import re2

from sigmac.compiler.ir.expressions import And, AtLeast, Expression, Not, Or
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
    Regex,
    Text,
    TimePart,
    Value,
)
from sigmac.compiler.syntax.condition import Identifier, Quantifier, names_matching
from sigmac.compiler.syntax.modifiers.regex_values import re2_options
from sigmac.compiler.syntax.rule import AllOf, AnyOf, Detection, Filter, Item, Rule

Event = dict[str, Any]
Holds = Callable[[Item, Value, Event], bool]  # whether an event satisfies one value of an item


def matches(rule: Rule, event: Event, ask: Holds | None = None) -> list[int]:
    """The indices of the rule's conditions that hold for an event, its filters included; empty where the
    rule does not match.

    Who asks much of like events gives an `ask` that remembers its answers.
    """
    ask = ask or holds
    if not all(_lets_pass(each, event, ask) for each in rule.filters):
        return []
    detected = {name: _detection(each, event, ask) for name, each in rule.detections.items()}
    return [i for i, c in enumerate(rule.conditions) if _condition(c.expression, detected)]


def _lets_pass(joined: Filter, event: Event, ask: Holds) -> bool:
    detected = {name: _detection(each, event, ask) for name, each in joined.detections.items()}
    return _condition(joined.condition.expression, detected)


def _condition(node: Expression, detected: dict[str, bool]) -> bool:
    if isinstance(node, And):
        return all(_condition(child, detected) for child in node.operands)
    if isinstance(node, Or):
        return any(_condition(child, detected) for child in node.operands)
    if isinstance(node, AtLeast):
        return sum(_condition(child, detected) for child in node.operands) >= node.count
    if isinstance(node, Not):
        return not _condition(node.operand, detected)
    if isinstance(node, Identifier):
        return detected[node.name]
    assert isinstance(node, Quantifier)
    found = [detected[name] for name in names_matching(node.target, detected)]
    return all(found) if node.count is None else sum(found) >= node.count


def _detection(detection: Detection, event: Event, ask: Holds) -> bool:
    if isinstance(detection, AllOf):
        return all(_detection(child, event, ask) for child in detection.children)
    if isinstance(detection, AnyOf):
        return any(_detection(child, event, ask) for child in detection.children)
    found = (ask(detection, value, event) for value in detection.tests)
    return (all(found) if detection.all else any(found)) is not detection.negated


def holds(item: Item, value: Value, event: Event) -> bool:
    """Whether an event satisfies one value of a detection item."""
    if isinstance(value, Alternatives):
        return any(holds(item, each, event) for each in value.values)
    if item.field is None:
        return any(test(value, leaf) for leaf in leaves(event))
    if isinstance(value, FieldRef):
        others = lookup(event, value.field)[1]
        return any(_same(value, a, b) for a in lookup(event, item.field)[1] for b in others)
    return holds_of(value, *lookup(event, item.field))


def holds_of(value: Value, present: bool, found: Sequence[Any]) -> bool:
    """Whether what was found in a field satisfies a value, which must not be one that looks at another field."""
    if isinstance(value, Exists):
        return present is value.present
    if isinstance(value, Null):
        return not found or None in found
    return any(test(value, each) for each in found)


def lookup(event: dict[str, Any], name: str) -> tuple[bool, list[Any]]:
    """Whether a field is present, and its values: scalars, nulls and objects, arrays flattened."""
    if name in event:
        return True, list(_flat(event[name]))
    ends = list(_walk(event, name.split("."))) if "." in name else []
    return bool(ends), [value for end in ends for value in _flat(end)]


def _walk(node: Any, path: list[str]) -> Iterator[Any]:
    if not path:
        yield node
    elif isinstance(node, dict) and path[0] in node:
        yield from _walk(node[path[0]], path[1:])
    elif isinstance(node, list):
        for child in node:
            yield from _walk(child, path)


def _flat(value: Any) -> Iterator[Any]:
    if isinstance(value, list):
        for child in value:
            yield from _flat(child)
    else:
        yield value


def leaves(value: Any) -> Iterator[Any]:
    """Every scalar leaf of an event at any depth; keys and nulls are none."""
    if isinstance(value, (dict, list)):
        for child in value.values() if isinstance(value, dict) else value:
            yield from leaves(child)
    elif value is not None:
        yield value


def text(value: Any) -> str | None:
    """The canonical text of a scalar; None for null and objects."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    value = float_if_huge(value)
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    return str(value) if isinstance(value, (int, float)) else None


def number(value: Any) -> int | float | None:
    """The number of a scalar: JSON numbers, and strings that are plain decimals."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float_if_huge(value)
    if isinstance(value, str) and re.fullmatch(r"[+-]?[0-9]+(\.[0-9]+)?", value, re.ASCII):
        # Python makes a float of text of any length, but not of an int beyond 1e308.
        return float(value) if "." in value or len(value) > 300 else float_if_huge(int(value))
    return None


def float_if_huge(value: int | float) -> int | float:
    """Integers beyond 64 bits are floats, as a JSON parser gives them."""
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        return float(value)
    return value


class _Folds(dict[int, str]):
    """The fold of each character that was met, by its code point."""

    def __missing__(self, code: int) -> str:
        c = chr(code)
        self[code] = found = next((f for f in (c.casefold(), c.lower()) if len(f) == 1), c)
        return found


_FOLDS = _Folds()


def fold(value: str) -> str:
    """Simple case folding, one code point to one code point."""
    return value.lower() if value.isascii() else value.translate(_FOLDS)


def test(value: Value, found: Any) -> bool:
    """Whether one scalar of an event satisfies one value of a rule."""
    string = text(found)
    if string is None:
        return False
    if isinstance(value, Text):
        change = (lambda s: s) if value.cased else fold
        return _like(
            tuple(change(p) if isinstance(p, str) else p for p in value.parts), change(string)
        )
    if isinstance(value, Boolean):
        return fold(string) == ("true" if value.value else "false")
    if isinstance(value, Regex):
        return _compiled(value.pattern).search(string) is not None
    if isinstance(value, Network):
        return _in_network(value.cidr, string)
    if isinstance(value, TimePart):
        return _compare(value.operator, time_part(found, value.part), value.number)
    if isinstance(value, Compare):
        return _compare(value.operator, number(found), value.number)
    return isinstance(value, Number) and _compare("eq", number(found), value.value)


@lru_cache(maxsize=4096)
def _compiled(pattern: str) -> Any:
    return re2.compile(pattern, re2_options())


def _like(parts: tuple[Part, ...], string: str) -> bool:
    """Whether the parts match the whole string: a set of reachable positions, so that stars cost no more than n."""
    at: Collection[int] = {0}
    for part in parts:
        if part is ANY:
            at = range(min(at), len(string) + 1)
        elif isinstance(part, str):
            at = {i + len(part) for i in _occurrences(part, string) if i in at}
        else:
            at = {
                i + 1 for i in at if i < len(string) and (part is not DASH or string[i] in DASHES)
            }
        if not at:
            return False
    return len(string) in at


def _occurrences(part: str, string: str) -> Iterator[int]:
    start = string.find(part)
    while start >= 0:
        yield start
        start = string.find(part, start + 1)


def _compare(operator: str, left: int | float | None, right: int | float) -> bool:
    if left is None:
        return False
    # Python compares int and float exactly.
    return {
        "eq": left == right,
        "lt": left < right,
        "lte": left <= right,
        "gt": left > right,
        "gte": left >= right,
    }[operator]


def _in_network(cidr: str, string: str) -> bool:
    network = ipaddress.ip_network(cidr)
    try:
        address = ipaddress.ip_address(string.partition("%")[0] if ":" in string else string)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    if network.version == 4 and mapped is not None:
        address = mapped
    return address.version == network.version and address in network


_ISO = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,]\d+)?)?)?(?:Z|[+-](\d\d):?(\d\d))?",
    re.ASCII,
)


def time_part(value: Any, part: str) -> int | None:
    """One part of a timestamp: strings as written, numbers as epoch seconds, ms, µs or ns in UTC."""
    try:
        if isinstance(value, str):
            match = _ISO.fullmatch(value)
            if not match or int(match[7] or 0) > 23 or int(match[8] or 0) > 59:
                return None
            year, month, day, hour, minute, second = (int(g or 0) for g in match.groups()[:6])
            when = datetime.datetime(year, month, day, hour, minute, second, tzinfo=datetime.UTC)
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            size = abs(value)
            unit = 1 if size < 1e11 else 10**3 if size < 1e14 else 10**6 if size < 1e17 else 10**9
            # floor, because a second that has begun is the current one before 1970 too
            when = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC) + datetime.timedelta(
                seconds=int(value // unit)
            )
        else:
            return None
    except (ValueError, OverflowError):
        return None
    return when.isocalendar().week if part == "week" else int(getattr(when, part))


def _same(ref: FieldRef, left: Any, right: Any) -> bool:
    one, other = number(left), number(right)
    a, b = text(left), text(right)
    if a is None or b is None:
        return False
    if not ref.cased:
        a, b = fold(a), fold(b)
    if ref.placement == "equals":
        return a == b if one is None or other is None else one == other
    return {"contains": b in a, "startswith": a.startswith(b), "endswith": a.endswith(b)}[
        ref.placement
    ]
