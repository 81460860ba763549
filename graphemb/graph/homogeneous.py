"""Chosen edge types merged into one CSR over one row space, for walks and matrix methods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from graphemb.checks import check_positive
from graphemb.errors import ConfigError
from graphemb.graph.adjacency import Adjacency, row_dtype
from graphemb.kernels import csr
from graphemb.types import EdgeType, FloatArray, IntArray, NodeType, RowArray

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

EdgeTypeChoice = Mapping[EdgeType, float] | Sequence[EdgeType] | None


@dataclass(frozen=True, eq=False)
class HomogeneousCSR:
    """Edges of several types over one row space: node types one after the other.

    Attributes:
        node_types: in the order of their rows.
        node_offsets: int64 [T + 1]; type t's rows are `node_offsets[t]:node_offsets[t + 1]`.
        offsets: int64 [N + 1].
        neighbors: int32 or int64 [m], rows of the one space, ascending within a row.
        weights: float32 [m], edge weight times its edge type's weight; None when all are 1.
    """

    node_types: tuple[NodeType, ...]
    node_offsets: IntArray
    offsets: IntArray
    neighbors: RowArray
    weights: FloatArray | None

    def __post_init__(self) -> None:
        for array in (self.node_offsets, self.offsets, self.neighbors, self.weights):
            if array is not None:
                array.flags.writeable = False

    @property
    def num_nodes(self) -> int:
        """N, over all node types."""
        return int(self.offsets.size - 1)

    @property
    def num_edges(self) -> int:
        """m; an undirected edge counts once per direction."""
        return int(self.neighbors.size)

    @property
    def degrees(self) -> IntArray:
        """int64 [N]: edges leaving each row."""
        return np.diff(self.offsets)

    def slice(self, node_type: NodeType) -> slice:
        """The rows of one node type."""
        at = self.node_types.index(node_type)
        return slice(int(self.node_offsets[at]), int(self.node_offsets[at + 1]))

    def types_of_rows(self) -> IntArray:
        """int64 [N]: each row's place in `node_types`."""
        return np.repeat(np.arange(len(self.node_types)), np.diff(self.node_offsets))

    def to_scipy(self) -> csr_matrix:
        """float32 [N, N]; parallel edges are summed."""
        size = self.num_nodes
        whole = Adjacency(
            EdgeType("node", "all", "node"), size, self.offsets, self.neighbors, self.weights
        )
        return whole.to_scipy()


def chosen_weights(
    choice: EdgeTypeChoice, edge_types: tuple[EdgeType, ...]
) -> dict[EdgeType, float]:
    """Each chosen edge type with its weight; weight 0 leaves an edge type out.

    Raises:
        ConfigError: a weight that is not a finite number of at least 0, or nothing chosen.
    """
    if choice is None:
        choice = edge_types
    weights = dict(choice) if isinstance(choice, Mapping) else dict.fromkeys(choice, 1.0)
    for edge_type, weight in weights.items():
        if weight != 0:
            check_positive(f"edge_types[{edge_type}]", weight)
    weights = {edge_type: float(weight) for edge_type, weight in weights.items() if weight}
    if not weights:
        raise ConfigError(
            "no edge type is chosen",
            field="edge_types",
            hint=f"in the graph: {', '.join(map(str, edge_types)) or 'none'}",
        )
    return weights


def merge_edges(
    parts: list[tuple[Adjacency, float]], counts: Mapping[NodeType, int], *, directed: bool
) -> HomogeneousCSR:
    """Merge adjacencies, each with its edge type's weight.

    Args:
        parts: of any directions.
        counts: nodes of every node type of the graph, in the graph's order.
        directed: walk edges only as given; else both ways (a self loop once).
    """
    node_types = tuple(counts)
    node_offsets = np.concatenate([[0], np.cumsum(list(counts.values()), dtype=np.int64)])
    base = dict(zip(node_types, node_offsets.tolist(), strict=False))
    size = int(node_offsets[-1])
    weighted = any(part.weights is not None or scale != 1.0 for part, scale in parts)
    kind = row_dtype(size)
    rows, columns, weights = [], [], []
    for part, scale in parts:
        src = (part.sources() + base[part.edge_type.src]).astype(kind, copy=False)
        dst = (part.neighbors + base[part.edge_type.dst]).astype(kind, copy=False)
        here = np.full(src.size, scale, np.float32) if part.weights is None else part.weights
        here = here * np.float32(scale) if part.weights is not None and scale != 1.0 else here
        ways = [(src, dst, here)]
        if not directed:
            other = src != dst
            ways.append((dst, src, here) if other.all() else (dst[other], src[other], here[other]))
        for from_rows, to_rows, way_weights in ways:
            rows.append(from_rows)
            columns.append(to_rows)
            weights.append(way_weights)
    src, dst = _joined(rows, kind), _joined(columns, kind)
    by_dst = np.empty(src.size, row_dtype(src.size))
    csr.stable_order(dst, csr.count_offsets(dst, size), by_dst)
    order = np.empty_like(by_dst)
    offsets = csr.count_offsets(src, size)
    csr.stable_order_by(by_dst, src, offsets, order)
    merged = np.concatenate(weights)[order] if weighted and weights else None
    return HomogeneousCSR(node_types, node_offsets, offsets, dst[order], merged)


def _joined(parts: list[RowArray], kind: type[np.int32] | type[np.int64]) -> RowArray:
    return np.concatenate(parts) if parts else np.zeros(0, kind)
