"""A few records with known answers, asked of kernels before they are asked anything else.

A pack of a handful of rules is put together in memory and evaluated as any other pack, so that nothing here depends on
how the engine lays out its arrays.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sigmac.runtime.engine import layout, programs
from sigmac.runtime.engine.library import Kernels, KernelsError
from sigmac.runtime.engine.pool import Engines
from sigmac.runtime.scalar.dispatch import Dispatch
from sigmac.runtime.scalar.fields import CONTAINS, ENDSWITH, EQUALS, Budget
from sigmac.runtime.scalar.rule_functions import Condition, Conditions
from sigmac.runtime.scalar.scalars import Number
from sigmac.runtime.scalar.vocabulary import PRESENT_GATE, Vocabulary

_BUDGET = 1 << 20  # bytes
_NUMBERS: dict[str, tuple[tuple[Number, ...], Callable[[Any], int]]] = {
    "Port": ((1024,), lambda number: 2 * (number > 1024) + (number == 1024))
}
_FOLD = [*((upper, upper + 32) for upper in range(ord("A"), ord("Z") + 1)), (ord("Ö"), ord("ö"))]
# Condition, the gate that opens it (field, question, text), and its program: one question with the two ways on
_RULES: list[tuple[Condition, tuple[str, int, str], tuple[int, int, int, int]]] = [
    (
        lambda event: event.endswith("Image", "\\whoami.exe"),
        ("Image", ENDSWITH, "\\whoami.exe"),
        (programs.TEXT, 4 * 0 + 2, programs.TRUE, programs.FALSE),
    ),
    (
        lambda event: event.contains("User", "köln"),
        ("User", CONTAINS, "köln"),
        (programs.TEXT, 4 * 1 + 3, programs.TRUE, programs.FALSE),
    ),
    (
        lambda event: event.greater("Port", 1024),
        ("Port", PRESENT_GATE, ""),
        (programs.COMPARE, 0, programs.TRUE, programs.FALSE),
    ),
    (
        lambda event: event.equals("a.b", "x"),
        ("a.b", EQUALS, "x"),
        (programs.TEXT, 4 * 2, programs.TRUE, programs.FALSE),
    ),
    (
        lambda event: not event.equals("a.b", "x"),
        ("Image", PRESENT_GATE, ""),
        (programs.TEXT | programs.NEGATED, 4 * 2, programs.FALSE, programs.TRUE),
    ),
]
_READ = ("Image", "User", "Port", "a.b", "a.b")  # the field that each condition asks
_ASKED = (("Image", ENDSWITH, "\\whoami.exe"), ("User", CONTAINS, "köln"), ("a.b", EQUALS, "x"))
# A record, and the rules that match it; None: it is rejected.
_RECORDS: list[tuple[str, list[int] | None]] = [
    (r'{"Image": "C:\\Windows\\WHOAMI.exe", "User": "K\u00d6LN 7"}', [0, 1, 4]),
    ('{"a": {"c": [1, {}], "b": "X"}, "Port": 1025}', [2, 3]),
    ('{"Port": [80, 1024], "a.b": "xy"}', []),
    ('{"Port": 1.5e3, "Image": "whoami.exe"}', [2, 4]),
    ('{"Image": "x"', None),
    ("", []),
    ('{"Port": 01}', None),
    ('{"Image": "", "a": {"b": "x"}, "Port": "2000"}', [2, 3]),
    (f'{{"{"key" * 99}": "{"k" * 200}", "User": "{"k" * 99}Köln{"n" * 99}"}}', [1]),
    (r'{"Image": "C:\\Windows\\WHOAMI.exe", "User": "KÖLN 7"}', [0, 1, 4]),
]


def check_answers(kernels: Kernels) -> None:
    """Raises `KernelsError` where kernels answer otherwise than they should."""
    arrays = _tables()
    with Engines(_dispatch(arrays), arrays, kernels, _BUDGET, 1).borrow() as engine:
        result = engine.match_batch("\n".join(text for text, _ in _RECORDS).encode(), -1)
    found = [*zip(result.record.tolist(), result.rule.tolist(), strict=True)]
    rejected = [each.record for each in result.rejected]
    if found != [(i, rule) for i, (_, rules) in enumerate(_RECORDS) for rule in rules or ()]:
        raise KernelsError(f"{kernels.origin}: wrong answers in the self-test")
    if rejected != [i for i, (_, rules) in enumerate(_RECORDS) if rules is None]:
        raise KernelsError(f"{kernels.origin}: wrong records rejected in the self-test")
    if not _gathers(kernels):
        raise KernelsError(f"{kernels.origin}: wrong texts gathered in the self-test")


def _gathers(kernels: Kernels) -> bool:
    texts = [b"one", b"", None, b"a\nb", b"\xef\xbb\xbf{}", b"x" * 99]
    buffers = [ctypes.create_string_buffer(text, len(text)) if text else None for text in texts]
    starts = [ctypes.addressof(each) if each is not None else 0 for each in buffers]
    starts[1] = starts[0]  # an empty text is somewhere too
    sizes = [len(text or b"") for text in texts]
    structs = np.arange(3 * layout.TOLD, dtype=np.int64)
    released: list[int | None] = []
    release = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(released.append)
    function = ctypes.cast(release, ctypes.c_void_p).value or 0

    def gather(wanted: int, addresses: list[int], told: NDArray[np.int64]) -> int:
        header = np.array([wanted, len(addresses), function], np.int64)
        given = np.array(addresses, np.int64)
        return kernels.gather(layout.Gathering(given, told, data, ends, header))

    data, ends = np.zeros(sum(sizes) + len(sizes), np.uint8), np.zeros(len(sizes), np.int64)
    unlike = gather(layout.JOIN, starts, np.array(sizes, np.int64))
    told = np.zeros(2 * layout.TOLD, np.int64)
    places = [structs.ctypes.data + 8 * layout.TOLD * i for i in (2, 0)]
    gather(layout.TELL, places, told)
    gather(layout.RELEASE, places, told)
    return (
        unlike == 3
        and data.tobytes() == b"".join((text or b"") + b"\n" for text in texts)
        and ends.tolist() == [*accumulate(size + 1 for size in sizes)]
        and told.reshape(-1, 2).T.tolist() == structs.reshape(3, -1)[[2, 0]].tolist()
        and released == places
    )


def _dispatch(arrays: dict[str, NDArray[Any]]) -> Dispatch:
    names = [str(rule) for rule in range(len(_RULES))]
    spans = arrays["functions"]
    conditions = Conditions(
        lambda module, name, first, last: _RULES[int(name)][0], names, spans, (), spans[:0, :3]
    )
    vocabulary = Vocabulary(arrays, {"NUMBERS": _NUMBERS}.__getitem__, Budget(_BUDGET))
    return Dispatch(conditions, vocabulary, arrays, ())


def _tables() -> dict[str, NDArray[Any]]:
    strings = ["", "1024", *sorted(set(_READ)), *(text for _, _, text in _ASKED)]
    number = strings.index
    encoded = [text.encode() for text in strings]
    count = len(_RULES)
    gates = sorted((gate, rule) for rule, (_, gate, _) in enumerate(_RULES))

    def rows(values: list[tuple[int, ...]], width: int) -> NDArray[np.int32]:
        return np.array(values, np.int32).reshape(-1, width)

    def ends(sizes: list[int]) -> NDArray[np.int64]:
        return np.array(list(accumulate(sizes)), np.int64)

    nothing = np.zeros(0, np.int32)
    return {
        "always": nothing,
        "comparisons": rows(
            [(number("Port"), programs.COMPARISONS.index("gt"), number("1024"))], 3
        ),
        "fold": np.array(_FOLD, np.uint32),
        "functions": rows([(0, 1, 1, -1)] * count, 4),
        "gates": rows(
            [(number(field), asked, number(text)) for (field, asked, text), _ in gates], 3
        ),
        "gate_rules": np.array([rule for _, rule in gates], np.int32),
        "gate_ends": ends([1] * count),
        "literals": rows([(number(field), number(text)) for field, _, text in _ASKED], 2),
        "literal_asked": np.array([asked for _, asked, _ in _ASKED], np.uint8),
        "logsources": rows([], 3),
        "metadata": rows([(1, 1)] * count, 2),
        "networks": rows([], 2),
        "numeric_fields": np.array([number("Port")], np.int32),
        "pairs": rows([], 3),
        "program_ends": ends([1] * count),
        "program_fields": nothing,
        "programs": rows([program for _, _, program in _RULES], programs.WIDTH),
        "rare_fields": nothing,
        "regexes": rows([], 2),
        "regex_literals": nothing,
        "regex_ends": ends([]),
        "rule_fields": np.array([number(field) for field in _READ], np.int32),
        "rule_field_ends": ends([1] * count),
        "second_gates": rows([], 3),
        "second_gate_rules": nothing,
        "second_gate_ends": ends([]),
        "single": np.arange(count, dtype=np.int32),
        "strings": np.frombuffer(b"".join(encoded), np.uint8),
        "value_questions": rows([], 3),
        "string_ends": ends([len(each) for each in encoded]),
    }
