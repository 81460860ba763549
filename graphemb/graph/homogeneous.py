"""Chosen edge types merged into one CSR over one row space, for walks and matrix methods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from graphemb.checks import check_positive
from graphemb.errors import ConfigError
from graphemb.graph.adjacency import Adjacency, masked, row_dtype
from graphemb.graph.compressed import Compressed
from graphemb.kernels import csr
from graphemb.types import EdgeType, FloatArray, IntArray, NodeType, RowArray

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

_NO_WEIGHTS: FloatArray = np.zeros(0, np.float32)
_NO_WEIGHTS.flags.writeable = False

EdgeTypeChoice = Mapping[EdgeType, float] | Sequence[EdgeType] | None


@dataclass(frozen=True, eq=False)
class HomogeneousCSR(Compressed):
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

    @property
    def num_nodes(self) -> int:
        """N, over all node types."""
        return self.num_rows

    def slice(self, node_type: NodeType) -> slice:
        """The rows of one node type."""
        at = self.node_types.index(node_type)
        return slice(int(self.node_offsets[at]), int(self.node_offsets[at + 1]))

    def types_of_rows(self) -> IntArray:
        """int64 [N]: each row's place in `node_types`."""
        return np.repeat(np.arange(len(self.node_types)), np.diff(self.node_offsets))

    def to_scipy(self) -> csr_matrix:
        """float32 [N, N]; parallel edges are summed."""
        return self._matrix(self.num_nodes)


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
    """Merge adjacencies, each with its edge type's weight; linear in the edges.

    Args:
        parts: of any directions.
        counts: nodes of every node type of the graph, in the graph's order.
        directed: walk edges only as given; else both ways (a self loop once).
    """
    node_types = tuple(counts)
    node_offsets = np.concatenate([[0], np.cumsum(list(counts.values()), dtype=np.int64)])
    whole, scale = parts[0]
    if directed and len(parts) == len(counts) == 1 and scale == 1.0:  # as it is stored
        return HomogeneousCSR(
            node_types, node_offsets, whole.offsets, whole.neighbors, whole.weights
        )
    first = dict(zip(node_types, node_offsets.tolist(), strict=False))
    ways = list(parts)
    if not directed:
        ways += [(_other_way(part), scale) for part, scale in parts]
    ways.sort(key=lambda way: first[way[0].edge_type.dst])  # so that most rows come out sorted
    offsets = np.zeros(int(node_offsets[-1]) + 1, np.int64)
    for part, _ in ways:
        start = first[part.edge_type.src]
        offsets[start + 1 : start + 1 + part.num_src] += part.degrees
    np.cumsum(offsets, out=offsets)
    weighted = any(part.weights is not None or scale != 1.0 for part, scale in parts)
    neighbors = np.empty(int(offsets[-1]), row_dtype(int(node_offsets[-1])))
    weights = np.empty(neighbors.size if weighted else 0, np.float32)
    fill = offsets[:-1].copy()
    for part, scale in ways:
        csr.append_rows(
            part.offsets,
            part.neighbors,
            _NO_WEIGHTS if part.weights is None else part.weights,
            float(scale),
            first[part.edge_type.src],
            first[part.edge_type.dst],
            fill,
            neighbors,
            weights,
        )
    if len({part.edge_type.dst for part, _ in ways}) < len(ways):
        csr.sort_rows(offsets, neighbors, weights)
    return HomogeneousCSR(
        node_types, node_offsets, offsets, neighbors, weights if weighted else None
    )


def _other_way(part: Adjacency) -> Adjacency:
    """The reverse, without self loops when both ends are of one type: they are there already."""
    back = part.reversed()
    if part.edge_type.src != part.edge_type.dst:
        return back
    keep = back.neighbors != back.sources()
    return back if keep.all() else masked(back, keep)
