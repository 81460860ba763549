"""Weights of edges by their place in time or in an order, row by row of a CSR."""

from __future__ import annotations

import numpy as np
from numba import njit

from graphemb.kernels.aggregate import Doubles, Floats, Ints

_TINY = np.float32(1.2e-38)
_OLDEST = -(2**63) + 1


@njit(nogil=True, cache=True)
def decay_by_age(
    offsets: Ints,
    times: Ints,
    half_life: float,
    now: int,
    relative: bool,
    out: Floats,
    low: int,
    high: int,
) -> None:
    """Multiply `out` float32 [m] by 2^(-age / half life) for the edges of rows [low, high).

    Args:
        times: int64 [m], microseconds.
        half_life: microseconds.
        now: int64, microseconds; what ages are counted from.
        relative: count them from each row's newest edge instead. It only scales the row, and
            keeps rows whose edges are all old from vanishing.

    No factor falls under the smallest normal float32, so that an edge never stops counting.
    """
    for row in range(low, high):
        newest = now
        if relative:
            newest = _OLDEST
            for edge in range(offsets[row], offsets[row + 1]):
                newest = max(newest, times[edge])
        for edge in range(offsets[row], offsets[row + 1]):
            factor = 2.0 ** (-np.float64(newest - times[edge]) / half_life)
            out[edge] = max(np.float32(out[edge] * factor), _TINY) if out[edge] > 0 else 0.0


@njit(nogil=True, cache=True)
def decay_by_rank(
    offsets: Ints, keys: Doubles, decay: float, out: Floats, low: int, high: int
) -> None:
    """Multiply `out` float32 [m] by decay^(edges of the same row with a larger key)."""
    for row in range(low, high):
        start, end = offsets[row], offsets[row + 1]
        order = np.argsort(-keys[start:end])
        position = 0
        for place in range(end - start):
            edge = start + order[place]
            if place > 0 and keys[edge] != keys[start + order[place - 1]]:
                position = place
            factor = decay**position
            out[edge] = max(np.float32(out[edge] * factor), _TINY) if out[edge] > 0 else 0.0
