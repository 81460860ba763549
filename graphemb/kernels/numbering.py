"""A hash table that numbers keys in the order in which they are first seen.

A table is int64 [2 * a power of two]: a key, or -1 where it is free, and beside it its number.
Whoever enters keys keeps it at most half full; probing is linear.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from graphemb.kernels import rng
from graphemb.kernels.csr import Ints

_FREE = -1


@njit(nogil=True, cache=True)
def _slot(table: Ints, key: int) -> int:
    """Where a key stands in a table, or where it would: its number stands behind it."""
    mask = np.uint64(table.size // 2 - 1)
    slot = rng.mix(np.uint64(key)) & mask
    while True:
        place = np.int64(slot) * 2
        if table[place] == key or table[place] == _FREE:
            return int(place)
        slot = (slot + np.uint64(1)) & mask


@njit(nogil=True, cache=True)
def enter(table: Ints, keys: Ints, first: int, numbers: Ints, fresh: Ints) -> int:
    """Number keys in the order in which they are first seen.

    Args:
        table: at most half full afterwards.
        keys: int64 [n], at least 0.
        first: the number of the first new key.
        numbers: int64 [n], filled.
        fresh: filled with the new keys.

    Returns:
        How many keys were new.
    """
    count = 0
    for i in range(keys.size):
        place = _slot(table, keys[i])
        if table[place] == _FREE:
            table[place] = keys[i]
            table[place + 1] = first + count
            fresh[count] = keys[i]
            count += 1
        numbers[i] = table[place + 1]
    return count


@njit(nogil=True, cache=True)
def find(table: Ints, keys: Ints) -> Ints:
    """int64 [n]: the number of each key, -1 where it has none."""
    numbers = np.full(keys.size, -1, np.int64)
    for i in range(keys.size):
        place = _slot(table, keys[i])
        if table[place] != _FREE:
            numbers[i] = table[place + 1]
    return numbers
