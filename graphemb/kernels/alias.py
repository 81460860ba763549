"""Alias tables: a draw from any discrete distribution in one look-up (Walker 1977, Vose 1991).

One table serves many distributions, one after the other as the rows of a CSR: a node's outgoing
edges, or the nodes of one type. An entry is a uint64: its upper half the chance, of 2^32, that
the slot stands for itself, its lower half the slot of the same row that it stands for otherwise.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from numba import njit

from graphemb.kernels.csr import Ints
from graphemb.kernels.hash import Hashes
from graphemb.kernels.rng import below, low_word

Weights: TypeAlias = npt.NDArray[np.float32 | np.float64]

_U32 = np.uint64(32)
_CERTAIN = 2.0**32 - 1.0


@njit(nogil=True, cache=True)
def fill(offsets: Ints, weights: Weights, table: Hashes, low: int, high: int) -> None:
    """Fill `table` uint64 [m] for rows [low, high) of weights float [m], all at least 0.

    A row without a positive weight is drawn uniformly; rows hold fewer than 2^32 entries.
    """
    longest = 0
    for row in range(low, high):
        longest = max(longest, offsets[row + 1] - offsets[row])
    share = np.empty(longest, np.float64)
    for row in range(low, high):
        start, size = offsets[row], offsets[row + 1] - offsets[row]
        total = 0.0
        for slot in range(size):
            total += weights[start + slot]
        for slot in range(size):
            share[slot] = weights[start + slot] * (size / total) if total > 0 else 1.0
            table[start + slot] = _entry(1.0, slot)
        _pair_up(share, size, table[start : start + size])


@njit(nogil=True, cache=True)
def _pair_up(share: Weights, size: int, table: Hashes) -> None:
    """Let every slot with a share below 1 be filled up from one above it, in one sweep each."""
    poor = _next(share, size, 0, True)
    rich = _next(share, size, 0, False)
    slot = poor
    while poor < size and rich < size:
        table[slot] = _entry(share[slot], rich)
        share[rich] -= 1.0 - share[slot]
        if share[rich] < 1.0:
            drained = rich
            rich = _next(share, size, rich + 1, False)
            if drained < poor:  # the sweep over the poor has passed it: fill it up at once
                slot = drained
                continue
        poor = _next(share, size, poor + 1, True)
        slot = poor


@njit(nogil=True, cache=True)
def _next(share: Weights, size: int, slot: int, poor: bool) -> int:
    """The first slot from `slot` on whose share is below 1 (`poor`) or not."""
    while slot < size and (share[slot] < 1.0) != poor:
        slot += 1
    return slot


@njit(nogil=True, cache=True)
def _entry(chance: float, other: int) -> np.uint64:
    return (np.uint64(chance * _CERTAIN) << _U32) | np.uint64(other)


@njit(nogil=True, cache=True)
def pick(table: Hashes, start: int, size: int, bits: np.uint64) -> int:
    """A slot in [0, size) of the row that starts at `start`, from 64 random bits."""
    slot = below(bits, size)
    entry = table[start + slot]
    other = np.int64(low_word(entry))
    return int(other + (slot - other) * (low_word(bits) < entry >> _U32))  # no branch to miss
