"""What rules ask of each field, collected from their expressions: the raw material of tables and of `matchers.py`.

All of it is plain lists, so that the build's cache can keep it as JSON.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sigmac.compiler.ir.expressions import (
    COMPARISONS,
    Expression,
    Op,
    Predicate,
    distinct_predicates,
)
from sigmac.compiler.ir.values import glob
from sigmac.compiler.optimizer.gate import Gate
from sigmac.compiler.optimizer.regex_literals import all_required_literals
from sigmac.runtime.scalar import fields as bits
from sigmac.runtime.scalar.folding import default_fold
from sigmac.runtime.scalar.globs import plan
from sigmac.runtime.scalar.keywords import KEYWORDS
from sigmac.runtime.scalar.vocabulary import NUMBER_GATE, PRESENT_GATE

BITS = {
    Op.EQUALS: bits.EQUALS,
    Op.CONTAINS: bits.CONTAINS,
    Op.STARTSWITH: bits.STARTSWITH,
    Op.ENDSWITH: bits.ENDSWITH,
}
_BIT_OF_TEST = {op.value: bit for op, bit in BITS.items()}
MAX_SECOND = 0.3  # the probability above which a second gate is not worth its table
COMPARISON_OF = {op: name for name, op in COMPARISONS.items()}

Places = dict[tuple[Any, ...], int]  # what is asked, each once → its place in the list


def place_in(places: Places, *asked: Any) -> int:
    """The place of a question, added where it is new."""
    return places.setdefault(asked, len(places))


@dataclass(slots=True)
class Questions:
    """What one rule asks, each question once, beginning with the field (`""` for keywords).

    `literals`: (field, text, bit); `comparisons`: (field, comparison, number as text); `networks`: (field, network);
    `pairs`: (field, other field, placement, cased); `present`: (field,); `values`: (field, question, argument), what
    only the value itself can answer; `times`: (field, part, number as text);
    `regexes`: (field, pattern, literals); `gates`: up to two lists of [field, question, argument], of each of which
    one holds whenever the rule matches.
    """

    literals: Places = field(default_factory=dict)
    comparisons: Places = field(default_factory=dict)
    networks: Places = field(default_factory=dict)
    pairs: Places = field(default_factory=dict)
    present: Places = field(default_factory=dict)
    values: Places = field(default_factory=dict)
    times: Places = field(default_factory=dict)
    regexes: Places = field(default_factory=dict)
    gates: list[list[list[Any]]] = field(default_factory=list)

    def plain(self) -> dict[str, Any]:
        """Lists by name, as JSON holds them."""
        lists = {
            name: [*getattr(self, name)] for name in self.__dataclass_fields__ if name != "gates"
        }
        return {**lists, "gates": self.gates}


def questions(expression: Expression, *gates: Gate | None) -> Questions:
    """All that an expression and its gates ask, each question once. Gates that nearly always open are left out."""
    asked = Questions()
    for predicate in distinct_predicates(expression):
        _ask(predicate, asked)
    for i, gate in enumerate(gates):
        if gate is None or (i and gate.probability > MAX_SECOND):
            continue
        asked.gates.append([_gate_entry(predicate) for predicate in gate.predicates])
        for predicate in gate.predicates:
            _ask(predicate, asked)
    return asked


def number_text(number: int | float) -> str:
    """A number as text that tells integers from floats and loses nothing."""
    return repr(number)


def _ask(predicate: Predicate, asked: Questions) -> None:
    name = predicate.field or KEYWORDS
    if predicate.op in BITS:
        if not predicate.cased:
            place_in(asked.literals, name, predicate.argument, BITS[predicate.op])
    elif predicate.op is Op.LIKE:
        if not predicate.cased:
            how = plan(glob(predicate.argument))
            bit = _BIT_OF_TEST.get(how.test, bits.CONTAINS)
            for text in how.literals:
                place_in(asked.literals, name, text, bit)
    elif predicate.op is Op.REGEX:
        for literals in all_required_literals(predicate.argument):
            required = tuple(sorted(map(default_fold(), literals)))
            for text in required:
                place_in(asked.literals, name, text, bits.CONTAINS)
            place_in(asked.regexes, name, predicate.argument, required)
    elif predicate.op in COMPARISON_OF:
        number = number_text(predicate.argument)
        place_in(asked.comparisons, name, COMPARISON_OF[predicate.op], number)
    elif predicate.op is Op.CIDR:
        place_in(asked.networks, name, predicate.argument)
    elif predicate.op is Op.TIME:
        part, _, number = predicate.argument
        place_in(asked.times, name, part, number_text(number))


def _gate_entry(predicate: Predicate) -> list[Any]:
    name = predicate.field or KEYWORDS
    if predicate.op in BITS:
        return [name, BITS[predicate.op], predicate.argument]
    if predicate.op is Op.NUMBER:
        return [name, NUMBER_GATE, number_text(predicate.argument)]
    assert predicate.op is Op.EXISTS, predicate
    return [name, PRESENT_GATE, ""]
