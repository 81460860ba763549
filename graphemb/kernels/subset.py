"""Some of a range: subsets drawn at equal chances or by weight, with places left out.

Every draw is numbered and hangs on the stream alone.
"""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from numba import njit

from graphemb.kernels import rng
from graphemb.kernels.csr import Ints, Rows

Doubles: TypeAlias = npt.NDArray[np.float64]

_FEW = 32  # entries that are compared one by one; more are kept in order
_PATIENCE = 8  # draws for each edge wanted, before all weights are gone through instead
_KEYS = np.uint64(1) << np.uint64(32)
_U1 = np.uint64(1)


@njit(nogil=True, cache=True)
def first_at_least(ascending: Rows, low: int, high: int, value: int) -> int:
    """The first place in [low, high) whose entry is not below `value`, or `high`."""
    while low < high:
        middle = (low + high) // 2
        if ascending[middle] < value:
            low = middle + 1
        else:
            high = middle
    return low


@njit(nogil=True, cache=True)
def holds(ascending: Rows, size: int, value: int) -> bool:
    """Whether `value` is among the first `size` entries, which ascend."""
    place = first_at_least(ascending, 0, size, value)
    return bool(place < size and ascending[place] == value)


@njit(nogil=True, cache=True)
def nth_left(start: int, skip: Ints, index: int) -> int:
    """The edge number `index` from `start` on when those in `skip` are not counted."""
    low, high = 0, skip.size
    while low < high:
        middle = (low + high) // 2
        if skip[middle] - start - middle <= index:
            low = middle + 1
        else:
            high = middle
    return start + index + low


@njit(nogil=True, cache=True)
def _has(taken: Ints, size: int, value: int) -> bool:
    """Whether `value` is among the first `size` entries, which `_add` has put there."""
    if size > _FEW:
        return holds(taken, size, value)
    equal = 0
    for place in range(size):
        equal += taken[place] == value  # no branch to guess wrong
    return equal > 0


@njit(nogil=True, cache=True)
def _add(taken: Ints, size: int, value: int) -> None:
    """Put `value` beside the first `size` entries; when they are more than `_FEW` they ascend."""
    if size == _FEW:
        taken[:size].sort()
    place = size
    while size >= _FEW and place > 0 and taken[place - 1] > value:
        taken[place] = taken[place - 1]
        place -= 1
    taken[place] = value


@njit(nogil=True, cache=True)
def distinct(stream: np.uint64, size: int, count: int, out: Ints) -> None:
    """Fill `out` with `count` of range(size), every subset equally likely.

    Few of many by Floyd's algorithm (Bentley, Floyd 1987), else in one sweep (Knuth's S).
    """
    if count <= _FEW or count * count < 4 * size:
        seen = np.uint64(0)  # a bit for each remainder by 64: where it is not set, nothing is
        for taken in range(count):
            last = size - count + taken
            index = rng.below(rng.draw(stream, taken), last + 1)
            bit = _U1 << np.uint64(index & 63)
            if seen & bit and _has(out, taken, index):
                index = last
                bit = _U1 << np.uint64(index & 63)
            seen |= bit
            _add(out, taken, index)
        return
    taken = 0
    for index in range(size):
        if rng.unit(rng.draw(stream, index)) * (size - index) < count - taken:
            out[taken] = index
            taken += 1


@njit(nogil=True, cache=True)
def by_weight(
    cumulated: Doubles,
    start: int,
    end: int,
    skip: Ints,
    count: int,
    replace: bool,
    stream: np.uint64,
    out: Ints,
) -> None:
    """Fill `out` with `count` edges drawn by weight, one after the other.

    Without replacement this is successive sampling: what is drawn again, or to be skipped, is
    drawn anew. When that takes too long the rest is drawn by exponential keys, which give the
    same distribution (Efraimidis, Spirakis 2006) and go through all weights.
    """
    total = cumulated[end - 1]
    taken, tries = 0, 0
    while taken < count and tries < _PATIENCE * count + 32:
        level = rng.unit(rng.draw(stream, tries)) * total
        tries += 1
        edge = _heavier(cumulated, start, end, level)
        if skip.size > 0 and holds(skip, skip.size, edge):
            continue
        if replace:
            out[taken] = edge
        elif _has(out, taken, edge):
            continue
        else:
            _add(out, taken, edge)
        taken += 1
    attempt = np.uint64(0)
    while taken < count:
        attempt += np.uint64(1)
        order = _by_keys(cumulated, start, end, skip, stream, attempt * _KEYS)
        for edge in order:
            if taken == count:
                break
            if replace:
                out[taken] = edge
                taken += 1
                break
            if not _has(out, taken, edge):
                _add(out, taken, edge)
                taken += 1


@njit(nogil=True, cache=True)
def _heavier(cumulated: Doubles, low: int, high: int, level: float) -> int:
    """The first edge of [low, high) whose cumulated weight is above `level`."""
    last = high - 1
    while low < last:
        middle = (low + last) // 2
        if cumulated[middle] > level:
            last = middle
        else:
            low = middle + 1
    return low


@njit(nogil=True, cache=True)
def _by_keys(
    cumulated: Doubles, start: int, end: int, skip: Ints, stream: np.uint64, first: np.uint64
) -> Ints:
    """int64: all edges of [start, end) but `skip`, as if drawn by weight one after the other."""
    size = end - start - skip.size
    edges = np.empty(size, np.int64)
    waits = np.empty(size, np.float64)
    for index in range(size):
        edge = nth_left(start, skip, index)
        before = cumulated[edge - 1] if edge > start else 0.0
        weight = max(cumulated[edge] - before, 1e-300)
        chance = rng.unit(rng.draw(stream, first + np.uint64(index)))
        edges[index] = edge
        waits[index] = -math.log1p(-chance) / weight
    return edges[np.argsort(waits)]


@njit(nogil=True, cache=True)
def cumulate(offsets: Ints, weights: npt.NDArray[np.float32], out: Doubles) -> None:
    """Fill `out` float64 [m] with the weights summed up within each row."""
    for row in range(offsets.size - 1):
        total = 0.0
        for edge in range(offsets[row], offsets[row + 1]):
            total += weights[edge]
            out[edge] = total
