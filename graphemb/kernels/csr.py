"""Edge list to CSR and CSR to its reverse, by counting sorts: linear time, no comparison."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from numba import njit

from graphemb.kernels.order import ascending

Rows: TypeAlias = npt.NDArray[np.int32 | np.int64]
Ints: TypeAlias = npt.NDArray[np.int64]
Floats: TypeAlias = npt.NDArray[np.float32]
Bools: TypeAlias = npt.NDArray[np.bool_]

_SHORT_ROW = 64


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
def append_rows(
    offsets: Ints,
    neighbors: Rows,
    weights: Floats,
    scale: float,
    first_row: int,
    first_column: int,
    fill: Ints,
    out_neighbors: Rows,
    out_weights: Floats,
) -> None:
    """Append one CSR to the rows `first_row...` of a larger one, its columns moved on.

    `fill` int64 holds each row's next free place and is moved on. `weights` may be empty: every
    edge then weighs 1; `out_weights` may be empty: then none are written.
    """
    for row in range(offsets.size - 1):
        place = fill[first_row + row]
        for edge in range(offsets[row], offsets[row + 1]):
            out_neighbors[place] = neighbors[edge] + first_column
            if out_weights.size:
                out_weights[place] = weights[edge] * scale if weights.size else scale
            place += 1
        fill[first_row + row] = place


@njit(nogil=True, cache=True)
def sort_rows(offsets: Ints, neighbors: Rows, weights: Floats) -> None:
    """Sort each row's neighbours in place, stably, and its weights (may be empty) with them."""
    longest = 0
    for row in range(offsets.size - 1):
        longest = max(longest, offsets[row + 1] - offsets[row])
    order, spare = np.empty(longest, np.int64), np.empty(longest, np.int64)
    moved = np.empty(longest, neighbors.dtype)
    weighed = np.empty(longest, np.float32)
    for row in range(offsets.size - 1):
        start, end = offsets[row], offsets[row + 1]
        if end - start > _SHORT_ROW:
            ascending(neighbors[start:end], order[: end - start], spare)
            for place in range(end - start):
                moved[place] = neighbors[start + order[place]]
                weighed[place] = weights[start + order[place]] if weights.size else 0
            for place in range(end - start):
                neighbors[start + place] = moved[place]
                if weights.size:
                    weights[start + place] = weighed[place]
            continue
        for edge in range(start + 1, end):
            neighbor = neighbors[edge]
            weight = weights[edge] if weights.size else np.float32(0)
            place = edge
            while place > start and neighbors[place - 1] > neighbor:
                neighbors[place] = neighbors[place - 1]
                if weights.size:
                    weights[place] = weights[place - 1]
                place -= 1
            neighbors[place] = neighbor
            if weights.size:
                weights[place] = weight
