"""`learn_weights`: how much each edge type should count in a derivation, from observed pairs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse
from scipy.optimize import minimize
from threadpoolctl import threadpool_limits

from graphemb.checks import check_int
from graphemb.derive.coefficients import DoubleArray, Hop, weigh_edges
from graphemb.derive.derivation import Derivation, Normalise, OnePath, WeightChoice, read_paths
from graphemb.derive.routes import edges_of, make_routes
from graphemb.derive.run import compute
from graphemb.derive.weights import WeightLike, read_weighting
from graphemb.embeddings import Embeddings
from graphemb.errors import ConfigError, GraphError
from graphemb.graph import HeteroGraph
from graphemb.linalg import CSR
from graphemb.types import BoolArray, EdgeType, FloatArray, IntArray, Metapath

_SPARE = 4
_PULL = 1e-3
_RANGE = 8.0
_NEVER = np.float32(-1e9)


@dataclass(frozen=True, kw_only=True)
class WeightFit:
    """How `learn_weights` goes about it.

    Attributes:
        history: what an earlier member weighs in a query, for example
            `{"rank": {"decay": 0.8}}`: as the entities will be derived.
        num_pairs: observed pairs that are drawn, at most.
        num_candidates: what each is ranked among, at most. Only members that some entity has an
            edge to: telling the others apart is no merit.
        steps: of L-BFGS, at most.
        seed: of both draws.
    """

    history: WeightLike = "one"
    num_pairs: int = 2000
    num_candidates: int = 2000
    steps: int = 50
    seed: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "history", read_weighting(self.history))
        check_int("num_pairs", self.num_pairs, low=1)
        check_int("num_candidates", self.num_candidates, low=2)
        check_int("steps", self.steps, low=1)
        check_int("seed", self.seed, low=0)


def learn_weights(
    emb: Embeddings,
    graph: HeteroGraph,
    *,
    pairs: EdgeType,
    along: Sequence[OnePath],
    weight: WeightChoice = "edge",
    normalise: Normalise = "mean",
    fit: WeightFit | None = None,
) -> dict[EdgeType | Metapath, float]:
    """Weights for `derive(along={...})` under which entities find their next member.

    A softmax over observed pairs. For a pair (applicant, job) the query is the weighted mean of
    the applicant's earlier jobs (of all others, where edges have no times); the candidates are
    jobs, without those the applicant has; jobs are derived as `derive` would with the weights in
    question. These few numbers, all above 0, and a temperature maximise the likelihood of the
    observed jobs by L-BFGS with the exact gradient and a slight pull towards equal weights.
    Nothing but the graph given here is seen: give it the training split.

    Args:
        emb: vectors of the attributes that `along` leads to.
        graph: the training graph.
        pairs: the edge type of the pairs; it ends at the node type where `along` starts.
        along: the edge types or metapaths to weigh, at least two.
        weight: within each of them, as `derive`.
        normalise: as `derive` will.
        fit: sizes, seed and the weight of earlier members; None for the defaults.

    Returns:
        A weight for each, the largest 1: what `derive` and trainers' `edge_types` take.

    Raises:
        ConfigError: fewer than two edge types, or they do not start where `pairs` ends.
        GraphError: no entity has two members to learn from.
        UnknownName: as `derive`.
    """
    fit = fit or WeightFit()
    paths = list(dict.fromkeys(path for one in along for path in read_paths(one)))
    if len(paths) < 2 or any(path[0].src != pairs.dst for path in paths):
        raise ConfigError(
            f"at least two edge types that start at {pairs.dst!r} are wanted",
            field="along",
            value=[str(path[0]) for path in paths],
        )
    derivations = [Derivation(along=path, weight=weight, normalise=normalise) for path in paths]
    queries = _draw_queries(graph, pairs, fit)
    problem = replace(
        queries,
        parts=[_vectors(one, emb, graph)[queries.nodes] for one in derivations],
        unit=normalise == "l2",
    )
    with threadpool_limits(1, user_api="blas"):
        weights = problem.maximise(fit.steps)
    return {
        (path[0] if len(path) == 1 else path): float(one)
        for path, one in zip(paths, weights / weights.max(), strict=True)
    }


def _vectors(derivation: Derivation, emb: Embeddings, graph: HeteroGraph) -> FloatArray:
    """float32 [n, dim]: what one path gives every node of its first type; zeros where nothing."""
    routes = make_routes(derivation, emb, graph)
    out = np.zeros((graph.num_nodes(derivation.derived_type), emb.dim), np.float32)
    rows, matrix = compute(derivation, routes, np.arange(len(out)))
    out[rows] = matrix
    return out


@dataclass(frozen=True, eq=False)
class _Problem:
    """The softmax, ready to be maximised.

    Attributes:
        nodes: int64 [n], the rows of all members that play a part.
        history: float32 [pairs, n], rows sum to 1.
        candidates: int64 [candidates], places in `nodes`.
        targets: int64 [pairs], the right place in `candidates`.
        barred: bool [pairs, candidates], what a query already has.
        parts: float32 [n, dim] per path.
        unit: members are brought to length 1.
    """

    nodes: IntArray
    history: CSR
    candidates: IntArray
    targets: IntArray
    barred: BoolArray
    parts: Sequence[FloatArray] = ()
    unit: bool = False

    def maximise(self, steps: int) -> DoubleArray:
        """float64 [paths]: the weights."""
        start = np.zeros(len(self.parts) + 1)
        vectors, _ = self._members(np.ones(len(self.parts)))
        scores = (self.history @ vectors) @ vectors[self.candidates].T
        start[-1] = np.log(3.0 / max(float(scores.std()), 1e-9))
        found = minimize(
            self.loss,
            start,
            jac=True,
            method="L-BFGS-B",
            bounds=[(value - _RANGE, value + _RANGE) for value in start],
            options={"maxiter": steps, "ftol": 1e-7},
        )
        return np.exp(np.asarray(found.x[:-1], np.float64))

    def _members(self, weights: DoubleArray) -> tuple[FloatArray, FloatArray]:
        """Members' vectors float32 [n, dim], and the lengths [n, 1] they were divided by."""
        out = np.zeros_like(self.parts[0])
        for part, weight in zip(self.parts, weights, strict=True):
            out += np.float32(weight) * part
        lengths = np.ones((len(out), 1), np.float32)
        if self.unit:
            lengths = np.maximum(np.linalg.norm(out, axis=1, keepdims=True), np.float32(1e-12))
        return out / lengths, lengths

    def loss(self, logs: DoubleArray) -> tuple[float, DoubleArray]:
        """Mean -log softmax of the targets, and its gradient.

        Args:
            logs: float64 [paths + 1], logarithms of the weights and of the inverse temperature.
        """
        weights, heat = np.exp(logs[:-1]), np.float32(np.exp(logs[-1]))
        vectors, lengths = self._members(weights)
        query, candidate = heat * (self.history @ vectors), vectors[self.candidates]
        value, by_score = self._softmax(query @ candidate.T)
        by_query = by_score @ candidate
        slope = heat * (self.history.T @ by_query)
        slope[self.candidates] += by_score.T @ query
        if self.unit:
            along = np.einsum("ij,ij->i", slope, vectors)[:, None]
            slope = (slope - along * vectors) / lengths
        by_weight = np.array([np.vdot(slope, part) for part in self.parts], np.float64)
        pull = logs[:-1]
        gradient = np.append(
            by_weight * weights + 2 * _PULL * pull, float(np.vdot(by_query, query))
        )
        return value + _PULL * float(pull @ pull), gradient

    def _softmax(self, scores: FloatArray) -> tuple[float, FloatArray]:
        """The mean loss of scores [pairs, candidates], and its gradient in their place."""
        rows = np.arange(self.targets.size)
        scores[self.barred] = _NEVER
        scores -= scores.max(axis=1, keepdims=True)
        right = scores[rows, self.targets].astype(np.float64)
        np.exp(scores, out=scores)
        sums = scores.sum(axis=1, keepdims=True, dtype=np.float64)
        scores /= sums.astype(np.float32)
        scores[rows, self.targets] -= 1.0
        scores /= np.float32(rows.size)
        return float((np.log(sums[:, 0]) - right).mean()), scores


