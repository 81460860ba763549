"""ALS against its closed form in dense float64, and on graphs whose answer is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose

from graphemb.errors import ConfigError
from graphemb.graph import HeteroGraph
from graphemb.testing import BUYS, KNOWS, SELLS, checkerboard, communities, community_share
from graphemb.trainers.interaction import ALS
from graphemb.types import EdgeType

EXACT = {"solver_steps": 40, "seed": 1}


def exact(trainer: ALS, graph: HeteroGraph, types: dict[EdgeType, float]) -> np.ndarray:
    """The same rounds over all nodes by `numpy.linalg.solve`, one after the other, in float64."""
    counts = [graph.num_nodes(name) for name in graph.node_types]
    cuts = np.concatenate([[0], np.cumsum(counts)])
    place = {name: slice(*cuts[at : at + 2]) for at, name in enumerate(graph.node_types)}
    seen, absent = np.zeros((cuts[-1], cuts[-1])), np.zeros((cuts[-1], cuts[-1]))
    for edge_type, weight in types.items():
        src, dst = place[edge_type.src], place[edge_type.dst]
        edges = graph[edge_type].to_scipy().toarray() * weight
        seen[src, dst] += edges
        seen[dst, src] += edges.T
        share = trainer.unobserved_weight * weight**trainer.weight_power
        absent[src, dst] = absent[dst, src] = share
    seen[seen > 0] **= trainer.weight_power
    known = seen.any(axis=1)
    ridge = (seen.sum(1) + absent.sum(1)) ** trainer.frequency_exponent * trainer.regularization
    rng = np.random.default_rng(trainer.seed)
    x = rng.standard_normal((cuts[-1], trainer.dim), dtype=np.float32).astype(np.float64)
    x *= trainer.init_scale / np.sqrt(trainer.dim) * known[:, None]
    for _ in range(trainer.epochs):
        for name, rows in place.items():
            old = x.copy()
            within = any(one.src == one.dst == name for one in types)
            for row in np.arange(len(x))[rows][known[rows]]:
                system = (old.T * (seen[row] + absent[row])) @ old + ridge[row] * np.eye(x.shape[1])
                new = np.linalg.solve(system, old.T @ seen[row])
                x[row] = (new + old[row]) / 2 if within else new
    return x


@pytest.mark.parametrize(
    "fields",
    [{}, {"weight_power": 0.5}, {"frequency_exponent": 0.0, "regularization": 0.5}],
    ids=["default", "root of weights", "plain ridge"],
)
@pytest.mark.parametrize("types", [{BUYS: 1.0}, {BUYS: 1.0, SELLS: 2.0}, {BUYS: 1.0, KNOWS: 0.5}])
def test_vectors_are_the_closed_forms(fields: dict, types: dict) -> None:
    graph = communities()
    trainer = ALS(dim=5, epochs=3, edge_types=types, **EXACT, **fields)
    found, wanted = trainer.fit(graph), exact(trainer, graph, types)
    rows = [wanted_rows for wanted_rows in wanted if wanted_rows.any()]
    assert_allclose(np.vstack([part.matrix for part in found.values()]), rows, atol=5e-4)


def test_few_steps_end_as_well_as_exact_solutions() -> None:
    graph = communities()
    bought = graph[BUYS].to_scipy().toarray()

    def loss(steps: int) -> float:
        trainer = ALS(dim=8, epochs=60, solver_steps=steps, edge_types=(BUYS,))
        fitted = trainer.fit(graph)
        products = fitted["user"].matrix @ fitted["product"].matrix.T
        absent = trainer.unobserved_weight * (products**2).sum()
        return float((bought * (products - 1) ** 2).sum() + absent)

    assert loss(2) == pytest.approx(loss(40), rel=0.05)


def test_the_checkerboard_is_completed() -> None:
    graph = checkerboard()
    fitted = ALS(dim=4, epochs=20, regularization=0.001).fit(graph)
    scores = fitted["user"].matrix @ fitted["product"].matrix.T
    bought = graph[BUYS].to_scipy().toarray() > 0
    scores[bought] = -np.inf
    assert scores.argmax(axis=1).tolist() == list(range(len(scores)))


def test_communities_are_found_and_nothing_in_a_random_graph() -> None:
    planted, random = communities(), communities(mixing=1.0)
    trainer = ALS(dim=16, edge_types=(BUYS,))
    assert community_share(trainer.fit(planted), planted, "product") > 0.8
    assert community_share(trainer.fit(random), random, "product") < 0.4


def test_a_heavier_edge_type_is_fitted_closer() -> None:
    graph = communities()

    def loss_of_buys(weight: float) -> float:
        fitted = ALS(dim=8, edge_types={BUYS: weight, SELLS: 1.0}).fit(graph)
        edges = graph[BUYS]
        ends = fitted["user"].matrix[edges.sources()], fitted["product"].matrix[edges.neighbors]
        return float(((np.einsum("ij,ij->i", *ends) - 1) ** 2).mean())

    assert loss_of_buys(5.0) < loss_of_buys(0.2)


@pytest.mark.parametrize("field", ["epochs", "solver_steps", "regularization", "unobserved_weight"])
def test_fault_090_zero_is_refused(field: str) -> None:
    with pytest.raises(ConfigError, match=field):
        replace(ALS(), **{field: 0})
