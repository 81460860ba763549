"""Derived vectors against plain loops, and what must and must not matter to them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

import graphemb as ge
from graphemb.derive import Derivation, derive, derive_chain
from graphemb.embeddings import Embeddings, Vectors
from graphemb.errors import ConfigError, GraphError, UnknownName, VectorError
from graphemb.graph import HeteroGraph
from graphemb.ids import Ids
from graphemb.linalg import first_direction
from graphemb.testing import communities, community_share
from graphemb.types import EdgeType
from tests.derive import oracle
from tests.derive.oracle import DAY, IN, NEAR, SELLS, START, build, graphs, vectors_for

SCHEMES: dict[str, tuple[Any, oracle.Weigh]] = {
    "edge": ("edge", oracle.edge),
    "one": ("one", oracle.one),
    "log1p": ("log1p", oracle.log1p),
    "column": ({"column": "price"}, oracle.price),
    "recency": ({"recency": {"half_life": "2d"}}, oracle.recency(2)),
    "rank": ({"rank": {"decay": 0.5}}, oracle.rank(0.5)),
    "rank by weight": ({"rank": {"decay": 0.5, "by": "weight"}}, oracle.rank(0.5, "weight")),
    "rank by price": ({"rank": {"decay": 0.5, "by": "price"}}, oracle.rank(0.5, "price")),
    "idf": ("idf", oracle.idf),
    "sif": ({"sif": {"a": 0.01, "remove": False}}, oracle.sif(0.01)),
}


def same(found: Vectors, wanted: Mapping[Any, np.ndarray], graph: HeteroGraph) -> None:
    """Every vector to 1e-6, and the rest missing; both in graph order."""
    ids = graph.ids(found.node_type).to_list()
    assert found.ids.to_list() == [node for node in ids if node in wanted]
    assert found.missing.to_list() == [node for node in ids if node not in wanted]
    for node, vector in wanted.items():
        size = max(1.0, float(np.abs(vector).max()))  # what is added may cancel in a component
        assert_allclose(found.vector(node), vector, rtol=1e-6, atol=1e-6 * size)


@pytest.mark.parametrize("scheme", SCHEMES)
@given(graph=graphs(), normalise=st.sampled_from(["mean", "sum"]), support=st.integers(1, 3))
def test_every_weight_equals_plain_loops(
    scheme: str, graph: HeteroGraph, normalise: Any, support: int
) -> None:
    weight, weigh = SCHEMES[scheme]
    emb = vectors_for(graph)
    found = derive(emb, graph, along=SELLS, weight=weight, normalise=normalise, min_support=support)
    wanted = oracle.dense(emb, graph, {(SELLS,): 1.0}, weigh, normalise, support)
    same(found["seller"], wanted, graph)


@given(graph=graphs(), normalise=st.sampled_from(["mean", "sum", "l2"]))
def test_the_reverse_derives_the_other_end(graph: HeteroGraph, normalise: Any) -> None:
    emb = vectors_for(graph)
    back = SELLS.reverse
    for weight, weigh in (SCHEMES["edge"], SCHEMES["column"], SCHEMES["rank"], SCHEMES["idf"]):
        found = derive(emb, graph, along=back, weight=weight, normalise=normalise)
        same(found["product"], oracle.dense(emb, graph, {(back,): 1.0}, weigh, normalise), graph)


@given(graph=graphs(), normalise=st.sampled_from(["mean", "sum", "l2"]))
def test_a_metapath_weighs_paths_by_the_product_of_their_edges(
    graph: HeteroGraph, normalise: Any
) -> None:
    emb = vectors_for(graph)
    for path in ((SELLS, IN), (SELLS, IN, NEAR.reverse), (IN.reverse, SELLS.reverse, NEAR)):
        found = derive(emb, graph, along=path, normalise=normalise, min_support=2)
        wanted = oracle.dense(emb, graph, {path: 1.0}, oracle.edge, normalise, 2)
        same(found[path[0].src], wanted, graph)


@given(
    graph=graphs(),
    normalise=st.sampled_from(["mean", "sum", "l2"]),
    shares=st.tuples(*[st.sampled_from([0.3, 1.0, 7.0])] * 3),
)
def test_several_edge_types_are_added_by_their_weights(
    graph: HeteroGraph, normalise: Any, shares: tuple[float, float, float]
) -> None:
    emb = vectors_for(graph)
    along: dict[Sequence[EdgeType], float] = dict(
        zip(((SELLS,), (NEAR,), (SELLS, IN)), shares, strict=True)
    )
    found = derive(emb, graph, along=along, normalise=normalise)  # type: ignore[arg-type]
    same(found["seller"], oracle.dense(emb, graph, along, oracle.edge, normalise), graph)


@given(graph=graphs())
def test_edge_types_can_have_weights_of_their_own_kind(graph: HeteroGraph) -> None:
    emb = vectors_for(graph)
    found = derive(emb, graph, along=(SELLS, IN), weight={SELLS: "log1p", IN: "idf"})
    parts = {SELLS: oracle.log1p, IN: oracle.idf}

    def weigh(rows: list[oracle.Row]) -> list[float]:
        return parts[SELLS if rows and "price" in rows[0] else IN](rows)

    same(found["seller"], oracle.dense(emb, graph, {(SELLS, IN): 1.0}, weigh), graph)


def test_a_hub_is_summed_exactly() -> None:
    """A million members in one seller; float32 sums would drift."""
    size = 1_000_000
    graph = HeteroGraph.from_tables(
        {"seller": {"id": [0]}, "product": {"id": np.arange(size)}},
        {SELLS: {"src": np.zeros(size, np.int64), "dst": np.arange(size)}},
    )
    matrix = np.random.default_rng(0).random((size, 2), dtype=np.float32)
    emb = Embeddings.from_arrays({"product": (np.arange(size), matrix)})
    found = derive(emb, graph, along=SELLS)["seller"].matrix[0]
    assert_allclose(found, matrix.astype(np.float64).mean(axis=0), rtol=1e-7)


# What must not matter


@given(graph=graphs(), factor=st.sampled_from([1e-6, 0.5, 3.0, 1e5]))
def test_the_mean_does_not_see_the_scale_of_weights(graph: HeteroGraph, factor: float) -> None:
    emb = vectors_for(graph)
    table = graph.edge_table(SELLS)
    weights = table["weight"].to_numpy() if table.num_rows else np.zeros(0)
    one = derive(emb, graph, along=SELLS, weight=weights)["seller"]
    other = derive(emb, graph, along={SELLS: factor}, weight=weights * factor)["seller"]
    assert one.ids == other.ids
    assert_allclose(one.matrix, other.matrix, rtol=1e-5, atol=1e-6)


@given(graph=graphs(), seed=st.integers(0, 9))
def test_the_order_of_rows_does_not_matter(graph: HeteroGraph, seed: int) -> None:
    rng = np.random.default_rng(seed)
    emb = vectors_for(graph)
    shuffled = HeteroGraph.from_tables(
        {name: _shuffled(graph.node_table(name), rng) for name in graph.node_types},
        {name: _shuffled(graph.edge_table(name), rng) for name in graph.edge_types},
    )
    for weight in ("edge", {"rank": {"decay": 0.5}}, "idf"):
        one = derive(emb, graph, along=SELLS, weight=weight)["seller"]
        other = derive(emb, shuffled, along=SELLS, weight=weight)["seller"]
        assert sorted(one.ids) == sorted(other.ids)
        assert_allclose(one.matrix, other.vectors(one.ids), rtol=1e-6, atol=1e-6)


def _shuffled(table: pa.Table, rng: np.random.Generator) -> pa.Table:
    return table.take(pa.array(rng.permutation(table.num_rows)))


def test_members_are_matched_by_id_and_not_by_row() -> None:
    graph = build((1, 3, 1), [(0, 2, 1.0, 0, 0)], [], [])
    emb = Embeddings.from_arrays({"product": (["zz", "p2"], [[1.0, 2.0], [3.0, 4.0]])})
    assert_array_equal(derive(emb, graph, along=SELLS)["seller"].vector("s0"), [3, 4])


def test_the_order_of_edge_types_does_not_matter_but_for_rounding() -> None:
    graph = communities()
    emb = ge.RandomVectors(dim=8).fit(graph)
    buys, knows = EdgeType("user", "buys", "product"), EdgeType("user", "knows", "user")
    one = derive(emb, graph, along={buys: 1.0, knows: 0.5})["user"].matrix
    other = derive(emb, graph, along={knows: 0.5, buys: 1.0})["user"].matrix
    assert_allclose(one, other, atol=1e-6)


# Recency and rank


def history() -> tuple[Embeddings, HeteroGraph]:
    """One seller that sold p0 on day 0, p1 on day 4 and p2 on day 6."""
    sells = [(0, number, 1.0, day, 0) for number, day in enumerate((0, 4, 6))]
    graph = build((1, 3, 1), sells, [], [])
    return Embeddings.from_arrays({"product": (["p0", "p1", "p2"], np.eye(3))}), graph


@pytest.mark.parametrize("half_life", ["2d", "48h", 172_800, "2880min"])
def test_recency_halves_by_the_half_life(half_life: Any) -> None:
    emb, graph = history()
    weight = {"recency": {"half_life": half_life}}
    found = derive(emb, graph, along=SELLS, weight=weight, normalise="sum")["seller"].matrix[0]
    assert_allclose(found, [1 / 8, 1 / 2, 1], rtol=1e-6)


def test_recency_counts_from_a_stated_now() -> None:
    emb, graph = history()
    weight = {"recency": {"half_life": "2d", "now": START + 10 * DAY}}
    found = derive(emb, graph, along=SELLS, weight=weight, normalise="sum")["seller"].matrix[0]
    assert_allclose(found, [1 / 32, 1 / 8, 1 / 4], rtol=1e-6)
    mean = derive(emb, graph, along=SELLS, weight=weight)["seller"].matrix[0]
    assert_allclose(mean, np.array([1, 4, 8]) / 13, rtol=1e-6)


def test_edges_later_than_a_stated_now_are_refused() -> None:
    emb, graph = history()
    with pytest.raises(ConfigError, match="later than `now`") as caught:
        derive(emb, graph, along=SELLS, weight={"recency": {"half_life": "1d", "now": START}})
    assert caught.value.field == "now" and "as_of" in str(caught.value.hint)


def test_old_histories_do_not_vanish_under_a_short_half_life() -> None:
    """Half of all views follow within two minutes, and an old entity is still one."""
    sells = [(0, 0, 1.0, 1, 0), (0, 1, 1.0, 0, 0), (1, 2, 1.0, 9, 0)]
    graph = build((2, 3, 1), sells, [], [])
    emb = Embeddings.from_arrays({"product": (["p0", "p1", "p2"], np.eye(3))})
    found = derive(emb, graph, along=SELLS, weight={"recency": "1min"}, min_support=2)["seller"]
    assert found.ids.to_list() == ["s0"]
    assert_allclose(found.vector("s0"), [1, 0, 0], atol=1e-6)


def test_members_that_decayed_away_still_count_as_support() -> None:
    emb, graph = history()
    found = derive(emb, graph, along=SELLS, weight={"recency": "1s"}, min_support=3)["seller"]
    assert_allclose(found.vector("s0"), [0, 0, 1], atol=1e-30)


def test_rank_decays_by_position_and_ties_share_one() -> None:
    sells = [(0, 0, 1.0, 5, 0), (0, 1, 1.0, 5, 0), (0, 2, 1.0, 3, 0)]
    emb, graph = history()[0], build((1, 3, 1), sells, [], [])
    weight = {"rank": {"decay": 0.5}}
    found = derive(emb, graph, along=SELLS, weight=weight, normalise="sum")["seller"].matrix[0]
    assert_allclose(found, [1, 1, 1 / 4], rtol=1e-6)


def test_weights_multiply() -> None:
    emb, graph = history()
    weight = ["one", {"recency": "2d"}, {"rank": {"decay": 0.5}}]
    found = derive(emb, graph, along=SELLS, weight=weight, normalise="sum")["seller"].matrix[0]
    assert_allclose(found, [1 / 32, 1 / 4, 1], rtol=1e-6)


@pytest.mark.parametrize("weight", [{"recency": "1d"}, {"rank": {}}])
def test_schemes_by_time_need_times(weight: Any) -> None:
    emb, graph = vectors_for(communities()), communities()
    sells = EdgeType("seller", "sells", "product")
    with pytest.raises(GraphError, match="no times") as caught:
        derive(emb, graph, along=sells, weight=weight)
    assert caught.value.source == "seller-sells-product"


# SIF


def test_sif_removes_the_first_component() -> None:
    graph = communities()
    emb = ge.RandomVectors(dim=8).fit(graph)
    plain = derive(emb, graph, along=SELLS, weight={"sif": {"remove": False}})["seller"].matrix
    found = derive(emb, graph, along=SELLS, weight="sif")["seller"].matrix
    direction = np.linalg.svd(plain.astype(np.float64))[2][0]
    assert_allclose(found, plain - np.outer(plain @ direction, direction), atol=1e-6)
    assert_allclose(found @ first_direction(plain), 0, atol=1e-6)


def test_sif_of_one_entity_keeps_its_only_component() -> None:
    emb, graph = history()
    assert derive(emb, graph, along=SELLS, weight="sif")["seller"].matrix.any()


def test_sif_lists_what_holds_nothing_but_the_common_component() -> None:
    """Three sellers of the same product are all alike: nothing is left of them."""
    graph = build((3, 1, 1), [(seller, 0, 1.0, 0, 0) for seller in range(3)], [], [])
    emb = Embeddings.from_arrays({"product": (["p0"], [[1.0, 2.0]])})
    found = derive(emb, graph, along=SELLS, weight="sif")["seller"]
    assert len(found) == 0 and len(found.missing) == 3


# Who is missing


def test_fault_091_an_entity_without_members_is_missing_and_not_zeros() -> None:
    graph = build((4, 3, 1), [(0, 0, 1.0, 0, 0), (2, 1, 1.0, 0, 0)], [], [])
    emb = Embeddings.from_arrays({"product": (["p0"], np.ones((1, 4)))})
    found = derive(emb, graph, along=SELLS)["seller"]
    assert found.ids.to_list() == ["s0"]
    assert found.missing.to_list() == ["s1", "s2", "s3"]  # s2's only product has no vector


def test_members_without_vectors_weigh_nothing() -> None:
    graph = build((1, 3, 1), [(0, 0, 1.0, 0, 0), (0, 1, 9.0, 0, 0)], [], [])
    emb = Embeddings.from_arrays({"product": (["p0"], [[2.0, 4.0]])})
    assert_array_equal(derive(emb, graph, along=SELLS)["seller"].vector("s0"), [2, 4])


def test_fault_025_members_that_cancel_out_give_no_zero_vector() -> None:
    graph = build((1, 2, 1), [(0, 0, 1.0, 0, 0), (0, 1, 1.0, 0, 0)], [], [])
    emb = Embeddings.from_arrays({"product": (["p0", "p1"], [[1.0, -1.0], [-1.0, 1.0]])})
    for normalise in ("mean", "sum", "l2"):
        found = derive(emb, graph, along=SELLS, normalise=normalise)["seller"]  # type: ignore[arg-type]
        assert found.missing.to_list() == ["s0"]


def test_fault_052_isolated_first_and_last_nodes() -> None:
    graph = build((3, 3, 2), [(1, 1, 1.0, 0, 0)], [(1, 1)], [])
    emb = vectors_for(graph, share=1.0)
    assert derive(emb, graph, along=SELLS)["seller"].ids.to_list() == ["s1"]
    assert derive(emb, graph, along=[SELLS, IN])["seller"].ids.to_list() == ["s1"]
    assert derive(emb, graph, along=IN.reverse)["category"].missing.to_list() == [0]


def test_no_edges_at_all() -> None:
    graph = build((2, 2, 1), [], [], [])
    emb = vectors_for(graph, share=1.0)
    for along in (SELLS, [SELLS, IN], {SELLS: 1.0, NEAR: 2.0}):
        for weight in ("edge", "idf", "sif", {"rank": {"by": "weight"}}):
            found = derive(emb, graph, along=along, weight=weight)["seller"]  # type: ignore[arg-type]
            assert len(found) == 0 and len(found.missing) == 2


def test_fault_055_weights_of_zero_are_no_members() -> None:
    graph = build((2, 2, 1), [(0, 0, 1.0, 0, 0), (0, 1, 1.0, 0, 5), (1, 0, 1.0, 0, 0)], [], [])
    emb = Embeddings.from_arrays({"product": (["p0", "p1"], np.eye(2))})
    found = derive(emb, graph, along=SELLS, weight={"column": "price"})["seller"]
    assert_array_equal(found.vector("s0"), [0, 1])
    assert found.missing.to_list() == ["s1"]
    fewer = derive(emb, graph, along=SELLS, weight={"column": "price"}, min_support=2)["seller"]
    assert len(fewer) == 0


# Weights that cannot be


@pytest.mark.parametrize("bad", [-1.0, np.nan, np.inf, 1e39])
def test_fault_055_bad_weights_are_refused_with_their_row(bad: float) -> None:
    emb, graph = history()
    for along in (SELLS, SELLS.reverse):
        vectors = vectors_for(graph, share=1.0) if along.is_reverse else emb
        with pytest.raises(GraphError) as caught:
            derive(vectors, graph, along=along, weight=np.array([1.0, bad, 1.0]))
        assert caught.value.code == "bad_weight" and caught.value.row == 1
        assert "1 weights" in str(caught.value)


def test_fault_056_a_column_with_gaps_is_refused() -> None:
    graph = HeteroGraph.from_tables(
        {"seller": {"id": ["s"]}, "product": {"id": ["p", "q"]}},
        {SELLS: {"src": ["s", "s"], "dst": ["p", "q"], "price": [1.0, None], "name": ["x", "y"]}},
    )
    emb = vectors_for(graph, share=1.0)
    with pytest.raises(GraphError, match="1 edges have no value") as caught:
        derive(emb, graph, along=SELLS, weight={"column": "price"})
    assert caught.value.code == "missing_weight"
    with pytest.raises(GraphError, match="must be numbers"):
        derive(emb, graph, along=SELLS, weight={"column": "name"})
    with pytest.raises(UnknownName, match="price"):
        derive(emb, graph, along=SELLS, weight={"column": "prize"})


@pytest.mark.parametrize("array", [np.ones(2), np.ones((3, 1)), np.array(["a", "b", "c"])])
def test_fault_058_an_array_of_another_length_is_refused(array: np.ndarray) -> None:
    emb, graph = history()
    with pytest.raises(VectorError, match="one number per edge"):
        derive(emb, graph, along=SELLS, weight=array)


def test_a_sum_over_float32_is_refused() -> None:
    """Fault 26: what overflows float32 never becomes a vector."""
    graph = build((1, 1, 1), [(0, 0, 1e30, 0, 0)], [], [])
    emb = Embeddings.from_arrays({"product": (["p0"], [[1e30]])})
    with pytest.raises(VectorError):
        derive(emb, graph, along=SELLS, normalise="sum")
    assert derive(emb, graph, along=SELLS)["seller"].matrix[0, 0] == np.float32(1e30)


def test_names_that_are_not_there_are_refused() -> None:
    emb, graph = history()
    with pytest.raises(UnknownName, match="seller-sells-product"):
        derive(emb, graph, along=EdgeType("seller", "sold", "product"))
    with pytest.raises(UnknownName, match="product"):
        derive(emb, graph, along=NEAR)


# Chains


def test_a_chain_is_derived_step_by_step() -> None:
    graph = communities()
    emb = Embeddings([ge.RandomVectors(dim=8).fit(graph)["product"]])
    buys = EdgeType("user", "buys", "product")
    knows = EdgeType("user", "knows", "user")
    sells = Derivation(along=SELLS)
    bought = Derivation(along=[buys.reverse], weight="log1p")
    found = derive_chain(emb, graph, [sells])
    assert list(found) == ["seller"]
    with pytest.raises(ConfigError) as caught:
        derive_chain(emb, graph, [bought, Derivation(along=buys), sells])
    assert caught.value.code == "cycle"
    step = derive(emb, graph, along=buys)
    wanted = derive(step, graph, along=knows)
    assert_array_equal(
        derive(emb.merge(step), graph, along=knows)["user"].matrix, wanted["user"].matrix
    )


@given(graph=graphs())
def test_a_chain_takes_its_steps_in_any_order(graph: HeteroGraph) -> None:
    emb = Embeddings([vectors_for(graph, share=1.0)["product"]])
    steps = [Derivation(along=NEAR.reverse), Derivation(along=SELLS, weight="log1p")]
    found = derive_chain(emb, graph, steps)
    assert list(found) == ["seller", "category"]
    sellers = derive(emb, graph, along=SELLS, weight="log1p")
    assert_array_equal(found["seller"].matrix, sellers["seller"].matrix)
    wanted = derive(sellers, graph, along=NEAR.reverse)["category"]
    assert_array_equal(found["category"].matrix, wanted.matrix)
    assert [step["along"] for step in found.provenance["derive"]] == [
        {"seller-sells-product": 1.0},
        {"category-~near-seller": 1.0},
    ]


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 0, 1], [1, 2, 0]])
def test_fault_091_a_cycle_of_derivations_is_refused_with_the_cycle(order: list[int]) -> None:
    steps = [
        Derivation(along=SELLS),
        Derivation(along=IN),
        Derivation(along=NEAR.reverse),
    ]
    emb, graph = history()
    with pytest.raises(ConfigError) as caught:
        derive_chain(emb, graph, [steps[number] for number in order])
    assert caught.value.code == "cycle"
    told = str(caught.value.value).strip("'").split(" -> ")
    assert told[0] == told[-1] and set(told) == {"seller", "product", "category"}


def test_fault_091_a_type_derived_from_itself_is_a_cycle_in_a_chain() -> None:
    graph = communities()
    emb = ge.RandomVectors(dim=4).fit(graph)
    knows = EdgeType("user", "knows", "user")
    with pytest.raises(ConfigError) as caught:
        derive_chain(emb, graph, [Derivation(along=knows)])
    assert caught.value.code == "cycle"
    assert len(derive(emb, graph, along=knows)["user"])  # once, from given vectors, is fine


def test_a_type_derived_twice_is_refused() -> None:
    emb, graph = history()
    with pytest.raises(ConfigError, match="twice"):
        derive_chain(emb, graph, [Derivation(along=SELLS), Derivation(along=NEAR)])


# The result as a value


def test_derived_communities_are_the_planted_ones() -> None:
    """Sellers have no behaviour; their products' vectors say where they belong."""
    graph = communities(mixing=0.2, seed=3)
    buys = EdgeType("user", "buys", "product")
    emb = ge.SVD(dim=8, edge_types=(buys,)).fit(graph)
    assert "seller" not in emb or not len(emb["seller"])
    found = derive(emb, graph, along=SELLS)
    assert community_share(found, graph, "seller") > 0.9


def test_the_result_holds_the_derived_type_alone_and_says_how_it_was_made() -> None:
    emb, graph = history()
    found = derive(emb, graph, along="seller-sells-product", weight=["log1p", {"recency": "3d"}])
    assert list(found) == ["seller"]
    assert json.loads(json.dumps(found.provenance)) == {
        "derive": {
            "along": {"seller-sells-product": 1.0},
            "weight": ["log1p", {"recency": {"half_life": "3d", "now": None}}],
            "normalise": "mean",
            "min_support": 1,
        },
        "graph": graph.fingerprint,
    }
    assert list(emb.merge(found)) == ["product", "seller"]
    matrix = found["seller"].matrix
    assert matrix.dtype == np.float32 and matrix.flags.c_contiguous
    assert not matrix.flags.writeable


def test_ids_of_derived_nodes_are_the_graphs() -> None:
    emb, graph = history()
    assert derive(emb, graph, along=SELLS)["seller"].ids == Ids.of(["s0"])
