"""Weighted sums of matrix rows over the edges of a CSR: what derivation and FastRP run on.

Every kernel works on rows [low, high), so that threads share nothing. Sums are taken in float64
and in the order of the edges: a row comes out bit for bit the same whichever rows are computed
with it. An empty `weights` stands for weight 1 on every edge.
"""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from numba import njit

Rows: TypeAlias = npt.NDArray[np.int32 | np.int64]
Ints: TypeAlias = npt.NDArray[np.int64]
Bools: TypeAlias = npt.NDArray[np.bool_]
Floats: TypeAlias = npt.NDArray[np.float32]
Doubles: TypeAlias = npt.NDArray[np.float64]

_FMA = {"contract", "nsz"}


@njit(nogil=True, cache=True, fastmath=_FMA)
def add_rows(
    acc: Doubles, neighbors: Rows, weights: Floats, matrix: Floats, start: int, end: int
) -> None:
    """Add weight x row to `acc` float64 [dim] for edges [start, end), four edges at a time."""
    dim = acc.size
    weighted = weights.size > 0
    w0 = w1 = w2 = w3 = 1.0
    edge = start
    while edge + 3 < end:
        if weighted:
            w0, w1 = np.float64(weights[edge]), np.float64(weights[edge + 1])
            w2, w3 = np.float64(weights[edge + 2]), np.float64(weights[edge + 3])
        x0, x1 = matrix[neighbors[edge]], matrix[neighbors[edge + 1]]
        x2, x3 = matrix[neighbors[edge + 2]], matrix[neighbors[edge + 3]]
        for j in range(dim):
            acc[j] += (w0 * x0[j] + w1 * x1[j]) + (w2 * x2[j] + w3 * x3[j])
        edge += 4
    while edge < end:
        if weighted:
            w0 = np.float64(weights[edge])
        x0 = matrix[neighbors[edge]]
        for j in range(dim):
            acc[j] += w0 * x0[j]
        edge += 1


@njit(nogil=True, cache=True, fastmath=_FMA)
def add_placed_rows(
    acc: Doubles,
    neighbors: Rows,
    weights: Floats,
    places: Rows,
    matrix: Floats,
    start: int,
    end: int,
) -> None:
    """As `add_rows` with `matrix[places[neighbor]]`; a place of -1 adds nothing."""
    dim = acc.size
    weighted = weights.size > 0
    w0 = w1 = w2 = w3 = 1.0
    edge = start
    while edge + 3 < end:
        p0, p1 = places[neighbors[edge]], places[neighbors[edge + 1]]
        p2, p3 = places[neighbors[edge + 2]], places[neighbors[edge + 3]]
        if weighted:
            w0, w1 = np.float64(weights[edge]), np.float64(weights[edge + 1])
            w2, w3 = np.float64(weights[edge + 2]), np.float64(weights[edge + 3])
        else:
            w0 = w1 = w2 = w3 = 1.0
        if p0 < 0:
            p0, w0 = 0, 0.0
        if p1 < 0:
            p1, w1 = 0, 0.0
        if p2 < 0:
            p2, w2 = 0, 0.0
        if p3 < 0:
            p3, w3 = 0, 0.0
        x0, x1, x2, x3 = matrix[p0], matrix[p1], matrix[p2], matrix[p3]
        for j in range(dim):
            acc[j] += (w0 * x0[j] + w1 * x1[j]) + (w2 * x2[j] + w3 * x3[j])
        edge += 4
    while edge < end:
        p0 = places[neighbors[edge]]
        if p0 >= 0:
            w0 = np.float64(weights[edge]) if weighted else 1.0
            x0 = matrix[p0]
            for j in range(dim):
                acc[j] += w0 * x0[j]
        edge += 1


@njit(nogil=True, cache=True)
def multiply(
    offsets: Ints,
    neighbors: Rows,
    weights: Floats,
    matrix: Floats,
    out: Floats,
    low: int,
    high: int,
) -> None:
    """`out` float32 [n, dim] = CSR x `matrix`, rows [low, high)."""
    acc = np.empty(matrix.shape[1], np.float64)
    for row in range(low, high):
        acc[:] = 0.0
        add_rows(acc, neighbors, weights, matrix, offsets[row], offsets[row + 1])
        target = out[row]
        for j in range(acc.size):
            target[j] = acc[j]


