"""What rules ask of each field, collected from their expressions: the raw material of tables and of `matchers.py`.

All of it is plain lists, so that the build's cache can keep it as JSON.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from dataclasses import fields as dataclass_fields
from typing import Any

from sigmac.compiler.ir import COMPARISONS, Expression, Op, Predicate, distinct_predicates
from sigmac.compiler.optimizer.gate import Gate
from sigmac.compiler.optimizer.regex_literals import all_required_literals
from sigmac.compiler.values import glob
from sigmac.runtime import fields as bits
from sigmac.runtime.folding import default_fold
from sigmac.runtime.globs import plan
from sigmac.runtime.keywords import KEYWORDS
from sigmac.runtime.vocabulary import NUMBER_GATE, PRESENT_GATE

_BITS = {
    Op.EQUALS: bits.EQUALS,
    Op.CONTAINS: bits.CONTAINS,
    Op.STARTSWITH: bits.STARTSWITH,
    Op.ENDSWITH: bits.ENDSWITH,
}
_BIT_OF_TEST = {op.value: bit for op, bit in _BITS.items()}
MAX_SECOND = 0.3  # the probability above which a second gate is not worth its table
_NUMERIC = frozenset(COMPARISONS.values())


@dataclass(slots=True)
class Questions:
    """Lists of what one rule asks, each entry a list beginning with the field (`""` for keywords).

    `literals`: [field, text, bit]; `numbers`: [field, number as text]; `networks`: [field, network];
    `times`: [field, part, number as text]; `regexes`: [field, pattern, literals]; `gates`: up to two lists of
    [field, question, argument], of each of which one holds whenever the rule matches.
    """

    literals: list[list[Any]] = field(default_factory=list)
    numbers: list[list[str]] = field(default_factory=list)
    networks: list[list[str]] = field(default_factory=list)
    times: list[list[str]] = field(default_factory=list)
    regexes: list[list[Any]] = field(default_factory=list)
    gates: list[list[list[Any]]] = field(default_factory=list)

    def plain(self) -> dict[str, Any]:
        return {each.name: getattr(self, each.name) for each in dataclass_fields(self)}


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
            if predicate.op in _BITS:
                asked.literals.append(
                    [predicate.field or KEYWORDS, predicate.argument, _BITS[predicate.op]]
                )
            elif predicate.op is Op.NUMBER:
                asked.numbers.append([predicate.field or KEYWORDS, number_text(predicate.argument)])
    return asked


def number_text(number: int | float) -> str:
    """A number as text that tells integers from floats and loses nothing."""
    return repr(number)


def _ask(predicate: Predicate, asked: Questions) -> None:
    name = predicate.field or KEYWORDS
    if predicate.op in _BITS:
        if not predicate.cased:
            asked.literals.append([name, predicate.argument, _BITS[predicate.op]])
    elif predicate.op is Op.LIKE:
        if not predicate.cased:
            how = plan(glob(predicate.argument))
            bit = _BIT_OF_TEST.get(how.test, bits.CONTAINS)
            asked.literals += [[name, text, bit] for text in how.literals]
    elif predicate.op is Op.REGEX:
        for literals in all_required_literals(predicate.argument):
            required = sorted(map(default_fold(), literals))
            asked.literals += [[name, text, bits.CONTAINS] for text in required]
            asked.regexes.append([name, predicate.argument, required])
    elif predicate.op in _NUMERIC:
        asked.numbers.append([name, number_text(predicate.argument)])
    elif predicate.op is Op.CIDR:
        asked.networks.append([name, predicate.argument])
    elif predicate.op is Op.TIME:
        part, _, number = predicate.argument
        asked.times.append([name, part, number_text(number)])


def _gate_entry(predicate: Predicate) -> list[Any]:
    name = predicate.field or KEYWORDS
    if predicate.op in _BITS:
        return [name, _BITS[predicate.op], predicate.argument]
    if predicate.op is Op.NUMBER:
        return [name, NUMBER_GATE, number_text(predicate.argument)]
    assert predicate.op is Op.EXISTS, predicate
    return [name, PRESENT_GATE, ""]
