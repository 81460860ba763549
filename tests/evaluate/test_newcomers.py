"""Held-out nodes: what is hidden from whom, what is asked, and what the figures are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from graphemb.embeddings import Embeddings
from graphemb.errors import ConfigError, GraphError
from graphemb.evaluate import evaluate_newcomers
from graphemb.graph import HeteroGraph
from graphemb.split import hold_out_nodes
from graphemb.trainers.spectral import SVD
from graphemb.types import EdgeType
from tests.evaluate.shop import BUYS, KNOWS, dense, friends, judge, shop, vectors


@pytest.mark.parametrize(
    ("graph", "edge_type"),
    [(shop(), BUYS), (shop(), BUYS.reverse), (friends(), KNOWS)],
    ids=["sources", "targets", "one type"],
)
def test_newcomers_come_with_some_edges_and_nobody_sees_those_asked_for(
    graph: HeteroGraph, edge_type: EdgeType
) -> None:
    held = hold_out_nodes(graph, edge_type, share=0.3, asked=0.5, seed=1)
    whole, train, test = graph[edge_type], held.split.train[edge_type], held.split.test
    new = np.isin(np.arange(graph.num_nodes(edge_type.src)), held.rows)
    one_type = edge_type.src == edge_type.dst
    assert new.sum() == pytest.approx(0.3 * new.size, abs=1)
    assert whole.num_edges - train.num_edges == len(test) > 0
    assert not train.contains(test.src, test.dst).any()
    known = [whole.contains(test.src, test.dst)]
    if one_type:
        assert not train.contains(test.dst, test.src).any()
        known.append(whole.contains(test.dst, test.src))
    assert np.logical_or.reduce(known).all()
    assert (new[test.src] | (new[test.dst] if one_type else False)).all()
    before, after = dense(held.split)[0].sum(axis=1), graph_degrees(graph, edge_type)
    assert (before[new] >= after[new] / 2).all(), "each keeps at least half"
    assert (before[new & (after > 0)] > 0).all()
    if not one_type:
        assert (before[new] == after[new] - np.floor(after[new] / 2)).all()
        assert (before[~new] == after[~new]).all()
    gone = set(held.ids.to_list())
    assert not gone & set(held.past.ids(edge_type.src).to_list())
    assert held.past.num_edges(edge_type.stored) < train.num_edges
    others = set(held.past.ids(edge_type.src).to_list())
    assert others | gone == set(graph.ids(edge_type.src).to_list())


def graph_degrees(
    graph: HeteroGraph, edge_type: EdgeType
) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Distinct neighbours of each source, counted edge by edge."""
    adjacency = graph[edge_type]
    pairs = set(zip(adjacency.sources().tolist(), adjacency.neighbors.tolist(), strict=True))
    if edge_type.src == edge_type.dst:
        pairs |= {(dst, src) for src, dst in pairs}
    return np.bincount([src for src, _ in pairs], minlength=adjacency.num_src)


def test_who_is_held_out_hangs_on_ids_and_the_seed() -> None:
    def drawn(graph: HeteroGraph, seed: int) -> set[tuple[object, object]]:
        held = hold_out_nodes(graph, BUYS, share=0.3, seed=seed)
        src, dst = graph.ids("user").to_list(), graph.ids("item").to_list()
        test = held.split.test
        return {(src[s], dst[d]) for s, d in zip(test.src, test.dst, strict=True)}

    turned = shop(order=lambda n: np.arange(n)[::-1])
    assert drawn(shop(), 0) == drawn(turned, 0) != drawn(shop(), 1)


@dataclass(frozen=True)
class Remembers:
    """Vectors that hang on ids alone, other ones for whoever was there when it was fitted."""

    def fit(self, graph: HeteroGraph) -> Embeddings:
        return vectors(graph, seed=1)

    def fit_encoder(self, graph: HeteroGraph) -> Remembers:
        assert len(graph.ids("user")) < 24
        return self

    def embed(self, graph: HeteroGraph) -> Embeddings:
        return vectors(graph, seed=2)


def test_figures_are_those_of_a_dense_judge_over_newcomers_alone() -> None:
    held = hold_out_nodes(friends(), KNOWS, share=0.4, seed=3)
    report = evaluate_newcomers(Remembers(), held, at=3)
    (section,) = report.sections
    _, asked, known = dense(held.split)
    asked[np.setdiff1d(np.arange(len(asked)), held.rows)] = 0
    for name, seed in (("inductive", 2), ("retrained", 1)):
        matrix = vectors(held.split.train, seed)["user"].matrix.astype(np.float64)
        expected = judge(matrix @ matrix.T, asked, known, 3)
        for measure in ("hit", "recall", "ndcg"):
            found = section.row(name).values[f"{measure}@3"].value
            assert found == pytest.approx(expected[measure], abs=1e-6)
    assert section.facts["queries"] == asked.any(axis=1).sum()
    assert section.facts["positives"] == asked.sum()
    shares = [section.row(name).values["hit@3"].value for name in ("inductive", "retrained")]
    assert section.facts["share_of_retrain"] == pytest.approx(shares[0] / shares[1])
    assert {"popularity", "common neighbors"} < {row.name for row in section.rows}


def test_what_cannot_be_held_out_is_refused() -> None:
    one = {"user": {"id": ["a", "b"]}, "item": {"id": ["x"]}}
    graph = HeteroGraph.from_tables(one, {BUYS: {"src": ["a", "b"], "dst": ["x", "x"]}})
    with pytest.raises(GraphError, match="edge to ask for"):
        hold_out_nodes(graph, BUYS, share=0.5)
    for field in ("share", "asked"):
        with pytest.raises(ConfigError) as caught:
            hold_out_nodes(shop(), BUYS, **{field: 0.0})
        assert caught.value.field == field


def test_what_cannot_be_asked_of_newcomers_is_refused_before_anything_is_fitted() -> None:
    newcomers = hold_out_nodes(friends(), KNOWS)
    for field, value in (("at", 0), ("scorer", "l2")):
        with pytest.raises(ConfigError) as caught:
            evaluate_newcomers(Remembers(), newcomers, **{field: value})  # type: ignore[arg-type]
        assert caught.value.field == field
    with pytest.raises(ConfigError, match=r"no encoder.*SVD"):
        evaluate_newcomers(SVD(dim=4), newcomers)  # type: ignore[arg-type]
