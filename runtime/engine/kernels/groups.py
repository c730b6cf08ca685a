"""Groups of arrays as the kernels take them: one pointer each.

A group by value would be hundreds of machine words in every call. So to Numba a group is the address of a table that
holds, for each array, where it is and how many elements it has; taking an attribute loads the two. The table does not
change while a kernel runs, which the loads say to LLVM, so that it lifts them out of loops. In Python a group is the
named tuple of `layout.py`, and the kernels' text is the same for both.

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

from sigmac.runtime.engine.layout import dtypes

_WORD = ir.IntType(64)
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
    """The Numba type of a group of arrays."""

    def __init__(self, layout: Any):
        self.arrays = {name: _ELEMENTS[dtype] for name, dtype in dtypes(layout).items()}
        super().__init__(name=f"Group({layout.__name__})")


@register_model(Group)
class _GroupModel(models.PrimitiveModel):
    def __init__(self, manager: Any, group: Group):
        super().__init__(manager, group, _WORD)


@infer_getattr
class _GroupAttribute(AttributeTemplate):
    key = Group

    def generic_resolve(self, group: Group, name: str) -> Any:
        element = group.arrays.get(name)
        return None if element is None else Column(element)


@lower_getattr_generic(Group)
def _array_of(context: Any, builder: Any, group: Group, address: Any, name: str) -> Any:
    element = group.arrays[name]
    place = list(group.arrays).index(name)
    invariant = builder.module.add_metadata([])

    def load(offset: int) -> Any:
        at = builder.add(address, ir.Constant(_WORD, offset))
        word = builder.load(builder.inttoptr(at, _WORD.as_pointer()))
        word.set_metadata("invariant.load", invariant)
        return word

    array = context.make_array(Column(element))(context, builder)
    size = context.get_constant(types.intp, np.dtype(str(element)).itemsize)
    data = builder.inttoptr(load(16 * place), context.get_data_type(element).as_pointer())
    populate_array(
        array, data=data, shape=[load(16 * place + 8)], strides=[size], itemsize=size, meminfo=None
    )
    return array._getvalue()


def group_at(layout: Any, offset: int) -> Any:
    """A function for kernels: the address of all tables → the group whose table begins `offset` bytes behind it."""
    group = Group(layout)

    @intrinsic
    def at(typingctx: Any, address: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return builder.add(args[0], ir.Constant(_WORD, offset))

        return group(types.int64), codegen

    return at