@njit(nogil=True, cache=True)
def weighted_sums(
    rows: Ints,
    offsets: Ints,
    neighbors: Rows,
    weights: Floats,
    places: Rows,
    matrix: Floats,
    scale: Doubles,
    unit: bool,
    out: Floats,
    low: int,
    high: int,
) -> None:
    """Add `scale[i]` x (sum over the edges of `rows[i]`) to `out[i]`, i in [low, high).

    With `unit` the sum is brought to length 1 before it is scaled; a sum of zeros stays zero.
    """
    if matrix.shape[0] == 0:  # no member has a vector, and there is no row to point absent ones at
        return
    acc = np.empty(matrix.shape[1], np.float64)
    for place in range(low, high):
        row = rows[place]
        acc[:] = 0.0
        add_placed_rows(acc, neighbors, weights, places, matrix, offsets[row], offsets[row + 1])
        factor = scale[place]
        if unit:
            square = 0.0
            for j in range(acc.size):
                square += acc[j] * acc[j]
            factor = factor / math.sqrt(square) if square > 0.0 else 0.0
        target = out[place]
        for j in range(acc.size):
            target[j] += factor * acc[j]


@njit(nogil=True, cache=True)
def support(
    rows: Ints,
    offsets: Ints,
    neighbors: Rows,
    weights: Floats,
    mass: Doubles,
    paths: Ints,
    total: Doubles,
    count: Ints,
    low: int,
    high: int,
) -> None:
    """What stands behind each of `rows[low:high]`, before any vector is touched.

    Args:
        mass: float64 [members], the weight that ends in each member; 0 where it has no vector.
        paths: int64 [members], how many edges or paths that is.
        total: float64 [len(rows)], out: sum of edge weight x mass.
        count: int64 [len(rows)], out: paths over edges of positive weight.
    """
    weighted = weights.size > 0
    for place in range(low, high):
        row = rows[place]
        heavy, many = 0.0, 0
        for edge in range(offsets[row], offsets[row + 1]):
            member = neighbors[edge]
            weight = np.float64(weights[edge]) if weighted else 1.0
            if weight > 0.0:
                heavy += weight * mass[member]
                many += paths[member]
        total[place] = heavy
        count[place] = many


@njit(nogil=True, cache=True)
def propagate(
    offsets: Ints,
    neighbors: Rows,
    weights: Floats,
    self_loops: float,
    share: float,
    before: Floats,
    after: Floats,
    out: Floats,
    low: int,
    high: int,
) -> None:
    """One power of FastRP for rows [low, high).

    `after` float32 [n, dim] becomes D^-1 (A + self_loops I) x `before`, and `share` of its
    rows at length 1 is added to `out`. A row without edges stays zero.
    """
    acc = np.empty(before.shape[1], np.float64)
    weighted = weights.size > 0
    for row in range(low, high):
        start, end = offsets[row], offsets[row + 1]
        if start == end:
            continue
        degree = self_loops
        for edge in range(start, end):
            degree += np.float64(weights[edge]) if weighted else 1.0
        old, new, target = before[row], after[row], out[row]
        for j in range(acc.size):
            acc[j] = self_loops * old[j]
        add_rows(acc, neighbors, weights, before, start, end)
        square = 0.0
        for j in range(acc.size):
            acc[j] /= degree
            square += acc[j] * acc[j]
            new[j] = acc[j]
        if square > 0.0 and share != 0.0:
            factor = share / math.sqrt(square)
            for j in range(acc.size):
                target[j] += factor * acc[j]


@njit(nogil=True, cache=True)
def changed_rows(
    rows: Ints,
    offsets: Ints,
    neighbors: Rows,
    weights: Floats,
    old_rows: Ints,
    old_offsets: Ints,
    old_neighbors: Rows,
    old_weights: Floats,
    moved: Ints,
    fresh: Bools,
    out: Bools,
    low: int,
    high: int,
) -> None:
    """Fill `out` bool: whether a row's sum can differ between two graphs, i in [low, high).

    Args:
        rows: the rows in the new graph.
        old_rows: the same nodes' rows in the old graph, -1 where there is none.
        moved: int64 [members of the old graph], each one's row in the new graph, or -1.
        fresh: bool [members of the new graph], whether its vector is new or has changed.
    """
    weighted, old_weighted = weights.size > 0, old_weights.size > 0
    for place in range(low, high):
        row, old = rows[place], old_rows[place]
        start, size = offsets[row], offsets[row + 1] - offsets[row]
        out[place] = old < 0 or old_offsets[old + 1] - old_offsets[old] != size
        if out[place]:
            continue
        first = old_offsets[old]
        for step in range(size):
            member = neighbors[start + step]
            weight = weights[start + step] if weighted else np.float32(1.0)
            before = old_weights[first + step] if old_weighted else np.float32(1.0)
            if fresh[member] or moved[old_neighbors[first + step]] != member or weight != before:
                out[place] = True
                break
