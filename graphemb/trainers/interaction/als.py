"""`ALS`: implicit feedback by alternating least squares, over any number of edge types."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from graphemb.checks import check_int, check_number, check_positive
from graphemb.embeddings import Embeddings
from graphemb.errors import TrainingError
from graphemb.graph import HeteroGraph, HomogeneousCSR
from graphemb.graph.homogeneous import chosen_weights
from graphemb.kernels import als
from graphemb.linalg import CSR, DoubleArray, over_rows
from graphemb.trainers.base import EdgeTypeWeights, EpochEvent, OnEpoch, provenance, split_matrix
from graphemb.types import FloatArray, NodeType


@dataclass(frozen=True, kw_only=True)
class ALS:
    """Weighted matrix factorisation of implicit feedback (Hu, Koren, Volinsky 2008).

    The product of two vectors is to be 1 for every pair with an edge and, with a small weight,
    0 for every pair. As in iALS++ (Rendle, Krichene, Zhang, Koren 2022) the ridge of a node
    grows with how often it stands in the loss:

        sum over edges of w (x.y - 1)^2  +  a sum over all pairs of (x.y)^2
            +  l sum over nodes of (sum of w + a x number of candidates)^n |x|^2

    Differs in three ways. All edge types are factorised together: a node type has one matrix, and
    each edge type adds its pairs, so that what a seller sells and who bought it meet in the
    product. Each row's system is solved by a few conjugate-gradient steps from its last vector
    (Takacs, Pilaszy, Tikk 2011). Where edges join a node type with itself only half a step
    is taken, because both ends move at once.

    Attributes:
        dim: components of a vector.
        epochs: rounds over all node types.
        unobserved_weight: a; the larger, the more is learned from absent edges.
        regularization: l.
        frequency_exponent: n; 1 holds back busy nodes as much as quiet ones, 0 is a plain ridge.
        weight_power: an edge's w is (its weight x its edge type's weight) to this power;
            parallel edges add up first. 0 counts every pair alike.
        solver_steps: conjugate-gradient steps for each row and epoch.
        init_scale: expected length of a first random vector.
        edge_types: which, with what weight; None: all, weight 1.
        seed: of the first vectors.

    Judge by dot product: lengths say how popular a node is. Nodes without edges are missing.

    Raises:
        ConfigError: a field out of its range.
    """

    dim: int = 64
    epochs: int = 16
    unobserved_weight: float = 0.1
    regularization: float = 0.003
    frequency_exponent: float = 1.0
    weight_power: float = 1.0
    solver_steps: int = 3
    init_scale: float = 0.1
    edge_types: EdgeTypeWeights = None
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("dim", "epochs", "solver_steps"):
            check_int(name, getattr(self, name), low=1)
        check_int("seed", self.seed, low=0)
        for name in ("unobserved_weight", "regularization", "init_scale"):
            check_positive(name, getattr(self, name))
        check_number("frequency_exponent", self.frequency_exponent, low=0.0, high=2.0)
        check_number("weight_power", self.weight_power, low=0.0)

    def fit(self, graph: HeteroGraph, *, on_epoch: OnEpoch | None = None) -> Embeddings:
        """One float32 vector [dim] per node with edges.

        Raises:
            UnknownName: an edge type that is not in the graph.
            TrainingError: a vector is no longer finite.
        """
        merged = graph.homogeneous(self.edge_types)
        pairs = merged.to_scipy()
        pairs.data = pairs.data**self.weight_power
        sides = self._sides(graph, merged)
        rng = np.random.default_rng(self.seed)
        vectors = rng.standard_normal((merged.num_nodes, self.dim), dtype=np.float32)
        vectors *= np.float32(self.init_scale / np.sqrt(self.dim))
        vectors[pairs.getnnz(axis=1) == 0] = 0.0
        ridge = self._ridge(pairs, sides)
        for epoch in range(self.epochs):
            for side in sides:
                self._solve(side, pairs, ridge, vectors)
            if not np.isfinite(vectors).all():
                raise TrainingError(
                    "a vector is no longer finite",
                    field="regularization",
                    value=self.regularization,
                    hint="raise regularization or unobserved_weight",
                )
            if on_epoch:
                on_epoch(EpochEvent(epoch + 1, self.epochs))
        parts = split_matrix(vectors, pairs.getnnz(axis=1) > 0, graph, self.edge_types)
        return Embeddings(parts, provenance(self, graph))

    def _sides(self, graph: HeteroGraph, merged: HomogeneousCSR) -> list[_Side]:
        """Every node type with edges, and whom its nodes are to be told from."""
        partners: dict[NodeType, list[tuple[slice, float]]] = {}
        for edge_type, weight in chosen_weights(self.edge_types, graph.edge_types).items():
            ends = {(edge_type.src, edge_type.dst), (edge_type.dst, edge_type.src)}
            absent = self.unobserved_weight * weight**self.weight_power
            for own, other in sorted(ends):
                partners.setdefault(own, []).append((merged.slice(other), absent))
        return [
            _Side(merged.slice(name), tuple(partners[name]))
            for name in merged.node_types
            if name in partners
        ]

    def _ridge(self, pairs: CSR, sides: list[_Side]) -> DoubleArray:
        """float64 [N]: what is added to the diagonal of each node's system."""
        ridge: DoubleArray = np.asarray(pairs.sum(axis=1, dtype=np.float64)).ravel()
        for side in sides:
            for other, absent in side.partners:
                ridge[side.rows] += absent * (other.stop - other.start)
        return self.regularization * ridge**self.frequency_exponent

    def _solve(self, side: _Side, pairs: CSR, ridge: DoubleArray, vectors: FloatArray) -> None:
        """One round over the nodes of one type, in place."""
        gram = np.zeros((self.dim, self.dim), np.float32)
        with threadpool_limits(1, user_api="blas"):
            for other, absent in side.partners:
                gram += np.float32(absent) * (vectors[other].T @ vectors[other])
        moves = any(other == side.rows for other, _ in side.partners)
        fixed = vectors.copy() if moves else vectors
        offsets, first = pairs.indptr.astype(np.int64), side.rows.start

        def run(low: int, high: int) -> None:
            als.solve_rows(
                first,
                offsets,
                pairs.indices,
                pairs.data,
                fixed,
                gram,
                ridge,
                self.solver_steps,
                vectors,
                low,
                high,
            )

        over_rows(run, offsets[first : side.rows.stop + 1])
        if moves:
            vectors[side.rows] = (vectors[side.rows] + fixed[side.rows]) / 2


@dataclass(frozen=True)
class _Side:
    """The nodes of one type.

    Attributes:
        rows: of the one row space.
        partners: the rows it is paired with by each edge type, and what an absent pair weighs.
    """

    rows: slice
    partners: tuple[tuple[slice, float], ...]
