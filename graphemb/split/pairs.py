"""The distinct pairs of nodes that edges join, and the edges of given pairs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from graphemb.graph import Adjacency
from graphemb.graph.fingerprint import hash_column
from graphemb.ids import Ids
from graphemb.kernels.hash import combine
from graphemb.kernels.pair import mark_edges
from graphemb.split.rule import HeldOut
from graphemb.types import BoolArray, IntArray, RowArray

_PAIR = np.uint64(29)


@dataclass(frozen=True, eq=False)
class Pairs:
    """Distinct pairs of one edge type.

    Attributes:
        held: the pairs, with the time of each one's first edge.
        of_edge: int64 [m], the pair of each edge in the adjacency's order; -1 for a self loop.
    """

    held: HeldOut
    of_edge: IntArray

    def __len__(self) -> int:
        return len(self.held)


def distinct_pairs(adjacency: Adjacency, *, unordered: bool, loops: bool) -> Pairs:
    """All pairs joined by an edge, self loops left out unless `loops`.

    Args:
        unordered: between nodes of one type, (a, b) and (b, a) are one pair, kept as (min, max).
        loops: the ends are of different types, so equal rows mean nothing.
    """
    src = adjacency.sources().astype(np.int64)
    dst = adjacency.neighbors.astype(np.int64)
    real = np.ones(src.size, np.bool_) if loops else src != dst
    of_edge = np.full(src.size, -1, np.int64)
    if unordered:
        low, high = np.minimum(src, dst)[real], np.maximum(src, dst)[real]
        width = max(adjacency.num_dst, 1)
        keys, of_edge[real] = np.unique(low * width + high, return_inverse=True)
        src, dst = keys // width, keys % width
    else:  # the edges are in this order already
        first = adjacency.distinct() & real
        of_edge[real] = (np.cumsum(first) - 1)[real]
        src, dst = src[first], dst[first]
    time = None
    if adjacency.times is not None:
        time = np.full(src.size, np.iinfo(np.int64).max)
        np.minimum.at(time, of_edge[real], adjacency.times[real])
    return Pairs(HeldOut(src, dst, time), of_edge)


def edges_of(adjacency: Adjacency, pairs: HeldOut, *, reverse: bool) -> BoolArray:
    """bool [m]: the edges that join one of the pairs.

    Args:
        reverse: an edge from a pair's dst to its src counts too (nodes of one type).
    """
    marks = np.zeros(adjacency.num_edges, np.bool_)
    ends = [(pairs.src, pairs.dst), (pairs.dst, pairs.src)]
    for src, dst in ends if reverse else ends[:1]:
        mark_edges(adjacency.offsets, adjacency.neighbors, src, dst, marks)
    return marks


def find_pairs(
    src: RowArray, dst: RowArray, pairs: HeldOut, num_dst: int, reverse: bool
) -> BoolArray:
    """bool [n]: whether (src[i], dst[i]) is one of the pairs, or also one reversed."""
    wanted = pairs.src * num_dst + pairs.dst
    if reverse:
        wanted = np.concatenate([wanted, pairs.dst * num_dst + pairs.src])
    wanted = np.unique(wanted)
    keys = src.astype(np.int64) * num_dst + dst
    if not wanted.size:
        return np.zeros(keys.size, np.bool_)
    places = np.minimum(np.searchsorted(wanted, keys), wanted.size - 1)
    return np.asarray(wanted[places] == keys)


def id_keys(ids: Ids, seed: int) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    """uint64 [n]: a random number per id, the same wherever the id stands."""
    return hash_column(ids.array, np.uint64(0x5851F42D4C957F2D) ^ np.uint64(seed))


def pair_order(pairs: HeldOut, src_ids: Ids, dst_ids: Ids, seed: int) -> IntArray:
    """int64 [n]: the pairs shuffled by the seed; depends on their ids, not on rows."""
    keys = id_keys(src_ids, seed)[pairs.src]
    other = id_keys(dst_ids, seed)[pairs.dst]
    if src_ids is dst_ids:
        keys, other = np.minimum(keys, other), np.maximum(keys, other)
    combine(keys, other, _PAIR)
    return np.argsort(keys, kind="stable").astype(np.int64)
