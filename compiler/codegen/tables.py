"""The arrays of `tables.npz`: what the runtime needs before any generated code runs, as numbers and one pool of text.

`runtime/scalar/vocabulary.py` and `runtime/pack/pack.py` read them; `docs/pack.md` has the list.
"""

from __future__ import annotations

import io
import zipfile
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sigmac.runtime.engine import programs as rows
from sigmac.runtime.scalar.fields import CONTAINS, ENDSWITH, EQUALS, STARTSWITH
from sigmac.runtime.scalar.folding import as_array, fold_table

_Gates = dict[tuple[str, int, str], list[int]]  # field, question, argument → rules


class _Pool(dict[str, int]):
    """Strings by number, each kept once: one that is asked for is there."""

    def __missing__(self, text: str) -> int:
        number = self[text] = len(self)
        return number

    def arrays(self) -> dict[str, NDArray[Any]]:
        encoded = [text.encode("utf-8") for text in self]
        return {
            "strings": np.frombuffer(b"".join(encoded), dtype=np.uint8),
            "string_ends": np.cumsum([len(each) for each in encoded], dtype=np.int64),
        }


def question_arrays(
    asked: Sequence[Mapping[str, Any]],
    rare_fields: Sequence[str] = (),
    guards: Sequence[Mapping[str, Any]] = (),
    events: Sequence[Mapping[str, Any]] = (),
) -> dict[str, NDArray[Any]]:
    """Arrays of all rules' questions.

    `asked[i]`: `Questions.plain()` of rule i, the `fields` of its function, its `program` and the `guard_program` of
    its logsource; `guards[j]`: that of a rule whose guard is that of logsource j; `events`: the same of what events
    say of their logsource.
    """
    pool = _Pool()
    pool[""]  # the first
    literals: dict[tuple[str, str], int] = {}
    gates: tuple[_Gates, _Gates] = (defaultdict(list), defaultdict(list))
    regexes: set[tuple[str, str, tuple[str, ...]]] = set()
    numeric: set[str] = set()
    always: list[int] = []
    single: list[int] = []
    for each in (*asked, *events):
        for field, text, bit in each["literals"]:
            literals[field, text] = literals.get((field, text), 0) | bit
        for field, pattern, required in each["regexes"]:
            regexes.add((field, pattern, tuple(required)))
        numeric.update(field for field, *_ in each["comparisons"])
    for rule, each in enumerate(asked):
        for table, without, entries in zip(
            gates, (always, single), [*each["gates"], None, None], strict=False
        ):
            if entries is None:
                without.append(rule)
                continue
            for field, question, argument in entries:
                rules = table[field, question, argument]
                if not rules or rules[-1] != rule:
                    rules.append(rule)
    sorted_literals = sorted(literals)
    programs = _Programs({literal: i for i, literal in enumerate(sorted_literals)})
    for each in asked:
        programs.add(each["program"], each)
    for each in (*guards, *events):
        programs.add(each["guard_program"], each)
    sorted_regexes = sorted(regexes)
    arrays: dict[str, NDArray[Any]] = {
        "always": _ints(always),
        "rare_fields": _ints([pool[field] for field in rare_fields]),
        "rule_fields": _ints([pool[field] for each in asked for field in each["fields"]]),
        "rule_field_ends": np.cumsum([len(each["fields"]) for each in asked], dtype=np.int64),
        "numeric_fields": _ints([pool[field] for field in sorted(numeric)]),
        "literals": _rows((pool[each] for key in sorted_literals for each in key), 2),
        "literal_asked": np.array([literals[key] for key in sorted_literals], dtype=np.uint8),
        "single": _ints(single),
        **programs.arrays(pool),
        **_gate_arrays("gate", gates[0], pool),
        **_gate_arrays("second_gate", gates[1], pool),
        "regexes": _rows((pool[each] for key in sorted_regexes for each in key[:2]), 2),
        "regex_literals": _ints(
            [pool[text] for *_, required in sorted_regexes for text in required]
        ),
        "regex_ends": np.cumsum([len(required) for *_, required in sorted_regexes], dtype=np.int64),
        "fold": as_array(fold_table()),
    }
    return {**arrays, **pool.arrays()}


_COMPARISON = {name: i for i, name in enumerate(rows.COMPARISONS)}
_VALUE_QUESTION = {name: i for i, name in enumerate(rows.VALUE_QUESTIONS)}
_PLACE_OF_BIT = {EQUALS: 0, STARTSWITH: 1, ENDSWITH: 2, CONTAINS: 3}


