"""Learned edge-type weights: the gradient, a planted answer, and nothing but the graph given."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from numpy.testing import assert_allclose

import graphemb as ge
from graphemb.derive import WeightFit, derive, learn_weights
from graphemb.derive.coefficients import weigh_edges
from graphemb.derive.derivation import Derivation
from graphemb.derive.learn import _draw_queries, _histories, _Problem, _vectors
from graphemb.derive.weights import read_weighting
from graphemb.errors import ConfigError, GraphError, UnknownName
from graphemb.graph import HeteroGraph
from graphemb.types import EdgeType

VIEWS = EdgeType("user", "views", "job")
CITY = EdgeType("job", "in", "city")
COMPANY = EdgeType("job", "at", "company")
NOISE = EdgeType("job", "tagged", "tag")
TIES = [CITY, COMPANY, NOISE]
DAY = 86_400_000_000


def market(*, users: int = 150, jobs: int = 240, seed: int = 0, timed: bool = True) -> HeteroGraph:
    """Users stay in one city, prefer a company less, and do not look at tags."""
    rng = np.random.default_rng(seed)
    city, company, tag = (
        rng.integers(12, size=jobs),
        rng.integers(12, size=jobs),
        rng.integers(12, size=jobs),
    )
    src, dst = [], []
    for user in range(users):
        home, firm = rng.integers(12, size=2)
        weights = np.where(city == home, 40.0, 1.0) * np.where(company == firm, 12.0, 1.0)
        picked = rng.choice(jobs, 6, replace=False, p=weights / weights.sum())
        src += [user] * 6
        dst += picked.tolist()
    views: dict[str, Any] = {"src": src, "dst": dst}
    if timed:
        days = 18_000 + np.tile(np.arange(6), users)
        views["time"] = pa.array(days * DAY, pa.timestamp("us", "UTC"))
    every = np.arange(jobs)
    numbers = np.arange(12)
    return HeteroGraph.from_tables(
        {
            "user": {"id": np.arange(users)},
            "job": {"id": every},
            "city": {"id": numbers},
            "company": {"id": numbers},
            "tag": {"id": numbers},
        },
        {
            VIEWS: views,
            CITY: {"src": every, "dst": city},
            COMPANY: {"src": every, "dst": company},
            NOISE: {"src": every, "dst": tag},
        },
    )


@pytest.mark.parametrize("timed", [True, False])
@pytest.mark.parametrize("normalise", ["mean", "l2"])
def test_the_planted_order_of_edge_types_is_found(normalise: Any, timed: bool) -> None:
    graph = market(timed=timed)
    emb = ge.RandomVectors(dim=128).fit(graph)
    found = learn_weights(emb, graph, pairs=VIEWS, along=TIES, normalise=normalise)
    assert list(found) == TIES
    assert found[CITY] == 1.0
    assert 0.5 < found[COMPANY] < 1.0
    assert 0.0 < found[NOISE] < 0.25


def test_learned_weights_rank_better_than_equal_ones() -> None:
    """One job of each user, held out, among all others that they have not seen."""
    whole = market(seed=1, timed=False)
    views = whole[VIEWS]
    picked = np.random.default_rng(0).integers(6, size=whole.num_nodes("user"))
    last = np.zeros(views.num_edges, bool)
    last[views.offsets[:-1] + picked] = True
    train = whole.with_edges(VIEWS, ~last)
    emb = ge.RandomVectors(dim=64).fit(train)
    learned = learn_weights(emb, train, pairs=VIEWS, along=TIES)
    ranks = {}
    for name, along in (("learned", learned), ("equal", dict.fromkeys(TIES, 1.0))):
        jobs = derive(emb, train, along=along)  # type: ignore[arg-type]
        users = derive(jobs, train, along=VIEWS)["user"]
        scores = users.matrix @ jobs["job"].matrix.T
        scores[train[VIEWS].sources(), train[VIEWS].neighbors] = -np.inf
        targets = scores[views.sources()[last], views.neighbors[last]]
        ranks[name] = float((scores > targets[:, None]).sum(axis=1).mean())
    assert ranks["learned"] < 0.92 * ranks["equal"]


def make_problem(normalise: Any) -> _Problem:
    graph = market(users=20, jobs=40)
    emb = ge.RandomVectors(dim=8).fit(graph)
    problem = _draw_queries(graph, VIEWS, WeightFit(num_pairs=15, num_candidates=20))
    parts = [
        _vectors(Derivation(along=one, normalise=normalise), emb, graph)[problem.nodes].astype(
            float
        )
        for one in TIES
    ]
    return _Problem(
        problem.nodes,
        problem.history.astype(float),
        problem.candidates,
        problem.targets,
        problem.barred,
        parts,  # type: ignore[arg-type]
        normalise == "l2",
    )


@pytest.mark.parametrize("normalise", ["mean", "l2"])
def test_the_gradient_is_that_of_finite_differences(normalise: Any) -> None:
    problem = make_problem(normalise)
    rng, step = np.random.default_rng(0), 1e-2
    for _ in range(5):
        logs = rng.normal(size=len(TIES) + 1)
        gradient = problem.loss(logs)[1]
        for number, slope in enumerate(gradient):
            move = step * (np.arange(logs.size) == number)
            rise = problem.loss(logs + move)[0] - problem.loss(logs - move)[0]
            assert_allclose(slope, rise / (2 * step), rtol=2e-2, atol=2e-3)


def test_the_loss_is_the_softmax_of_the_model() -> None:
    problem = make_problem("mean")
    logs = np.array([0.3, -0.2, 0.1, 0.7])
    members = sum(np.exp(log) * part for log, part in zip(logs, problem.parts, strict=False))
    query = np.exp(0.7) * problem.history.toarray() @ members
    total = 0.0
    for number, target in enumerate(problem.targets):
        allowed = ~problem.barred[number]
        scores = members[problem.candidates] @ query[number]
        total += np.log(np.exp(scores[allowed]).sum()) - scores[target]
    wanted = total / problem.targets.size + 1e-3 * float(logs[:3] @ logs[:3])
    assert_allclose(problem.loss(logs)[0], wanted, rtol=1e-5)


def test_a_query_knows_only_what_came_before() -> None:
    graph = HeteroGraph.from_tables(
        {"user": {"id": [0, 1]}, "job": {"id": np.arange(5)}},
        {
            VIEWS: {
                "src": [0, 0, 0, 0, 1],
                "dst": [3, 1, 2, 3, 4],
                "time": pa.array(np.arange(5) * DAY, pa.timestamp("us", "UTC")),
            }
        },
    )
    hop = weigh_edges(graph, VIEWS, read_weighting("one"), relative=True)
    days = hop.adjacency.times // DAY  # type: ignore[operator]
    order = {int(day): edge for edge, day in enumerate(days)}
    matrix, drawn = _histories(hop, np.arange(5))
    rows = {int(edge): matrix[number].toarray()[0] for number, edge in enumerate(drawn)}
    assert set(rows) == {order[1], order[2]}  # a first view has no history, a re-view no say
    assert_allclose(rows[order[1]], [0, 0, 0, 1, 0])
    assert_allclose(rows[order[2]], [0, 0.5, 0, 0.5, 0])


def test_without_times_all_other_members_are_the_history() -> None:
    graph = HeteroGraph.from_tables(
        {"user": {"id": [0]}, "job": {"id": np.arange(3)}},
        {VIEWS: {"src": [0, 0, 0], "dst": [0, 0, 2]}},
    )
    hop = weigh_edges(graph, VIEWS, read_weighting("one"), relative=True)
    matrix, drawn = _histories(hop, np.arange(3))
    assert drawn.tolist() == [0, 1, 2]
    assert_allclose(matrix.toarray(), [[0, 0, 1], [0, 0, 1], [1, 0, 0]])


def test_candidates_are_linked_and_what_a_query_has_is_barred() -> None:
    graph = market(users=10, jobs=200)
    problem = _draw_queries(graph, VIEWS, WeightFit(num_pairs=30))
    members = problem.nodes[problem.candidates]
    assert set(members) <= set(graph[VIEWS].neighbors.tolist())
    assert not problem.barred[np.arange(problem.targets.size), problem.targets].any()
    assert (problem.barred.sum(axis=1) == 5).all()


def test_fault_084_the_same_seed_gives_the_same_weights() -> None:
    graph = market(users=40)
    emb = ge.RandomVectors(dim=16).fit(graph)
    one, again, other = (
        learn_weights(emb, graph, pairs=VIEWS, along=TIES, fit=WeightFit(seed=seed, num_pairs=50))
        for seed in (1, 1, 2)
    )
    assert one == again
    assert one != other


def test_metapaths_are_weighed_too_and_keep_their_name() -> None:
    graph = market(users=40)
    emb = ge.RandomVectors(dim=16).fit(graph)
    path = (VIEWS.reverse, VIEWS, CITY)
    found = learn_weights(emb, graph, pairs=VIEWS, along=[CITY, path])
    assert set(found) == {CITY, path}
    assert derive(emb, graph, along=found)["job"].dim == 16  # type: ignore[arg-type]


def test_what_cannot_be_learned_from_is_refused() -> None:
    graph = market(users=3)
    emb = ge.RandomVectors(dim=4).fit(graph)
    with pytest.raises(ConfigError, match="at least two"):
        learn_weights(emb, graph, pairs=VIEWS, along=[CITY])
    with pytest.raises(ConfigError, match="start at 'job'"):
        learn_weights(emb, graph, pairs=VIEWS, along=[CITY, VIEWS])
    with pytest.raises(UnknownName):
        learn_weights(emb, graph, pairs=EdgeType("user", "likes", "job"), along=TIES)
    first = np.zeros(graph.num_edges(VIEWS), bool)
    first[graph[VIEWS].offsets[:-1]] = True
    with pytest.raises(GraphError, match="two members"):
        learn_weights(emb, graph.with_edges(VIEWS, first), pairs=VIEWS, along=TIES)


@pytest.mark.parametrize(
    ("field", "value"),
    [("num_pairs", 0), ("num_candidates", 1), ("steps", 0), ("seed", -1)],
)
def test_fault_090_fields_out_of_range_are_refused(field: str, value: int) -> None:
    with pytest.raises(ConfigError) as caught:
        WeightFit(**{field: value})
    assert caught.value.field == field
