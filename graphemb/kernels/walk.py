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

from graphemb.kernels import edge_filter
from graphemb.kernels.csr import Floats, Ints, Rows
from graphemb.kernels.hash import Hashes
from graphemb.kernels.native import prefetch
from graphemb.kernels.rng import below, draw, low_word, make_key, rounds_in_order, unit

_GROUP = 128  # walkers between asking for memory and reading it: enough to wait for none
_PATIENCE = 64  # tries, and one more per neighbour, before a step is drawn by going through all
_U1, _U32 = np.uint64(1), np.uint64(32)


class Links(NamedTuple):
    """A CSR to walk on; `table` uint64 [m] holds its alias tables, or nothing: unweighted."""

    offsets: Ints
    neighbors: Rows
    table: Hashes


class Bias(NamedTuple):
    """node2vec's weights for the next node, and what it takes to draw by them.

    Attributes:
        back: 1/p, for the node before.
        far: 1/q, for nodes to which no edge leads from the node before; 1 for the others.
        edges: uint64, the filter of `edge_filter`; read when `far` is not 1.
        weights: float32 [m], or empty when unweighted.
        rows: float32 [N, 2], a row's total weight and the most of one neighbour; both are read
            when `back` is above 1 and `far`.
    """

    back: float
    far: float
    edges: Hashes
    weights: Floats
    rows: Floats


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
def advance_biased(
    links: Links, bias: Bias, before: Rows, current: Rows, keys: Hashes, step: int, out: Rows
) -> None:
    """As `advance`, but weighed by where the walker came from: node2vec, by rejection.

    A candidate drawn by weight is kept with chance bias / limit, limit = max(1, 1/q). What a
    return to the node before exceeds the limit by is drawn apart, so that a small p costs no
    more tries (Yang et al. 2019, KnightKing). Walkers whose candidate is refused try again
    together. Every pass sorts walkers into lists; branches would be guessed wrong too often.
    """
    waiting, group = np.empty(current.size, np.int64), np.empty(_GROUP, np.int64)
    for walker in range(current.size):
        waiting[walker] = walker
    count, attempt = current.size, 0
    while count > 0:
        refused = 0
        for low in range(0, count, _GROUP):
            size = min(_GROUP, count - low)
            for i in range(size):
                group[i] = waiting[low + i]
            number = (np.uint64(attempt) << _U32) + np.uint64(2 * step)
            left = _try(links, bias, before, current, keys, number, group[:size], out)
            for i in range(left):
                waiting[refused + i] = group[i]
            refused += left
        count = refused
        attempt += 1
        if attempt >= _PATIENCE:
            count = _draw_by_scan(
                links, bias, before, current, keys, step, attempt, waiting[:count], out
            )


@njit(nogil=True, cache=True)
def _draw_by_scan(
    links: Links,
    bias: Bias,
    before: Rows,
    current: Rows,
    keys: Hashes,
    step: int,
    attempt: int,
    waiting: Ints,
    out: Rows,
) -> int:
    """Draw for those who have tried as often as going through their neighbours costs.

    So every step ends, even where nearly all candidates are refused (a large p at a leaf). Those
    who still wait come to the front of `waiting`; their number is returned.
    """
    left = 0
    for place in range(waiting.size):
        walker = waiting[place]
        row = current[walker]
        start, end = links.offsets[row], links.offsets[row + 1]
        if end - start > attempt - _PATIENCE:
            waiting[left] = walker
            left += 1
            continue
        total = 0.0
        for edge in range(start, end):
            total += _biased_weight(links, bias, before[walker], edge)
        number = (np.uint64(attempt) << _U32) + np.uint64(2 * step)
        level = unit(draw(keys[walker], number)) * total
        out[walker] = links.neighbors[end - 1]
        for edge in range(start, end):
            level -= _biased_weight(links, bias, before[walker], edge)
            if level < 0.0:
                out[walker] = links.neighbors[edge]
                break
    return left


