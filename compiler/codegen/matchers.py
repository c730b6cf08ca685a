"""The module `matchers.py` of a pack: what rules compare numbers, addresses and times with, as `@njit` functions."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sigmac import __version__
from sigmac.compiler.codegen.formatter import format_source
from sigmac.compiler.codegen.numeric import intervals, thresholds
from sigmac.compiler.codegen.quoting import Code, identifier, literal, prose
from sigmac.compiler.codegen.templates import render
from sigmac.runtime.scalar import fields as bits

Entry = dict[str, Any]


def render_matchers(asked: Sequence[Mapping[str, Any]]) -> str:
    """Source of `matchers.py` for all rules' questions (`Questions.plain()` each)."""
    names = _Names()
    numbers = _by_key((entry[0], entry[2]) for each in asked for entry in each["comparisons"])
    networks = _by_key(tuple(entry) for each in asked for entry in each["networks"])
    times = _by_key((tuple(entry[:2]), entry[2]) for each in asked for entry in each["times"])
    text = render(
        "matchers",
        version=Code(__version__),
        fields=_summary(asked),
        numbers=[
            _position_entry(names(field), _name(field), literal(field), texts)
            for field, texts in sorted(numbers.items())
        ],
        networks_v4=[
            entry
            for field, texts in sorted(networks.items())
            if (entry := _v4_entry(names, field, texts)) is not None
        ],
        networks_v6=[
            entry
            for field, texts in sorted(networks.items())
            if (entry := _v6_entry(names, field, texts)) is not None
        ],
        times=[
            _position_entry(
                names(f"{field}_{part}"),
                Code(f"{_name(field)}, {part}"),
                literal((field, part)),
                texts,
            )
            for (field, part), texts in sorted(times.items())
        ],
        position=lambda entry: render("position", **entry),
    )
    return format_source(text)


def _by_key(entries: Iterable[tuple[Any, str]]) -> dict[Any, set[str]]:
    found: dict[Any, set[str]] = defaultdict(set)
    for key, text in entries:
        found[key].add(text)
    return found


_CONSTANTS = ("", "_networks", "_upper", "_lower")  # what constants add to a function's name


class _Names:
    """Distinct names for functions; constants are the same in upper case."""

    def __init__(self) -> None:
        self.taken = {"numbers", "networks_v4", "networks_v6", "times"}
        self.numbers: dict[str, int] = {}

    def free(self, name: str) -> bool:
        return self.taken.isdisjoint(name + each for each in _CONSTANTS)

    def __call__(self, field: str) -> Code:
        # snake_case of CamelCase, so that functions read as Python
        spelled = "".join(
            f"_{c}" if c.isupper() and i and field[i - 1].islower() else c
            for i, c in enumerate(field)
        )
        base = name = identifier(spelled.lower() or "keywords", "field")
        if base == base.upper():  # no letters: its constant would have the same name
            base = name = Code(f"field{base}")
        number = self.numbers.get(
            base, 1
        )  # the last one taken, so that colliding names cost no search
        while not self.free(name):
            number += 1
            name = Code(f"{base}_{number}")
        self.numbers[base] = number
        self.taken.update(name + each for each in _CONSTANTS)
        return name


def _name(field: str) -> Code:
    return prose(field) if field else Code("keywords")


def _entry(name: Code, comment: Code, key: Code) -> Entry:
    return {"function": name, "constant": Code(name.upper()), "comment": comment, "key": key}


def _position_entry(name: Code, comment: Code, key: Code, texts: Iterable[str]) -> Entry:
    found = thresholds(texts)
    entry = _entry(name, comment, key)
    return entry | {"thresholds": found.source, "compilable": int(found.compilable)}


def _v4_entry(names: _Names, field: str, texts: Iterable[str]) -> Entry | None:
    found = intervals(texts, 4)
    if not any(found.networks):
        return None
    return _entry(names(f"{field}_v4"), _name(field), literal(field)) | {
        # Numba does not index an empty tuple; no address comes to this bound.
        "bounds": literal(found.bounds or (2**32,)),
        "networks": [_set_items(each) for each in found.networks],
    }


def _v6_entry(names: _Names, field: str, texts: Iterable[str]) -> Entry | None:
    found = intervals(texts, 6)
    if not any(found.networks):
        return None
    low = 2**64 - 1
    return _entry(names(f"{field}_v6"), _name(field), literal(field)) | {
        "upper": literal([bound >> 64 for bound in found.bounds]),
        "lower": literal([bound & low for bound in found.bounds]),
        "networks": [_set_items(each) for each in found.networks],
    }


def _set_items(networks: tuple[str, ...]) -> Code:
    return literal(networks) if networks else Code("")


_ASKED = {
    bits.EQUALS: "equals",
    bits.CONTAINS: "contains",
    bits.STARTSWITH: "startswith",
    bits.ENDSWITH: "endswith",
}


def _summary(asked: Sequence[Mapping[str, Any]]) -> list[Entry]:
    """For each field, how many different questions of which kind are asked."""
    kinds: dict[str, Counter[str]] = defaultdict(Counter)
    seen: set[Any] = set()
    for each in asked:
        entries = [(field, _ASKED[bit], text) for field, text, bit in each["literals"]]
        entries += [(field, "regex", pattern) for field, pattern, _ in each["regexes"]]
        entries += [(field, "number", text) for field, _, text in each["comparisons"]]
        entries += [(field, "cidr", text) for field, text in each["networks"]]
        entries += [(field, "time", f"{part} {text}") for field, part, text in each["times"]]
        for entry in entries:
            if entry not in seen:
                seen.add(entry)
                kinds[entry[0]][entry[1]] += 1
    return [
        {
            "name": _name(field),
            "asked": Code(", ".join(f"{count} {kind}" for kind, count in sorted(counts.items()))),
        }
        for field, counts in sorted(kinds.items())
    ]
