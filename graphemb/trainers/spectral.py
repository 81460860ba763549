"""Trainers without training: `FastRP`, `SVD` and `RandomVectors`. Seconds, and strong floors."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

from graphemb.checks import check_int, check_number
from graphemb.embeddings import Embeddings, Vectors
from graphemb.errors import ConfigError
from graphemb.graph import HeteroGraph, HomogeneousCSR
from graphemb.graph.fingerprint import hash_column, hash_name
from graphemb.kernels import aggregate, random
from graphemb.kernels.hash import Hashes
from graphemb.linalg import (
    CSR,
    DoubleArray,
    left_singular,
    over_rows,
    scaled_adjacency,
    smoothed,
    square_part,
    unit_rows,
)
from graphemb.trainers.base import EdgeTypeWeights, EpochEvent, OnEpoch, provenance, split_matrix
from graphemb.types import FloatArray, NodeType

_NO_WEIGHTS = np.zeros(0, np.float32)
_LEAST_DEGREE = 1e-12


@dataclass(frozen=True, kw_only=True)
class FastRP:
    """FastRP: powers of the transition matrix times a very sparse random projection.

    Chen, Sultan, Tian, Chen, Skiena 2019. As in Neo4j's GDS each power's rows are brought to
    length 1 before they are weighted and added. Differs in that a node's random row hangs on
    the seed, its type and its id alone, so that neither row order nor other nodes move it.

    Attributes:
        dim: components of a vector.
        weights: of the powers 0, 1, 2, ... of the transition matrix; power 0 is the random
            projection itself, which tells a node from its twins and says nothing else.
        self_loops: weight of an edge from every node to itself.
        degree_exponent: random rows are scaled by degree^this; below 0 hubs say less.
        sparsity: one component in so many is not zero; 1 to a few hundred.
        edge_types: which, with what weight; None: all, weight 1.
        seed: of the projection.

    Nodes without edges are missing. Node types at no end of the chosen edge types are left out.

    Raises:
        ConfigError: a field out of its range.
    """

    dim: int = 128
    weights: tuple[float, ...] = (0.0, 0.0, 1.0, 1.0, 1.0, 1.0)
    self_loops: float = 0.0
    degree_exponent: float = 0.0
    sparsity: float = 3.0
    edge_types: EdgeTypeWeights = None
    seed: int = 0

    def __post_init__(self) -> None:
        check_int("dim", self.dim, low=1)
        check_int("seed", self.seed, low=0)
        check_number("self_loops", self.self_loops, low=0.0)
        check_number("degree_exponent", self.degree_exponent, low=-2.0, high=2.0)
        check_number("sparsity", self.sparsity, low=1.0)
        object.__setattr__(self, "weights", tuple(self.weights))
        for number, weight in enumerate(self.weights):
            check_number(f"weights[{number}]", weight)
        if not any(self.weights):
            raise ConfigError(
                "at least one power needs a weight other than 0",
                field="weights",
                value=self.weights,
            )

    def fit(self, graph: HeteroGraph, *, on_epoch: OnEpoch | None = None) -> Embeddings:
        """One float32 vector [dim] per node with edges.

        Raises:
            UnknownName: an edge type that is not in the graph.
        """
        merged = graph.homogeneous(self.edge_types)
        rows = self._projection(graph, merged)
        out = unit_rows(rows)
        out *= np.float32(self.weights[0])
        spare = np.zeros_like(rows)
        for power, weight in enumerate(self.weights):
            if power:
                self._add_power(merged, float(weight), rows, spare, out)
                rows, spare = spare, rows
            if on_epoch:
                on_epoch(EpochEvent(power + 1, len(self.weights)))
        del rows, spare  # or all three are held beside the result
        learned = (merged.degrees > 0) & out.any(axis=1)
        parts = split_matrix(out, learned, graph, self.edge_types)
        return Embeddings(parts, provenance(self, graph))

    def _add_power(
        self,
        merged: HomogeneousCSR,
        weight: float,
        before: FloatArray,
        after: FloatArray,
        out: FloatArray,
    ) -> None:
        """Fill `after` with the next power of `before` and add its weighted unit rows to `out`."""
        weights = _NO_WEIGHTS if merged.weights is None else merged.weights
        loops, offsets = float(self.self_loops), merged.offsets

        def run(low: int, high: int) -> None:
            aggregate.propagate(
                offsets,
                merged.neighbors,
                weights,
                loops,
                weight,
                before,
                after,
                out,
                low,
                high,
            )

        over_rows(run, merged.offsets)

    def _projection(self, graph: HeteroGraph, merged: HomogeneousCSR) -> FloatArray:
        """float32 [N, dim]: the very sparse random rows, scaled by degree."""
        degrees = np.maximum(weighted_degrees(merged), _LEAST_DEGREE)
        scale = (degrees**self.degree_exponent).astype(np.float32)
        out = np.empty((merged.num_nodes, self.dim), np.float32)
        keys = np.concatenate([node_keys(graph, name, self.seed) for name in merged.node_types])
        share = 1.0 / self.sparsity
        over_rows(partial(random.sparse_rows, keys, share, scale, out), np.arange(keys.size + 1))
        return out


@dataclass(frozen=True, kw_only=True)
class SVD:
    """The largest singular vectors of D^-a (A + s I) D^-a, times their values to a power.

    A is the symmetric adjacency of the chosen edge types over all their nodes; D holds the sums
    of A + s I. Self loops of some weight tie a node to its own kind; an exponent under .5 lets
    busy nodes keep longer vectors, so that a dot product knows of popularity too.

    Attributes:
        dim: components of a vector; those beyond the number of nodes are zero.
        degree_exponent: a, 0 to 1.
        self_loops: s, at least 0.
        singular_power: vectors are U S^this; 1.5 leans on the large directions.
        smoothing: steps of averaging over neighbours afterwards (the mean of X, S X, ...,
            S^steps X with S = D^-.5 A D^-.5, as LightGCN does without training).
        power_iterations: of the randomised SVD; more are more exact and slower.
        edge_types: which, with what weight; None: all, weight 1.
        seed: of the randomised SVD.

    Nodes without edges are missing. Node types at no end of the chosen edge types are left out.

    Raises:
        ConfigError: a field out of its range.
    """

    dim: int = 128
    degree_exponent: float = 0.3
    self_loops: float = 3.0
    singular_power: float = 1.5
    smoothing: int = 0
    power_iterations: int = 5
    edge_types: EdgeTypeWeights = None
    seed: int = 0

    def __post_init__(self) -> None:
        check_int("dim", self.dim, low=1)
        check_int("seed", self.seed, low=0)
        check_number("degree_exponent", self.degree_exponent, low=0.0, high=1.0)
        check_number("self_loops", self.self_loops, low=0.0)
        check_number("singular_power", self.singular_power, low=0.0)
        check_int("smoothing", self.smoothing, low=0)
        check_int("power_iterations", self.power_iterations, low=0)

    def fit(self, graph: HeteroGraph, *, on_epoch: OnEpoch | None = None) -> Embeddings:
        """One float32 vector [dim] per node with edges.

        Raises:
            UnknownName: an edge type that is not in the graph.
        """
        merged = graph.homogeneous(self.edge_types)
        learned = merged.degrees > 0
        out = np.zeros((merged.num_nodes, self.dim), np.float32)
        if learned.any():
            out[learned] = self._vectors(square_part(merged.to_scipy(), learned))
        if on_epoch:
            on_epoch(EpochEvent(1, 1))
        parts = split_matrix(out, learned & out.any(axis=1), graph, self.edge_types)
        return Embeddings(parts, provenance(self, graph))

    def _vectors(self, adjacency: CSR) -> FloatArray:
        scaled = scaled_adjacency(
            adjacency, exponent=self.degree_exponent, self_loops=self.self_loops
        )
        vectors, values = left_singular(
            scaled, self.dim, seed=self.seed, power=self.power_iterations, symmetric=True
        )
        vectors *= values**self.singular_power
        return smoothed(adjacency, vectors, self.smoothing) if self.smoothing else vectors


@dataclass(frozen=True, kw_only=True)
class RandomVectors:
    """A random unit vector for every node, isolated ones included.

    It hangs on the seed, the node type and the id alone. Nothing is learned: these are a fair
    start for attributes of a long tail, from which other entities are then derived, and the
    floor of every comparison.

    Attributes:
        dim: components of a vector.
        node_types: which get vectors; None: all.
        seed: of the vectors.

    Raises:
        ConfigError: a field out of its range.
    """

    dim: int = 128
    node_types: tuple[NodeType, ...] | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        check_int("dim", self.dim, low=1)
        check_int("seed", self.seed, low=0)
        if self.node_types is not None:
            object.__setattr__(self, "node_types", tuple(self.node_types))

    def fit(self, graph: HeteroGraph, *, on_epoch: OnEpoch | None = None) -> Embeddings:
        """One float32 vector [dim] of length 1 per node of the chosen types.

        Raises:
            UnknownName: a node type that is not in the graph.
        """
        parts = []
        for node_type in graph.node_types if self.node_types is None else self.node_types:
            keys = node_keys(graph, node_type, self.seed)
            out = np.empty((keys.size, self.dim), np.float32)
            over_rows(partial(random.unit_rows, keys, out), np.arange(keys.size + 1))
            parts.append(Vectors(node_type, graph.ids(node_type), out))
        if on_epoch:
            on_epoch(EpochEvent(1, 1))
        return Embeddings(parts, provenance(self, graph))


def node_keys(graph: HeteroGraph, node_type: NodeType, seed: int) -> Hashes:
    """uint64 [n]: the random stream of each node, from the seed, its type and its id."""
    return hash_column(graph.ids(node_type).array, hash_name(node_type, np.uint64(seed)))


def weighted_degrees(merged: HomogeneousCSR) -> DoubleArray:
    """float64 [N]: the weight of the edges leaving each row."""
    if merged.weights is None:
        return merged.degrees.astype(np.float64)
    rows = np.repeat(np.arange(merged.num_nodes), merged.degrees)
    return np.bincount(rows, merged.weights, merged.num_nodes).astype(np.float64)
