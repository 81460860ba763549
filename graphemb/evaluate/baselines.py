"""Baselines that every candidate has to beat: counts, neighbours, attributes, SVD, random.

All see what `Questions` holds: distinct training pairs of the split edge type, and the training
graph's attribute edges. Sums over paths are taken in float64, block by block.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, TypeAlias

import numpy as np
from scipy import sparse

from graphemb.evaluate.ease import beyond_memory, ease
from graphemb.evaluate.vectors import VectorScorer
from graphemb.kernels.random import unit_rows as random_rows
from graphemb.linalg import multiply, scaled_adjacency, truncated_svd
from graphemb.metrics import Float64Array
from graphemb.split.pairs import id_keys
from graphemb.split.questions import Questions
from graphemb.split.ranking import Scorer, pairs_by_block, popularity
from graphemb.types import EdgeType, FloatArray, IntArray

BaselineName = Literal[
    "popularity",
    "degree_product",
    "common_neighbors",
    "resource_allocation",
    "item_knn",
    "same_attribute",
    "svd",
    "random",
    "ease",
]
DEFAULT_BASELINES: tuple[BaselineName, ...] = (
    "popularity",
    "degree_product",
    "common_neighbors",
    "resource_allocation",
    "item_knn",
    "same_attribute",
    "svd",
    "random",
)
"""Those that cost little on any graph."""
BASELINES: tuple[BaselineName, ...] = (*DEFAULT_BASELINES, "ease")
CSR: TypeAlias = "sparse.csr_matrix[Any]"
_DIMS = (8, 64)
_REACH = 1 << 24
"""Non-zeros of intermediate results held at once."""
_WIDE = 1 << 29
"""Bytes of a dense intermediate result at most."""
_DENSE_GAIN = 8
"""A dense product does so many more operations in the time of one sparse one."""


def baseline_scorers(
    questions: Questions, names: Iterable[BaselineName], seed: int
) -> list[Scorer]:
    """The baselines of these names; `same_attribute` gives one for each attribute edge type."""
    makers: Mapping[str, Callable[[], Iterable[Scorer]]] = {
        "popularity": lambda: [popularity(questions)],
        "degree_product": lambda: [DegreeProduct(questions)],
        "common_neighbors": lambda: [_common(questions)],
        "resource_allocation": lambda: [_resource(questions)],
        "item_knn": lambda: [_item_knn(questions)],
        "same_attribute": lambda: same_attributes(questions),
        "svd": lambda: _svd(questions, seed),
        "random": lambda: [_random(questions, seed)],
        "ease": lambda: [ease(questions)],
    }
    wanted = [name for name in names if name not in too_large(questions, names)]
    return [scorer for name in wanted for scorer in makers[name]()]


def too_large(questions: Questions, names: Iterable[BaselineName]) -> dict[BaselineName, str]:
    """The baselines that are left out because of their memory, and why."""
    why = beyond_memory(questions.num_seen) if "ease" in names else None
    return {"ease": f"EASE is left out: {why}"} if why else {}


@dataclass(frozen=True, eq=False)
class Chain:
    """Scores by counting weighted paths: a source's row of `start` times each step in turn.

    Attributes:
        name: what reports call it.
        start: CSR [n_src, .]; the last step is [., n].
        steps: at least one CSR.
    """

    name: str
    start: CSR
    steps: Sequence[CSR]

    def block(self, sources: IntArray) -> FloatArray:
        """float32 [len(sources), n]."""
        out = np.empty((sources.size, self.steps[-1].shape[1]), np.float32)
        for low, high in self._parts(sources):
            reached = self.start[sources[low:high]]
            for step in self.steps[:-1]:
                reached = reached @ step
            out[low:high] = self._last_step(sparse.csr_matrix(reached))
        return out

    def pairs(self, sources: IntArray, columns: IntArray) -> FloatArray:
        """float32 [len(sources)]."""
        return pairs_by_block(self, sources, columns, self.steps[-1].shape[1])

    def _parts(self, sources: IntArray) -> Iterator[tuple[int, int]]:
        """Ranges of sources whose paths through all steps but the last fit `_REACH`."""
        costs: Float64Array = np.diff(self.start.indptr)[sources].astype(np.float64)
        if len(self.steps) > 1:
            fan = np.diff(self.steps[0].indptr).astype(np.float64)
            costs = self.start[sources] @ fan
        total = np.cumsum(costs)
        low = 0
        while low < sources.size:
            base = total[low - 1] if low else 0.0
            high = max(int(np.searchsorted(total, base + _REACH, side="right")), low + 1)
            yield low, high
            low = high

    @cached_property
    def _last_turned(self) -> CSR:
        return sparse.csr_matrix(self.steps[-1].T)

    def _last_step(self, reached: CSR) -> FloatArray:
        """float32 [b, n] = reached x the last step, by whichever of two ways does less work."""
        step = self.steps[-1]
        paths = float(np.diff(step.indptr)[reached.indices].sum())
        if paths * _DENSE_GAIN < float(step.nnz) * reached.shape[0]:
            return np.asarray((reached @ step).toarray(), np.float32)
        out = np.empty((reached.shape[0], step.shape[1]), np.float32)
        height = max(1, _WIDE // (4 * max(step.shape)))
        for low in range(0, reached.shape[0], height):
            rows = np.ascontiguousarray(reached[low : low + height].toarray().T, np.float32)
            out[low : low + height] = multiply(self._last_turned, rows).T
        return out


@dataclass(frozen=True, eq=False)
class DegreeProduct:
    """Degree of the source times degree of the candidate (preferential attachment)."""

    questions: Questions
    name: str = "degree product"

    def block(self, sources: IntArray) -> FloatArray:
        """float32 [len(sources), n]."""
        src, dst = self.questions.src_degrees[sources], self.questions.dst_degrees
        return np.outer(src, dst).astype(np.float32)

    def pairs(self, sources: IntArray, columns: IntArray) -> FloatArray:
        """float32 [len(sources)]."""
        src, dst = self.questions.src_degrees[sources], self.questions.dst_degrees[columns]
        return (src * dst).astype(np.float32)


def _scaled(matrix: CSR, rows: Float64Array | None, columns: Float64Array | None) -> CSR:
    """CSR with rows and columns multiplied, float32."""
    data = matrix.data.astype(np.float64)
    if rows is not None:
        data = data * np.repeat(rows, np.diff(matrix.indptr))
    if columns is not None:
        data = data * columns[matrix.indices]
    return sparse.csr_matrix(
        (data.astype(np.float32), matrix.indices, matrix.indptr), shape=matrix.shape
    )


def _power(degrees: IntArray, exponent: float) -> Float64Array:
    return np.where(degrees > 0, np.maximum(degrees, 1.0) ** exponent, 0.0)


def _square(questions: Questions) -> CSR:
    """The training edges within one node type, rows in the order of the columns."""
    return questions.history[: questions.num_candidates]


def _common(questions: Questions) -> Chain:
    """Shared neighbours within one node type; between two, paths of three edges."""
    history = questions.history
    if questions.split.rule.one_type:
        return Chain("common neighbors", history, [_square(questions)])
    return Chain("common neighbors", history, [sparse.csr_matrix(history.T), history])


def _resource(questions: Questions) -> Chain:
    """As common neighbours, each path divided by the degrees of the nodes between (Zhou 2009).

    Between two node types this is resource spreading (Zhou et al. 2007).
    """
    history = questions.history
    by_dst = _power(questions.dst_degrees, -1.0)
    if questions.split.rule.one_type:
        return Chain("resource allocation", history, [_scaled(_square(questions), by_dst, None)])
    back = _scaled(sparse.csr_matrix(history.T), by_dst, _power(questions.src_degrees, -1.0))
    return Chain("resource allocation", history, [back, history])


def _item_knn(questions: Questions) -> Chain:
    """Cosine of a candidate's sources with those of each candidate in the history, summed.

    No neighbour is cut off, so there is nothing to tune.
    """
    history = questions.history
    root = _power(questions.dst_degrees, -0.5)
    back = _scaled(sparse.csr_matrix(history.T), root, None)
    return Chain("ItemKNN", history, [back, _scaled(history, None, root)])


def same_attributes(questions: Questions) -> list[Chain]:
    """For each attribute edge type of the candidates: how much of the history shares it.

    An attribute edge type joins candidates to a node type that is neither theirs nor the
    sources'. Edges among candidates count as "linked to the history". Within one node type the
    source itself is part of its history.
    """
    split = questions.split
    target, source = split.edge_type.dst, split.edge_type.src
    found: dict[EdgeType, str] = {}
    for edge_type in split.train.edge_types:
        if edge_type == split.edge_type.stored or target not in (edge_type.src, edge_type.dst):
            continue
        way = edge_type if edge_type.src == target else edge_type.reverse
        if way.dst == target:
            found[way] = "linked to the history"
        elif way.dst != source:
            found[way] = f"same {way.dst}"
    names = list(found.values())
    return [
        _attribute(questions, way, name if names.count(name) == 1 else f"{name} ({way.relation})")
        for way, name in found.items()
    ]


def _attribute(questions: Questions, way: EdgeType, name: str) -> Chain:
    adjacency = questions.split.train[way]
    candidates = questions.dst_place[adjacency.sources()]
    others = adjacency.neighbors.astype(np.int64)
    history = questions.history
    if questions.split.rule.one_type:
        history = sparse.csr_matrix(history + sparse.eye_array(*history.shape, dtype=np.float32))
    if way.src == way.dst:
        others = questions.dst_place[others]
    fits = (candidates >= 0) & (others >= 0)
    candidates, others = candidates[fits], others[fits]
    if way.src == way.dst:
        shape = (questions.num_candidates, questions.num_candidates)
        ends = np.concatenate([candidates, others]), np.concatenate([others, candidates])
        return Chain(name, history, [_ones(*ends, shape)])
    shape = (questions.num_candidates, adjacency.num_dst)
    has = _ones(candidates, others, shape)
    return Chain(name, history, [has, sparse.csr_matrix(has.T)])


def _ones(rows: IntArray, columns: IntArray, shape: tuple[int, int]) -> CSR:
    matrix = sparse.csr_matrix((np.ones(rows.size, np.float32), (rows, columns)), shape=shape)
    matrix.sum_duplicates()
    matrix.data[:] = 1.0
    return matrix


def _svd(questions: Questions, seed: int) -> list[Scorer]:
    """Truncated SVD of D^-.3 R D^-.3, both sides times the root of the singular values.

    Two ranks, since sparse histories want few and dense ones many; fewer where the matrix is
    small. The exponent was the best of 0, .15, .3 and .5 on four public sets.
    """
    scaled = scaled_adjacency(questions.history, exponent=0.3)
    room = max(min(scaled.shape) // 4, 1)
    dims = sorted({min(dim, room) for dim in _DIMS})
    left, values, right = truncated_svd(scaled, dims[-1], seed=seed)
    root = np.sqrt(values)
    left, right = left * root, np.ascontiguousarray(right.T) * root
    return [
        _vectors(f"SVD-{dim}", left[:, :dim].copy(), np.ascontiguousarray(right[:, :dim]))
        for dim in dims
    ]


def _random(questions: Questions, seed: int) -> VectorScorer:
    """A random direction for each node, by its id and the seed."""
    split = questions.split
    parts = []
    for node_type, rows in (
        (split.edge_type.src, questions.src_rows),
        (split.edge_type.dst, questions.dst_rows),
    ):
        keys = id_keys(split.train.ids(node_type), seed + 1)[rows]
        out = np.empty((rows.size, _DIMS[-1]), np.float32)
        random_rows(keys, out, 0, rows.size)
        parts.append(out)
    return _vectors("random vectors", *parts)


def _vectors(name: str, sources: FloatArray, targets: FloatArray) -> VectorScorer:
    nowhere = np.zeros(len(sources), np.bool_), np.zeros(len(targets), np.bool_)
    return VectorScorer(name, sources, targets, *nowhere)
