"""Transformations of field names. Each reader gives a function from a name to its new names, None
for not concerned.
"""

from __future__ import annotations

import re

from sigmac.compiler.pipeline.conditions.parameters import Parameters
from sigmac.compiler.pipeline.levels import FieldChange


def field_name_mapping(given: Parameters) -> FieldChange:
    """`mapping` from a name to one name or several."""
    return given.mapping("mapping").get


def field_name_prefix_mapping(given: Parameters) -> FieldChange:
    """`mapping` from the beginning of a name to one beginning or several; the first that fits."""
    mapping = {
        given.field(source, "a key of `mapping`"): (
            tuple(given.as_text(each, "a prefix") for each in target.value)
            if target.is_list and target.value
            else (given.as_text(target, "a prefix"),)
        )
        for source, target in given.pairs("mapping")
    }

    def change(name: str) -> tuple[str, ...] | None:
        for old, new in mapping.items():
            if name.startswith(old):
                return tuple(prefix + name[len(old) :] for prefix in new)
        return None

    return change


def field_name_prefix(given: Parameters) -> FieldChange:
    """`prefix` before every name; of several, one of which may be empty, an event has one."""
    node = given.required("prefix")
    prefixes = [
        given.as_text(each, "`prefix`") for each in (node.value if node.is_list else [node])
    ]
    if not prefixes:
        raise given.fail("`prefix` is empty", node)
    return lambda name: tuple(prefix + name for prefix in prefixes)


def field_name_suffix(given: Parameters) -> FieldChange:
    """`suffix` behind every name."""
    suffix = given.text("suffix")
    return lambda name: (name + suffix,)


def field_name_transform(given: Parameters) -> FieldChange:
    """`transform_func` over every name; `mapping` has the exceptions."""
    function = _FUNCTIONS[given.choice("transform_func", _FUNCTIONS)]
    mapping = given.mapping("mapping", optional=True)
    return lambda name: mapping.get(name) or (function(name),)


_WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def snake_case(name: str) -> str:
    """Words in lower case joined by `_`; capitals in a row are one word.

    >>> snake_case("ParentProcessID"), snake_case("DNSQueryName")
    ('parent_process_id', 'dns_query_name')
    """
    return _WORD_START.sub("_", name).lower()


_FUNCTIONS = {"lower": str.lower, "upper": str.upper, "snake_case": snake_case}
