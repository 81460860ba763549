"""Positives: the edges to learn from, and those held back to tell when to stop."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from graphemb.graph import Adjacency, HeteroGraph
from graphemb.graph.edit import with_masks
from graphemb.graph.homogeneous import chosen_weights
from graphemb.learning.fields import LinkFields
from graphemb.split import HeldOut
from graphemb.split.pairs import distinct_pairs, edges_of, pair_order
from graphemb.types import BoolArray, EdgeType, IntArray, NodeType


@dataclass(frozen=True, eq=False)
class Positives:
    """The edges of some types, numbered one type after the other; self loops are left out.

    Attributes:
        graph: without what was held back: what may carry messages.
        weights: of each edge type in the loss.
        edges: per edge type int64 [m], places in `graph[edge_type]`.
        held: per edge type the pairs held back; no edge of `graph` joins them.
        given: per edge type the edges that the user gives as negatives; not in `graph`.
    """

    graph: HeteroGraph
    weights: Mapping[EdgeType, float]
    edges: Mapping[EdgeType, IntArray]
    held: Mapping[EdgeType, HeldOut]
    given: Mapping[EdgeType, Adjacency]

    @classmethod
    def of(cls, graph: HeteroGraph, fields: LinkFields) -> Positives:
        """Hold back a share of the pairs of every chosen edge type.

        Raises:
            UnknownName: an edge type that is not in the graph.
            ConfigError: nothing is chosen, or a weight that cannot be.
        """
        given = {name: graph[other] for name, other in (fields.negative_edges or {}).items()}
        apart = {adjacency.edge_type.stored for adjacency in given.values()}
        if apart:
            graph = graph.select([name for name in graph.edge_types if name not in apart])
        weights = chosen_weights(fields.edge_types, graph.edge_types)
        for edge_type in [*weights, *given]:
            graph[edge_type]  # refuses one that is not there
        held = {}
        for edge_type in dict.fromkeys(chosen.stored for chosen in weights):
            graph, held[edge_type] = _without_last(graph, edge_type, fields.valid, fields.seed)
        turned = {
            chosen: _turned(held[chosen.stored]) if chosen.is_reverse else held[chosen]
            for chosen in weights
        }
        edges = {edge_type: _no_loops(graph, edge_type) for edge_type in weights}
        return cls(graph, weights, edges, turned, given)

    def __len__(self) -> int:
        return sum(edges.size for edges in self.edges.values())

    def pick(self, numbers: IntArray) -> Iterator[tuple[EdgeType, IntArray]]:
        """The edges of some numbers, by type: places in the CSR of each."""
        start = 0
        for edge_type, edges in self.edges.items():
            mine = numbers[(numbers >= start) & (numbers < start + edges.size)] - start
            start += edges.size
            if mine.size:
                yield edge_type, edges[mine]

    def nodes(self) -> dict[NodeType, BoolArray]:
        """Per node type at an end of a chosen edge type, bool [n]: who has a positive."""
        found: dict[NodeType, BoolArray] = {}
        for edge_type, edges in self.edges.items():
            adjacency = self.graph[edge_type]
            for name, size, rows in (
                (edge_type.src, adjacency.num_src, adjacency.sources()),
                (edge_type.dst, adjacency.num_dst, adjacency.neighbors),
            ):
                found.setdefault(name, np.zeros(size, np.bool_))[rows[edges]] = True
        return {name: found[name] for name in self.graph.node_types if name in found}


def _without_last(
    graph: HeteroGraph, edge_type: EdgeType, share: float, seed: int
) -> tuple[HeteroGraph, HeldOut]:
    """The graph without the last share of one type's pairs; every node keeps its first pair."""
    adjacency = graph[edge_type]
    one_type = edge_type.src == edge_type.dst
    pairs = distinct_pairs(adjacency, unordered=one_type, loops=not one_type).held
    number = round(share * len(pairs))
    order = pair_order(pairs, graph.ids(edge_type.src), graph.ids(edge_type.dst), seed)
    if pairs.time is not None:
        order = order[np.argsort(pairs.time[order], kind="stable")]
    free = np.ones(order.size, np.bool_)
    ends = (pairs.src[order], pairs.dst[order])
    if one_type:
        both = np.stack(ends, axis=1).ravel()
        free[np.unique(both, return_index=True)[1] // 2] = False
    else:
        for end in ends:
            free[np.unique(end, return_index=True)[1]] = False
    out = pairs.take(np.sort(order[free][max(int(free.sum()) - number, 0) :]))
    if not len(out):
        return graph, out
    gone = edges_of(adjacency, out, reverse=one_type)
    return with_masks(graph, {edge_type: ~gone}), out


def _turned(pairs: HeldOut) -> HeldOut:
    return HeldOut(pairs.dst, pairs.src, pairs.time)


def _no_loops(graph: HeteroGraph, edge_type: EdgeType) -> IntArray:
    adjacency = graph[edge_type]
    if edge_type.src != edge_type.dst:
        return np.arange(adjacency.num_edges, dtype=np.int64)
    return np.flatnonzero(adjacency.sources() != adjacency.neighbors).astype(np.int64)
