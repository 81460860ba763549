"""A hash table that numbers keys in the order in which they are first seen.

A table is int64 [2 * a power of two]: a key, or -1 where it is free, and beside it its number.
Whoever enters keys keeps it at most two thirds full; probing is linear.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from graphemb.kernels import rng
from graphemb.kernels.csr import Ints
from graphemb.kernels.native import prefetch

_FREE = -1
_GROUP = 64  # keys between asking for memory and reading it


@njit(nogil=True, cache=True)
def _home(table: Ints, key: int) -> int:
    """Where a key stands unless another took its place."""
    return int(np.int64(rng.mix(np.uint64(key)) & np.uint64(table.size // 2 - 1)) * 2)


@njit(nogil=True, cache=True)
def _place(table: Ints, home: int, key: int) -> int:
    """Where a key stands, or where it would: its number stands behind it."""
    place = home
    while table[place] != key and table[place] != _FREE:
        place = (place + 2) & (table.size - 1)
    return place


@njit(nogil=True, cache=True)
def enter(table: Ints, keys: Ints, first: int, numbers: Ints, fresh: Ints) -> int:
    """Number keys in the order in which they are first seen.

    Args:
        table: at most two thirds full afterwards.
        keys: int64 [n], at least 0.
        first: the number of the first new key.
        numbers: int64 [n], filled.
        fresh: filled with the new keys.

    Returns:
        How many keys were new.
    """
    count = 0
    for low in range(0, keys.size, _GROUP):
        high = min(low + _GROUP, keys.size)
        for i in range(low, high):
            numbers[i] = _home(table, keys[i])
            prefetch(table, numbers[i])
        for i in range(low, high):
            place = _place(table, numbers[i], keys[i])
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
        place = _place(table, _home(table, keys[i]), keys[i])
        if table[place] != _FREE:
            numbers[i] = table[place + 1]
    return numbers
