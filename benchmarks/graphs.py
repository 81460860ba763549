"""Seeded test graphs with a known answer: Chung-Lu power laws with planted communities.

G1 has 100,000 nodes and about a million undirected edges, G2 ten times as many. Degrees follow a
power law (gamma 2.5), 70 % of the edges stay inside one of 64 (256) communities, and 2 % of the
edges are held out for link prediction.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from graphemb import EdgeType, HeteroGraph

LINKS = EdgeType("node", "links", "node")


@dataclass(frozen=True)
class GraphSize:
    """What a planted graph is made from.

    Attributes:
        num_nodes: nodes.
        num_draws: edges drawn; loops and doubles are then removed.
        num_communities: planted communities.
        inside: share of the edges drawn inside a community.
        max_degree: expected degree of the largest hub.
    """

    num_nodes: int
    num_draws: int
    num_communities: int
    inside: float = 0.7
    max_degree: int = 1_900
    gamma: float = 2.5
    held_out: float = 0.02


SIZES = {
    "G0": GraphSize(5_000, 50_000, 16, max_degree=300),
    "G1": GraphSize(100_000, 1_053_000, 64, max_degree=3_200),
    "G2": GraphSize(1_000_000, 10_342_000, 256, max_degree=14_500),
}


@dataclass(frozen=True, eq=False)
class Planted:
    """A graph with its answer.

    Attributes:
        graph: the training graph, one node type `node`, one edge type `LINKS`.
        held_out: int64 [h, 2], undirected edges left out of the graph.
        communities: int64 [n], the planted community of each node.
    """

    graph: HeteroGraph
    held_out: npt.NDArray[np.int64]
    communities: npt.NDArray[np.int64]


def planted(size: GraphSize, seed: int = 0) -> Planted:
    """A Chung-Lu graph: an edge's ends are drawn by weight, most of them in one community."""
    edges, communities = planted_edges(size, seed)
    rng = np.random.default_rng([seed, 1])
    out = rng.random(len(edges)) < size.held_out
    kept = edges[~out]
    graph = HeteroGraph.from_tables(
        {"node": {"id": np.arange(size.num_nodes)}}, {LINKS: {"src": kept[:, 0], "dst": kept[:, 1]}}
    )
    return Planted(graph, edges[out], communities)


def planted_edges(
    size: GraphSize, seed: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """int64 [m, 2] distinct undirected edges without loops, and int64 [n] communities."""
    rng = np.random.default_rng([seed, 0])
    weights = _power_law(size)
    communities = rng.integers(0, size.num_communities, size.num_nodes)
    src = _draw(weights, size.num_draws, rng)
    dst = _draw(weights, size.num_draws, rng)
    order = np.argsort(communities, kind="stable")
    sums = np.concatenate([[0.0], np.cumsum(weights[order])])
    starts = np.searchsorted(communities[order], np.arange(size.num_communities + 1))
    inside = np.flatnonzero(rng.random(size.num_draws) < size.inside)
    home = communities[src[inside]]
    low, high = sums[starts[home]], sums[starts[home + 1]]
    places = np.searchsorted(sums, low + rng.random(inside.size) * (high - low), side="right") - 1
    dst[inside] = order[np.clip(places, 0, size.num_nodes - 1)]
    ends = np.sort(np.stack([src, dst], axis=1), axis=1)
    ends = ends[ends[:, 0] != ends[:, 1]]
    keys = np.unique(ends[:, 0] * size.num_nodes + ends[:, 1])
    keys = rng.permutation(keys)
    return np.stack([keys // size.num_nodes, keys % size.num_nodes], axis=1), communities


def _power_law(size: GraphSize) -> npt.NDArray[np.float64]:
    """Expected degrees of a power law, cut at `max_degree`, in random order of nodes."""
    ranks = np.arange(1, size.num_nodes + 1, dtype=np.float64)
    weights = ranks ** (-1.0 / (size.gamma - 1.0))
    weights *= 2.0 * size.num_draws / weights.sum()
    weights = np.minimum(weights, size.max_degree)
    return np.random.default_rng(size.num_nodes).permutation(weights)


def _draw(
    weights: npt.NDArray[np.float64], count: int, rng: np.random.Generator
) -> npt.NDArray[np.int64]:
    sums = np.cumsum(weights)
    drawn: npt.NDArray[np.int64] = np.searchsorted(sums, rng.random(count) * sums[-1], side="right")
    return drawn
