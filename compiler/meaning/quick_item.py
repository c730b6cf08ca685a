"""Whether a value of an event satisfies a detection item, as `reference.py` says it, for many values of many events."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

from sigmac.compiler.ir.expressions import TEXT_OPS, Op
from sigmac.compiler.ir.values import Alternatives, FieldRef, Text, Value
from sigmac.compiler.lowering.lower_rule import text_predicate
from sigmac.compiler.meaning import reference
from sigmac.compiler.syntax.rule import Item

# Whether a text satisfies some values: the text as it is, and folded
_Check = Callable[[str, str], bool]


class QuickItem:
    """An item of a field, its plain texts put together so that all are compared at once.

    `is_alone` says whether it looks at this field alone, which others are not for.
    """

    def __init__(self, item: Item):
        self.is_alone = item.field is not None and not any(map(_looks_elsewhere, item.tests))
        self._join = all if item.all else any
        self._negated = item.negated
        self._others: list[Value] = []
        plain: dict[tuple[Op, bool], list[str]] = defaultdict(list)
        for value in item.tests:
            # What one value stands for is an Or, even where all values must hold.
            for each in _spread(value) if not item.all else (value,):
                predicate = text_predicate(None, each) if isinstance(each, Text) else None
                if predicate is not None and predicate.op in TEXT_OPS:
                    plain[predicate.op, predicate.cased].append(predicate.argument)
                else:
                    self._others.append(each)
        self._checks = [
            _check(op, cased, texts, every=item.all) for (op, cased), texts in plain.items()
        ]

    def holds(self, value: str | float | bool) -> bool:
        """Whether an event that has this one value in the field satisfies the item, which must be alone."""
        text = reference.text(value) or ""
        folded = reference.fold(text)
        held = self._join(check(text, folded) for check in self._checks)
        if held is self._join(()):  # so far nothing settles it
            held = self._join(_holds(each, value) for each in self._others)
        return held is not self._negated


def _spread(value: Value) -> Sequence[Value]:
    if not isinstance(value, Alternatives):
        return (value,)
    return [one for each in value.values for one in _spread(each)]


def _looks_elsewhere(value: Value) -> bool:
    return any(isinstance(each, FieldRef) for each in _spread(value))


def _holds(value: Value, found: Any) -> bool:
    return any(reference.holds_of(each, True, [found]) for each in _spread(value))


def _check(op: Op, cased: bool, texts: Sequence[str], *, every: bool) -> _Check:
    """Whether any, or every, text of one kind fits."""
    known, begins = frozenset(texts), tuple(texts)

    def fits(text: str) -> bool:
        if op is Op.EQUALS:
            return known == {text} if every else text in known
        if op is Op.CONTAINS:
            return (all if every else any)(each in text for each in texts)
        fit = text.startswith if op is Op.STARTSWITH else text.endswith
        return all(map(fit, texts)) if every else fit(begins)

    return (lambda text, _: fits(text)) if cased else (lambda _, folded: fits(folded))
