"""And inside And, Or inside Or."""

from __future__ import annotations

from sigmac.compiler.ir.expressions import And, Expression, Or, junction, transform


def flatten(expression: Expression) -> Expression:
    """Splice an And into the And around it, an Or into the Or around it; one operand needs neither.

    What the rule gives a name stays whole, so that generated code still shows it.

    >>> from sigmac.compiler.ir.expressions import Named, Op, Predicate
    >>> a, b, c = (Predicate(name, Op.EXISTS) for name in "abc")
    >>> And(a, And(b, Or(c)))
    exists(a) and (exists(b) and (exists(c)))
    >>> flatten(_)
    exists(a) and exists(b) and exists(c)
    >>> flatten(And(a, Named("selection", And(b, c))))
    exists(a) and (selection: (exists(b) and exists(c)))
    """
    return transform(expression, _flat, (And, Or))


def _flat(node: And | Or) -> Expression:
    kind = type(node)
    if len(node.operands) > 1 and not any(type(operand) is kind for operand in node.operands):
        return node
    spliced: list[Expression] = []
    for operand in node.operands:
        if isinstance(operand, kind):
            spliced += operand.operands
        else:
            spliced.append(operand)
    return junction(kind, spliced)
