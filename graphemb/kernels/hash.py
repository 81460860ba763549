"""64-bit hashes of columns, in two independent lanes, and order-free sums of them.

Not cryptographic: they tell contents apart, they do not guard against an adversary.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from numba import njit

Hashes: TypeAlias = npt.NDArray[np.uint64]


@njit(nogil=True, cache=True)
def mix(value: np.uint64) -> np.uint64:
    """The finaliser of MurmurHash3: a bijection of 64 bits that spreads every bit."""
    value ^= value >> np.uint64(33)
    value *= np.uint64(0xFF51AFD7ED558CCD)
    value ^= value >> np.uint64(33)
    value *= np.uint64(0xC4CEB9FE1A85EC53)
    return value ^ (value >> np.uint64(33))


@njit(nogil=True, cache=True)
def hash_text(
    offsets: npt.NDArray[np.int64], data: npt.NDArray[np.uint8], seed: np.uint64
) -> Hashes:
    """uint64 [n]: FNV-1a of each string's bytes, started at `seed` and finalised."""
    out = np.empty(offsets.size - 1, np.uint64)
    for row in range(out.size):
        value = np.uint64(0xCBF29CE484222325) ^ seed
        for place in range(offsets[row], offsets[row + 1]):
            value = (value ^ np.uint64(data[place])) * np.uint64(0x100000001B3)
        out[row] = mix(value)
    return out


@njit(nogil=True, cache=True)
def hash_words(words: Hashes, seed: np.uint64) -> Hashes:
    """uint64 [n]: a hash of each 8-byte value."""
    out = np.empty(words.size, np.uint64)
    for row in range(out.size):
        out[row] = mix(words[row] ^ mix(seed))
    return out


@njit(nogil=True, cache=True)
def combine(into: Hashes, other: Hashes, salt: np.uint64) -> None:
    """Fold `other` uint64 [n] into `into`; `salt` keeps apart what means different things."""
    for row in range(into.size):
        into[row] = mix(into[row] * np.uint64(0x9E3779B97F4A7C15) + mix(other[row] ^ salt))


@njit(nogil=True, cache=True)
def combine_taken(
    into: Hashes, values: Hashes, rows: npt.NDArray[np.int32 | np.int64], salt: np.uint64
) -> None:
    """As `combine` with `values[rows]`, without making that array."""
    for place in range(into.size):
        other = values[rows[place]]
        into[place] = mix(into[place] * np.uint64(0x9E3779B97F4A7C15) + mix(other ^ salt))
