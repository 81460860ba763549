"""An encoder as a value: vectors of the nodes it was fitted on, and of those that come later."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from scipy import sparse

from graphemb.embeddings import Embeddings, Vectors
from graphemb.graph import HeteroGraph
from graphemb.learning.loop import on_threads
from graphemb.linalg import multiply
from graphemb.trainers.base import describe, vectors_of
from graphemb.trainers.gnn.encoder import GraphEncoder
from graphemb.trainers.gnn.messages import SampledNeighbors, reached
from graphemb.types import EdgeType, IntArray, NodeId, NodeType

if TYPE_CHECKING:
    from graphemb.trainers.gnn.models import GNN

RUNGS = ("encoder", "neighbors", "type_mean")
"""Where a new node's vector comes from, the best first."""
_FITTED, _NONE = len(RUNGS), -1
_ROWS_AT_ONCE = 4_096


@dataclass(frozen=True, eq=False)
class Encoder:
    """A fitted network.

    Attributes:
        trainer: its fields.
        network: with its parameters, on its device.
        edge_types: that carried messages.
        vectors: of the nodes it was fitted on.
    """

    trainer: GNN
    network: GraphEncoder
    edge_types: tuple[EdgeType, ...]
    vectors: Embeddings

    def embed(self, graph: HeteroGraph) -> Embeddings:
        """Vectors of a graph's nodes: the fitted ones as they are, and those of new nodes.

        A new node's vector comes from the first rung that works:

        - `encoder`: the network, along edges of the types it was fitted on, and the node's
          columns if it looks at them; for node types it was fitted on.
        - `neighbors`: the mean of its neighbours' vectors by edge weight, along any edges.
        - `type_mean`: the mean of the fitted vectors of its type.

        Who gets none is missing. `provenance["rungs"]` holds per node type and rung the ids of
        the new nodes.

        Raises:
            UnknownName, GraphError: a column that the network looks at is not there, or other.
        """
        ladder = _Ladder(self, graph)
        ladder.climb()
        provenance = {
            "fit": describe(self.trainer),
            "graph": graph.fingerprint,
            "fitted_on": self.vectors.provenance["graph"],
            "rungs": {name: rungs for name in graph.node_types if (rungs := ladder.rungs(name))},
        }
        return Embeddings(ladder.parts(), provenance)

    def save(self, folder: str | Path) -> None:
        """Write a folder: parameters as safetensors, a manifest with checksums, all or nothing.

        Raises:
            StoreError: the folder exists already and is not one of ours; no space.
        """
        from graphemb.trainers.gnn import saved

        saved.save(self, Path(folder))

    @classmethod
    def load(cls, folder: str | Path) -> Encoder:
        """Read what `save` wrote.

        Raises:
            StoreError: no such folder, a file that is not what the manifest says, a newer format.
        """
        from graphemb.trainers.gnn import saved

        return saved.load(Path(folder))


class _Ladder:
    """The vectors of one graph in the making."""

    def __init__(self, encoder: Encoder, graph: HeteroGraph) -> None:
        self.encoder, self.graph = encoder, graph
        dim = encoder.vectors.dim
        self.matrix = {
            name: np.zeros((graph.num_nodes(name), dim), np.float32) for name in graph.node_types
        }
        self.rung = {
            name: np.full(graph.num_nodes(name), _NONE, np.int8) for name in graph.node_types
        }
        for name, part in encoder.vectors.items():
            if name in self.matrix:
                places = part.ids.find(graph.ids(name))
                old = places >= 0
                self.matrix[name][old] = part.matrix[places[old]]
                self.rung[name][old] = _FITTED

    def climb(self) -> None:
        """Give every new node the first vector there is for it."""
        self._by_encoder()
        self._by_neighbors()
        for name, part in self.encoder.vectors.items():
            if len(part) and name in self.matrix:
                left = self._left(name)
                self._give(name, left, 2, part.matrix.mean(axis=0, dtype=np.float64))

    def _left(self, name: NodeType) -> IntArray:
        """int64: the rows that have no vector yet."""
        return np.flatnonzero(self.rung[name] == _NONE).astype(np.int64)

    def _give(self, name: NodeType, rows: IntArray, rung: int, vectors: Any) -> None:
        self.matrix[name][rows] = vectors
        self.rung[name][rows] = rung

    def _by_encoder(self) -> None:
        network, trainer = self.encoder.network, self.encoder.trainer
        kinds = [kind for kind in self.graph.edge_types if kind in self.encoder.edge_types]
        graph = self.graph.select(kinds)
        met = reached(graph)
        wanted = {}
        for name, plan in network.inputs.plans.items():
            if name in self.matrix:
                rows = self._left(name)
                wanted[name] = rows if plan.columns is not None else rows[met[name][rows]]
        if not any(rows.size for rows in wanted.values()):
            return
        carrier, there = trainer.carrier(graph)
        ways = [way for way in there if way in network.schema[1]]
        hops = (-1,) * trainer.num_layers
        device = next(network.parameters()).device
        network.eval().bind(graph, SampledNeighbors(carrier, ways, hops, device))
        for name, rows in wanted.items():
            for low in range(0, rows.size, _ROWS_AT_ONCE):
                part = rows[low : low + _ROWS_AT_ONCE]
                with torch.no_grad(), on_threads(trainer.threads):
                    found = network({name: torch.from_numpy(part).to(device)})[name]
                self._give(name, part, 0, found.float().cpu().numpy())

    def _by_neighbors(self) -> None:
        """The mean over the neighbours that have a vector, of all who have none."""
        if not self.graph.edge_types:
            return
        merged = self.graph.homogeneous()
        links = merged.to_scipy()
        known = np.concatenate([self.rung[name] != _NONE for name in merged.node_types])
        vectors = np.concatenate([self.matrix[name] for name in merged.node_types])
        for name in merged.node_types:
            rows = self._left(name)
            part = links[rows + merged.slice(name).start] @ sparse.diags_array(
                known.astype(np.float32)
            )
            total = np.asarray(part.sum(axis=1)).ravel()
            near = total > 0
            mean = multiply(sparse.csr_matrix(part)[near], vectors) / total[near, None]
            self._give(name, rows[near], 1, mean)

    def parts(self) -> list[Vectors]:
        """The vectors of all node types in which any node has one."""
        return [
            vectors_of(name, self.graph.ids(name), matrix, self.rung[name] != _NONE)
            for name, matrix in self.matrix.items()
            if name in self.encoder.vectors or (self.rung[name] != _NONE).any()
        ]

    def rungs(self, name: NodeType) -> dict[str, list[NodeId]]:
        """The ids of the new nodes of one type, by rung; only rungs that gave any."""
        ids = self.graph.ids(name)
        found = {RUNGS[rung]: np.flatnonzero(self.rung[name] == rung) for rung in range(len(RUNGS))}
        return {rung: ids.take(rows).to_list() for rung, rows in found.items() if rows.size}
