"""Edges of given pairs of nodes in a CSR, by binary search in the source's row."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from numba import njit

Ints: TypeAlias = npt.NDArray[np.int64]
Rows: TypeAlias = npt.NDArray[np.int32 | np.int64]


@njit(nogil=True, cache=True)
def mark_edges(
    offsets: Ints, neighbors: Rows, src: Ints, dst: Ints, marks: npt.NDArray[np.bool_]
) -> None:
    """Set `marks` bool [m] where an edge joins one of the pairs; parallel edges all of them."""
    for pair in range(src.size):
        low, end = offsets[src[pair]], offsets[src[pair] + 1]
        high, wanted = end, dst[pair]
        while low < high:
            middle = (low + high) // 2
            if neighbors[middle] < wanted:
                low = middle + 1
            else:
                high = middle
        while low < end and neighbors[low] == wanted:
            marks[low] = True
            low += 1
