"""Who a derived vector comes from."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from graphemb.derive import derive, explain
from graphemb.embeddings import Embeddings
from graphemb.errors import UnknownNode
from graphemb.graph import HeteroGraph
from tests.derive.oracle import IN, NEAR, SELLS, build, graphs, vectors_for

ALONG: list[Any] = [SELLS, (SELLS, IN), {SELLS: 1.0, NEAR: 0.3}, {(SELLS, IN): 2.0, SELLS: 1.0}]


@given(
    graph=graphs(),
    along=st.sampled_from(ALONG),
    weight=st.sampled_from(["edge", "log1p", "idf"]),
    normalise=st.sampled_from(["mean", "sum", "l2"]),
)
def test_shares_sum_to_one(graph: HeteroGraph, along: Any, weight: Any, normalise: Any) -> None:
    emb = vectors_for(graph)
    found = derive(emb, graph, along=along, weight=weight, normalise=normalise)["seller"]
    for node in graph.ids("seller"):
        parts = explain(emb, graph, node, along=along, weight=weight, normalise=normalise, k=None)
        assert bool(parts) == (node in found)
        if parts:
            assert_allclose(sum(part.share for part in parts), 1.0, rtol=1e-6)
            assert all(part.share > 0 for part in parts)
            assert [part.share for part in parts] == sorted(
                (part.share for part in parts), reverse=True
            )


@given(graph=graphs(), along=st.sampled_from(ALONG[:2]), weight=st.sampled_from(["edge", "idf"]))
def test_a_mean_is_the_sum_of_share_times_member(
    graph: HeteroGraph, along: Any, weight: Any
) -> None:
    emb = vectors_for(graph)
    found = derive(emb, graph, along=along, weight=weight)["seller"]
    for node in found.ids:
        parts = explain(emb, graph, node, along=along, weight=weight, k=None)
        total = sum(part.share * emb[part.node_type].vector(part.node_id) for part in parts)
        assert_allclose(found.vector(node), total, rtol=1e-5, atol=1e-6)


def test_the_heaviest_come_first_and_parallel_edges_are_one() -> None:
    sells = [(0, 0, 1.0, 0, 0), (0, 1, 2.0, 0, 0), (0, 0, 2.0, 1, 0), (0, 2, 5.0, 0, 0)]
    graph = build((1, 4, 1), sells, [], [])
    emb = Embeddings.from_arrays({"product": (["p0", "p1"], np.eye(2))})
    parts = explain(emb, graph, "s0", along=SELLS)
    assert [part.node_id for part in parts] == ["p0", "p1"]
    assert_allclose([part.share for part in parts], [0.6, 0.4])
    assert parts[0].path == (SELLS,) and parts[0].node_type == "product"
    assert explain(emb, graph, "s0", along=SELLS, k=1) == parts[:1]


def test_several_edge_types_share_by_their_weights() -> None:
    sells = [(0, 0, 1.0, 0, 0), (0, 1, 3.0, 0, 0)]
    graph = build((1, 2, 2), sells, [], [(0, 1)])
    emb = vectors_for(graph, share=1.0)
    parts = explain(emb, graph, "s0", along={SELLS: 1.0, NEAR: 3.0}, k=None)
    told = {(part.node_type, part.node_id): part.share for part in parts}
    assert list(told) == [("category", 1), ("product", "p1"), ("product", "p0")]
    assert_allclose(list(told.values()), [0.75, 0.1875, 0.0625])


def test_who_is_missing_has_no_contributors() -> None:
    graph = build((2, 1, 1), [(0, 0, 1.0, 0, 0)], [], [])
    emb = vectors_for(graph, share=1.0)
    assert explain(emb, graph, "s1", along=SELLS) == []
    with pytest.raises(UnknownNode):
        explain(emb, graph, "s2", along=SELLS)
