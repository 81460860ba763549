"""`Adjacency`: the edges of one edge type in one direction, as CSR."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from graphemb.graph.compressed import Compressed
from graphemb.kernels import csr
from graphemb.types import BoolArray, EdgeType, FloatArray, IntArray, RowArray

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

_INT32_LIMIT = np.iinfo(np.int32).max


def row_dtype(num_rows: int) -> type[np.int32] | type[np.int64]:
    """The dtype that holds rows of a node type with that many nodes."""
    return np.int32 if num_rows <= _INT32_LIMIT else np.int64


@dataclass(frozen=True, eq=False)
class Adjacency(Compressed):
    """CSR of one edge type. All arrays are read-only.

    Attributes:
        edge_type: the direction these edges are walked in.
        num_dst: nodes of the target type.
        offsets: int64 [num_src + 1]; row r's edges are `offsets[r]:offsets[r + 1]`.
        neighbors: int32 or int64 [m], rows of the target type, ascending within a row.
        weights: float32 [m], or None when every edge weighs 1.
        times: int64 [m], microseconds since 1970 UTC, or None.
        edges: int64 [m], each edge's place in the stored direction; None there.
    """

    edge_type: EdgeType
    num_dst: int
    offsets: IntArray
    neighbors: RowArray
    weights: FloatArray | None = None
    times: IntArray | None = None
    edges: IntArray | None = None

    @property
    def num_src(self) -> int:
        """Nodes of the source type."""
        return self.num_rows

    def sources(self) -> RowArray:
        """int32 or int64 [m]: the row each edge leaves from."""
        rows: RowArray = np.arange(self.num_src, dtype=row_dtype(self.num_src))
        return np.repeat(rows, self.degrees)

    def contains(self, src_rows: RowArray, dst_rows: RowArray) -> BoolArray:
        """bool [n]: whether there is an edge from `src_rows[i]` to `dst_rows[i]`."""
        src, dst = np.ascontiguousarray(src_rows), np.ascontiguousarray(dst_rows)
        return csr.contains(
            self.offsets, self.neighbors, src.astype(np.int64), dst.astype(np.int64)
        )

    def to_scipy(self) -> csr_matrix:
        """float32 [num_src, num_dst]; parallel edges are summed."""
        return self._matrix(self.num_dst)

    def reversed(self) -> Adjacency:
        """The same edges walked the other way."""
        src = self.sources()
        offsets = csr.count_offsets(self.neighbors, self.num_dst)
        order = np.empty(self.num_edges, row_dtype(self.num_edges))
        csr.stable_order(self.neighbors, offsets, order)
        return Adjacency(
            self.edge_type.reverse,
            self.num_src,
            offsets,
            src[order],
            None if self.weights is None else self.weights[order],
            None if self.times is None else self.times[order],
            order.astype(np.int64) if self.edges is None else self.edges[order],
        )


def masked(adjacency: Adjacency, keep: BoolArray) -> Adjacency:
    """The edges where `keep` bool [m] is True."""
    passed = np.zeros(keep.size + 1, np.int64)
    np.cumsum(keep, out=passed[1:])
    return Adjacency(
        adjacency.edge_type,
        adjacency.num_dst,
        passed[adjacency.offsets],
        adjacency.neighbors[keep],
        None if adjacency.weights is None else adjacency.weights[keep],
        None if adjacency.times is None else adjacency.times[keep],
    )
