"""`HeteroGraph`: one heterogeneous graph as a value; every change makes a new one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from graphemb.arrow import from_numpy
from graphemb.errors import UnknownName, VectorError
from graphemb.graph import edit, summary, tables
from graphemb.graph.adjacency import Adjacency
from graphemb.graph.build import Edges, Nodes, build
from graphemb.graph.columns import TableLike
from graphemb.graph.convert import Convertible
from graphemb.graph.fingerprint import fingerprint
from graphemb.graph.homogeneous import (
    EdgeTypeChoice,
    HomogeneousCSR,
    chosen_weights,
    merge_edges,
)
from graphemb.graph.policies import Policies
from graphemb.ids import Ids
from graphemb.types import BoolArray, EdgeType, IntArray, NodeId, NodeType

if TYPE_CHECKING:
    from datetime import date, datetime


class HeteroGraph(Convertible):
    """Typed nodes and edges, immutable. Build one with `from_tables`, `load` or a loader.

    Attributes:
        node_types: in the order they were given.
        edge_types: in the order they were given, in their own direction.
        policies: how rows became edges.
        notes: what the policies dropped, merged or created.
    """

    def __init__(
        self,
        nodes: Mapping[NodeType, Nodes],
        edges: Mapping[EdgeType, Edges],
        policies: Policies,
        notes: Iterable[str] = (),
        *,
        known_fingerprint: str | None = None,
    ) -> None:
        """Trusts its arguments; `from_tables` checks them."""
        self._nodes = dict(nodes)
        self._edges = dict(edges)
        self._reversed: dict[EdgeType, Adjacency] = {}
        self._merged: dict[object, HomogeneousCSR] = {}
        self._fingerprint = known_fingerprint
        self.policies = policies
        self.notes = tuple(notes)

    @classmethod
    def from_tables(
        cls,
        nodes: Mapping[NodeType, TableLike],
        edges: Mapping[EdgeType, TableLike],
        *,
        policies: Policies | None = None,
        notes: Iterable[str] = (),
    ) -> HeteroGraph:
        """A graph from one table per node type and one per edge type.

        Args:
            nodes: `id` (str or integer) and any columns.
            edges: `src`, `dst`, optionally `weight` and `time`, and any columns.
            policies: what to do with unknown ends, parallel edges and the like.
            notes: what is to be known of the tables; the graph's own notes follow them.

        Raises:
            GraphError: ids, weights or times that cannot be; names the rows.
            UnknownNode: an edge leads to a node that is not there.
            UnknownName: an edge type between node types that are not there.
        """
        policies = policies or Policies()
        made, grouped, happened = build(nodes, edges, policies)
        return cls(made, grouped, policies, [*notes, *happened])

    @property
    def node_types(self) -> tuple[NodeType, ...]:
        """Node types in the order they were given."""
        return tuple(self._nodes)

    @property
    def edge_types(self) -> tuple[EdgeType, ...]:
        """Stored edge types in the order they were given."""
        return tuple(self._edges)

    def num_nodes(self, node_type: NodeType | None = None) -> int:
        """Nodes of one type, or of all.

        Raises:
            UnknownName: no such node type.
        """
        if node_type is None:
            return sum(len(part.ids) for part in self._nodes.values())
        return len(self._node_part(node_type).ids)

    def num_edges(self, edge_type: EdgeType | None = None) -> int:
        """Edges of one type, or of all; parallel edges count each.

        Raises:
            UnknownName: no such edge type.
        """
        if edge_type is None:
            return sum(group.adjacency.num_edges for group in self._edges.values())
        return self._edge_part(edge_type).adjacency.num_edges

    def ids(self, node_type: NodeType) -> Ids:
        """The ids of one node type in row order.

        Raises:
            UnknownName: no such node type.
        """
        return self._node_part(node_type).ids

    def rows(self, node_type: NodeType, ids: Any) -> IntArray:
        """int64 [len(ids)]: the row of each id.

        Raises:
            UnknownNode: some ids are not there.
            UnknownName: no such node type.
        """
        return self.ids(node_type).rows(ids, source=node_type)

    def columns(self, node_type: NodeType) -> pa.Table:
        """The columns of one node type, without `id`, in row order."""
        return self._node_part(node_type).columns

    def edge_columns(self, edge_type: EdgeType) -> pa.Table:
        """The columns of one stored edge type, without ends, weight and time, in CSR order."""
        return self._edge_part(edge_type.stored).columns

    def node_table(self, node_type: NodeType) -> pa.Table:
        """`id` and all columns of one node type."""
        return tables.node_table(self._node_part(node_type))

    def edge_table(self, edge_type: EdgeType) -> pa.Table:
        """`src`, `dst`, `weight` and `time` where there are any, and all columns, in CSR order."""
        group = self._edge_part(edge_type)
        return tables.edge_table(group, self.ids(edge_type.src), self.ids(edge_type.dst))

    def __getitem__(self, edge_type: EdgeType) -> Adjacency:
        """The CSR of an edge type; of a reverse one it is made on demand and kept.

        Raises:
            UnknownName: no such edge type.
        """
        edge_type = EdgeType(*edge_type)
        if not edge_type.is_reverse:
            return self._edge_part(edge_type).adjacency
        if edge_type not in self._reversed:
            self._reversed[edge_type] = self._edge_part(edge_type.stored).adjacency.reversed()
        return self._reversed[edge_type]

    def __contains__(self, edge_type: object) -> bool:
        """Whether there is such an edge type, in either direction."""
        return isinstance(edge_type, EdgeType) and edge_type.stored in self._edges

    def neighbors(self, node_type: NodeType, node_id: NodeId, edge_type: EdgeType) -> list[NodeId]:
        """The ids one node's edges lead to, each once per parallel edge.

        Raises:
            UnknownNode: no such id.
            UnknownName: no such edge type, or it does not start at `node_type`.
        """
        if edge_type.src != node_type:
            starts = [*self._edges, *(known.reverse for known in self._edges)]
            known = [one for one in starts if one.src == node_type]
            raise UnknownName(f"edge type that starts at {node_type}", edge_type, known)
        adjacency = self[edge_type]
        row = int(self.rows(node_type, [node_id])[0])
        places = adjacency.neighbors[adjacency.offsets[row] : adjacency.offsets[row + 1]]
        found: list[NodeId] = self.ids(edge_type.dst).array.take(from_numpy(places)).to_pylist()
        return found

    def degrees(self, edge_type: EdgeType) -> IntArray:
        """int64 [n of the type it starts at]: edges leaving each node."""
        return self[edge_type].degrees

    def homogeneous(
        self, edge_types: EdgeTypeChoice = None, *, directed: bool = False
    ) -> HomogeneousCSR:
        """Chosen edge types merged over one row space; made once per choice and kept.

        Args:
            edge_types: which, or which with what weight; None: all, weight 1.
            directed: walk edges only as given (a reverse edge type may be given); else both ways.

        Raises:
            UnknownName: no such edge type.
            ConfigError: a weight that is negative or not finite.
        """
        weights = chosen_weights(edge_types, self.edge_types)
        key = (tuple(weights.items()), directed)
        if key not in self._merged:
            parts = [(self[edge_type], weight) for edge_type, weight in weights.items()]
            counts = {name: len(part.ids) for name, part in self._nodes.items()}
            self._merged[key] = merge_edges(parts, counts, directed=directed)
        return self._merged[key]

    def select(self, edge_types: Iterable[EdgeType]) -> HeteroGraph:
        """Only these edge types; all nodes stay.

        Raises:
            UnknownName: no such edge type.
        """
        chosen = {edge_type.stored: self._edge_part(edge_type.stored) for edge_type in edge_types}
        return self._with_edges(chosen)

    def with_edges(self, edge_type: EdgeType, keep: BoolArray) -> HeteroGraph:
        """Only the edges of one type where `keep` bool [m], in CSR order, is True.

        Raises:
            UnknownName: no such edge type.
            VectorError: `keep` is of another length or dtype.
        """
        group = self._edge_part(edge_type)
        if keep.shape != (group.adjacency.num_edges,) or keep.dtype != np.bool_:
            raise VectorError(
                f"a bool mask of {group.adjacency.num_edges} edges is wanted",
                source=edge_type,
                value=f"{keep.dtype} {list(keep.shape)}",
            )
        return edit.with_masks(self, {edge_type: keep})

    def filter_edges(
        self,
        edge_type: EdgeType,
        *,
        min_weight: float | None = None,
        since: str | int | date | datetime | None = None,
        until: str | int | date | datetime | None = None,
    ) -> HeteroGraph:
        """Only the edges of one type that weigh at least `min_weight` and lie in [since, until).

        Raises:
            UnknownName: no such edge type.
            GraphError: it has no weights, or no times, to filter by.
        """
        return edit.filter_edges(self, edge_type, min_weight, since, until)

    def as_of(self, time: str | int | date | datetime) -> HeteroGraph:
        """The graph as it was at `time`: edges at or after it are gone, those without time stay."""
        return edit.as_of(self, time)

    def subgraph(self, nodes: Mapping[NodeType, Any]) -> HeteroGraph:
        """Only these nodes and the edges among them; node types not named stay whole.

        Raises:
            UnknownNode: some ids are not there.
        """
        return edit.subgraph(self, nodes)

    def extend(
        self,
        nodes: Mapping[NodeType, TableLike] | None = None,
        edges: Mapping[EdgeType, TableLike] | None = None,
    ) -> HeteroGraph:
        """A new graph with more nodes and edges; the rows of the old nodes stay.

        Raises:
            GraphError: a node that is there already; rows that cannot be.
        """
        return edit.extend(self, nodes or {}, edges or {})

    @property
    def fingerprint(self) -> str:
        """A hash of the content, equal for equal content whatever the row order."""
        if self._fingerprint is None:
            self._fingerprint = fingerprint(self._nodes, self._edges)
        return self._fingerprint

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays and columns, as stored (reverses and merges not counted)."""
        total: int = sum(
            part.ids.array.nbytes + part.columns.nbytes for part in self._nodes.values()
        )
        for group in self._edges.values():
            own = group.adjacency
            arrays = (own.offsets, own.neighbors, own.weights, own.times)
            total += sum(array.nbytes for array in arrays if array is not None)
            total += group.columns.nbytes
        return total

    def summary(self) -> str:
        """Node and edge types with counts, degrees, weights and times, as a printable table."""
        return summary.summary(self)

    def save(self, folder: str | Path) -> None:
        """Write a folder of `.npy` and Arrow files with a manifest, all or nothing.

        Raises:
            StoreError: the folder exists already; no space.
        """
        from graphemb.graph import folder as graph_folder

        graph_folder.save(self, Path(folder))

    @classmethod
    def load(cls, folder: str | Path, *, mmap: bool = True, verify: bool = True) -> HeteroGraph:
        """Read what `save` wrote.

        Args:
            mmap: map the files instead of reading them; they cost no memory until touched.
            verify: compare every file's SHA-256 with the manifest's first.

        Raises:
            StoreError: no such folder, a damaged file, or a newer format.
        """
        from graphemb.graph import folder as graph_folder

        return graph_folder.load(Path(folder), mmap=mmap, verify=verify)

    def _node_part(self, node_type: NodeType) -> Nodes:
        if node_type not in self._nodes:
            raise UnknownName("node type", node_type, self._nodes)
        return self._nodes[node_type]

    def _edge_part(self, edge_type: EdgeType) -> Edges:
        if edge_type not in self._edges:
            raise UnknownName("edge type", edge_type, self._edges)
        return self._edges[edge_type]

    def _with_edges(self, edges: Mapping[EdgeType, Edges]) -> HeteroGraph:
        return HeteroGraph(self._nodes, edges, self.policies, self.notes)

    def __repr__(self) -> str:
        return (
            f"HeteroGraph({self.num_nodes():,} nodes of {len(self.node_types)} types, "
            f"{self.num_edges():,} edges of {len(self.edge_types)} types)"
        )
