"""Sequences of rows, one after the other: packing walks, gathering, counting, context pairs."""

from __future__ import annotations

from numba import njit

from graphemb.kernels.csr import Ints, Rows
from graphemb.kernels.rng import below, draw, make_key


@njit(nogil=True, cache=True)
def pack(walks: Rows, shifts: Ints, tokens: Rows, lengths: Ints) -> int:
    """Write walks int [length, walkers] one after the other, without what comes after their ends.

    Args:
        shifts: int64 [length], added to the rows of each step.
        tokens: filled, as far as the value returned.
        lengths: int64 [walkers], filled.
    """
    count = 0
    for walker in range(walks.shape[1]):
        start = count
        for step in range(walks.shape[0]):
            row = walks[step, walker]
            if row < 0:
                break
            tokens[count] = row + shifts[step]
            count += 1
        lengths[walker] = count - start
    return count


@njit(nogil=True, cache=True)
def count_rows(tokens: Rows, lengths: Ints, counts: Ints) -> None:
    """Add to `counts` int64 [N] how often each row stands in a walk of two nodes or more."""
    place = 0
    for length in lengths:
        if length > 1:
            for token in tokens[place : place + length]:
                counts[token] += 1
        place += length


@njit(nogil=True, cache=True)
def gather(rows: Rows, offsets: Ints, order: Ints, tokens: Rows) -> None:
    """Fill `tokens` with the sequences number `order[0]`, `order[1]`, ... of a corpus."""
    count = 0
    for number in order:
        for place in range(offsets[number], offsets[number + 1]):
            tokens[count] = rows[place]
            count += 1


@njit(nogil=True, cache=True)
def reaches(offsets: Ints, radius: int, seed: int, out: Ints) -> int:
    """Fill `out` int64 [tokens] with each center's reach; the number of pairs.

    Args:
        seed: each reach is drawn from 1 to `radius`; below 0: all are `radius`.
    """
    pairs = 0
    for number in range(offsets.size - 1):
        start, end = offsets[number], offsets[number + 1]
        for place in range(start, end):
            reach = radius
            if seed >= 0:
                reach = 1 + below(draw(make_key(seed, number), place - start), radius)
            out[place] = reach
            pairs += min(place - start, reach) + min(end - 1 - place, reach)
    return pairs


@njit(nogil=True, cache=True)
def pairs(rows: Rows, offsets: Ints, reach: Ints, centers: Rows, contexts: Rows) -> None:
    """Fill `centers` and `contexts` [pairs]: each token with those within its reach."""
    count = 0
    for number in range(offsets.size - 1):
        start, end = offsets[number], offsets[number + 1]
        for place in range(start, end):
            for other in range(
                max(start, place - reach[place]), min(end, place + reach[place] + 1)
            ):
                if other != place:
                    centers[count], contexts[count] = rows[place], rows[other]
                    count += 1
