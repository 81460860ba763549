"""A Bloom filter of the edges of a CSR: one byte an edge, one cache line a question.

"No" is certain; "maybe" is wrong for about one pair in thirty that is no edge. node2vec asks
for most of its candidates whether an edge leads there, and the answer is mostly no.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from graphemb.kernels.csr import Ints, Rows
from graphemb.kernels.hash import Hashes
from graphemb.kernels.native import prefetch
from graphemb.kernels.rng import below, mix

EDGES_PER_WORD = 8

_U6, _U12, _U32 = np.uint64(6), np.uint64(12), np.uint64(32)
_ONE, _LAST = np.uint64(1), np.uint64(63)


@njit(nogil=True, cache=True)
def pair(row: int, other: int) -> np.uint64:
    """uint64, what the filter knows a pair by."""
    return mix((np.uint64(row) << _U32) ^ np.uint64(other))


@njit(nogil=True, cache=True)
def _marks(bits: np.uint64) -> np.uint64:
    """Three bits of a word; `below` takes the word from the upper half of `bits`."""
    first, second, third = bits & _LAST, (bits >> _U6) & _LAST, (bits >> _U12) & _LAST
    return np.uint64((_ONE << first) | (_ONE << second) | (_ONE << third))


@njit(nogil=True, cache=True)
def fill(offsets: Ints, neighbors: Rows, words: Hashes) -> None:
    """Mark every edge in `words` uint64 [m / 8 or so], zeros before; not for two threads."""
    for row in range(offsets.size - 1):
        for place in range(offsets[row], offsets[row + 1]):
            bits = pair(row, neighbors[place])
            words[below(bits, words.size)] |= _marks(bits)


@njit(nogil=True, cache=True)
def fetch(words: Hashes, bits: np.uint64) -> None:
    """Ask for the cache line that `may_hold` will read for a pair."""
    prefetch(words, below(bits, words.size))


@njit(nogil=True, cache=True)
def may_hold(words: Hashes, bits: np.uint64) -> bool:
    """False when the edge of this `pair` is certainly not there."""
    marks = _marks(bits)
    return bool((words[below(bits, words.size)] & marks) == marks)
