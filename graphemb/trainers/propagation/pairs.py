"""The pairs to be learned, the messages that flow along them, and how they are divided."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
from scipy import sparse

from graphemb.graph import HeteroGraph, HomogeneousCSR
from graphemb.kernels import kin
from graphemb.linalg import CSR, DoubleArray, multiply, over_rows, scaled_adjacency
from graphemb.types import BoolArray, EdgeType, FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class Task:
    """The distinct pairs of one edge type: each source is asked for its targets.

    Attributes:
        src, dst: int64 [m], rows of the one row space.
        weight: float64 [m], edge weights added up, times the edge type's.
        candidates: int64, the targets that have any pair; where a node type is linked to itself,
            every node that has, since a product has no direction.
    """

    src: IntArray
    dst: IntArray
    weight: DoubleArray
    candidates: IntArray

    @classmethod
    def of(cls, graph: HeteroGraph, merged: HomogeneousCSR, edge_type: EdgeType, by: float) -> Task:
        """The pairs of one edge type of a graph, each weighing `by` times its edges."""
        found = graph[edge_type].to_scipy().tocoo()
        src = merged.slice(edge_type.src).start + found.row.astype(np.int64)
        dst = merged.slice(edge_type.dst).start + found.col.astype(np.int64)
        within = edge_type.src == edge_type.dst
        candidates = np.union1d(src, dst) if within else np.unique(dst)
        return cls(src, dst, found.data.astype(np.float64) * by, candidates)

    @cached_property
    def sources(self) -> IntArray:
        """int64: the sources that have a pair."""
        return np.unique(self.src)

    def positives(self, size: int, kept: BoolArray | None = None) -> CSR:
        """float32 [size, size]: the weight of each pair, or of those that are `kept` bool [m]."""
        every = slice(None) if kept is None else kept
        entries = (self.weight[every].astype(np.float32), (self.src[every], self.dst[every]))
        return sparse.csr_matrix(entries, shape=(size, size))


@dataclass(frozen=True, eq=False)
class Propagation:
    """The weighted mean of powers of S = D^-a (A + s I) D^-a; S is its own transpose.

    Attributes:
        step: S, float32 [N, N].
        layers: the weight of each power, from 0.
    """

    step: CSR
    layers: tuple[float, ...]

    def __call__(self, vectors: FloatArray) -> FloatArray:
        """float32 [N, dim]; also takes gradients back, because S is symmetric."""
        total = np.float32(sum(self.layers))
        power, out = vectors, vectors * (np.float32(self.layers[0]) / total)
        for weight in self.layers[1:]:
            power = multiply(self.step, power)
            if weight:
                out += power * (np.float32(weight) / total)
        return out


def joined(tasks: Mapping[EdgeType, Task], size: int, kept: BoolArray | None = None) -> CSR:
    """float32 [size, size], symmetric: the pairs of all tasks, those that are `kept` at most."""
    src, dst, weight = (
        np.concatenate([getattr(task, name) for task in tasks.values()])
        for name in ("src", "dst", "weight")
    )
    if kept is not None:
        src, dst, weight = src[kept], dst[kept], weight[kept]
    loops = src == dst  # stand once in a symmetric matrix
    rows, columns = np.concatenate([src, dst[~loops]]), np.concatenate([dst, src[~loops]])
    entries = np.concatenate([weight, weight[~loops]]).astype(np.float32)
    return sparse.csr_matrix((entries, (rows, columns)), shape=(size, size))


def with_kin(adjacency: CSR, targets: BoolArray, number: int, weight: float) -> CSR:
    """float32 [N, N]: a symmetric adjacency, and edges between targets that share neighbours.

    Each of `targets` bool [N] points to the `number` others with the largest entries in its row
    of S^2, where S = D^-1/2 A D^-1/2, in shares that sum to 1. Taken both ways and times the root
    of both degrees, so that one has about `weight` times its degree in such edges.
    """
    step = scaled_adjacency(adjacency, exponent=0.5)
    size = step.shape[0]
    number = min(number, size)
    columns, values = np.zeros((size, number), np.int64), np.zeros((size, number), np.float32)
    offsets = step.indptr.astype(np.int64)
    run = partial(kin.largest_of_square, offsets, step.indices, step.data, targets, columns, values)
    over_rows(run, offsets)
    values /= np.maximum(values.sum(axis=1, keepdims=True), np.finfo(np.float32).tiny)
    ends = np.repeat(np.arange(size), number), columns.ravel()
    shares = sparse.csr_matrix((values.ravel(), ends), shape=(size, size))
    roots = np.sqrt(np.asarray(adjacency.sum(axis=1), np.float64).ravel())
    between = (shares + shares.T) * (0.5 * weight)
    scaled = sparse.diags_array(roots) @ between @ sparse.diags_array(roots)
    total = sparse.csr_matrix(adjacency + scaled, dtype=np.float32)
    total.eliminate_zeros()
    return total
