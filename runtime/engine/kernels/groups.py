"""Groups of arrays as the kernels take them: one pointer each.

A group by value would be hundreds of machine words in every call. So to Numba a group is the address of a table that
holds, for each array, where it is and how many elements it has; taking an attribute loads the two. The table does not
change while a kernel runs, which the loads say to LLVM, so that it lifts them out of loops. In Python a group is the
named tuple of `layout.py`, and the kernels' text is the same for both.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core.imputils import lower_getattr_generic
from numba.core.typing.templates import AttributeTemplate
from numba.extending import infer_getattr, intrinsic, models, register_model
from numba.np.arrayobj import populate_array

from sigmac.runtime.engine.layout import dtypes

_WORD = ir.IntType(64)
_ELEMENTS = {
    np.uint8: types.uint8,
    np.int32: types.int32,
    np.int64: types.int64,
    np.uint32: types.uint32,
    np.uint64: types.uint64,
}


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
        return None if element is None else types.Array(element, 1, "C")


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

    array = context.make_array(types.Array(element, 1, "C"))(context, builder)
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
