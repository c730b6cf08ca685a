r"""Transformations for events that hold in several fields what rules ask in one.

`joined_fields` is for any two, such as a user's domain and name. The others are for a registry path and its data.

Rules are written for Sysmon: `TargetObject` is key and value name joined, `HKLM\…` stands for
`\REGISTRY\MACHINE\…`, and numbers look as `DWORD (0x00000001)`. Event 4657 has the key, the name,
the data and its type in fields of their own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from functools import lru_cache

from sigmac.compiler.ir.values import (
    ANY,
    ONE,
    Alternatives,
    Exists,
    FieldRef,
    Null,
    Number,
    Part,
    Regex,
    Text,
    Value,
    Wildcard,
    join,
)
from sigmac.compiler.pipeline.conditions.parameters import Parameters
from sigmac.compiler.pipeline.conditions.plain_text import PlainText
from sigmac.compiler.pipeline.conditions.processing_run import CannotAsk, Run
from sigmac.compiler.pipeline.glob_parts import Symbols, cuts, matches, rest, symbols
from sigmac.compiler.pipeline.levels import ItemChange
from sigmac.compiler.pipeline.placeholder_changes import filled
from sigmac.compiler.syntax.modifiers.regex_values import check_regex
from sigmac.compiler.syntax.rule import AllOf, AnyOf, Detection, Item


class _Stretch(Enum):
    SID = "S-1-…"  # a security identifier of a user


_SID_PATTERN = r"S-1-[0-9-]+"
_DEFAULT = "(Default)"  # how Sysmon calls the value of a key that has no name
_NO_NAME: tuple[Value, ...] = (Text(()), Text(("-",)), Null())

# What a key begins with in the kernel's spelling, and in the spellings of rules. `<SID>` is a user,
# `?` a digit. Source: Windows' documentation of registry hives and predefined keys.
_SPELLINGS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("\\REGISTRY\\MACHINE\\", ("HKLM\\", "HKEY_LOCAL_MACHINE\\")),
    ("\\REGISTRY\\USER\\", ("HKU\\", "HKEY_USERS\\")),
    ("\\REGISTRY\\USER\\<SID>\\", ("HKCU\\", "HKEY_CURRENT_USER\\")),
    ("\\REGISTRY\\MACHINE\\SOFTWARE\\Classes\\", ("HKCR\\", "HKEY_CLASSES_ROOT\\")),
    ("\\REGISTRY\\USER\\<SID>_Classes\\", ("HKCR\\", "HKEY_CLASSES_ROOT\\")),
    (
        "\\REGISTRY\\MACHINE\\SYSTEM\\ControlSet00?\\",
        (
            "\\REGISTRY\\MACHINE\\SYSTEM\\CurrentControlSet\\",
            "HKLM\\SYSTEM\\CurrentControlSet\\",
            "HKEY_LOCAL_MACHINE\\SYSTEM\\CurrentControlSet\\",
        ),
    ),
)


def _root(spelt: str) -> Symbols:
    before, sid, behind = spelt.partition("<SID>")
    ends: list[Symbols] = [tuple(ONE if c == "?" else c for c in each) for each in (before, behind)]
    return (*ends[0], _Stretch.SID, *ends[1]) if sid else ends[0]


_ROOTS = [(_root(kernel), [_root(each) for each in others]) for kernel, others in _SPELLINGS]


def registry_path(given: Parameters) -> ItemChange:
    """Questions of a path asked of the fields `key` and `value_name`.

    The text of an event is its key, a backslash and the name; where the name is missing or empty
    it is `(Default)`. A key counts in each of its spellings. What a text cannot be asked for in two
    fields, a regular expression or another field, leaves the form of the rule out.
    """
    asked = _Joint(given.text("key"), given.text("value_name"), _halves, True)
    return lambda item, run: _two_fields(item, asked, run)


def joined_fields(given: Parameters) -> ItemChange:
    r"""Questions of a text asked of the fields `first` and `second`, which `joint`, a backslash, would join.

    Where an event has no `first`, its text is that of `second`. What cannot be asked of two fields leaves the form of
    the rule out.
    """
    joint = given.text("joint", "\\")
    if len(joint) != 1:
        raise given.fail("`joint` is one character", given.optional("joint"))

    def halves(pattern: Symbols, cased: bool) -> tuple[tuple[Symbols, Symbols], ...]:
        return tuple(dict.fromkeys(cuts(pattern, joint)))

    asked = _Joint(given.text("first"), given.text("second"), halves, False)
    return lambda item, run: _two_fields(item, asked, run)


@dataclass(frozen=True, slots=True)
class _Joint:
    """Two fields for one: `halves` gives the pairs of patterns of which one must fit them.

    Of a registry value the name may be missing, of others what stands before.
    """

    first: str
    second: str
    halves: Callable[[Symbols, bool], tuple[tuple[Symbols, Symbols], ...]]
    of_registry: bool


def _two_fields(item: Item, joint: _Joint, run: Run) -> Detection:
    if item.field is None:
        return item
    if not item.all:
        return _asked(item, [filled(value, item, run) for value in item.values], joint, run)
    each = [_asked(item, [filled(value, item, run)], joint, run) for value in item.values]
    return each[0] if len(each) == 1 else _every(item, each)


def _asked(item: Item, values: Sequence[Value], joint: _Joint, run: Run) -> Detection:
    """One of the values, as questions of both fields."""
    by_name: dict[tuple[bool, tuple[Part, ...]], dict[Value, None]] = {}
    others: list[Detection] = []
    for value in _opened(values):
        if isinstance(value, (Regex, FieldRef)):
            what = "a regular expression" if isinstance(value, Regex) else "another field"
            message = f"`{item.field}` is two fields in these events, which {what} cannot be asked"
            raise CannotAsk(message, item.place)
        if isinstance(value, (Null, Exists)):
            others.append(_item(item, joint.first if joint.of_registry else joint.second, (value,)))
        elif isinstance(value, Text):
            pattern = symbols(value.parts)
            places = sum(symbol in ("\\", ANY, ONE) for symbol in pattern)
            run.charge(places, places * len(pattern))
            for left, right in joint.halves(pattern, value.cased):
                of_key = by_name.setdefault((value.cased, _parts(right)), {})
                of_key[_key_value(left, value.cased)] = None
            if not joint.of_registry:
                alone = [_item(item, joint.first, (Null(),)), _item(item, joint.second, (value,))]
                others.append(_every(item, alone))
        # No number, network or time has a backslash in it, as every path has.
    asked = [
        _every(item, [_item(item, joint.first, tuple(keys)), *_second(item, joint, right, cased)])
        for (cased, right), keys in by_name.items()
    ]
    made = [*asked, *others]
    if not made:  # the field is not there: never true, as it should be
        return replace(item, values=tuple(values), all=False, places=(), raw=())
    return made[0] if len(made) == 1 else _some(item, made)


def _second(item: Item, joint: _Joint, right: tuple[Part, ...], cased: bool) -> list[Detection]:
    """The question of the name; none where any will do."""
    if right == (ANY,) and joint.of_registry:
        return []
    unnamed = joint.of_registry and matches(symbols(right), _DEFAULT, cased=cased)
    return [_item(item, joint.second, (Text(right, cased), *(_NO_NAME if unnamed else ())))]


def _opened(values: Iterable[Value]) -> Iterable[Value]:
    for value in values:
        if isinstance(value, Alternatives):
            yield from _opened(value.values)
        else:
            yield value


@lru_cache(maxsize=1000)
def _halves(pattern: Symbols, cased: bool) -> tuple[tuple[Symbols, Symbols], ...]:
    """The patterns of key and name, of the path as it stands and in the kernel's spelling."""
    found = dict.fromkeys(cuts(pattern, "\\"))
    for kernel, spellings in _ROOTS:
        known = rest(pattern, kernel, cased=cased)  # what is asked of such a key anyway
        for spelling in spellings:
            for left in rest(pattern, spelling, cased=cased):
                if left not in known:
                    # The root is part of the key: no cut before its last backslash.
                    found.update(dict.fromkeys(cuts((*kernel, *left), "\\", len(kernel) - 1)))
    return tuple(found)


