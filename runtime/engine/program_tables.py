"""A pack's decision programs as the kernels run them, with what their arguments stand for."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sigmac.runtime.engine import programs
from sigmac.runtime.engine.alternatives import find_alternatives
from sigmac.runtime.engine.layout import KEYWORDS_FIELD, Ints, Programs
from sigmac.runtime.scalar.scalars import Number
from sigmac.runtime.scalar.vocabulary import Strings, number_of_gate


def program_tables(
    arrays: Mapping[str, NDArray[Any]],
    strings: Strings,
    fields: int,
    of_string: Ints,
    order: NDArray[np.int64],
    value_field: Sequence[int],
    thresholds: Mapping[int, Sequence[Number]],
    in_number: NDArray[np.bool_],
) -> Programs:
    """The programs of a pack, and what their arguments stand for.

    `of_string` is the field, of so many `fields`, of each text of the pool that names one; `in_number` says of each
    text whether it may stand in a number. `order` is that of the networks by field. Each question that only Python
    answers, those of the networks last, is asked of a value of a `value_field`.
    """
    literals = arrays["literals"]
    network_field = of_string[arrays["networks"][order, 0]]
    networks = [_addresses(strings[i]) for i in arrays["networks"][order, 1].tolist()]
    code, ends = arrays["programs"].copy(), arrays["program_ends"]
    of_network = code[:, 0] & ~programs.NEGATED == programs.ADDRESS
    code[of_network, 1] = np.argsort(order)[code[of_network, 1]]
    numbers = np.arange(fields)
    compared = [
        _comparison(int(of_string[field]), comparison, strings[number], thresholds)
        for field, comparison, number in arrays["comparisons"].tolist()
    ]
    pairs = arrays["pairs"].copy()
    pairs[:, :2] = of_string[pairs[:, :2]]
    field = of_string[literals[:, 0]]
    without_keywords = np.where(field == KEYWORDS_FIELD, -1, field).astype(np.int32)
    alternatives = find_alternatives(code, ends, without_keywords)
    return Programs(
        code=np.ascontiguousarray(code, np.int32).reshape(-1),
        start=np.concatenate([[0], ends]).astype(np.int32),
        alternatives_at=alternatives.at,
        alternatives_start=alternatives.start,
        alternatives_of=alternatives.of,
        alternatives_after=alternatives.after,
        fields=of_string[arrays["program_fields"]],
        comparisons=np.array(compared, np.int32).reshape(-1),
        pairs=np.ascontiguousarray(pairs, np.int32).reshape(-1),
        value_field=np.array(value_field, np.int32),
        value_least=np.zeros(len(value_field), np.int32),
        value_byte=np.zeros(len(value_field), np.uint8),
        network_field=network_field,
        network_value=np.arange(len(value_field) - len(networks), len(value_field), dtype=np.int32),
        networks=np.array(networks, np.int64).reshape(-1),
        first=np.searchsorted(network_field, numbers).astype(np.int32),
        last=np.searchsorted(network_field, numbers, "right").astype(np.int32),
        field=field,
        in_number=in_number[literals[:, 1]].astype(np.uint8),
        strings_start=np.concatenate([[0], arrays["string_ends"]])[literals[:, 1]],
        strings=np.ascontiguousarray(arrays["strings"]),
    )


def _comparison(
    field: int, comparison: int, text: str, thresholds: Mapping[int, Sequence[Number]]
) -> tuple[int, int, int]:
    """Field, first and last place among its thresholds of the numbers that compare so with a number."""
    if field == KEYWORDS_FIELD:
        return field, 0, 0  # no program asks it
    known = thresholds[field]
    rank, most = known.index(number_of_gate(text)), 2 * len(known)
    first, last = {
        "eq": (2 * rank + 1, 2 * rank + 1),
        "lt": (0, 2 * rank),
        "lte": (0, 2 * rank + 1),
        "gt": (2 * rank + 2, most),
        "gte": (2 * rank + 1, most),
    }[programs.COMPARISONS[comparison]]
    return field, first, last


def _addresses(network: str) -> tuple[int, int]:
    """The first and the last IPv4 address of a network; (1, 0) of others."""
    found = ipaddress.ip_network(network)
    if found.version != 4:
        return 1, 0
    return int(found.network_address), int(found.broadcast_address)