class _Programs:
    """Decision programs, their arguments from places in a rule's own lists to places in those of the pack."""

    def __init__(self, literals: Mapping[tuple[str, str], int]):
        self._literals = literals
        self._rows: list[int] = []
        self._ends: list[int] = []
        self._comparisons: dict[tuple[str, str, str], int] = {}
        self._pairs: dict[tuple[str, str, int], int] = {}
        self._networks: dict[tuple[str, str], int] = {}
        self._values: dict[tuple[str, str, str], int] = {}
        self._fields: dict[str, int] = {}

    def add(self, program: Sequence[int], asked: Mapping[str, Any]) -> None:
        arguments = {
            rows.TEXT: [
                4 * self._literals[field, text] + _PLACE_OF_BIT[bit]
                for field, text, bit in asked["literals"]
            ],
            rows.COMPARE: [_number(self._comparisons, each) for each in asked["comparisons"]],
            rows.SAME: [
                _number(
                    self._pairs,
                    (field, other, rows.PLACEMENTS.index(placement) + rows.CASED * cased),
                )
                for field, other, placement, cased in asked["pairs"]
            ],
            rows.ADDRESS: [_number(self._networks, each) for each in asked["networks"]],
            rows.VALUE: [_number(self._values, each) for each in asked["values"]],
        }
        present = [_number(self._fields, name) for (name,) in asked["present"]]
        arguments |= dict.fromkeys((rows.TEXTUAL, rows.EXISTS, rows.NULL), present)
        self._rows += program
        for at in range(len(self._rows) - len(program), len(self._rows), rows.WIDTH):
            known = arguments.get(self._rows[at] & ~rows.NEGATED)
            if known is not None:
                self._rows[at + 1] = known[self._rows[at + 1]]
        self._ends.append(len(self._rows) // rows.WIDTH)

    def arrays(self, pool: _Pool) -> dict[str, NDArray[Any]]:
        compared = (
            n for f, c, text in self._comparisons for n in (pool[f], _COMPARISON[c], pool[text])
        )
        pairs = (n for f, other, how in self._pairs for n in (pool[f], pool[other], how))
        networks = (pool[each] for key in self._networks for each in key)
        values = (
            n
            for f, question, argument in self._values
            for n in (pool[f], _VALUE_QUESTION[question], pool[argument])
        )
        return {
            "programs": np.array(self._rows, np.int32).reshape(-1, rows.WIDTH),
            "program_ends": np.array(self._ends, np.int64),
            "program_fields": _ints([pool[name] for name in self._fields]),
            "comparisons": _rows(compared, 3),
            "pairs": _rows(pairs, 3),
            "networks": _rows(networks, 2),
            "value_questions": _rows(values, 3),
        }


def _number(numbers: dict[Any, int], asked: Any) -> int:
    """The number of what is asked, the next one where it is new."""
    return numbers.setdefault(asked if isinstance(asked, str) else tuple(asked), len(numbers))


def _gate_arrays(name: str, gates: _Gates, pool: _Pool) -> dict[str, NDArray[Any]]:
    keys = sorted(gates)
    return {
        f"{name}s": _rows((n for f, q, text in keys for n in (pool[f], q, pool[text])), 3),
        f"{name}_rules": _ints([rule for key in keys for rule in gates[key]]),
        f"{name}_ends": np.cumsum([len(gates[key]) for key in keys], dtype=np.int64),
    }


def _ints(values: Iterable[int]) -> NDArray[np.int32]:
    return np.fromiter(values, dtype=np.int32)


def _rows(numbers: Iterable[int], width: int) -> NDArray[np.int32]:
    return np.fromiter(numbers, dtype=np.int32).reshape(-1, width)


def span_array(spans: Sequence[tuple[int, ...]], width: int) -> NDArray[np.int32]:
    """Lines and indices of pieces of source, shape (n, width)."""
    return _rows(chain.from_iterable(spans), width)


def render_npz(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """The bytes of an `.npz` with these arrays, the same for the same arrays.

    Not compressed: to inflate them was a third of the time that a pack takes to load.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in sorted(arrays):
            data = io.BytesIO()
            np.lib.format.write_array(data, np.ascontiguousarray(arrays[name]), allow_pickle=False)
            # A ZipInfo made by hand has a fixed date and no trace of the machine.
            entry = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            archive.writestr(entry, data.getvalue())
    return buffer.getvalue()
