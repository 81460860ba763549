"""The adapter of the library nodevectors: what works does, and nothing leaks out of it."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from graphemb.errors import ConfigError, TrainingError
from graphemb.testing import awkward, chain, check_trainer, communities, community_share
from graphemb.trainers.nodevectors import METHODS, NodeVectors

QUICK = {
    "ProNE": NodeVectors(method="ProNE", dim=16),
    "GraRep": NodeVectors(method="GraRep", dim=16, order=2),
    "GGVec": NodeVectors(method="GGVec", dim=16, max_epochs=60),
    "Glove": NodeVectors(method="Glove", dim=16, max_epochs=30),
}


def test_every_method_is_here() -> None:
    assert tuple(sorted(QUICK)) == tuple(sorted(METHODS))


def test_grarep_keeps_the_contract() -> None:
    """ProNE is in the contract of all trainers."""
    check_trainer(QUICK["GraRep"])


@pytest.mark.parametrize("method", ["GGVec", "Glove"])
def test_methods_that_cannot_repeat_themselves_keep_the_rest(method: str) -> None:
    check_trainer(QUICK[method], learns=False, repeats=False)


@pytest.mark.parametrize("method", METHODS)
def test_fault_052_isolated_nodes_are_missing(method: str) -> None:
    found = QUICK[method].fit(awkward())
    assert found["user"].missing.to_list() == [99]
    assert found["product"].missing.to_list() == [1000]
    assert len(found["seller"]) == 0
    assert all(np.isfinite(part.matrix).all() for part in found.values())


def test_fault_084_the_seed_decides_where_the_library_can_repeat_itself() -> None:
    graph = communities()
    for method in ("ProNE", "GraRep"):
        one, again = (QUICK[method].fit(graph)["user"].matrix for _ in range(2))
        assert_array_equal(one, again)


def test_the_global_generator_is_put_back() -> None:
    np.random.seed(1)  # noqa: NPY002 - it is what the library draws from
    wanted = np.random.rand(3)  # noqa: NPY002
    np.random.seed(1)  # noqa: NPY002
    QUICK["ProNE"].fit(chain(12))
    assert_array_equal(np.random.rand(3), wanted)  # noqa: NPY002


def test_warnings_go_into_the_provenance_and_nowhere_else() -> None:
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        found = QUICK["Glove"].fit(chain(12))
    assert told == []
    assert any("converge" in text for text in found.provenance["warnings"])


@pytest.mark.parametrize("method", ["ProNE", "GraRep"])
def test_planted_communities_are_found(method: str) -> None:
    graph = communities(seed=2)
    found = QUICK[method].fit(graph)
    assert all(community_share(found, graph, name) > 0.7 for name in found)


@pytest.mark.parametrize("method", ["ProNE", "GraRep", "GGVec"])
def test_more_components_than_nodes_are_zero(method: str) -> None:
    found = NodeVectors(method=method, dim=32, max_epochs=5).fit(chain(6))["node"]  # type: ignore[arg-type]
    assert found.matrix.shape == (6, 32)
    assert not found.matrix[:, 6:].any()


def test_the_graph_the_library_gets_is_a_copy() -> None:
    graph = communities()
    before = graph.homogeneous().to_scipy().copy()
    QUICK["ProNE"].fit(graph)
    assert_array_equal(before.toarray(), graph.homogeneous().to_scipy().toarray())


def test_a_diverging_fit_is_refused() -> None:
    """A learning rate of a million: the library raises, or gives numbers that are none."""
    wild = NodeVectors(method="Glove", dim=8, learning_rate=1e38, max_epochs=20)
    with pytest.raises(TrainingError, match="Glove"):
        wild.fit(chain(12))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("method", "Node2Vec"),
        ("dim", 0),
        ("step", 0),
        ("mu", float("nan")),
        ("order", 0),
        ("max_epochs", 0),
        ("learning_rate", 0.0),
        ("seed", 2**32),
    ],
)
def test_fault_090_fields_out_of_range_are_refused(field: str, value: object) -> None:
    with pytest.raises(ConfigError) as caught:
        NodeVectors(**{field: value})  # type: ignore[arg-type]
    assert caught.value.field == field
