"""ProNE against its paper's formulas, written out in dense float64."""

import tracemalloc

import numpy as np
import pytest
from scipy.special import iv

from graphemb.errors import ConfigError
from graphemb.graph import HeteroGraph
from graphemb.trainers.prone import ProNE
from graphemb.types import EdgeType

LINKS = EdgeType("node", "links", "node")


def planted(size=120, groups=4, inside=0.25, outside=0.01, seed=0):
    rng = np.random.default_rng(seed)
    group = np.arange(size) % groups
    chance = np.where(group[:, None] == group, inside, outside)
    links = np.triu(rng.random((size, size)) < chance, 1)
    src, dst = np.nonzero(links)
    weight = rng.uniform(0.5, 2.0, src.size).astype(np.float32)
    graph = HeteroGraph.from_tables(
        {"node": {"id": np.arange(size)}}, {LINKS: {"src": src, "dst": dst, "weight": weight}}
    )
    dense = np.zeros((size, size))
    dense[src, dst] = weight
    return graph, dense + dense.T, group


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def factors(matrix, dim):
    left, values, _ = np.linalg.svd(matrix)
    return left[:, :dim] * np.sqrt(values[:dim])


def by_the_paper(adjacency, dim, order, mu, theta):
    chances = adjacency / adjacency.sum(1, keepdims=True)
    targets = chances.sum(0) ** 0.75
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.where(adjacency > 0, np.log(chances) - np.log(targets / targets.sum()), 0.0)
    start = unit(factors(logs, dim))
    if order == 1:
        return unit(factors(start, dim))
    size = len(adjacency)
    looped = adjacency + np.eye(size)
    shifted = (1 - mu) * np.eye(size) - looped / looped.sum(1, keepdims=True)
    terms = [start, 0.5 * shifted @ shifted @ start - start]
    for _ in range(2, order):
        terms.append(shifted @ shifted @ terms[-1] - 2 * terms[-1] - terms[-2])
    total = iv(0, theta) * terms[0]
    for number, term in enumerate(terms[1:], 1):
        total = total + (-1) ** number * 2 * iv(number, theta) * term
    return unit(factors(looped @ (start - total), dim))


@pytest.mark.parametrize("fields", [{}, {"order": 5, "mu": 0.5, "theta": 1.0}, {"order": 1}])
def test_cosines_are_those_of_the_papers_formulas(fields):
    graph, adjacency, _ = planted()
    trainer = ProNE(dim=8, power_iterations=40, **fields)
    vectors = trainer.fit(graph)["node"].matrix
    expected = by_the_paper(adjacency, 8, trainer.order, trainer.mu, trainer.theta)
    assert np.allclose(vectors @ vectors.T, expected @ expected.T, atol=2e-3)


def test_nearest_neighbours_share_the_planted_community():
    graph, _, group = planted(size=400, inside=0.12)
    vectors = ProNE(dim=16).fit(graph)["node"].matrix
    near = vectors @ vectors.T - 9 * np.eye(len(vectors))
    shared = group[np.argsort(-near, axis=1)[:, :5]] == group[:, None]
    assert shared.mean() > 0.9


def test_a_random_graph_has_no_communities_to_find():
    graph, _, group = planted(size=400, inside=0.03, outside=0.03)
    vectors = ProNE(dim=16).fit(graph)["node"].matrix
    near = vectors @ vectors.T - 9 * np.eye(len(vectors))
    shared = group[np.argsort(-near, axis=1)[:, :5]] == group[:, None]
    assert shared.mean() < 0.35


def test_isolated_nodes_are_missing_and_the_seed_decides():
    graph = HeteroGraph.from_tables(
        {"node": {"id": ["a", "b", "c", "alone"]}},
        {LINKS: {"src": ["a", "b"], "dst": ["b", "c"]}},
    )
    first, again = (ProNE(dim=2, seed=3).fit(graph) for _ in range(2))
    assert first["node"].missing.to_list() == ["alone"]
    assert np.array_equal(first["node"].matrix, again["node"].matrix)
    assert np.allclose(np.linalg.norm(first["node"].matrix, axis=1), 1, atol=1e-5)


@pytest.mark.parametrize(
    ("field", "value"),
    [("dim", 0), ("order", 0), ("mu", 3.0), ("theta", 0.0), ("negatives", 0.0), ("seed", -1)],
)
def test_fault_090_fields_out_of_range_are_refused_by_name(field, value):
    with pytest.raises(ConfigError) as caught:
        ProNE(**{field: value})
    assert caught.value.field == field


def test_columns_come_out_the_same_however_many_are_filtered_at_a_time(monkeypatch):
    graph, _, _ = planted()
    whole = ProNE(dim=20).fit(graph)["node"].matrix
    monkeypatch.setattr("graphemb.trainers.prone._COLUMNS", 6)
    assert np.allclose(ProNE(dim=20).fit(graph)["node"].matrix, whole, atol=1e-5)


def test_terms_that_drown_in_rounding_change_nothing():
    graph, _, _ = planted()
    few, many = (ProNE(dim=8, order=order).fit(graph)["node"].matrix for order in (7, 80))
    assert np.array_equal(few, many)
    assert not np.array_equal(few, ProNE(dim=8, order=6).fit(graph)["node"].matrix)


def test_a_fit_holds_about_four_matrices_of_its_result(monkeypatch):
    monkeypatch.setattr("graphemb.linalg._BLOCK", 1024)  # else blocks are nearly all of it
    rng = np.random.default_rng(0)
    size, dim = 10_000, 128
    edges = {"src": rng.integers(0, size, 2 * size), "dst": rng.integers(0, size, 2 * size)}
    graph = HeteroGraph.from_tables({"node": {"id": np.arange(size)}}, {LINKS: edges})
    ProNE(dim=dim, power_iterations=0).fit(graph)  # what loads, loads now
    tracemalloc.start()
    try:
        found = ProNE(dim=dim).fit(graph)["node"].matrix
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4.6 * found.nbytes
