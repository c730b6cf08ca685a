"""Groups of arrays, and the state that has all of them, as the kernels take them: one pointer each.

A group by value would be hundreds of machine words in every call. So to Numba a group is the address of a table that
holds, for each array, where it is and how many elements it has; taking an attribute loads the two. The table does not
change while a kernel runs, which the loads say to LLVM, so that it lifts them out of loops. The table of a group of
groups is theirs one behind the other, so that taking one of them loads nothing: it is a number of bytes further on. In
Python a group is the named tuple of `layout.py`, and the kernels' text is the same for both.

Its arrays are of a type of their own, of which no index counts from the end: to find out would cost at every access.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core.imputils import lower_getattr_generic
from numba.core.typing.templates import AttributeTemplate
from numba.extending import infer_getattr, intrinsic, lower_builtin, models, register_model
from numba.np.arrayobj import load_item, populate_array, store_item

from sigmac.runtime.engine.layout import members

_WORD = ir.IntType(64)
_ENTRY = 16  # bytes of an array in a table: where it is, how many elements
_ELEMENTS = {
    np.uint8: types.uint8,
    np.int32: types.int32,
    np.int64: types.int64,
    np.uint32: types.uint32,
    np.uint64: types.uint64,
}


class Column(types.Array):
    """The Numba type of an array of a group: one dimension, indices from 0 on."""

    def __init__(self, element: Any):
        super().__init__(element, 1, "C", name=f"Column({element})")


register_model(Column)(models.ArrayModel)


def _place(context: Any, builder: Any, signature: Any, args: Any) -> tuple[Any, Any]:
    array = context.make_array(signature.args[0])(context, builder, args[0])
    index = context.cast(builder, args[1], signature.args[1], types.intp)
    return array, builder.gep(array.data, [index])


@lower_builtin(operator.getitem, Column, types.Integer)
def _get_item(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    return load_item(
        context, builder, signature.args[0], _place(context, builder, signature, args)[1]
    )


@lower_builtin(operator.setitem, Column, types.Integer, types.Any)
def _set_item(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    column, _, value = signature.args
    _, place = _place(context, builder, signature, args)
    store_item(context, builder, column, context.cast(builder, args[2], value, column.dtype), place)
    return context.get_dummy_value()


class Group(types.Type):
    """The Numba type of a group of arrays or of groups; `members` are their types and how far on they are in bytes."""

    def __init__(self, layout: Any):
        self.members: dict[str, tuple[Any, int]] = {}
        self.size = 0  # bytes of its table
        for name, member in members(layout).items():
            kind = Column(_ELEMENTS[member]) if member in _ELEMENTS else Group(member)
            self.members[name] = kind, self.size
            self.size += kind.size if isinstance(kind, Group) else _ENTRY
        super().__init__(name=f"Group({layout.__name__})")


@register_model(Group)
class _GroupModel(models.PrimitiveModel):
    def __init__(self, manager: Any, group: Group):
        super().__init__(manager, group, _WORD)


@infer_getattr
class _GroupAttribute(AttributeTemplate):
    key = Group

    def generic_resolve(self, group: Group, name: str) -> Any:
        member = group.members.get(name)
        return None if member is None else member[0]


@lower_getattr_generic(Group)
def _member_of(context: Any, builder: Any, group: Group, address: Any, name: str) -> Any:
    kind, offset = group.members[name]
    at = builder.add(address, ir.Constant(_WORD, offset))
    return at if isinstance(kind, Group) else _array_at(context, builder, kind, at)


def _array_at(context: Any, builder: Any, kind: Column, at: Any) -> Any:
    invariant = builder.module.add_metadata([])

    def load(address: Any) -> Any:
        word = builder.load(builder.inttoptr(address, _WORD.as_pointer()))
        word.set_metadata("invariant.load", invariant)
        return word

    array = context.make_array(kind)(context, builder)
    size = context.get_constant(types.intp, np.dtype(str(kind.dtype)).itemsize)
    data = builder.inttoptr(load(at), context.get_data_type(kind.dtype).as_pointer())
    count = load(builder.add(at, ir.Constant(_WORD, _ENTRY // 2)))
    populate_array(array, data=data, shape=[count], strides=[size], itemsize=size, meminfo=None)
    return array._getvalue()


def group_at(layout: Any) -> Any:
    """A function for kernels: the address of a table → its group."""
    group = Group(layout)

    @intrinsic
    def at(typingctx: Any, address: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return args[0]

        return group(types.int64), codegen

    return at
