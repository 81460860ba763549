"""Edge list to CSR and CSR to its reverse, by counting sorts: linear time, no comparison."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from numba import njit

Rows: TypeAlias = npt.NDArray[np.int32 | np.int64]
Ints: TypeAlias = npt.NDArray[np.int64]
Bools: TypeAlias = npt.NDArray[np.bool_]


@njit(nogil=True, cache=True)
def count_offsets(rows: Rows, num_rows: int) -> Ints:
    """int64 [num_rows + 1]: where each row's edges start when edges are grouped by `rows`."""
    offsets = np.zeros(num_rows + 1, np.int64)
    for edge in range(rows.size):
        offsets[rows[edge] + 1] += 1
    for row in range(num_rows):
        offsets[row + 1] += offsets[row]
    return offsets


@njit(nogil=True, cache=True)
def stable_order(rows: Rows, offsets: Ints, order: Rows) -> None:
    """Fill `order` int[m] with the positions of the edges grouped by row, in their old order."""
    fill = offsets[:-1].copy()
    for edge in range(rows.size):
        row = rows[edge]
        order[fill[row]] = edge
        fill[row] += 1


@njit(nogil=True, cache=True)
def stable_order_by(first: Rows, rows: Rows, offsets: Ints, order: Rows) -> None:
    """As `stable_order`, but the edges come in the order that `first` int[m] gives."""
    fill = offsets[:-1].copy()
    for place in range(first.size):
        edge = first[place]
        row = rows[edge]
        order[fill[row]] = edge
        fill[row] += 1


@njit(nogil=True, cache=True)
def sources(offsets: Ints, out: Rows) -> None:
    """Fill `out` int[m] with the row each edge belongs to."""
    for row in range(offsets.size - 1):
        for edge in range(offsets[row], offsets[row + 1]):
            out[edge] = row


@njit(nogil=True, cache=True)
def contains(offsets: Ints, neighbors: Rows, rows: Rows, columns: Rows) -> Bools:
    """bool [len(rows)]: whether row -> column is an edge, by binary search."""
    found = np.zeros(rows.size, np.bool_)
    for query in range(rows.size):
        low, high = offsets[rows[query]], offsets[rows[query] + 1]
        end = high
        column = columns[query]
        while low < high:
            middle = (low + high) // 2
            if neighbors[middle] < column:
                low = middle + 1
            else:
                high = middle
        found[query] = low < end and neighbors[low] == column
    return found


@njit(nogil=True, cache=True)
def first_of_pair(offsets: Ints, neighbors: Rows) -> Bools:
    """bool [m]: the first of each run of parallel edges (neighbours ascend within a row)."""
    first = np.ones(neighbors.size, np.bool_)
    for row in range(offsets.size - 1):
        for edge in range(offsets[row] + 1, offsets[row + 1]):
            first[edge] = neighbors[edge] != neighbors[edge - 1]
    return first
