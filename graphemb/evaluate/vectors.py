"""Candidates as scorers: vectors made anywhere, scored by dot, cosine or a learned Hadamard."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from scipy import sparse

from graphemb.embeddings import Embeddings
from graphemb.errors import ConfigError
from graphemb.graph import HeteroGraph
from graphemb.linalg import unit_rows
from graphemb.negatives import NegativeSampler
from graphemb.split.questions import Questions
from graphemb.types import BoolArray, FloatArray, IntArray, NodeType

ScorerName = Literal["dot", "cosine", "hadamard"]
SCORERS: tuple[ScorerName, ...] = ("dot", "cosine", "hadamard")
_FIT_PAIRS = 50_000
_EPS = 1e-12


class PairScorer(Protocol):
    """Vectors whose score is no dot product, such as `NeuralScorer`."""

    @property
    def embeddings(self) -> Embeddings:
        """The vectors."""
        ...

    def pairs(self, sources: FloatArray, targets: FloatArray) -> FloatArray:
        """float32 [n]: the score of each row of `sources` [n, dim] with that of `targets`."""
        ...

    def table(self, sources: FloatArray, targets: FloatArray) -> FloatArray:
        """float32 [b, m]: the score of every source [b, dim] with every target [m, dim]."""
        ...


@dataclass(frozen=True, eq=False)
class VectorScorer:
    """Scores by the product of a source's and a candidate's vector.

    A candidate without a vector ranks behind all that have one, tied with its like. A source
    without one cannot tell candidates apart: for it all are tied.

    Attributes:
        name: what reports call it.
        sources: float32 [n_src, dim], zeros where there is no vector.
        targets: float32 [n, dim], likewise.
        no_source, no_target: bool; where there is no vector.
        learned: what scores two vectors; None: their product.
    """

    name: str
    sources: FloatArray
    targets: FloatArray
    no_source: BoolArray
    no_target: BoolArray
    learned: PairScorer | None = None

    def block(self, sources: IntArray) -> FloatArray:
        """float32 [len(sources), n]."""
        if self.learned is None:
            scores = self.sources[sources] @ self.targets.T
        else:
            scores = self.learned.table(self.sources[sources], self.targets)
        scores[:, self.no_target] = -np.inf
        scores[self.no_source[sources]] = -np.inf
        return scores

    def pairs(self, sources: IntArray, columns: IntArray) -> FloatArray:
        """float32 [len(sources)]."""
        out = np.empty(sources.size, np.float32)
        for start in range(0, sources.size, 1 << 16):
            rows, to = sources[start : start + (1 << 16)], columns[start : start + (1 << 16)]
            ends = self.sources[rows], self.targets[to]
            part = out[start : start + rows.size]
            if self.learned is None:
                np.einsum("ij,ij->i", *ends, out=part)
            else:
                part[:] = self.learned.pairs(*ends)
        out[self.no_target[columns] | self.no_source[sources]] = -np.inf
        return out


def vector_scorer(
    name: str, given: Embeddings | PairScorer, questions: Questions, scorer: ScorerName, seed: int
) -> tuple[VectorScorer, dict[str, int]]:
    """A candidate's scorer, and what it lacks: counts by name.

    A candidate that scores pairs itself is asked whatever `scorer` says.

    Raises:
        UnknownName: it has no vectors of a node type that is asked or ranked.
        GraphError: its ids are integers where the graph's are strings, or the other way round.
    """
    emb = given if isinstance(given, Embeddings) else given.embeddings
    learned = None if isinstance(given, Embeddings) else given
    graph, edge_type = questions.split.train, questions.split.edge_type
    sources, no_source, odd_src = _placed(emb, graph, edge_type.src, questions.src_rows)
    targets, no_target, odd_dst = _placed(emb, graph, edge_type.dst, questions.dst_rows)
    if scorer == "cosine" and learned is None:
        no_source, no_target = (
            gone | (np.einsum("ij,ij->i", part, part) == 0)
            for part, gone in ((sources, no_source), (targets, no_target))
        )
        sources, targets = unit_rows(sources), unit_rows(targets)
    lacks = {
        "queries_without_vector": int(np.count_nonzero(no_source[questions.queries])),
        "candidates_without_vector": int(np.count_nonzero(no_target)),
        "positives_without_vector": int(np.count_nonzero(no_target[questions.columns])),
        "vectors_of_unknown_ids": odd_src if edge_type.src == edge_type.dst else odd_src + odd_dst,
    }
    made = VectorScorer(name, sources, targets, no_source, no_target, learned)
    if scorer == "hadamard" and learned is None:
        weights = _hadamard(made, questions.history, seed)
        made = VectorScorer(name, sources * weights, targets, no_source, no_target)
    return made, lacks


def _placed(
    emb: Embeddings, graph: HeteroGraph, node_type: NodeType, rows: IntArray
) -> tuple[FloatArray, BoolArray, int]:
    """The vectors of some graph rows, where there is none, and how many ids the graph lacks."""
    vectors = emb[node_type]
    ids = graph.ids(node_type)
    found = vectors.ids.find(ids)
    places = found[rows]
    gone = places < 0
    if not len(vectors.ids):
        return np.zeros((rows.size, emb.dim), np.float32), gone, 0
    matrix = vectors.matrix[np.maximum(places, 0)]
    matrix[gone] = 0.0
    return matrix, gone, len(vectors.ids) - int(np.count_nonzero(found >= 0))


def _hadamard(made: VectorScorer, history: sparse.csr_matrix[Any], seed: int) -> FloatArray:
    """float32 [dim]: logistic-regression weights of u * v, node2vec's protocol for edges.

    Grover and Leskovec 2016. Learned on training pairs (at most 50,000) against as many uniform
    negatives. The score u W v is a dot product, so full ranking costs no more than `dot`.

    Raises:
        ConfigError: no training pair has both vectors.
    """
    from sklearn.linear_model import LogisticRegression

    rows, columns = history.nonzero()
    chosen = np.random.default_rng(seed).permutation(rows.size)[:_FIT_PAIRS]
    src, dst = rows[chosen].astype(np.int64), columns[chosen].astype(np.int64)
    drawn = NegativeSampler(seed=seed).sample(src, dst, history).dst[:, 0]
    ends = np.concatenate([src, src]), np.concatenate([dst, drawn])
    labels = np.repeat([1, 0], src.size)
    usable = ~(made.no_source[ends[0]] | made.no_target[ends[1]])
    if np.unique(labels[usable]).size < 2:
        raise ConfigError("no training pair has both vectors", field="scorer", value="hadamard")
    features = made.sources[ends[0][usable]] * made.targets[ends[1][usable]]
    scale = np.sqrt((features.astype(np.float64) ** 2).mean(axis=0)) + _EPS
    model = LogisticRegression(max_iter=1000)
    model.fit(features / scale, labels[usable])
    weights: FloatArray = (model.coef_[0] / scale).astype(np.float32)
    return weights
