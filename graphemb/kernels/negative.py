"""Drawing negatives for given pairs: from a window of candidates, by weight, or by short walks.

Draw `d` of pair `i` depends on the key and on (i, d) alone, so neither threads nor the number of
pairs change it. A draw that is a known positive is drawn again, up to a limit.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from numba import njit

from graphemb.kernels import rng

Ints: TypeAlias = npt.NDArray[np.int64]
Rows: TypeAlias = npt.NDArray[np.int32 | np.int64]
Doubles: TypeAlias = npt.NDArray[np.float64]

TRIES = 64
CLASHES, STRAYED, KEPT = 0, 1, 2
"""Columns of a tally: positives drawn and drawn again, draws from everywhere, positives kept."""


@njit(nogil=True, cache=True)
def is_known(offsets: Rows, columns: Rows, row: int, column: int) -> bool:
    """Whether `column` is in the ascending `columns[offsets[row]:offsets[row + 1]]`."""
    low, end = offsets[row], offsets[row + 1]
    high = end
    while low < high:
        middle = (low + high) // 2
        if columns[middle] < column:
            low = middle + 1
        else:
            high = middle
    return bool(low < end and columns[low] == column)


@njit(nogil=True, cache=True)
def mark_known(
    rows: Ints,
    offsets: Rows,
    columns: Rows,
    first: Ints,
    following: Ints,
    marks: npt.NDArray[np.bool_],
) -> None:
    """Set `marks` bool [n, m] where the candidate of a place is known to a row of `rows` [n].

    Args:
        offsets, columns: what is known of each row.
        first: int64 [width], the first place of each candidate, -1 where it has none.
        following: int64 [m], the next place of the same candidate, -1 after the last.
    """
    for number in range(rows.size):
        for edge in range(offsets[rows[number]], offsets[rows[number] + 1]):
            place = first[columns[edge]]
            while place >= 0:
                marks[number, place] = True
                place = following[place]


@njit(nogil=True, cache=True)
def chain(candidates: Ints, first: Ints, following: Ints) -> None:
    """Fill `first` and `following` of `mark_known`; all of `first` is -1 before."""
    for place in range(candidates.size - 1, -1, -1):
        following[place] = first[candidates[place]]
        first[candidates[place]] = place


@njit(nogil=True, cache=True)
def from_anywhere(
    key: np.uint64, count: int, width: int, offsets: Rows, columns: Rows, row: int
) -> int:
    """A column that is not known, the first from a random one on; -1 when all are known."""
    start = rng.below(rng.draw(key, count), width)
    for step in range(width):
        column = (start + step) % width
        if not is_known(offsets, columns, row, column):
            return int(column)
    return -1


@njit(nogil=True, cache=True)
def settle(
    found: int,
    key: np.uint64,
    width: int,
    offsets: Rows,
    columns: Rows,
    row: int,
    tally: Ints,
) -> int:
    """What a pair gets when its tries ran out: any column not known, else what was found."""
    other = from_anywhere(key, TRIES, width, offsets, columns, row)
    if other >= 0:
        tally[STRAYED] += 1
        return other
    tally[KEPT] += 1
    return max(found, 0)


@njit(nogil=True, cache=True)
def from_window(
    key: np.uint64,
    src: Ints,
    window: tuple[Ints, Ints, Ints],
    offsets: Rows,
    columns: Rows,
    avoid: bool,
    out: Ints,
    tally: Ints,
) -> None:
    """Fill `out` int64 [n, num]: uniform draws from `order[low[i]:high[i]]` for pair i.

    Args:
        window: `order` int64 [width], all candidates; `low` and `high` int64 [n].
        offsets, columns: known positives of each source, ascending.
        avoid: draw again when a positive comes; else it is counted as kept.
        tally: int64 [3], added to.
    """
    order, low, high = window
    for pair in range(src.size):
        for place in range(out.shape[1]):
            stream = rng.make_key(key, pair * out.shape[1] + place)
            size = high[pair] - low[pair]
            found = -1
            for count in range(TRIES if avoid else 1):
                column = order[low[pair] + rng.below(rng.draw(stream, count), size)]
                if not is_known(offsets, columns, src[pair], column):
                    found = -2
                    break
                found = column
                tally[CLASHES] += avoid
            if found >= 0 and avoid:
                column = settle(found, stream, order.size, offsets, columns, src[pair], tally)
            elif found >= 0:
                tally[KEPT] += 1
            out[pair, place] = column


@njit(nogil=True, cache=True)
def by_weight(
    key: np.uint64,
    src: Ints,
    cumulated: Doubles,
    offsets: Rows,
    columns: Rows,
    avoid: bool,
    out: Ints,
    tally: Ints,
) -> None:
    """As `from_window`, with chances in proportion to weights; `cumulated` float64 [width]."""
    total = cumulated[-1]
    for pair in range(src.size):
        for place in range(out.shape[1]):
            stream = rng.make_key(key, pair * out.shape[1] + place)
            found = -1
            for count in range(TRIES if avoid else 1):
                level = rng.unit(rng.draw(stream, count)) * total
                column = min(np.searchsorted(cumulated, level, side="right"), cumulated.size - 1)
                if not is_known(offsets, columns, src[pair], column):
                    found = -2
                    break
                found = column
                tally[CLASHES] += avoid
            if found >= 0 and avoid:
                column = settle(found, stream, cumulated.size, offsets, columns, src[pair], tally)
            elif found >= 0:
                tally[KEPT] += 1
            out[pair, place] = column


@njit(nogil=True, cache=True)
def step(key: np.uint64, count: int, offsets: Rows, columns: Rows, row: int) -> int:
    """A random neighbour of `row`, or -1."""
    size = offsets[row + 1] - offsets[row]
    if size == 0:
        return -1
    return int(columns[offsets[row] + rng.below(rng.draw(key, count), size)])


@njit(nogil=True, cache=True)
def by_walk(
    key: np.uint64,
    src: Ints,
    ways: tuple[Rows, Rows, Rows, Rows],
    hops: int,
    offsets: Rows,
    columns: Rows,
    avoid: bool,
    out: Ints,
    tally: Ints,
) -> None:
    """As `from_window`, by short walks from the source.

    Args:
        ways: offsets and columns of the training edges from source to candidate, and back.
        hops: 3 (there, back, there) between two node types, 2 within one.
    """
    there_offsets, there_columns, back_offsets, back_columns = ways
    width = back_offsets.size - 1
    for pair in range(src.size):
        for place in range(out.shape[1]):
            stream = rng.make_key(key, pair * out.shape[1] + place)
            found = -1
            column = -1
            for count in range(TRIES if avoid else 1):
                column = step(stream, 3 * count, there_offsets, there_columns, src[pair])
                if column >= 0 and hops == 3:
                    column = step(stream, 3 * count + 1, back_offsets, back_columns, column)
                if column >= 0:
                    column = step(stream, 3 * count + 2, there_offsets, there_columns, column)
                if column < 0:
                    break
                if not is_known(offsets, columns, src[pair], column):
                    found = -2
                    break
                found = column
                tally[CLASHES] += avoid
            if found != -2 and (avoid or column < 0):
                column = settle(found, stream, width, offsets, columns, src[pair], tally)
            elif found >= 0:
                tally[KEPT] += 1
            out[pair, place] = column
