"""node2vec: random walks that lean back to where they come from, or away from it.

A candidate drawn by weight is kept with chance bias / limit, limit = max(1, 1/q). By what its
bias exceeds the limit, the node before is drawn without a candidate, so that a small p costs no
tries (Yang et al. 2019, KnightKing; there from a bound of its weight, here from the weight
itself). Walkers whose candidate is refused try again together.

All is done in passes over groups of walkers, each pass a short loop without branches: what it
needs from memory was asked for one pass ahead, and walkers are sorted into lists of those who
need more.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
from numba import njit

from graphemb.kernels import edge_filter
from graphemb.kernels.csr import Floats, Ints, Rows
from graphemb.kernels.hash import Hashes
from graphemb.kernels.native import prefetch
from graphemb.kernels.rng import draw, unit
from graphemb.kernels.walk import Links, draw_neighbors, first_not_below, is_neighbor

Doubles: TypeAlias = npt.NDArray[np.float64]

_GROUP = 512  # walkers between asking for memory and reading it; the passes cost something too
_PATIENCE = 64  # tries, and one more per neighbour, before a step is drawn by going through all
_U1, _U32 = np.uint64(1), np.uint64(32)


class Bias(NamedTuple):
    """node2vec's weights for the next node, and what it takes to draw by them.

    Attributes:
        back: 1/p, for the node before.
        far: 1/q, for nodes to which no edge leads from the node before; 1 for the others.
        edges: uint64, the filter of `edge_filter`; read when `far` is not 1.
        weights: float32 [m], or empty when unweighted.
        homes: float32 [m], the weight of all edges that lead back from an edge's end to its
            row; read, as `totals`, when `back` is above 1 and `far`. Empty, as `totals`, where
            every edge leads back once, with weight 1.
        totals: float32 [N], each row's weight.
        mutual: an edge and its reverse have the same `homes`.
    """

    back: float
    far: float
    edges: Hashes
    weights: Floats
    homes: Floats
    totals: Floats
    mutual: bool


@njit(nogil=True, cache=True)
def advance(
    links: Links,
    bias: Bias,
    before: Rows,
    current: Rows,
    came: Ints,
    keys: Hashes,
    step: int,
    out: Rows,
) -> None:
    """Fill `out` int [walkers] with a neighbour each; -1 where there is none.

    Args:
        came: int64 [walkers], where `bias.homes` holds what leads from `current` back to
            `before`: at first from `walk.edges_taken`; brought up to date.
    """
    waiting, refused = np.empty(current.size, np.int64), np.empty(current.size, np.int64)
    number, spans = np.uint64(2 * step), np.empty(current.size, np.float64)
    count = _try(links, bias, before, current, came, keys, number, spans, True, out, waiting)
    attempt = 1
    spare = np.empty((3, count), current.dtype)  # those who try again stand side by side
    edges, streams_left = np.empty(count, np.int64), np.empty(count, np.uint64)
    spans_left = np.empty(count, np.float64)
    while count > 0:
        who = waiting[:count]
        behind, rows, found = spare[0][:count], spare[1][:count], spare[2][:count]
        places, streams, widths = edges[:count], streams_left[:count], spans_left[:count]
        for i in range(count):
            walker = who[i]
            behind[i], rows[i] = before[walker], current[walker]
            places[i], streams[i], widths[i] = came[walker], keys[walker], spans[walker]
        number += _U1 << _U32
        left = _try(
            links, bias, behind, rows, places, streams, number, widths, False, found, refused
        )
        for i in range(count):
            out[who[i]], came[who[i]] = found[i], places[i]
        for i in range(left):
            refused[i] = who[refused[i]]
        waiting, refused = refused, waiting
        count = left
        attempt += 1
        if attempt >= _PATIENCE:
            who = waiting[:count]
            count = _draw_by_scan(links, bias, before, current, came, keys, step, attempt, who, out)


@njit(nogil=True, cache=True)
def _draw_by_scan(
    links: Links,
    bias: Bias,
    before: Rows,
    current: Rows,
    came: Ints,
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
    offsets, neighbors, _ = links
    left = 0
    for walker in waiting:
        row = current[walker]
        start, end = offsets[row], offsets[row + 1]
        if end - start > attempt - _PATIENCE:
            waiting[left] = walker
            left += 1
            continue
        total = 0.0
        for edge in range(start, end):
            total += _biased_weight(offsets, neighbors, bias, before[walker], edge)
        number = (np.uint64(attempt) << _U32) + np.uint64(2 * step)
        level = unit(draw(keys[walker], number)) * total
        came[walker] = end - 1
        for edge in range(start, end):
            level -= _biased_weight(offsets, neighbors, bias, before[walker], edge)
            if level < 0.0:
                came[walker] = edge
                break
        out[walker] = neighbors[came[walker]]
    return left


@njit(nogil=True, cache=True)
def _biased_weight(offsets: Ints, neighbors: Rows, bias: Bias, before: int, edge: int) -> float:
    other = neighbors[edge]
    weight = np.float64(bias.weights[edge]) if bias.weights.size > 0 else 1.0
    if other == before:
        return float(weight * bias.back)
    if bias.far == 1.0 or is_neighbor(offsets, neighbors, before, other):
        return float(weight)
    return float(weight * bias.far)


@njit(nogil=True, cache=True)
def _try(
    links: Links,
    bias: Bias,
    before: Rows,
    current: Rows,
    came: Ints,
    keys: Hashes,
    number: np.uint64,
    spans: Doubles,
    first: bool,
    out: Rows,
    refused: Ints,
) -> int:
    """One candidate for each walker; fill the front of `refused` with those who get no step.

    The first time it fills `spans` float64 [walkers], as `_measure` does. Arrays leave their
    tuples before the loop; see `draw_neighbors`.
    """
    offsets, neighbors, table = links
    back, far, edges, _, homes, totals, mutual = bias
    bits, levels = np.empty(_GROUP, np.uint64), np.empty(_GROUP, np.float64)
    lists = np.empty((5, _GROUP), np.int64)
    places, going, asks, spare = lists[0], lists[1], lists[2], lists[3:]
    count = 0
    for low in range(0, current.size, _GROUP):
        high = min(low + _GROUP, current.size)
        rows, behind, found = current[low:high], before[low:high], out[low:high]
        edge, left = came[low:high], refused[count : count + high - low]
        _draw_levels(keys[low:high], number, bits, levels)
        if first:
            _ask_for_homes(homes, totals, rows, edge)
        draw_neighbors(offsets, neighbors, table, rows, bits, places, found)
        if first:
            _measure(offsets, homes, totals, back, far, rows, edge, spans[low:high])
        for i in range(high - low):
            levels[i] *= spans[low + i]
        returning, asking, few = _sort(back, far, behind, found, levels, going, asks, left)
        likely, few = _ask(edges, far, behind, found, asks[:asking], bits, left, few)
        _search(offsets, neighbors, behind, found, asks[:likely], spare)
        for j in range(likely):
            i = asks[j]
            place = spare[0, j]
            near = place < offsets[behind[i] + 1] and neighbors[place] == found[i]
            left[few] = i
            few += near != (far < 1.0)
        _go_home(offsets, neighbors, mutual, rows, behind, going[:returning], found, edge, places)
        for j in range(few):
            places[left[j]] = edge[left[j]]
            left[j] += low
        for i in range(high - low):
            edge[i] = max(places[i], 0)
        count += few
    return count


@njit(nogil=True, cache=True)
def _draw_levels(keys: Hashes, number: np.uint64, bits: Hashes, levels: Doubles) -> None:
    for i in range(keys.size):
        bits[i] = draw(keys[i], number)
    for i in range(keys.size):
        levels[i] = unit(draw(keys[i], number + _U1))


@njit(nogil=True, cache=True)
def _ask_for_homes(homes: Floats, totals: Floats, rows: Rows, came: Ints) -> None:
    if homes.size > 0:
        for i in range(rows.size):
            prefetch(homes, came[i])
            prefetch(totals, max(rows[i], 0))


@njit(nogil=True, cache=True)
def _measure(
    offsets: Ints,
    homes: Floats,
    totals: Floats,
    back: float,
    far: float,
    rows: Rows,
    came: Ints,
    spans: Doubles,
) -> None:
    """Fill `spans` with limit + what the node before exceeds it by, as a share of all weight."""
    limit = max(1.0, far)
    more = max(back - limit, 0.0)
    if homes.size > 0:
        for i in range(rows.size):
            total = max(totals[max(rows[i], 0)], np.float32(1e-30))
            spans[i] = limit + more * homes[came[i]] / total
    else:
        for i in range(rows.size):
            row = max(rows[i], 0)
            spans[i] = limit + more / max(offsets[row + 1] - offsets[row], 1)


@njit(nogil=True, cache=True)
def _sort(
    back: float,
    far: float,
    before: Rows,
    found: Rows,
    levels: Doubles,
    going: Ints,
    asks: Ints,
    refused: Ints,
) -> tuple[int, int, int]:
    """List who goes back, whose candidate's edges must be looked at, and who is refused."""
    limit, sure = max(1.0, far), min(1.0, far)
    sure_home = min(back, limit)
    returning, asking, few = 0, 0, 0
    for i in range(found.size):
        there = found[i] >= 0
        home = found[i] == before[i]
        beyond = there & (levels[i] >= limit)
        open_ = there & (not beyond) & (levels[i] >= (sure_home if home else sure))
        going[returning] = i
        returning += beyond
        asks[asking] = i
        asking += open_ & (not home)
        refused[few] = i
        few += open_ & home
    return returning, asking, few


