"""Random vectors by counter: row i depends on its key alone, not on its place or on threads."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from graphemb.kernels import rng
from graphemb.kernels.aggregate import Floats
from graphemb.kernels.hash import Hashes

_LANE = np.uint64(0xFFFF)
_U16, _U32, _U48 = np.uint64(16), np.uint64(32), np.uint64(48)


@njit(nogil=True, cache=True)
def unit_rows(keys: Hashes, out: Floats, low: int, high: int) -> None:
    """Fill `out` float32 [n, dim], rows [low, high), with random directions of length 1.

    Each component is a sum of four uniform 16-bit numbers, near enough to a normal one, so that
    only integers and a square root are at work: the same bits on every platform.
    """
    dim = out.shape[1]
    for row in range(low, high):
        key, vector = keys[row], out[row]
        square = np.int64(0)
        for j in range(dim):
            bits = rng.draw(key, j)
            lanes = (bits & _LANE) + ((bits >> _U16) & _LANE)
            lanes += ((bits >> _U32) & _LANE) + (bits >> _U48)
            value = 2 * np.int64(lanes) - 262141  # odd, so never zero
            square += value * value
            vector[j] = value
        norm = math.sqrt(np.float64(square))
        for j in range(dim):
            vector[j] = np.float64(vector[j]) / norm


@njit(nogil=True, cache=True)
def sparse_rows(
    keys: Hashes, share: float, scale: Floats, out: Floats, low: int, high: int
) -> None:
    """Fill `out` float32 [n, dim], rows [low, high): +-`scale[row]`, and 0 but for `share`.

    A row that would be all zeros gets one component.
    """
    dim = out.shape[1]
    limit = np.uint64(share * 2.0**31)
    for row in range(low, high):
        key, vector = keys[row], out[row]
        empty = True
        for j in range(dim):
            bits = rng.draw(key, j)
            if (bits >> _U32) >> np.uint64(1) < limit:
                vector[j] = scale[row] if bits & np.uint64(1) else -scale[row]
                empty = False
            else:
                vector[j] = 0.0
        if empty:
            bits = rng.draw(key, dim)
            vector[rng.below(bits, dim)] = scale[row] if bits & np.uint64(1) else -scale[row]