def _parts(pattern: Symbols) -> tuple[Part, ...]:
    return join(each for each in pattern if isinstance(each, (str, Wildcard)))


def _key_value(pattern: Symbols, cased: bool) -> Value:
    if _Stretch.SID not in pattern:
        return Text(_parts(pattern), cased)
    text = "".join(map(_as_regex, pattern))
    flags = "s" if cased else "is"
    return Regex((rf"\A{text}\z",), flags, check_regex(rf"(?{flags})\A{text}\z"))


def _as_regex(symbol: object) -> str:
    if isinstance(symbol, str):
        return re.sub(r"([^\w])", r"\\\1", symbol, flags=re.ASCII) if symbol.isascii() else symbol
    if symbol is ANY:
        return ".*"
    return _SID_PATTERN if symbol is _Stretch.SID else "." if symbol is ONE else "[-/–—―]"  # noqa: RUF001


def _item(item: Item, field: str, values: tuple[Value, ...]) -> Item:
    return replace(item, field=field, modifiers=(), values=values, all=False, places=(), raw=())


def _every(item: Item, children: Sequence[Detection]) -> Detection:
    """All of some questions; of a negated item each is negated already."""
    if len(children) == 1:
        return children[0]
    return AnyOf(tuple(children)) if item.negated else AllOf(tuple(children))