@njit(nogil=True, cache=True)
def _ask(
    edges: Hashes,
    far: float,
    before: Rows,
    found: Rows,
    asks: Ints,
    pairs: Hashes,
    refused: Ints,
    few: int,
) -> tuple[int, int]:
    """Bring those whom the filter does not send away to the front of `asks`; their number."""
    for j in range(asks.size):
        pairs[j] = edge_filter.pair(before[asks[j]], found[asks[j]])
        edge_filter.fetch(edges, pairs[j])
    likely = 0
    for j in range(asks.size):
        i = asks[j]
        maybe = edge_filter.may_hold(edges, pairs[j])
        asks[likely] = i
        likely += maybe
        refused[few] = i
        few += (not maybe) & (far < 1.0)
    return likely, few


@njit(nogil=True, cache=True)
def _search(
    offsets: Ints, neighbors: Rows, rows: Rows, others: Rows, asks: Ints, spare: Ints
) -> None:
    """Fill `spare[0]` with `first_not_below` of each asked pair, all searched in step."""
    place, size = spare[0], spare[1]
    widest = 0
    for j in range(asks.size):
        row = rows[asks[j]]
        place[j], size[j] = offsets[row], offsets[row + 1] - offsets[row]
        widest = max(widest, size[j])
    while widest > 1:
        for j in range(asks.size):
            half = size[j] >> 1
            last = place[j] + half - (half > 0)
            place[j] += half * (neighbors[last] < others[asks[j]])
            size[j] -= half
        widest -= widest >> 1
    for j in range(asks.size):
        place[j] += neighbors[place[j]] < others[asks[j]]


@njit(nogil=True, cache=True)
def _go_home(
    offsets: Ints,
    neighbors: Rows,
    mutual: bool,
    rows: Rows,
    before: Rows,
    going: Ints,
    found: Rows,
    came: Ints,
    places: Ints,
) -> None:
    for i in going:
        found[i] = before[i]
        places[i] = came[i]
        if not mutual:
            start, end = offsets[rows[i]], offsets[rows[i] + 1]
            places[i] = first_not_below(neighbors, start, end, before[i])
