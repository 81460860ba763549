"""Arrow columns of numbers as NumPy arrays, and back, without pandas.

PyArrow's own ways (`np.asarray(column)`, `pa.array(array)`, `pa.scalar(1)`) import pandas as soon
as it is installed, though no data frame is anywhere: a sixth of the time until a process has its
first vectors. Plain numbers need none of it; anything else goes PyArrow's way here too.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa


def from_numpy(array: npt.NDArray[Any]) -> pa.Array:
    """An Arrow array of the same values; of numbers [n] over the same memory where it is whole."""
    kind = array.dtype.kind
    if type(array) not in (np.ndarray, np.memmap) or array.ndim != 1 or kind not in "biuf":
        return pa.array(array)
    if not array.dtype.isnative:
        return pa.array(array)
    whole = np.packbits(array, bitorder="little") if kind == "b" else np.ascontiguousarray(array)
    buffers = [None, pa.py_buffer(whole)]
    return pa.Array.from_buffers(pa.from_numpy_dtype(array.dtype), array.size, buffers)


def to_numpy(column: pa.Array | pa.ChunkedArray) -> npt.NDArray[Any]:
    """The values [n] of a column; of numbers without nulls a read-only view where it is one chunk.

    Nulls among numbers become NaN, as PyArrow has it.
    """
    if isinstance(column, pa.ChunkedArray):
        column = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
    plain = pa.types.is_integer(column.type) or pa.types.is_floating(column.type)
    return np.from_dlpack(column) if plain and not column.null_count else np.asarray(column)
