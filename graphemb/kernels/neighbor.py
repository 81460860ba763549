"""Sampled neighbourhoods: some edges of every node of a frontier.

What a node draws hangs on the key and on its own stream alone, so neither threads nor the other
nodes of a batch change it. Edges are named by their place in the CSR.
"""

from __future__ import annotations

import math
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
from numba import njit

from graphemb.kernels import rng
from graphemb.kernels.csr import Ints, Rows

Doubles: TypeAlias = npt.NDArray[np.float64]

ALL = -1
"""The fan-out that takes every neighbour."""
_PATIENCE = 8  # draws for each edge wanted, before all weights are gone through instead
_KEYS = np.uint64(1) << np.uint64(32)


class Ways(NamedTuple):
    """The edges to sample from.

    Attributes:
        offsets: int64 [n + 1].
        neighbors: [m]; ascending within a row where there are no times.
        times: int64 [m], ascending within a row, or empty: no edge is too late.
        cumulated: float64 [m], weights summed up within each row, or empty: equal chances.
    """

    offsets: Ints
    neighbors: Rows
    times: Ints
    cumulated: Doubles


class Frontier(NamedTuple):
    """The nodes that draw.

    Attributes:
        rows: int64 [f].
        streams: int64 [f], what sets a node's draws apart from the others'.
        until: int64 [f], only edges before it are drawn; empty: all.
        low, high: int64 [f], where a node's part of `banned` begins and ends; empty: none.
        banned: int64, neighbours not to be drawn, ascending within each part.
    """

    rows: Ints
    streams: Ints
    until: Ints
    low: Ints
    high: Ints
    banned: Ints


@njit(nogil=True, cache=True)
def make_room(offsets: Ints, rows: Ints, fanout: int, replace: bool) -> Ints:
    """int64 [f + 1]: where each node's edges are written; at least as many as it can draw."""
    room = np.zeros(rows.size + 1, np.int64)
    for place in range(rows.size):
        size = offsets[rows[place] + 1] - offsets[rows[place]]
        if fanout >= 0 and size > 0:
            size = fanout if replace else min(fanout, size)
        room[place + 1] = room[place] + size
    return room


@njit(nogil=True, cache=True)
def draw(
    ways: Ways,
    frontier: Frontier,
    fanout: int,
    replace: bool,
    latest: bool,
    key: np.uint64,
    room: Ints,
    edges: Ints,
    neighbors: Ints,
    counts: Ints,
    low: int,
    high: int,
) -> None:
    """Draw for the nodes [low, high) of the frontier.

    Args:
        fanout: edges for each node, or `ALL`.
        replace: an edge may come again.
        latest: not by chance but the last in the row.
        room: int64 [f + 1], of `make_room`.
        edges, neighbors: int64, filled from `room[i]` on; without replacement in CSR order.
        counts: int64 [f], filled with how many each node got.
    """
    nothing = np.empty(0, np.int64)
    for i in range(low, high):
        row = frontier.rows[i]
        start, end = ways.offsets[row], ways.offsets[row + 1]
        if ways.times.size > 0 and frontier.until.size > 0:
            end = first_at_least(ways.times, start, end, frontier.until[i])
        skip = nothing
        if frontier.low.size > 0 and frontier.low[i] < frontier.high[i]:
            skip = _skipped(ways, start, end, frontier.banned[frontier.low[i] : frontier.high[i]])
        stream = rng.make_key(key, frontier.streams[i])
        out = edges[room[i] : room[i + 1]]
        counts[i] = _choose(ways, start, end, skip, fanout, replace, latest, stream, out)
        for j in range(counts[i]):
            neighbors[room[i] + j] = ways.neighbors[out[j]]


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
def _holds(ascending: Rows, size: int, value: int) -> bool:
    place = first_at_least(ascending, 0, size, value)
    return bool(place < size and ascending[place] == value)


