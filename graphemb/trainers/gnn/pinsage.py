"""`PinSage`: neighbours by random walks, pooled by how often these visit them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from graphemb.checks import check_int
from graphemb.graph import Adjacency, HeteroGraph
from graphemb.graph.edit import with_adjacencies
from graphemb.kernels import csr
from graphemb.trainers.gnn.models import GNN
from graphemb.types import EdgeType

if TYPE_CHECKING:
    from graphemb.trainers.gnn.layers import MakeLayer


@dataclass(frozen=True, kw_only=True)
class PinSage(GNN):
    """PinSage: a node's neighbours are those that short walks from it visit most.

    Ying et al. 2018. For every chosen edge type and direction a node has two neighbourhoods: whom
    walks of one hop reach, and whom those that go there and back reach. All are pooled together,
    by the share of visits. Differs in that every node type has vectors, not items alone. Its hard
    negatives are `num_hard=..., hard="ppr"`. The other fields are those of `GNNFields`; where
    there are validation edges, walks are made before and after training.

    Attributes:
        walks: from each node.
        turns: times that a walk goes there and back.
        top: neighbours of each neighbourhood.

    Raises:
        ConfigError: a field out of its range.
    """

    walks: int = 100
    turns: int = 2
    top: int = 10

    def __post_init__(self) -> None:
        super().__post_init__()
        check_int("walks", self.walks, low=1)
        check_int("turns", self.turns, low=1)
        check_int("top", self.top, low=1)

    def make_layer(self) -> MakeLayer:
        from graphemb.trainers.gnn.layers import Importance

        return partial(Importance, dim=self.dim)

    def carrier(self, graph: HeteroGraph) -> tuple[HeteroGraph, tuple[EdgeType, ...]]:
        """The graph of neighbourhoods, from each node to its neighbours; messages come back."""
        near = [part for part in self._neighborhoods(graph) if part.num_edges]
        return with_adjacencies(graph, near), tuple(part.edge_type.reverse for part in near)

    def _neighborhoods(self, graph: HeteroGraph) -> Iterator[Adjacency]:
        from graphemb.sampling import visits

        draw = partial(visits, graph, walks=self.walks, top=self.top, seed=self.seed)
        for stored in graph.edge_types:
            if not graph.num_edges(stored):
                continue
            for way in (stored, stored.reverse):
                name = f"{way.relation.replace('~', 'back_')}_{way.dst}"
                yield _named(draw((way,), turns=1), f"via_{name}")
                yield _named(draw((way, way.reverse), turns=self.turns), f"turns_{name}")


def _named(near: Adjacency, relation: str) -> Adjacency:
    """The same edges under another name, ascending within a row as everywhere."""
    assert near.weights is not None
    neighbors, weights = np.array(near.neighbors), np.array(near.weights)
    csr.sort_rows(near.offsets, neighbors, weights)
    edge_type = EdgeType(near.edge_type.src, relation, near.edge_type.dst)
    return replace(near, edge_type=edge_type, neighbors=neighbors, weights=weights)
