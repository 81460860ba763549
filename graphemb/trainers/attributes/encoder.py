"""`TowerEncoder`: vectors of items and users from what they are made of, new ones too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from graphemb.embeddings import Embeddings, Vectors
from graphemb.graph import HeteroGraph
from graphemb.linalg import DoubleArray, multiply, unit_rows
from graphemb.trainers.attributes.parts import Histories, Table
from graphemb.trainers.base import vectors_of
from graphemb.types import BoolArray, EdgeType, FloatArray, Metapath, NodeType


@dataclass(frozen=True, eq=False)
class TowerEncoder:
    """The learned table of attributes, and how items and users are put together from it.

    Attributes:
        along: from users to items.
        items, users: paths to attributes, and their weights.
        table: whose vectors stand where.
        matrix: float32 [rows of the table, dim].
        decay, most: how a history is weighed.
        popularity: an item's last component is so many times log(1 + its users); 0: it has none.
        provenance: JSON-able.
    """

    along: EdgeType
    items: Mapping[Metapath, float]
    users: Mapping[Metapath, float]
    table: Table
    matrix: FloatArray
    decay: float
    most: int
    popularity: float = 0.0
    provenance: dict[str, Any] = field(default_factory=dict)

    def embed(self, graph: HeteroGraph) -> Embeddings:
        """Vectors of the items and users of a graph, and those of the attributes.

        The graph may have nodes that training has not seen: an item has a vector when one of its
        attributes has, a user when one of its items or attributes has. What was known keeps its
        vector to the last bit as long as its own edges stay.

        Raises:
            UnknownName: an edge type that is not in the graph.
        """
        src, dst = self.along.src, self.along.dst
        own = self.table.parts_of(graph, dst, self.items)
        items = unit_rows(multiply(own, self.matrix))
        histories = Histories.of(graph[self.along])
        everybody = np.arange(graph.num_nodes(src))
        past = histories.latest(everybody, self.decay, self.most)
        users = multiply(past, items)
        if self.users:
            users += multiply(self.table.parts_of(graph, src, self.users), self.matrix)
        lasts = self.popularity * np.log1p(histories.degrees())
        parts = {
            src: self._known(graph, src, unit_rows(users), np.ones(len(users))),
            dst: self._known(graph, dst, items, lasts),
        }
        for name in self.table.ids:
            if name not in parts:
                place = self.table.places(name, graph.ids(name))
                matrix = np.zeros((len(place), self.matrix.shape[1]), np.float32)
                matrix[place >= 0] = self.matrix[place[place >= 0]]
                parts[name] = self._known(graph, name, matrix, np.zeros(len(place)))
        ordered = [parts[name] for name in graph.node_types if name in parts]
        return Embeddings(ordered, self.provenance)

    def _known(
        self, graph: HeteroGraph, node_type: NodeType, matrix: FloatArray, lasts: DoubleArray
    ) -> Vectors:
        learned: BoolArray = np.asarray(matrix.any(axis=1))
        wide = self._widened(matrix, lasts)
        return vectors_of(node_type, graph.ids(node_type), wide, learned)

    def _widened(self, matrix: FloatArray, lasts: DoubleArray) -> FloatArray:
        """`matrix` with one more column where popularity counts."""
        if not self.popularity:
            return matrix
        return np.hstack([matrix, lasts.astype(np.float32)[:, None]])
