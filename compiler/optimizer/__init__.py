"""Passes that make a rule's expression smaller and cheaper, and never change its meaning.

Each pass is a function from expression to expression in a file of its own; `docs/optimizer.md` says
why each is there. The order and the form are those of SQLGlot's optimizer.
"""

from __future__ import annotations

from collections.abc import Callable

from sigmac.compiler.ir.expressions import Expression
from sigmac.compiler.optimizer.absorb import absorb
from sigmac.compiler.optimizer.deduplicate import deduplicate
from sigmac.compiler.optimizer.estimates import Profile
from sigmac.compiler.optimizer.flatten import flatten
from sigmac.compiler.optimizer.fold_constants import fold_constants
from sigmac.compiler.optimizer.gate import Gate, gate
from sigmac.compiler.optimizer.logsource_part import logsource_part
from sigmac.compiler.optimizer.merge import merge
from sigmac.compiler.optimizer.reorder import reorder
from sigmac.compiler.optimizer.subsume import subsume
from sigmac.compiler.optimizer.weaken import weaken

__all__ = ["PASSES", "Gate", "Observer", "Pass", "Profile", "gate", "logsource_part", "optimize"]

Pass = Callable[[Expression], Expression]
# Told of every run of a pass: its name, the expression before and after.
Observer = Callable[[str, Expression, Expression], None]

# These find work for each other and run until none finds any; each leaves a smaller or plainer
# expression.
SIMPLIFYING: tuple[Pass, ...] = (weaken, deduplicate, flatten, fold_constants, absorb, subsume)
# These only order what is left.
ORDERING: tuple[Pass, ...] = (merge, reorder)
PASSES: tuple[Pass, ...] = (*SIMPLIFYING, *ORDERING)
MAX_ROUNDS = 20


def optimize(
    expression: Expression, profile: Profile | None = None, observe: Observer | None = None
) -> Expression:
    """The expression after all passes: true on the same events; given again, its own result.

    `profile` maps predicates to the share of events on which they are true, as measured; `observe`
    is told of every pass that ran.
    """

    def run(name: str, made: Expression) -> Expression:
        if observe:
            observe(name, expression, made)
        return made

    # A pass finds nothing more in what it left: the round is over where all others have found
    # nothing since.
    unchanged = 0
    for each in SIMPLIFYING * MAX_ROUNDS:
        if unchanged == len(SIMPLIFYING):
            break
        made = run(each.__name__, each(expression))
        unchanged = unchanged + 1 if made is expression else 1
        expression = made
    expression = run(merge.__name__, merge(expression))
    return run(reorder.__name__, reorder(expression, profile))
