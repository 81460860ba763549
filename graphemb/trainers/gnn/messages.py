"""Which messages pass: a graph as PyG's layers take it, whole or as a sampled neighbourhood."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from graphemb.graph import HeteroGraph
from graphemb.learning.batches import Links
from graphemb.learning.links import Rows
from graphemb.sampling import Excluded, NeighborSampler
from graphemb.split.pairs import distinct_pairs
from graphemb.types import BoolArray, EdgeType, FloatArray, IntArray, NodeType


@dataclass(frozen=True, eq=False)
class Passing:
    """Nodes and the messages between them; tensors are on the model's device.

    Attributes:
        rows: per node type int64 [n], rows of the graph.
        edges: per edge type int64 [2, m]: places in `rows` of sender and receiver.
        weights: per edge type float32 [m], or None where all are 1.
    """

    rows: dict[NodeType, Tensor]
    edges: dict[EdgeType, Tensor]
    weights: dict[EdgeType, Tensor | None]


class Messages(nn.Module):
    """Where messages come from.

    Args:
        graph: whose edges carry them.
        ways: along which edge types, in which directions.
    """

    def __init__(self, graph: HeteroGraph, ways: Sequence[EdgeType]) -> None:
        super().__init__()
        self.graph, self.ways = graph, tuple(ways)
        self.node_types = ends_of(graph, ways)

    def around(
        self, rows: Rows, links: Sequence[Links] | None
    ) -> tuple[Passing, dict[NodeType, Tensor]]:
        """The messages that some rows need, and where these rows stand in `Passing.rows`.

        Args:
            links: whose edges carry none; None outside training.
        """
        raise NotImplementedError


def ends_of(graph: HeteroGraph, ways: Sequence[EdgeType]) -> tuple[NodeType, ...]:
    """The node types at the ends of `ways`, in the graph's order."""
    used = {end for way in ways for end in (way.src, way.dst)}
    return tuple(name for name in graph.node_types if name in used)


def reached(graph: HeteroGraph) -> dict[NodeType, BoolArray]:
    """bool [n] per node type: who has an edge to another node."""
    met = {name: np.zeros(graph.num_nodes(name), np.bool_) for name in graph.node_types}
    for edge_type in graph.edge_types:
        adjacency = graph[edge_type]
        src, dst = adjacency.sources(), adjacency.neighbors
        real = src != dst if edge_type.src == edge_type.dst else slice(None)
        met[edge_type.src][src[real]] = True
        met[edge_type.dst][dst[real]] = True
    return met