def _draw_queries(graph: HeteroGraph, pairs: EdgeType, fit: WeightFit) -> _Problem:
    """Pairs with their histories and what they are ranked among; members have no vectors yet."""
    rng = np.random.default_rng(fit.seed)
    hop = weigh_edges(graph, pairs, read_weighting(fit.history), relative=True)
    adjacency = hop.adjacency
    drawn = rng.permutation(adjacency.num_edges)[: fit.num_pairs * _SPARE]
    history, drawn = _histories(hop, drawn)
    history, drawn = history[: fit.num_pairs], drawn[: fit.num_pairs]
    if not drawn.size:
        raise GraphError("no entity has two members to learn from", source=pairs)
    targets = adjacency.neighbors[drawn]
    linked = rng.permutation(np.unique(adjacency.neighbors))[: fit.num_candidates]
    candidates = np.union1d(targets, linked)
    right = np.searchsorted(candidates, targets)
    own = adjacency.to_scipy()[adjacency.sources()[drawn]][:, candidates]
    barred = np.asarray(own.toarray() > 0)
    barred[np.arange(right.size), right] = False
    nodes = np.union1d(candidates, history.indices)
    return _Problem(
        nodes,
        sparse.csr_matrix(history[:, nodes]),
        np.searchsorted(nodes, candidates),
        right,
        barred,
    )


def _histories(hop: Hop, drawn: IntArray) -> tuple[CSR, IntArray]:
    """What each drawn edge's entity had before it, as rows of weights that sum to 1.

    Returns:
        float32 [pairs, members], and int64 [pairs]: the drawn edges that have a history and lead
        to a new member.
    """
    adjacency = hop.adjacency
    entities = adjacency.sources()[drawn].astype(np.int64)
    edges = edges_of(adjacency.offsets, entities)
    pair = np.repeat(np.arange(drawn.size), adjacency.degrees[entities])
    same = adjacency.neighbors[edges] == adjacency.neighbors[drawn][pair]
    before = np.ones(edges.size, np.bool_)
    if adjacency.times is not None:
        before = adjacency.times[edges] < adjacency.times[drawn][pair]
    again = np.bincount(pair, same & before & (edges != drawn[pair]), drawn.size) > 0
    if adjacency.times is None:
        again[:] = False
    use = before & ~same & ~again[pair]
    weights = hop.weights[edges] if hop.weights.size else np.ones(edges.size, np.float32)
    totals = np.bincount(pair[use], weights[use], drawn.size)
    known = totals > 0
    use &= known[pair]
    share = (weights[use] / totals[pair[use]]).astype(np.float32)
    matrix = sparse.csr_matrix(
        (share, (pair[use], adjacency.neighbors[edges[use]])),
        shape=(drawn.size, adjacency.num_dst),
    )
    return matrix[known], drawn[known]
