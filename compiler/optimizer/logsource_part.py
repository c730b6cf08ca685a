"""What pipelines added to a rule, apart from what its author wrote."""

from __future__ import annotations

from sigmac.compiler.ir.expressions import ADDED, TRUE, And, Expression, Named, junction


def logsource_part(expression: Expression) -> tuple[Expression | None, Expression]:
    """Split the conditions that pipelines added, most often for a logsource, from the rest.

    The names are left out and the order is that of the text, so that rules with the same conditions
    get the same node: they can be asked together.

    >>> from sigmac.compiler.ir.expressions import Op, Predicate
    >>> number, image = Predicate("EventID", Op.NUMBER, 1), Predicate("Image", Op.EQUALS, "a")
    >>> logsource_part(And(Named("_cond_7", number), Named("selection", image)))
    (number(EventID, 1), selection: equals(Image, 'a'))
    >>> logsource_part(image)
    (None, equals(Image, 'a'))
    """
    operands = expression.operands if isinstance(expression, And) else (expression,)
    added = {
        operand.operand
        for operand in operands
        if isinstance(operand, Named) and operand.name.startswith(ADDED)
    }
    if not added:
        return None, expression
    rest = [
        operand
        for operand in operands
        if not (isinstance(operand, Named) and operand.name.startswith(ADDED))
    ]
    return junction(And, sorted(added, key=repr)), junction(And, rest) if rest else TRUE
