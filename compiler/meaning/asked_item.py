"""A leaf of an expression: what one detection item asks of an event."""

from __future__ import annotations

from sigmac.compiler.ir.expressions import Expression, intern
from sigmac.compiler.syntax.rule import Item


class AskedItem(Expression):
    """Whether an event satisfies an item, the one of a `number` in whatever numbers them."""

    __slots__ = ("item", "number")
    item: Item
    number: int

    def __new__(cls, item: Item, number: int) -> AskedItem:
        return intern(cls, (number, item), item=item, number=number)

    def __repr__(self) -> str:
        return "|".join((self.item.field or "keywords", *self.item.modifiers))
