"""Which nodes are most alike: the largest entries of each row of a squared matrix."""

from __future__ import annotations

import numpy as np
from numba import njit

from graphemb.kernels.aggregate import Bools, Floats, Ints, Rows


@njit(nogil=True, cache=True)
def largest_of_square(
    offsets: Ints,
    neighbors: Rows,
    weights: Floats,
    wanted: Bools,
    columns: Ints,
    values: Floats,
    low: int,
    high: int,
) -> None:
    """Fill rows [low, high) of `columns` and `values` with the largest entries of M x M.

    Row by row with one dense row of sums, so that the square itself is never held. The diagonal
    is left out, and so are rows and columns that are not wanted. Places beyond a row's entries
    stay as they are.

    Args:
        offsets, neighbors, weights: M as CSR, [n, n], weights at least 0.
        wanted: bool [n].
        columns: int64 [n, k], where the k largest stand, the largest first; of equal ones those
            that are met first.
        values: float32 [n, k], 0 to begin with.
    """
    sums = np.zeros(offsets.size - 1, np.float32)
    met = np.empty(offsets.size - 1, np.int64)
    most = columns.shape[1]
    for row in range(low, high):
        if not wanted[row]:
            continue
        count = 0
        for edge in range(offsets[row], offsets[row + 1]):
            via = neighbors[edge]
            for hop in range(offsets[via], offsets[via + 1]):
                other = neighbors[hop]
                if other != row and wanted[other] and weights[edge] * weights[hop] > 0:
                    if sums[other] == 0:
                        met[count] = other
                        count += 1
                    sums[other] += weights[edge] * weights[hop]
        best, place_of = values[row], columns[row]
        for other in met[:count]:
            value, sums[other] = sums[other], np.float32(0.0)
            if value <= best[most - 1]:
                continue
            place = most - 1
            while place > 0 and best[place - 1] < value:
                best[place], place_of[place] = best[place - 1], place_of[place - 1]
                place -= 1
            best[place], place_of[place] = value, other
