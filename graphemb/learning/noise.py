"""Negatives of one edge type: drawn, given by the user, or hard by short walks."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from graphemb.errors import GraphError
from graphemb.graph import Adjacency
from graphemb.kernels import negative, rng
from graphemb.learning.fields import LinkFields
from graphemb.learning.positives import Positives
from graphemb.linalg import DoubleArray
from graphemb.types import BoolArray, EdgeType, FloatArray, IntArray

_WALKS = 200
_RETURN = 0.5
"""Walks from each source for `ppr`, and the chance that one ends after a hop there."""
_SOURCES = 4096


class Noise:
    """What is not joined to a source: candidates are all nodes of the target's type.

    Known positives are the training edges; between nodes of one type also their reverses, and a
    node is no candidate for itself.
    """

    def __init__(self, positives: Positives, edge_type: EdgeType, fields: LinkFields) -> None:
        adjacency = positives.graph[edge_type]
        known = adjacency.to_scipy()
        if edge_type.src == edge_type.dst:
            known = known + known.T + sparse.eye_array(adjacency.num_dst, dtype=np.float32)
        self.known = sparse.csr_matrix(known)
        self.known.sort_indices()
        self.width = adjacency.num_dst
        degrees = np.bincount(adjacency.neighbors, minlength=self.width).astype(np.float64)
        self.share: FloatArray = (degrees / max(degrees.sum(), 1.0)).astype(np.float32)
        self._total: DoubleArray | None = None
        if fields.negative_exponent:
            chances = np.where(degrees > 0, np.maximum(degrees, 1) ** fields.negative_exponent, 0)
            self._total = np.cumsum(chances)
        self._given = positives.given.get(edge_type)
        self._near: IntArray | None = None
        if fields.num_hard and fields.hard == "ppr":
            self._near = by_walks(adjacency, self.known, *fields.hard_window, seed=fields.seed)

    def own(self, rows: IntArray, num: int, key: int) -> IntArray:
        """int64 [len(rows), num]: candidates that are not joined to their source."""
        out = np.zeros((rows.size, num), np.int64)
        tally = np.zeros(3, np.int64)
        known = (self.known.indptr, self.known.indices)
        rows, bits = np.ascontiguousarray(rows, np.int64), np.uint64(key)
        if self._total is not None:
            negative.by_weight(bits, rows, self._total, *known, True, out, tally)
        else:
            order = np.arange(self.width, dtype=np.int64)
            low, high = np.zeros(rows.size, np.int64), np.full(rows.size, self.width, np.int64)
            negative.from_window(bits, rows, (order, low, high), *known, True, out, tally)
        return out

    def shared(self, num: int, generator: np.random.Generator) -> IntArray:
        """int64 [num]: candidates for everybody."""
        levels = generator.random(num)
        if self._total is None:
            return (levels * self.width).astype(np.int64)
        places = np.searchsorted(self._total, levels * self._total[-1], side="right")
        return np.asarray(np.minimum(places, self.width - 1), np.int64)

    def chances(self, nodes: IntArray) -> FloatArray:
        """float32 [len(nodes)]: how likely `shared` draws each."""
        if self._total is None:
            return np.full(nodes.size, 1.0 / self.width, np.float32)
        chances = np.diff(self._total, prepend=0.0)[nodes] / self._total[-1]
        return np.asarray(chances, np.float32)

    def joined(self, rows: IntArray, columns: IntArray) -> BoolArray:
        """bool [len(rows), len(columns)]: which of the shared candidates are known positives."""
        marks = np.zeros((rows.size, columns.size), np.bool_)
        if columns.size:
            first = np.full(self.width, -1, np.int64)
            following = np.empty(columns.size, np.int64)
            negative.chain(columns, first, following)
            known = (self.known.indptr, self.known.indices)
            negative.mark_known(rows, *known, first, following, marks)
        return marks

    def given(self, rows: IntArray, num: int, generator: np.random.Generator) -> IntArray:
        """int64 [len(rows), num]: what the user gave for each source, -1 where nothing."""
        if self._given is None:
            return np.full((rows.size, 0), -1, np.int64)
        offsets, targets = self._given.offsets, self._given.neighbors
        size = (offsets[rows + 1] - offsets[rows])[:, None]
        places = (generator.random((rows.size, num)) * size).astype(np.int64)
        return _taken(targets, offsets[rows][:, None] + places, size > 0)

    def near(self, rows: IntArray, num: int, generator: np.random.Generator) -> IntArray:
        """int64 [len(rows), num]: hard ones by walks, -1 where there are none."""
        if self._near is None or num == 0:
            return np.full((rows.size, 0), -1, np.int64)
        pool = self._near[rows]
        size = (pool >= 0).sum(axis=1, keepdims=True)
        places = (generator.random((rows.size, num)) * size).astype(np.int64)
        return np.asarray(np.take_along_axis(pool, places, axis=1))


def _taken(targets: Any, places: IntArray, there: BoolArray) -> IntArray:
    """`targets[places]`, and -1 where not `there`."""
    if not targets.size:
        return np.full(places.shape, -1, np.int64)
    found = targets[np.minimum(places, targets.size - 1)].astype(np.int64)
    return np.where(there, found, -1)


def by_walks(adjacency: Adjacency, known: Any, first: int, last: int, *, seed: int) -> IntArray:
    """Candidates in a window of ranks by personalised PageRank, for every source.

    PageRank is estimated by walks of random length there and back along the edges (Fogaras et
    al. 2005). Known positives are left out before ranking.

    Returns:
        int64 [num_src, last - first], best first, -1 where walks reached fewer.

    Raises:
        GraphError: too many candidates to number pairs of a block.
    """
    width = adjacency.num_dst
    if width * _SOURCES >= 2**62:
        raise GraphError("too many candidates for hard negatives by walks", value=width)
    back = adjacency.reversed()
    out = np.full((adjacency.num_src, last - first), -1, np.int64)
    for start in range(0, adjacency.num_src, _SOURCES):
        rows = np.arange(start, min(start + _SOURCES, adjacency.num_src))
        generator = np.random.default_rng([seed, start, 17])
        ends, walkers = _ends(adjacency, back, rows, generator)
        keys, counts = np.unique((walkers - start) * width + ends, return_counts=True)
        local, column = keys // width, keys % width
        part = known[rows]
        taken = np.repeat(np.arange(rows.size), np.diff(part.indptr)) * width + part.indices
        new = ~np.isin(keys, taken, assume_unique=True)
        local, column, counts = local[new], column[new], counts[new]
        order = np.lexsort((column, -counts, local))
        local, column = local[order], column[order]
        size = np.bincount(local, minlength=rows.size)
        rank = np.arange(local.size) - np.repeat(np.cumsum(size) - size, size)
        inside = (rank >= first) & (rank < last)
        out[start + local[inside], rank[inside] - first] = column[inside]
    return out


def _ends(
    there: Adjacency, back: Adjacency, rows: IntArray, generator: np.random.Generator
) -> tuple[IntArray, IntArray]:
    """Where the walks from `rows` are after each hop there, and whose walks they are."""
    at = walkers = np.repeat(rows, _WALKS)
    found, owners = [], []
    while at.size:
        at, walkers = _hop(there, at, walkers, generator)
        found.append(at)
        owners.append(walkers)
        on = generator.random(at.size) >= _RETURN
        at, walkers = _hop(back, at[on], walkers[on], generator)
    return np.concatenate(found), np.concatenate(owners)


def _hop(
    ways: Adjacency, at: IntArray, walkers: IntArray, generator: np.random.Generator
) -> tuple[IntArray, IntArray]:
    size = ways.offsets[at + 1] - ways.offsets[at]
    places = ways.offsets[at] + (generator.random(at.size) * size).astype(np.int64)
    stay = size > 0
    return ways.neighbors[places[stay]].astype(np.int64), walkers[stay]


def draw_key(seed: int, *streams: int) -> int:
    """A key for the draws of one epoch, step and edge type."""
    key = seed
    for stream in streams:
        key = int(rng.make_key(np.uint64(key), np.uint64(stream)))
    return key
