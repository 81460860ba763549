"""Where positives stand among all candidates of their query: counting, never sorting candidates.

A block of scores is one row per query and one column per candidate. NaN means "not a candidate":
known positives are set to it, so every comparison with them is false. Columns below `boundary`
and those from it on are counted apart, which gives two strata for the price of one.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from numba import njit

from graphemb.kernels.order import ascending

Scores: TypeAlias = npt.NDArray[np.float32] | npt.NDArray[np.float64]
Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]

_FEW = 128
"""Up to so many positives one pass each is faster than a search per candidate."""


@njit(nogil=True, cache=True)
def hide_known(scores: Scores, first: int, offsets: Ints, columns: Ints, lo: int, hi: int) -> None:
    """Set NaN where a candidate is known; a score that was NaN before ranks behind all others.

    Row r of `scores` [b, n] is query `first + r`; its known columns are
    `columns[offsets[q]:offsets[q + 1]]`. Works on rows lo to hi, in place.
    """
    for row in range(lo, hi):
        line = scores[row]
        for column in range(line.size):
            if np.isnan(line[column]):
                line[column] = -np.inf
        query = first + row
        for place in range(offsets[query], offsets[query + 1]):
            line[columns[place]] = np.nan


@njit(nogil=True, cache=True)
def count_pass(line: Scores, value: float) -> tuple[int, int]:
    """How many scores are above `value`, and how many equal it."""
    above = np.int32(0)
    equal = np.int32(0)
    for column in range(line.size):
        above += np.int32(line[column] > value)
        equal += np.int32(line[column] == value)
    return int(above), int(equal)


@njit(nogil=True, cache=True)
def _number_below(values: Scores, score: float, equal: bool) -> int:
    """How many of ascending `values` are below `score`, or `equal` to it."""
    low, high = 0, values.size
    while low < high:
        middle = (low + high) >> 1
        if values[middle] < score or (equal and values[middle] == score):
            low = middle + 1
        else:
            high = middle
    return low


@njit(nogil=True, cache=True)
def count_search(line: Scores, values: Scores, above: Ints, equal: Ints) -> None:
    """As `count_pass` for ascending `values` [p] at once; fills `above` and `equal` int64 [p]."""
    size = values.size
    over = np.zeros(size + 1, np.int64)
    reach = np.zeros(size + 1, np.int64)
    lowest = values[0]
    for column in range(line.size):
        score = line[column]
        if score >= lowest:
            over[_number_below(values, score, False)] += 1
            reach[_number_below(values, score, True)] += 1
    total, met = 0, 0
    for place in range(size - 1, -1, -1):
        total += over[place + 1]
        met += reach[place + 1]
        above[place] = total
        equal[place] = met - total


@njit(nogil=True, cache=True)
def place_block(
    scores: Scores,
    first: int,
    offsets: Ints,
    columns: Ints,
    boundary: int,
    out: Ints,
    lo: int,
    hi: int,
) -> None:
    """Count the candidates above and beside each positive of rows lo to hi.

    Args:
        scores: [b, n] after `hide_known`; positives are not hidden.
        first: query number of row 0.
        offsets, columns: the positives of each query.
        boundary: the first column of the second stratum; 0 or n for one stratum.
        out: int64 [positives, 4], filled: above and tied among all candidates, above and tied
            within the positive's own stratum. `tied` counts the positive itself.
    """
    width = scores.shape[1]
    for row in range(lo, hi):
        start, end = offsets[first + row], offsets[first + row + 1]
        count = end - start
        if count == 0:
            continue
        line = scores[row]
        values, given = np.empty(count, scores.dtype), np.empty(count, scores.dtype)
        for place in range(count):
            given[place] = line[columns[start + place]]
        order = np.empty(count, np.int64)
        ascending(given, order, np.empty(count, np.int64))
        for place in range(count):
            values[place] = given[order[place]]
        above = np.zeros((2, count), np.int64)
        equal = np.zeros((2, count), np.int64)
        for stratum in range(2):
            part = line[:boundary] if stratum == 0 else line[boundary:width]
            if count <= _FEW:
                for place in range(count):
                    found = count_pass(part, values[place])
                    above[stratum, place] = found[0]
                    equal[stratum, place] = found[1]
            else:
                count_search(part, values, above[stratum], equal[stratum])
        for place in range(count):
            at = start + order[place]
            own = 0 if columns[at] < boundary else 1
            out[at, 0] = above[0, place] + above[1, place]
            out[at, 1] = equal[0, place] + equal[1, place]
            out[at, 2] = above[own, place]
            out[at, 3] = equal[own, place]


@njit(nogil=True, cache=True)
def count_candidates(scores: Scores, out: Ints, first: int, lo: int, hi: int) -> None:
    """`out[first + r]` = columns of row r that are not hidden."""
    for row in range(lo, hi):
        line = scores[row]
        count = np.int32(0)
        for column in range(line.size):
            count += np.int32(line[column] == line[column])
        out[first + row] = count


@njit(nogil=True, cache=True)
def late_share(
    scores: Scores, boundary: int, k: int, out: Floats, first: int, lo: int, hi: int
) -> None:
    """`out[first + r]` = share of columns from `boundary` on in row r's best k.

    Candidates tied at the k-th place count by their chance to be in.
    """
    best = np.empty(k, np.float64)
    for row in range(lo, hi):
        line = scores[row]
        best[:] = -np.inf
        filled = 0
        for column in range(line.size):
            score = line[column]
            if np.isnan(score) or (filled == k and score <= best[0]):
                continue
            place = 0
            while place + 1 < k and best[place + 1] < score:
                best[place] = best[place + 1]
                place += 1
            best[place] = score
            filled = min(filled + 1, k)
        if filled == 0:
            out[first + row] = np.nan
            continue
        edge = best[k - filled]
        above, late_above, tied, late_tied = 0, 0, 0, 0
        for column in range(line.size):
            if line[column] > edge:
                above += 1
                late_above += column >= boundary
            elif line[column] == edge:
                tied += 1
                late_tied += column >= boundary
        out[first + row] = (late_above + (filled - above) * late_tied / tied) / filled


@njit(nogil=True, cache=True)
def first_place(above: Ints, tied: Ints, offsets: Ints, k: int, hit: Floats, mrr: Floats) -> None:
    """Per query the chance that a positive is in the best k, and the mean of 1 / best place.

    Every order of tied candidates is as likely as any other. Positives with the same `above` are
    tied with each other. Fills `hit` and `mrr` float64 [queries]; NaN without positives.
    """
    for query in range(offsets.size - 1):
        start, end = offsets[query], offsets[query + 1]
        hit[query], mrr[query] = np.nan, np.nan
        if start == end:
            continue
        best, members = start, np.int64(0)
        for place in range(start, end):
            if above[place] < above[best]:
                best, members = place, np.int64(0)
            members += above[place] == above[best]
        ahead, size = above[best], tied[best]
        hit[query] = 1.0 - chance_outside(int(size), int(members), k - ahead)
        mrr[query] = mean_reciprocal(ahead, int(size), int(members))


@njit(nogil=True, cache=True)
def chance_outside(size: int, members: int, slots: int) -> float:
    """Chance that none of `members` among `size` shuffled is in the first `slots`."""
    if slots <= 0:
        return 1.0
    chance = 1.0
    for member in range(members):
        chance *= max(0.0, (size - slots - member) / (size - member))
    return chance


@njit(nogil=True, cache=True)
def mean_reciprocal(ahead: int, size: int, members: int) -> float:
    """Mean of 1 / (ahead + place) of the first of `members` among `size` shuffled."""
    total, left = 0.0, 1.0
    for place in range(1, size - members + 2):
        chance = members / (size - place + 1)
        total += left * chance / (ahead + place)
        left *= 1.0 - chance
        if left < 1e-15:
            break
    return total