class WholeGraph(Messages):
    """All edges of a graph at once."""

    def __init__(self, graph: HeteroGraph, ways: Sequence[EdgeType]) -> None:
        super().__init__(graph, ways)
        for name in self.node_types:
            self._keep(f"rows {name}", torch.arange(graph.num_nodes(name)))
        for stored in dict.fromkeys(way.stored for way in ways):
            adjacency = graph[stored]
            ends = np.stack([adjacency.sources(), adjacency.neighbors]).astype(np.int64)
            self._keep(f"ends {stored}", torch.from_numpy(ends))
            if adjacency.weights is not None:
                self._keep(f"weights {stored}", torch.from_numpy(np.array(adjacency.weights)))
            one_type = stored.src == stored.dst
            pairs = distinct_pairs(adjacency, unordered=one_type, loops=not one_type)
            self._keep(f"pair {stored}", torch.from_numpy(pairs.of_edge + 1))  # 0: a self loop

    def _keep(self, name: str, tensor: Tensor) -> None:
        self.register_buffer(name, tensor, persistent=False)

    def around(
        self, rows: Rows, links: Sequence[Links] | None
    ) -> tuple[Passing, dict[NodeType, Tensor]]:
        """All nodes, and all messages but those along the edges of `links`."""
        edges: dict[EdgeType, Tensor] = {}
        weights: dict[EdgeType, Tensor | None] = {}
        for way in self.ways:
            stored = way.stored
            ends = self.get_buffer(f"ends {stored}")
            weight = self._buffers.get(f"weights {stored}")
            keep = self._kept(stored, links or ())
            if keep is not None:
                ends, weight = ends[:, keep], None if weight is None else weight[keep]
            edges[way] = ends.flip(0) if way.is_reverse else ends
            weights[way] = weight
        whole = {name: self.get_buffer(f"rows {name}") for name in self.node_types}
        return Passing(whole, edges, weights), dict(rows)

    def _kept(self, stored: EdgeType, links: Sequence[Links]) -> Tensor | None:
        """bool [m]: the edges between pairs that no link joins; None: all."""
        mine = [part for part in links if joins(part.edge_type, stored)]
        if not mine:
            return None
        pair = self.get_buffer(f"pair {stored}")
        gone = torch.zeros(pair.numel() + 1, dtype=torch.bool, device=pair.device)
        for part in mine:
            if part.edge_type.stored == stored:
                gone[pair[part.edges]] = True
            else:  # other edges between the same node types
                gone[pair[self._between(stored, part)]] = True
        gone[0] = False
        return ~gone[pair]

    def _between(self, stored: EdgeType, links: Links) -> Tensor:
        """bool [m]: the edges that join a pair of `links`, in either direction."""
        ends = self.get_buffer(f"ends {stored}")
        width = max(self.graph.num_nodes(stored.src), self.graph.num_nodes(stored.dst))
        found = torch.zeros_like(ends[0], dtype=torch.bool)
        keys = ends[0] * width + ends[1]
        for src, dst, edge_type in (
            (links.src, links.dst, links.edge_type),
            (links.dst, links.src, links.edge_type.reverse),
        ):
            if (edge_type.src, edge_type.dst) == (stored.src, stored.dst):
                found |= torch.isin(keys, src * width + dst)
        return found


def joins(edge_type: EdgeType, other: EdgeType) -> bool:
    """Whether two edge types are between the same node types, in either direction."""
    return {edge_type.src, edge_type.dst} == {other.src, other.dst}


class SampledNeighbors(Messages):
    """The neighbourhoods of the rows of a step.

    Args:
        fanouts: neighbours per edge type at each hop, -1 for all.
        device: where tensors go.
    """

    def __init__(
        self,
        graph: HeteroGraph,
        ways: Sequence[EdgeType],
        fanouts: Sequence[int],
        device: torch.device,
    ) -> None:
        super().__init__(graph, ways)
        self._device = device
        self._sampler = NeighborSampler(graph, dict.fromkeys(ways, tuple(fanouts)))

    def around(
        self, rows: Rows, links: Sequence[Links] | None
    ) -> tuple[Passing, dict[NodeType, Tensor]]:
        """A sample; in training another one each time, by torch's generator."""
        seeds = {name: row.cpu().numpy() for name, row in rows.items() if name in self.node_types}
        exclude = [one for part in links or () for one in self._excluded(part)]
        draw = 0 if links is None else int(torch.randint(2**31, ()))
        found = self._sampler.sample(seeds, exclude=exclude, draw=draw)
        nodes = {name: self._put(found.nodes[name]) for name in self.node_types}
        edges = {way: self._put(ends) for way, ends in found.edge_index.items()}
        weights = {way: self._weights(way, found.positions[way]) for way in edges}
        places = {name: self._put(place) for name, place in found.seeds.items()}
        return Passing(nodes, edges, weights), places

    def _excluded(self, links: Links) -> Iterator[Excluded]:
        """The pairs of `links`, for every edge type that could join them."""
        src, dst = links.src.cpu().numpy(), links.dst.cpu().numpy()
        for stored in dict.fromkeys(way.stored for way in self.ways):
            if (stored.src, stored.dst) == (links.edge_type.src, links.edge_type.dst):
                yield Excluded(stored, src, dst)
            elif joins(links.edge_type, stored):
                yield Excluded(stored, dst, src)

    def _weights(self, way: EdgeType, positions: IntArray) -> Tensor | None:
        weights = self.graph[way.stored].weights
        return None if weights is None else self._put(weights[positions])

    def _put(self, array: IntArray | FloatArray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(self._device)
