"""ProNE: a spectral start from the links themselves, then smoothed by a filter over the graph."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse, special

from graphemb.checks import check_int, check_number, check_positive
from graphemb.embeddings import Embeddings
from graphemb.graph import HeteroGraph
from graphemb.linalg import (
    CSR,
    DoubleArray,
    left_singular,
    multiply,
    square_part,
    turn_to_axes,
    unit_rows,
)
from graphemb.trainers.base import (
    EdgeTypeWeights,
    EpochEvent,
    OnEpoch,
    provenance,
    split_matrix,
)
from graphemb.types import FloatArray

_COLUMNS = 32
_NEGLIGIBLE = float(np.finfo(np.float32).eps)


@dataclass(frozen=True, kw_only=True)
class ProNE:
    """Sparse matrix factorisation, then spectral propagation (Zhang et al. 2019).

    The links' shifted log probabilities, log p_ij - log(lambda P_j) with P_j the target's share
    of all p to the power .75, are factorised by a randomised SVD. The vectors are then filtered
    by a band-pass of the graph's Laplacian, expanded in Chebyshev polynomials, and turned to
    their principal axes. Differs from the authors' code in that the last turn is by the
    eigenvectors of the Gram matrix, which is the same up to rounding.

    Attributes:
        dim: components of a vector.
        order: terms of the Chebyshev expansion at most; 1 leaves the propagation out. Those that
            drown in float32's rounding are not computed (with the default theta from the 8th on).
        mu: where in the spectrum, 0 to 2, the filter lets most through.
        theta: how narrow it is.
        negatives: lambda, the number of negatives the factorisation stands for.
        power_iterations: of the randomised SVD.
        edge_types: which, with what weight; None: all, weight 1.
        seed: of the randomised SVD.

    Vectors have length 1; nodes without edges are missing, and node types at no end of the chosen
    edge types are left out.

    Raises:
        ConfigError: a field out of its range.
    """

    dim: int = 128
    order: int = 10
    mu: float = 0.2
    theta: float = 0.5
    negatives: float = 1.0
    power_iterations: int = 3
    edge_types: EdgeTypeWeights = None
    seed: int = 0

    def __post_init__(self) -> None:
        check_int("dim", self.dim, low=1)
        check_int("order", self.order, low=1, high=100)
        check_number("mu", self.mu, low=0.0, high=2.0)
        check_positive("theta", self.theta)
        check_positive("negatives", self.negatives)
        check_int("power_iterations", self.power_iterations, low=0)
        check_int("seed", self.seed, low=0)

    def fit(self, graph: HeteroGraph, *, on_epoch: OnEpoch | None = None) -> Embeddings:
        """One float32 vector [dim] of length 1 per node with edges.

        Raises:
            UnknownName: an edge type that is not in the graph.
        """
        merged = graph.homogeneous(self.edge_types)
        learned = merged.degrees > 0
        out = np.zeros((merged.num_nodes, self.dim), np.float32)
        if learned.any():
            out[learned] = self._vectors(square_part(merged.to_scipy(), learned), on_epoch)
        _tell(on_epoch, self.order, self.order)
        parts = split_matrix(out, learned & out.any(axis=1), graph, self.edge_types)
        return Embeddings(parts, provenance(self, graph))

    def _vectors(self, adjacency: CSR, on_epoch: OnEpoch | None) -> FloatArray:
        """float32 [n, dim] of length 1; one such matrix, changed in place from step to step."""
        links = shifted_log_probabilities(adjacency, self.negatives)
        vectors, values = left_singular(
            links, self.dim, seed=self.seed, power=self.power_iterations
        )
        del links
        vectors *= np.sqrt(values)
        unit_rows(vectors, out=vectors)
        _tell(on_epoch, 1, self.order)
        if self.order > 1:
            self._propagate(adjacency, vectors, on_epoch)
        turn_to_axes(vectors)
        return unit_rows(vectors, out=vectors)

    def _propagate(self, adjacency: CSR, vectors: FloatArray, on_epoch: OnEpoch | None) -> None:
        """Filter all columns, some at a time: of those a few copies are needed."""
        looped = sparse.csr_matrix(adjacency + sparse.eye(adjacency.shape[0], dtype=np.float32))
        shares = looped.data / np.repeat(_row_sums(looped), np.diff(looped.indptr))
        walk = sparse.csr_matrix(
            (shares.astype(np.float32), looped.indices, looped.indptr), shape=looped.shape
        )
        for first in range(0, self.dim, _COLUMNS):
            columns = slice(first, first + _COLUMNS)
            start = np.ascontiguousarray(vectors[:, columns])
            vectors[:, columns] = multiply(looped, self._filtered(walk, start))
            reached = min(first + _COLUMNS, self.dim) / self.dim
            _tell(on_epoch, 1 + (self.order - 1) * reached, self.order)

    def _filtered(self, walk: CSR, start: FloatArray) -> FloatArray:
        """float32 [n, k]: X minus its Chebyshev expansion, term by term by their recurrence."""

        def twice_shifted(vectors: FloatArray) -> FloatArray:
            """(L - mu I)^2 X with L = I - walk."""
            for _ in range(2):
                around = multiply(walk, vectors)
                vectors = np.float32(1.0 - self.mu) * vectors
                vectors -= around
            return vectors

        before, now = start, twice_shifted(start)
        now *= np.float32(0.5)
        now -= start
        total = np.float32(1.0 - special.iv(0, self.theta)) * start
        total += np.float32(2.0 * special.iv(1, self.theta)) * now
        for term in range(2, self.order):
            share = 2.0 * special.iv(term, self.theta)
            if share < _NEGLIGIBLE:
                break
            after = twice_shifted(now)
            after -= np.float32(2.0) * now
            after -= before
            total += np.float32(-share if term % 2 == 0 else share) * after
            before, now = now, after
        return total


def shifted_log_probabilities(adjacency: CSR, negatives: float) -> CSR:
    """float32 [n, n]: log p_ij - log(negatives P_j) where there is a link, else nothing."""
    chances = adjacency.data / np.repeat(_row_sums(adjacency), np.diff(adjacency.indptr))
    targets = np.bincount(adjacency.indices, chances, adjacency.shape[0]) ** 0.75
    targets /= targets.sum()
    logs = np.log(chances) - np.log(negatives * targets[adjacency.indices])
    return sparse.csr_matrix(
        (logs.astype(np.float32), adjacency.indices, adjacency.indptr), shape=adjacency.shape
    )


def _row_sums(matrix: CSR) -> DoubleArray:
    return np.asarray(matrix.sum(axis=1, dtype=np.float64)).ravel()


def _tell(on_epoch: OnEpoch | None, done: float, steps: int) -> None:
    if on_epoch:
        on_epoch(EpochEvent(done, steps))
