"""Sampled neighbourhoods: some edges of every node of a frontier.

What a node draws hangs on the key and its own stream alone, so neither threads nor the other
nodes of a batch change it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from graphemb.kernels import rng, subset
from graphemb.kernels.csr import Ints, Rows
from graphemb.kernels.native import prefetch
from graphemb.kernels.subset import Doubles

ALL = -1
"""The fan-out that takes every neighbour."""
_GROUP = 64  # nodes between asking for memory and reading it


class Ways(NamedTuple):
    """The edges to sample from.

    Attributes:
        offsets: int64 [n + 1].
        neighbors: [m]; ascending within a row where there are no times.
        times: int64 [m], ascending within a row, or empty: no edge is too late.
        cumulated: float64 [m], weights summed up within each row, or empty: equal chances.
        names: int64 [m], what drawn edges are called; empty: by their place here.
    """

    offsets: Ints
    neighbors: Rows
    times: Ints
    cumulated: Doubles
    names: Ints


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
        edges, neighbors: int64, filled from `room[i]` on, in no certain order; edges by name.
        counts: int64 [f], filled with how many each node got.
    """
    offsets, all_neighbors, times, cumulated, names = ways  # leaving a tuple counts a reference
    rows, streams, until, banned_low, banned_high, banned = frontier
    alike = times.size == 0 and cumulated.size == 0 and not latest
    for first in range(low, high, _GROUP):
        last = min(first + _GROUP, high)
        for i in range(first, last):
            prefetch(offsets, rows[i])
        for i in range(first, last):
            row = rows[i]
            start, end = offsets[row], offsets[row + 1]
            stream = rng.make_key(key, streams[i])
            out = edges[room[i] : room[i + 1]]
            barred = banned_low.size > 0 and banned_low[i] < banned_high[i]
            if alike and not barred:
                counts[i] = _choose_alike(start, end - start, fanout, replace, stream, out)
            else:
                if times.size > 0 and until.size > 0:
                    end = subset.first_at_least(times, start, end, until[i])
                skip = edges[:0]
                if barred:
                    skip = _skipped(ways, start, end, banned[banned_low[i] : banned_high[i]])
                counts[i] = _choose(ways, start, end, skip, fanout, replace, latest, stream, out)
            for j in range(counts[i]):
                prefetch(all_neighbors, out[j])
                if names.size > 0:
                    prefetch(names, out[j])
        for i in range(first, last):
            for place in range(room[i], room[i] + counts[i]):
                neighbors[place] = all_neighbors[edges[place]]
                if names.size > 0:
                    edges[place] = names[edges[place]]


@njit(nogil=True, cache=True)
def _choose_alike(
    start: int, size: int, fanout: int, replace: bool, stream: np.uint64, out: Ints
) -> int:
    """`_choose` where nothing is skipped or weighed."""
    if size <= 0 or fanout == 0:
        return 0
    if fanout < 0 or (fanout >= size and not replace):
        for index in range(size):
            out[index] = start + index
        return size
    if replace:
        for index in range(fanout):
            out[index] = start + rng.below(rng.draw(stream, index), size)
        return fanout
    subset.distinct(stream, size, fanout, out)
    for index in range(fanout):
        out[index] += start
    return fanout


@njit(nogil=True, cache=True)
def _skipped(ways: Ways, start: int, end: int, banned: Ints) -> Ints:
    """int64: the edges in [start, end) that lead to a banned neighbour, ascending."""
    found = np.empty(0, np.int64)
    for filling in range(2):
        count = 0
        if ways.times.size > 0:  # in order of time: look at each
            for edge in range(start, end):
                if subset.holds(banned, banned.size, ways.neighbors[edge]):
                    if filling:
                        found[count] = edge
                    count += 1
        else:
            for neighbor in banned:
                edge = subset.first_at_least(ways.neighbors, start, end, neighbor)
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
            out[index] = subset.nth_left(start, skip, index)
        return int(size)
    if latest:
        for index in range(fanout):
            out[index] = subset.nth_left(start, skip, size - fanout + index)
    elif ways.cumulated.size > 0:
        subset.by_weight(ways.cumulated, start, end, skip, fanout, replace, stream, out)
    else:
        if replace:
            for index in range(fanout):
                out[index] = rng.below(rng.draw(stream, index), size)
        else:
            subset.distinct(stream, size, fanout, out)
        for index in range(fanout):
            out[index] = subset.nth_left(start, skip, out[index])
    return int(fanout)


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