@njit(nogil=True, cache=True)
def _skipped(ways: Ways, start: int, end: int, banned: Ints) -> Ints:
    """int64: the edges in [start, end) that lead to a banned neighbour, ascending."""
    found = np.empty(0, np.int64)
    for filling in range(2):
        count = 0
        if ways.times.size > 0:  # in order of time: look at each
            for edge in range(start, end):
                if _holds(banned, banned.size, ways.neighbors[edge]):
                    if filling:
                        found[count] = edge
                    count += 1
        else:
            for neighbor in banned:
                edge = first_at_least(ways.neighbors, start, end, neighbor)
                while edge < end and ways.neighbors[edge] == neighbor:
                    if filling:
                        found[count] = edge
                    count += 1
                    edge += 1
        if not filling:
            found = np.empty(count, np.int64)
    return found


@njit(nogil=True, cache=True)
def _choose(
    ways: Ways,
    start: int,
    end: int,
    skip: Ints,
    fanout: int,
    replace: bool,
    latest: bool,
    stream: np.uint64,
    out: Ints,
) -> int:
    """Fill `out` with edges of [start, end) that are not in `skip`; how many."""
    size = end - start - skip.size
    if size <= 0 or fanout == 0:
        return 0
    if fanout < 0 or (fanout >= size and (latest or not replace)):
        for index in range(size):
            out[index] = _edge(start, skip, index)
        return int(size)
    if latest:
        for index in range(fanout):
            out[index] = _edge(start, skip, size - fanout + index)
    elif ways.cumulated.size > 0:
        _by_weight(ways.cumulated, start, end, skip, fanout, replace, stream, out)
    else:
        if replace:
            for index in range(fanout):
                out[index] = rng.below(rng.draw(stream, index), size)
        else:
            _distinct(stream, size, fanout, out)
        for index in range(fanout):
            out[index] = _edge(start, skip, out[index])
    return int(fanout)


@njit(nogil=True, cache=True)
def _edge(start: int, skip: Ints, index: int) -> int:
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
def _insert(ascending: Ints, size: int, value: int) -> None:
    """Put `value` into its place among the first `size` entries."""
    place = size
    while place > 0 and ascending[place - 1] > value:
        ascending[place] = ascending[place - 1]
        place -= 1
    ascending[place] = value


@njit(nogil=True, cache=True)
def _distinct(stream: np.uint64, size: int, count: int, out: Ints) -> None:
    """Fill `out` with `count` of range(size), ascending, every subset equally likely.

    Few of many by Floyd's algorithm (Bentley, Floyd 1987), else in one sweep (Knuth's S).
    """
    if count * count < 4 * size or count <= 32:
        for taken in range(count):
            last = size - count + taken
            index = rng.below(rng.draw(stream, taken), last + 1)
            if _holds(out, taken, index):
                out[taken] = last  # larger than any before
            else:
                _insert(out, taken, index)
        return
    taken = 0
    for index in range(size):
        if rng.unit(rng.draw(stream, index)) * (size - index) < count - taken:
            out[taken] = index
            taken += 1


@njit(nogil=True, cache=True)
def _by_weight(
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
        if skip.size > 0 and _holds(skip, skip.size, edge):
            continue
        if replace:
            out[taken] = edge
        elif _holds(out, taken, edge):
            continue
        else:
            _insert(out, taken, edge)
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
            if not _holds(out, taken, edge):
                _insert(out, taken, edge)
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
        edge = _edge(start, skip, index)
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


@njit(nogil=True, cache=True)
def pack(
    room: Ints, counts: Ints, edges: Ints, neighbors: Ints, shifts: Ints, first: int, targets: Ints
) -> int:
    """Close the gaps between the nodes' edges, in place.

    Args:
        shifts: int64 [f], added to the neighbours of each node; empty: nothing.
        first: the local number of the frontier's first node.
        targets: int64, filled with the local number of the node that drew each edge.

    Returns:
        How many edges there are.
    """
    total = 0
    for i in range(counts.size):
        shift = shifts[i] if shifts.size > 0 else 0
        for j in range(counts[i]):
            edges[total] = edges[room[i] + j]
            neighbors[total] = neighbors[room[i] + j] + shift
            targets[total] = first + i
            total += 1
    return total
