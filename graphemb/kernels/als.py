"""Ridge regressions of alternating least squares: one small linear system per row.

Row u solves (G + ridge_u I + sum_e w_e y_e y_e^T) x = sum_e w_e y_e over its edges e, with y_e
the vector of the edge's other end and G what all absent pairs add. By conjugate gradients from
the row's last vector: the neighbours' vectors are read from memory once and stay in cache for
all steps, and no matrix is built. Rows share nothing, so any range comes out the same.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from graphemb.kernels.aggregate import Doubles, Floats, Ints, Rows

_TINY = 1e-20


@njit(nogil=True, cache=True, fastmath=True)
def _dot(one: Floats, other: Floats) -> np.float32:
    total = np.float32(0.0)
    for j in range(one.size):
        total += one[j] * other[j]
    return total


@njit(nogil=True, cache=True, fastmath=True)
def _add(out: Floats, scale: float | np.float32, row: Floats) -> None:
    """`out` += `scale` x `row`."""
    factor = np.float32(scale)
    for j in range(out.size):
        out[j] += factor * row[j]


@njit(nogil=True, cache=True)
def _apply(
    vector: Floats,
    gram: Floats,
    ridge: float,
    neighbors: Rows,
    weights: Floats,
    fixed: Floats,
    start: int,
    end: int,
    out: Floats,
) -> None:
    """`out` = (`gram` + `ridge` I + sum of w y y^T over edges [start, end)) x `vector`."""
    out[:] = 0.0
    _add(out, ridge, vector)
    for j in range(vector.size):
        _add(out, vector[j], gram[j])
    for edge in range(start, end):
        other = fixed[neighbors[edge]]
        _add(out, weights[edge] * _dot(other, vector), other)


@njit(nogil=True, cache=True)
def solve_rows(
    first: int,
    offsets: Ints,
    neighbors: Rows,
    weights: Floats,
    fixed: Floats,
    gram: Floats,
    ridge: Doubles,
    steps: int,
    out: Floats,
    low: int,
    high: int,
) -> None:
    """Improve `out[first + low : first + high]` by `steps` conjugate-gradient steps each.

    Args:
        first: the row where ranges begin.
        offsets: int64 [N + 1], CSR over all rows; a row without edges is left as it is.
        neighbors, weights: [m], the other end of each edge, and its weight in the loss.
        fixed: float32 [N, dim], the vectors regressed on.
        gram: float32 [dim, dim], symmetric.
        ridge: float64 [N].
        out: float32 [N, dim], start and result.
    """
    dim = fixed.shape[1]
    left, way, image = (
        np.empty(dim, np.float32),
        np.empty(dim, np.float32),
        np.empty(dim, np.float32),
    )
    for row in range(first + low, first + high):
        start, end = offsets[row], offsets[row + 1]
        if start == end:
            continue
        x = out[row]
        _apply(x, gram, ridge[row], neighbors, weights, fixed, start, end, image)
        for j in range(dim):
            left[j] = -image[j]
        for edge in range(start, end):
            _add(left, weights[edge], fixed[neighbors[edge]])
        way[:] = left
        square = _dot(left, left)
        for _ in range(steps):
            if square < _TINY:
                break
            _apply(way, gram, ridge[row], neighbors, weights, fixed, start, end, image)
            length = square / _dot(way, image)
            _add(x, length, way)
            _add(left, -length, image)
            before, square = square, _dot(left, left)
            for j in range(dim):
                way[j] = left[j] + np.float32(square / before) * way[j]
