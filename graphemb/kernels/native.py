"""What Numba lacks: sixteen float32 as one value, and the prefetch of a cache line.

`Lanes` is LLVM's `<16 x float>`. LLVM maps it to the machine's registers: one of AVX-512, two of
AVX2, four of SSE or NEON. Addresses are element numbers of a C-contiguous array, not checked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import cgutils, types
from numba.extending import intrinsic, models, register_model

LANES = 16
Lanes: TypeAlias = Any
_VECTOR = ir.VectorType(ir.FloatType(), LANES)
_INT = ir.IntType(32)
_intrinsic: Any = intrinsic  # its own type hides the parameters
_declared: Any = cgutils.get_or_insert_function


class LanesType(types.Type):
    """Numba's type of sixteen float32."""

    def __init__(self) -> None:
        super().__init__(name="Lanes")


_LANES: Any = LanesType()


@register_model(LanesType)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager: Any, numba_type: Any) -> None:
        super().__init__(manager, numba_type, _VECTOR)  # type: ignore[no-untyped-call]


def _address(context: Any, builder: Any, array_type: Any, args: Sequence[Any]) -> Any:
    array = context.make_array(array_type)(context, builder, args[0])
    return builder.gep(array.data, [args[1]])


def _spread(builder: Any, number: Any) -> Any:
    undefined = ir.Constant(_VECTOR, ir.Undefined)
    first = builder.insert_element(undefined, number, _INT(0))
    return builder.shuffle_vector(first, undefined, _mask([0] * LANES))


def _mask(places: Sequence[int]) -> Any:
    return ir.Constant(ir.VectorType(_INT, LANES), list(places))


@_intrinsic
def load(typing_context: Any, array: Any, place: Any) -> Any:
    """Lanes: `array[place : place + 16]`."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        address = _address(context, builder, signature.args[0], args)
        lanes = builder.load(builder.bitcast(address, _VECTOR.as_pointer()))
        lanes.align = 4
        return lanes

    return _LANES(array, types.intp), emit


@_intrinsic
def store(typing_context: Any, array: Any, place: Any, lanes: Any) -> Any:
    """`array[place : place + 16] = lanes`."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        address = _address(context, builder, signature.args[0], args)
        builder.store(args[2], builder.bitcast(address, _VECTOR.as_pointer())).align = 4
        return context.get_dummy_value()

    return types.void(array, types.intp, _LANES), emit


@_intrinsic
def spread(typing_context: Any, number: Any) -> Any:
    """Lanes: one float32 sixteen times."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _spread(builder, args[0])

    return _LANES(types.float32), emit


@_intrinsic
def spread_at(typing_context: Any, array: Any, place: Any) -> Any:
    """Lanes: `array[place]` sixteen times."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _spread(builder, builder.load(_address(context, builder, signature.args[0], args)))

    return _LANES(array, types.intp), emit


@_intrinsic
def fold(typing_context: Any, left: Any, right: Any) -> Any:
    """Lanes: sums of neighbouring lanes, the left's eight and then the right's.

    Four rounds of it turn sixteen values into the sums of each, in order.
    """

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        even = builder.shuffle_vector(*args, _mask(range(0, 2 * LANES, 2)))
        odd = builder.shuffle_vector(*args, _mask(range(1, 2 * LANES, 2)))
        return builder.fadd(even, odd)

    return _LANES(_LANES, _LANES), emit


def _operator(arity: int, emit_one: Callable[[Any, Any], Any]) -> Any:
    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return emit_one(builder, args)

    signature = _LANES(*[_LANES] * arity)
    if arity == 3:
        return _intrinsic(lambda typing_context, a, b, c: (signature, emit))
    return _intrinsic(lambda typing_context, a, b: (signature, emit))


def _llvm(name: str, arity: int) -> Any:
    kind = ir.FunctionType(_VECTOR, [_VECTOR] * arity)

    def emit(builder: Any, args: Any) -> Any:
        callee = _declared(builder.module, kind, f"llvm.{name}.v16f32")
        return builder.call(callee, args)

    return _operator(arity, emit)


def _choose(builder: Any, sign: str, args: Any) -> Any:
    """The left where it compares so, else the right, also when the left is not a number."""
    return builder.select(builder.fcmp_ordered(sign, *args), *args)


add = _operator(2, lambda builder, args: builder.fadd(*args))
mul = _operator(2, lambda builder, args: builder.fmul(*args))
div = _operator(2, lambda builder, args: builder.fdiv(*args))
least = _operator(2, lambda builder, args: _choose(builder, "<", args))
most = _operator(2, lambda builder, args: _choose(builder, ">", args))
mul_add = _llvm("fmuladd", 3)
"""Lanes: a * b + c."""


@_intrinsic
def prefetch(typing_context: Any, array: Any, place: Any) -> Any:
    """Ask for the cache line of `array[place]`; changes nothing, and never fails."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pointer = ir.IntType(8).as_pointer()
        kind = ir.FunctionType(ir.VoidType(), [pointer, _INT, _INT, _INT])
        callee = _declared(builder.module, kind, "llvm.prefetch.p0")
        address = _address(context, builder, signature.args[0], args)
        builder.call(callee, [builder.bitcast(address, pointer), _INT(0), _INT(3), _INT(1)])
        return context.get_dummy_value()

    return types.void(array, types.intp), emit