@njit(nogil=True, cache=True)
def _biased_weight(links: Links, bias: Bias, before: int, edge: int) -> float:
    other = links.neighbors[edge]
    weight = np.float64(bias.weights[edge]) if bias.weights.size > 0 else 1.0
    if other == before:
        return float(weight * bias.back)
    if bias.far == 1.0 or is_neighbor(links.offsets, links.neighbors, before, other):
        return float(weight)
    return float(weight * bias.far)


@njit(nogil=True, cache=True)
def _try(
    links: Links,
    bias: Bias,
    before: Rows,
    current: Rows,
    keys: Hashes,
    number: np.uint64,
    group: Ints,
    out: Rows,
) -> int:
    """One candidate for each walker of a group; those refused come to the group's front.

    Arrays leave their tuples before the loops; see `draw_neighbors`.
    """
    offsets, neighbors, table = links
    back, far, filtered, weights, totals = bias
    limit = max(1.0, far)
    sure, home_sure = min(1.0, far), min(back, limit)
    rows = np.empty(group.size, current.dtype)
    found = np.empty(group.size, current.dtype)
    bits = np.empty(group.size, np.uint64)
    places = np.empty(group.size, np.int64)
    levels = np.empty(group.size, np.float64)
    for i in range(group.size):
        walker = group[i]
        rows[i] = current[walker]
        bits[i] = draw(keys[walker], number)
        if back > limit:
            prefetch(totals, 2 * max(rows[i], 0))
    draw_neighbors(offsets, neighbors, table, rows, bits, places, found)
    refused, asking, returning = 0, 0, 0
    asks, returns = np.empty(group.size, np.int64), np.empty(group.size, np.int64)
    for i in range(group.size):
        walker = group[i]
        level = unit(draw(keys[walker], number + _U1))
        if back > limit and found[i] >= 0:
            excess = (back - limit) * totals[rows[i], 1] / totals[rows[i], 0]
            level *= limit + excess
        else:
            level *= limit
        levels[i] = level
        out[walker] = found[i]
        ended = found[i] < 0
        home = found[i] == before[walker]
        beyond = (level >= limit) & (not ended)
        kept = ended | (level < (home_sure if home else sure))
        asked = not (kept | home | beyond)
        edge_filter.fetch(filtered, before[walker], found[i])
        returns[returning] = i
        returning += beyond
        asks[asking] = i
        asking += asked
        places[refused] = walker
        refused += not (kept | asked | beyond)
    likely = 0
    for j in range(asking):
        i = asks[j]
        walker = group[i]
        maybe = edge_filter.may_hold(filtered, before[walker], found[i])
        asks[likely] = i
        likely += maybe
        places[refused] = walker
        refused += (not maybe) & (far < 1.0)
    for j in range(likely):
        i = asks[j]
        walker = group[i]
        near = is_neighbor(offsets, neighbors, before[walker], found[i])
        places[refused] = walker
        refused += near != (far < 1.0)
    for j in range(returning):
        i = returns[j]
        walker = group[i]
        weight = weight_to(offsets, neighbors, weights, rows[i], before[walker])
        excess = (back - limit) * weight / totals[rows[i], 0]
        out[walker] = before[walker]
        places[refused] = walker
        refused += levels[i] >= limit + excess
    for i in range(refused):
        group[i] = places[i]
    return refused


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
def weigh_rows(
    offsets: Ints, neighbors: Rows, weights: Floats, rows: Floats, low: int, high: int
) -> None:
    """Fill `rows` float32 [N, 2], [low, high): total weight, and the most of one neighbour."""
    for row in range(low, high):
        total, most, here = 0.0, 0.0, 0.0
        for place in range(offsets[row], offsets[row + 1]):
            weight = np.float64(weights[place]) if weights.size > 0 else 1.0
            parallel = place > offsets[row] and neighbors[place] == neighbors[place - 1]
            here = here + weight if parallel else weight
            total += weight
            most = max(most, here)
        rows[row, 0], rows[row, 1] = total, most
