"""What sampling gives and takes: `SampledGraph`, and the edges no message may pass."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from graphemb.types import EdgeType, IntArray, NodeType


@dataclass(frozen=True, eq=False)
class SampledGraph:
    """The neighbourhood of some seed nodes, its nodes numbered anew per node type.

    An edge type here is the way its messages go: `src -> dst`, and dst is nearer to the seeds.

    Attributes:
        nodes: per node type int64 [n], rows of the whole graph; seeds first, then by hop. A
            node's place in it is its local row.
        seeds: per node type that has seeds int64 [s], the local row of each seed as given.
        edge_index: per sampled edge type int64 [2, m], local rows of src and of dst.
        positions: per sampled edge type int64 [m], each edge's place in `graph[edge_type.stored]`,
            whose weights, times and columns it has.
        num_nodes: per node type, nodes found at each hop, the seeds first.
        num_edges: per sampled edge type, edges of each hop.
        trees: per node type int64 [n], which seed a node belongs to when every seed has a
            neighbourhood of its own, else None. Seeds count on over the node types in the order
            in which they were given.
    """

    nodes: Mapping[NodeType, IntArray]
    seeds: Mapping[NodeType, IntArray]
    edge_index: Mapping[EdgeType, IntArray]
    positions: Mapping[EdgeType, IntArray]
    num_nodes: Mapping[NodeType, list[int]]
    num_edges: Mapping[EdgeType, list[int]]
    trees: Mapping[NodeType, IntArray] | None = None


@dataclass(frozen=True, eq=False)
class Excluded:
    """Pairs between which no edge of a type is sampled: none of its parallel edges, in neither
    direction, and within one node type neither way round.

    Attributes:
        edge_type: in either direction.
        src, dst: int64 [n], rows at the ends of `edge_type` as it is written.
        trees: int64 [n], the neighbourhood each pair is kept out of, when every seed has its
            own; None: all of them, which is for samplers that are not disjoint.
    """

    edge_type: EdgeType
    src: IntArray
    dst: IntArray
    trees: IntArray | None = None
