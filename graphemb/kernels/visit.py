"""Who is visited most by the walks from a node."""

from __future__ import annotations

import numpy as np
from numba import njit

from graphemb.kernels import rng
from graphemb.kernels.csr import Floats, Ints, Rows
from graphemb.kernels.hash import Hashes


@njit(nogil=True, cache=True)
def make_keys(starts: Ints, walks: int, seed: int, keys: Hashes) -> None:
    """Fill `keys` uint64 [n * walks] with those of several walks from each start."""
    for place in range(starts.size):
        own = rng.make_key(seed, starts[place])
        for number in range(walks):
            keys[place * walks + number] = rng.draw(own, number)


@njit(nogil=True, cache=True)
def most_visited(visited: Rows, own: Ints, rows: Ints, shares: Floats, sizes: Ints) -> None:
    """The nodes that several walks from each start have visited most often.

    Args:
        visited: int [stops, n * walks], the walks of one start side by side; -1 is nobody.
        own: int64 [n], a row that does not count for each start, or -1.
        rows: int64 [n, top], filled with the most visited, ascending; the lower row where two
            are visited equally often.
        shares: float32 [n, top], filled with their shares of the visits to them together.
        sizes: int64 [n], filled with how many there are.
    """
    stops, starts, top = visited.shape[0], own.size, rows.shape[1]
    walks = visited.shape[1] // max(starts, 1)
    places = np.empty(stops * walks, np.int64)
    counts = np.empty(stops * walks, np.int64)
    for start in range(starts):
        for stop in range(stops):
            part = visited[stop, start * walks : (start + 1) * walks]
            places[stop * walks : (stop + 1) * walks] = part
        distinct = _count(places, own[start], counts)
        chosen = np.argsort(-counts[:distinct], kind="mergesort")[:top]
        chosen.sort()
        total = counts[chosen].sum()
        sizes[start] = chosen.size
        for place in range(chosen.size):
            rows[start, place] = places[chosen[place]]
            shares[start, place] = counts[chosen[place]] / total


@njit(nogil=True, cache=True)
def _count(places: Ints, own: int, counts: Ints) -> int:
    """Sort `places` and bring its distinct entries to the front, with their counts."""
    places.sort()
    distinct, before = 0, np.int64(-1)
    for place in places:
        if place < 0 or place == own:
            continue
        if place != before:
            places[distinct] = place
            counts[distinct] = 0
            distinct += 1
            before = place
        counts[distinct - 1] += 1
    return distinct
