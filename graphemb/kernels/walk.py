"""Random walks, one step at a time for a whole block of walkers.

The walkers of a block do not depend on each other: what one needs from memory is asked for
(prefetch) while others go on. A block of walks is time-major, int [length, walkers], each step
one row of it; -1 stands where a walk has ended. What a walker draws hangs on its key and the
step alone, so blocks and threads change nothing.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from graphemb.kernels.csr import Floats, Ints, Rows
from graphemb.kernels.hash import Hashes
from graphemb.kernels.native import prefetch
from graphemb.kernels.rng import below, draw, low_word, make_key, rounds_in_order

_GROUP = 128  # walkers between asking for memory and reading it: enough to wait for none
_U32 = np.uint64(32)


class Links(NamedTuple):
    """A CSR to walk on; `table` uint64 [m] holds its alias tables, or nothing: unweighted."""

    offsets: Ints
    neighbors: Rows
    table: Hashes


@njit(nogil=True, cache=True)
def begin(starts: Rows, first: int, seed: int, keys: Hashes, rows: Rows) -> None:
    """Fill the keys and first rows of the walks number `first`, `first + 1`, ...

    Every round of `starts.size` walks visits all starts in an order of its own.
    """
    order = np.empty(rows.size, np.int64)
    rounds_in_order(first, starts.size, seed, order)
    for place in range(rows.size):
        keys[place] = make_key(seed, first + place)
        rows[place] = starts[order[place]]


@njit(nogil=True, cache=True)
def advance(links: Links, current: Rows, keys: Hashes, step: int, out: Rows) -> None:
    """Fill `out` int [walkers] with a neighbour each, drawn by weight; -1 where there is none."""
    offsets, neighbors, table = links
    bits = np.empty(_GROUP, np.uint64)
    places = np.empty(_GROUP, np.int64)
    for low in range(0, current.size, _GROUP):
        group = current[low : low + _GROUP]
        for walker in range(group.size):
            bits[walker] = draw(keys[low + walker], step)
        draw_neighbors(offsets, neighbors, table, group, bits, places, out[low : low + _GROUP])


@njit(nogil=True, cache=True)
def draw_neighbors(
    offsets: Ints,
    neighbors: Rows,
    table: Hashes,
    rows: Rows,
    bits: Hashes,
    places: Ints,
    out: Rows,
) -> None:
    """Fill `out` for one group of walkers; each of three look-ups is asked for one pass ahead.

    Arrays, not `Links`: an array that leaves a tuple is counted atomically, and threads wait for
    each other's counts.
    """
    for walker in range(rows.size):
        prefetch(offsets, max(rows[walker], 0))
    for walker in range(rows.size):
        row = rows[walker]
        places[walker] = -1
        if row >= 0 and offsets[row + 1] > offsets[row]:
            start = offsets[row]
            places[walker] = start + below(bits[walker], offsets[row + 1] - start)
            prefetch(neighbors, places[walker])
            if table.size > 0:
                prefetch(table, places[walker])
    if table.size > 0:
        for walker in range(rows.size):
            place = places[walker]
            if place >= 0:
                entry = table[place]
                other = offsets[rows[walker]] + np.int64(low_word(entry))
                own = low_word(bits[walker]) < entry >> _U32
                places[walker] = other + (place - other) * own  # no branch to guess wrong
                prefetch(neighbors, places[walker])
    for walker in range(rows.size):
        out[walker] = neighbors[places[walker]] if places[walker] >= 0 else -1


@njit(nogil=True, cache=True)
def is_neighbor(offsets: Ints, neighbors: Rows, row: int, other: int) -> bool:
    """Whether an edge leads from `row` to `other`."""
    place = first_not_below(neighbors, offsets[row], offsets[row + 1], other)
    return bool(place < offsets[row + 1] and neighbors[place] == other)


@njit(nogil=True, cache=True)
def first_not_below(neighbors: Rows, place: int, end: int, other: int) -> int:
    """The first place from `place` to `end`, neighbours ascending, that is not below `other`."""
    size = end - place
    while size > 1:
        half = size >> 1
        place += half * (neighbors[place + half - 1] < other)
        size -= half
    return int(place + (size > 0 and neighbors[place] < other))


@njit(nogil=True, cache=True)
def weight_to(offsets: Ints, neighbors: Rows, weights: Floats, row: int, other: int) -> float:
    """The weight of all edges from `row` to `other`."""
    total = 0.0
    place = first_not_below(neighbors, offsets[row], offsets[row + 1], other)
    while place < offsets[row + 1] and neighbors[place] == other:
        total += weights[place] if weights.size > 0 else 1.0
        place += 1
    return total


@njit(nogil=True, cache=True)
def weigh_rows(offsets: Ints, weights: Floats, totals: Floats, low: int, high: int) -> None:
    """Fill `totals` float32 [N], [low, high); `weights` may be empty: every edge weighs 1."""
    for row in range(low, high):
        total = 0.0
        for place in range(offsets[row], offsets[row + 1]):
            total += weights[place] if weights.size > 0 else 1.0
        totals[row] = total


@njit(nogil=True, cache=True)
def weigh_homes(
    offsets: Ints, neighbors: Rows, weights: Floats, homes: Floats, low: int, high: int
) -> None:
    """Fill `homes` float32 [m], rows [low, high): all that leads from an edge's end to its row."""
    for row in range(low, high):
        for place in range(offsets[row], offsets[row + 1]):
            homes[place] = weight_to(offsets, neighbors, weights, neighbors[place], row)


@njit(nogil=True, cache=True)
def edges_taken(offsets: Ints, neighbors: Rows, before: Rows, current: Rows, came: Ints) -> None:
    """Fill `came` int64 [walkers] with the place of an edge before -> current; any at an end."""
    for walker in range(current.size):
        row = before[walker]
        came[walker] = 0
        if current[walker] >= 0:
            start, end = offsets[row], offsets[row + 1]
            place = first_not_below(neighbors, start, end, current[walker])
            came[walker] = min(place, neighbors.size - 1)