def _some(item: Item, children: Sequence[Detection]) -> Detection:
    return AllOf(tuple(children)) if item.negated else AnyOf(tuple(children))


# Data

_WORD = re.compile(r"(DWORD|QWORD) \(0x([0-9a-f]{8})(?:-0x([0-9a-f]{8}))?\)", re.IGNORECASE)
_LOOKS_TYPED = re.compile(r"\b[DQ]WORD\b", re.IGNORECASE)
# The types as messages have them, and as they are shown.
_TYPES = {
    "DWORD": ("%%1876", "REG_DWORD"),
    "QWORD": ("%%1883", "REG_QWORD"),
    "binary data": ("%%1875", "REG_BINARY"),
}


Types = tuple[str, ...]


def registry_data(given: Parameters) -> ItemChange:
    """Questions of a value's data asked of the fields `data` and `data_type`.

    `DWORD (0x00000001)` is the number 1 of that type, decimal or hexadecimal, `Binary Data` anything
    of its type, `(Empty)` an empty text.
    """
    data, kind = given.text("data"), given.text("data_type")

    def change(item: Item, run: Run) -> Detection:
        if item.field is None:
            return item
        asked = [_as_data(filled(value, item, run), item, run) for value in item.values]
        if not any(types for _, types in asked):
            return replace(item, field=data, values=tuple(v for values, _ in asked for v in values))
        run.charge(4 * len(asked))
        if item.all:
            return _every(item, [_typed(item, *each, data, kind) for each in asked])
        of_type: dict[Types, tuple[Value, ...]] = {}
        for values, types in asked:
            of_type[types] = (*of_type.get(types, ()), *values)
        made = [_typed(item, values, types, data, kind) for types, values in of_type.items()]
        return made[0] if len(made) == 1 else _some(item, made)

    return change


def _typed(item: Item, values: tuple[Value, ...], types: Types, data: str, kind: str) -> Detection:
    asked = [_item(item, data, values)] if values else []
    if types:
        asked.append(_item(item, kind, tuple(Text((each,)) for each in types)))
    return _every(item, asked)


def _as_data(value: Value, item: Item, run: Run) -> tuple[tuple[Value, ...], Types]:
    """The values of the data that are asked for, and of which types it must be; `()` any."""
    if isinstance(value, Regex):
        text = value.pattern
    else:
        text = PlainText(value.parts).text.strip("*") if isinstance(value, Text) else ""
    word = _WORD.fullmatch(text)
    if word and (word[1].upper() == "QWORD") is (word[3] is not None):
        number = int(word[2] + (word[3] or ""), 16)
        return (Number(number), Text((f"0x{number:x}",))), _TYPES[word[1].upper()]
    if text.lower() == "binary data":
        return (), _TYPES["binary data"]
    if text.lower() == "(empty)":
        return _NO_NAME, ()
    if _LOOKS_TYPED.search(text):
        message = (
            f"`{text[:60]}` is a number only in part, and these events spell numbers otherwise"
        )
        run.warn("W_PIPELINE_LOSS", message, item.place)
    return (value,), ()
