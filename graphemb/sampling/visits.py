"""`visits`: whom short walks from a node visit most, and how often; PinSage's neighbourhoods."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from graphemb.checks import check_int
from graphemb.errors import ConfigError
from graphemb.graph import Adjacency, HeteroGraph
from graphemb.graph.adjacency import row_dtype
from graphemb.kernels import visit, walk
from graphemb.kernels.walk import Links
from graphemb.linalg import over_rows
from graphemb.types import EdgeType, IntArray, RowArray, check_metapath
from graphemb.walks.walker import links_of

_WALKERS = 8192
"""Walks that are under way together."""


def visits(
    graph: HeteroGraph,
    metapath: Sequence[EdgeType],
    *,
    walks: int = 100,
    turns: int = 2,
    top: int = 20,
    seed: int = 0,
    threads: int | None = None,
) -> Adjacency:
    """Importance neighbourhoods: for every node those that walks from it end at most often.

    As in PinSage (Ying et al. 2018): the weight of a neighbour is its share of the visits to the
    `top` most visited. Differs in that walks have `turns` turns instead of ending by chance, and
    draw by edge weight where there are weights. A node is no neighbour of itself, and one from
    which no walk ends anywhere has none.

    Args:
        metapath: edge types to walk along, `product-~buys-user, user-buys-product` for instance;
            where it ends, a visit counts.
        walks: from each node.
        turns: times that a walk goes along the metapath; above 1 it must end where it starts.
        top: neighbours of a node, at most.
        seed: of the walks; the same neighbourhoods at any number of threads.
        threads: at most; None: one per core.

    Returns:
        CSR of the edge type (start of the metapath, `visits`, its end), weights adding up to 1
        in every row.

    Raises:
        UnknownName: an edge type that is not in the graph.
        ConfigError: a number out of range, or a metapath that cannot be.
    """
    path = check_metapath(metapath)
    check_int("walks", walks, low=1)
    check_int("turns", turns, low=1)
    check_int("top", top, low=1)
    check_int("seed", seed, low=0)
    source, target = path[0].src, path[-1].dst
    if turns > 1 and source != target:
        raise ConfigError(
            f"a metapath from {source} to {target} can be gone only once",
            field="turns",
            value=turns,
        )
    parts = [graph[edge_type] for edge_type in path]
    hops = [links_of(part.offsets, part.neighbors, part.weights) for part in parts]
    size = graph.num_nodes(source)
    rows, sizes = np.zeros((size, top), np.int64), np.zeros(size, np.int64)
    shares = np.zeros((size, top), np.float32)

    def run(low: int, high: int) -> None:
        block = max(_WALKERS // walks, 1)
        for first in range(low, high, block):
            starts = np.arange(first, min(first + block, high), dtype=np.int64)
            stops = _stops(hops, starts, walks, turns, seed)
            own = starts if source == target else np.full(starts.size, -1, np.int64)
            part = slice(first, first + starts.size)
            visit.most_visited(stops, own, rows[part], shares[part], sizes[part])

    over_rows(run, np.arange(size + 1) * walks, threads=threads)
    kept = np.arange(top) < sizes[:, None]
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    num = graph.num_nodes(target)
    neighbors: RowArray = rows[kept].astype(row_dtype(num))
    return Adjacency(EdgeType(source, "visits", target), num, offsets, neighbors, shares[kept])


def _stops(hops: list[Links], starts: IntArray, walks: int, turns: int, seed: int) -> RowArray:
    """int [turns, starts * walks]: where the walks from each start are after each turn."""
    dtype = max(links.neighbors.dtype for links in hops)
    now = np.repeat(starts, walks).astype(dtype)
    keys = np.empty(now.size, np.uint64)
    visit.make_keys(starts, walks, seed, keys)
    stops = np.empty((turns, now.size), dtype)
    for turn in range(turns):
        for number, links in enumerate(hops):
            out = np.empty_like(now)
            walk.advance(links, now, keys, turn * len(hops) + number, out)
            now = out
        stops[turn] = now
    return stops
