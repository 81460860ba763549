"""After a change only what it touched is derived anew, and nothing shows the difference."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

import graphemb as ge
from graphemb.derive import Derivation, derive_update
from graphemb.derive.run import compute as compute_rows
from graphemb.derive.run import run
from graphemb.embeddings import Embeddings
from graphemb.errors import ConfigError
from graphemb.graph import HeteroGraph
from graphemb.testing import communities
from graphemb.types import EdgeType
from tests.derive.oracle import IN, NEAR, SELLS, build, graphs, vectors_for

DERIVATIONS = [
    Derivation(along=SELLS),
    Derivation(along=SELLS, weight="log1p", normalise="sum"),
    Derivation(along=SELLS, weight="idf", min_support=2),
    Derivation(along=SELLS, weight=["one", {"recency": "2d"}]),
    Derivation(along=SELLS, weight={"recency": "2d"}, normalise="sum"),
    Derivation(along=SELLS, weight={"rank": {"decay": 0.5}}),
    Derivation(along=SELLS, weight="sif"),
    Derivation(along=(SELLS, IN), normalise="l2"),
    Derivation(along={(SELLS, IN): 1.0, SELLS: 0.3, NEAR: 2.0}, normalise="l2"),
    Derivation(along=(SELLS, SELLS.reverse, NEAR)),
    Derivation(along=SELLS.reverse, weight="log1p"),
]


def same(found: Embeddings, wanted: Embeddings) -> None:
    (one,), (other,) = found.values(), wanted.values()
    assert one.ids == other.ids and one.missing == other.missing
    assert one.matrix.tobytes() == other.matrix.tobytes()
    assert found.provenance == wanted.provenance


@pytest.mark.parametrize("number", range(len(DERIVATIONS)))
@given(
    old=graphs(),
    new=graphs(),
    seeds=st.sampled_from([(0, 0), (0, 1)]),
    shares=st.sampled_from([(0.8, 0.8), (0.5, 1.0)]),
)
def test_an_update_equals_a_full_run_bit_for_bit(
    number: int,
    old: HeteroGraph,
    new: HeteroGraph,
    seeds: tuple[int, int],
    shares: tuple[float, float],
) -> None:
    """Between any two graphs: nodes, edges, weights and vectors come, go and change."""
    derivation = DERIVATIONS[number]
    before = (vectors_for(old, seed=seeds[0], share=shares[0]), old)
    after = (vectors_for(new, seed=seeds[1], share=shares[1]), new)
    derived = run(derivation, *before)
    same(derive_update(derived, derivation, before=before, after=after), run(derivation, *after))


@pytest.mark.parametrize("derivation", [DERIVATIONS[0], DERIVATIONS[3], DERIVATIONS[7]])
@given(graph=graphs())
def test_an_extended_graph_keeps_what_was(graph: HeteroGraph, derivation: Derivation) -> None:
    emb = vectors_for(graph, share=1.0)
    more = graph.extend({"seller": {"id": ["new"]}}, {NEAR: {"src": ["new"], "dst": [0]}})
    derived = run(derivation, emb, graph)
    found = derive_update(derived, derivation, before=(emb, graph), after=(emb, more))
    same(found, run(derivation, emb, more))


def test_only_what_changed_is_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = communities()
    emb = ge.RandomVectors(dim=8).fit(graph)
    buys = EdgeType("user", "buys", "product")
    derivation = Derivation(along=buys, weight={"rank": {"decay": 0.7}})
    derived = run(derivation, emb, graph)
    keep = np.ones(graph.num_edges(buys), bool)
    keep[graph[buys].offsets[7]] = False
    fewer = graph.with_edges(buys, keep)
    computed = spied(monkeypatch)
    found = derive_update(derived, derivation, before=(emb, graph), after=(emb, fewer))
    assert computed == [[7]]
    monkeypatch.undo()
    same(found, run(derivation, emb, fewer))


def test_a_changed_vector_touches_those_it_is_a_member_of(monkeypatch: pytest.MonkeyPatch) -> None:
    sells = [(0, 0, 1.0, 0, 0), (1, 1, 1.0, 0, 0), (2, 1, 2.0, 0, 0)]
    graph = build((3, 2, 1), sells, [(0, 0), (1, 0)], [])
    old = Embeddings.from_arrays({"product": (["p0", "p1"], np.eye(2))})
    new = Embeddings.from_arrays({"product": (["p0", "p1"], [[1.0, 0.0], [0.0, 5.0]])})
    derivation = Derivation(along=SELLS)
    derived = run(derivation, old, graph)
    computed = spied(monkeypatch)
    found = derive_update(derived, derivation, before=(old, graph), after=(new, graph))
    assert computed == [[1, 2]]
    assert_array_equal(found["seller"].matrix, [[1, 0], [0, 5], [0, 5]])


def test_nothing_changed_computes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = communities()
    emb = ge.RandomVectors(dim=8).fit(graph)
    derivation = Derivation(along=EdgeType("seller", "sells", "product"))
    derived = run(derivation, emb, graph)
    computed = spied(monkeypatch)
    found = derive_update(derived, derivation, before=(emb, graph), after=(emb, communities()))
    assert computed == [[]]
    same(found, derived)


def test_another_dimension_derives_everything_anew() -> None:
    graph = communities()
    small, large = (ge.RandomVectors(dim=dim).fit(graph) for dim in (4, 8))
    derivation = Derivation(along=EdgeType("seller", "sells", "product"))
    found = derive_update(
        run(derivation, small, graph), derivation, before=(small, graph), after=(large, graph)
    )
    same(found, run(derivation, large, graph))


def test_vectors_of_another_derivation_are_refused() -> None:
    graph = communities()
    emb = ge.RandomVectors(dim=4).fit(graph)
    sells = EdgeType("seller", "sells", "product")
    derived = run(Derivation(along=sells), emb, graph)
    with pytest.raises(ConfigError, match="in another way"):
        derive_update(
            derived,
            Derivation(along=sells, normalise="sum"),
            before=(emb, graph),
            after=(emb, graph),
        )


def spied(monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
    """The rows that are computed from now on, one list per call; the work is still done."""
    calls: list[list[int]] = []
    real = compute_rows

    def compute(derivation: Derivation, routes: Any, rows: Any) -> Any:
        calls.append(rows.tolist())
        return real(derivation, routes, rows)

    monkeypatch.setattr(sys.modules["graphemb.derive.update"], "compute", compute)
    return calls
