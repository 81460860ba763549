"""The leak audit: every planted leak is found and named, and a clean split passes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from graphemb.derive import derive
from graphemb.embeddings import Embeddings
from graphemb.errors import LeakError
from graphemb.graph import HeteroGraph
from graphemb.split import Split, SplitRule, audit_leaks, given_split, split_by, split_edges
from graphemb.types import EdgeType

BUYS = EdgeType("user", "buys", "item")
SEES = EdgeType("user", "sees", "item")
BOUGHT_BY = EdgeType("item", "bought_by", "user")
KNOWS = EdgeType("user", "knows", "user")
START = np.datetime64("2024-01-01")
USERS, ITEMS = 60, 40


def tables(seed: int = 0) -> tuple[dict[str, Any], dict[EdgeType, Any]]:
    rng = np.random.default_rng(seed)
    count = 700
    nodes = {
        "user": {"id": [f"user{n}" for n in range(USERS)], "age": rng.integers(18, 80, USERS)},
        "item": {
            "id": [f"item{n}" for n in range(ITEMS)],
            "title": [f"A fine thing number {n % 7}" for n in range(ITEMS)],
        },
    }
    popular = rng.zipf(1.6, count) % ITEMS
    edges = {
        BUYS: {
            "src": [f"user{n}" for n in rng.integers(0, USERS, count)],
            "dst": [f"item{n}" for n in popular],
            "time": (START + rng.integers(0, 300, count)).astype("datetime64[us]"),
        },
        SEES: {
            "src": [f"user{n}" for n in rng.integers(0, USERS, 200)],
            "dst": [f"item{n}" for n in rng.integers(0, ITEMS, 200)],
        },
    }
    return nodes, edges


def shop(seed: int = 0) -> HeteroGraph:
    return HeteroGraph.from_tables(*tables(seed))


def friends(seed: int = 0) -> HeteroGraph:
    rng = np.random.default_rng(seed)
    src, dst = rng.integers(0, 50, (2, 300))
    real = src != dst
    ids = [f"p{n}" for n in range(50)]
    edges = {KNOWS: {"src": [ids[n] for n in src[real]], "dst": [ids[n] for n in dst[real]]}}
    return HeteroGraph.from_tables({"user": {"id": ids}}, edges)


def with_edge(split: Split, edge_type: EdgeType, *, time: Any = None, swap: bool = False) -> Split:
    """The split with its first test pair planted in training as an edge of `edge_type`."""
    train = split.train
    src_ids, dst_ids = train.ids(split.edge_type.src), train.ids(split.edge_type.dst)
    ends = [src_ids[int(split.test.src[0])]], [dst_ids[int(split.test.dst[0])]]
    src, dst = ends[::-1] if swap else ends
    row: dict[str, Any] = {"src": src, "dst": dst}
    if edge_type in train.edge_types and train[edge_type].times is not None:
        row["time"] = np.array([time], "datetime64[us]")
    return replace(split, train=train.extend(edges={edge_type: row}))


def with_column(split: Split, node_type: str, name: str, values: Any) -> Split:
    train = split.train
    nodes = {kind: train.node_table(kind) for kind in train.node_types}
    nodes[node_type] = nodes[node_type].append_column(name, pa.array(values))
    edges = {kind: train.edge_table(kind) for kind in train.edge_types}
    return replace(split, train=HeteroGraph.from_tables(nodes, edges))


def held_time(split: Split) -> Any:
    assert split.test.time is not None
    return np.datetime64(int(split.test.time[0]), "us")


def kind_of(split: Split, **options: Any) -> str:
    with pytest.raises(LeakError) as caught:
        audit_leaks(split, probe=False, **options)
    return caught.value.code


@pytest.mark.parametrize("by", ["random", "time", "leave_one_out"])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_clean_split_passes(by: Any, seed: int) -> None:
    split = split_edges(shop(seed), BUYS, by=by, test=0.15, valid=0.1, seed=seed)
    audit = audit_leaks(split)
    assert audit.leaks == () and audit.warnings == ()


def test_a_clean_split_within_one_node_type_passes() -> None:
    assert audit_leaks(split_edges(friends(), KNOWS, test=0.2)).leaks == ()


def test_fault_081_the_same_edge() -> None:
    split = split_edges(shop(), BUYS, by="random", test=0.1)
    assert kind_of(with_edge(split, BUYS, time=held_time(split))) == "same_edge"


def test_fault_081_the_same_edge_without_times() -> None:
    graph = friends()
    split = split_edges(graph, KNOWS, test=0.1)
    assert kind_of(with_edge(split, KNOWS)) == "same_edge"


def test_fault_081_a_parallel_edge() -> None:
    split = split_edges(shop(), BUYS, by="random", test=0.1)
    earlier = held_time(split) - np.timedelta64(3, "h")
    assert kind_of(with_edge(split, BUYS, time=earlier)) == "parallel_edge"


def test_fault_081_a_reverse_edge() -> None:
    split = split_edges(friends(), KNOWS, test=0.1)
    assert kind_of(with_edge(split, KNOWS, swap=True)) == "reverse_edge"


def test_fault_081_an_edge_after_the_cutoff() -> None:
    split = split_edges(shop(), BUYS, cutoff="2024-09-01")
    late = {"src": ["user0"], "dst": ["item0"], "time": np.array(["2024-10-10"], "datetime64[us]")}
    planted = replace(split, train=split.train.extend(edges={BUYS: late}))
    assert kind_of(planted) in ("later_time", "same_edge", "parallel_edge")
    with pytest.raises(LeakError, match="later_time"):
        audit_leaks(planted, probe=False)


def test_fault_081_a_later_edge_of_the_asked_source() -> None:
    split = split_edges(shop(), BUYS, by="leave_one_out")
    adjacency = split.train[BUYS]
    user = int(split.test.src[0])
    known = int(adjacency.neighbors[adjacency.offsets[user]])
    again = {
        "src": [split.train.ids("user")[user]],
        "dst": [split.train.ids("item")[known]],
        "time": np.array([held_time(split) + np.timedelta64(1, "h")]),
    }
    planted = replace(split, train=split.train.extend(edges={BUYS: again}))
    assert kind_of(planted) == "later_time"


def test_fault_081_another_edge_type_after_the_cutoff() -> None:
    nodes, edges = tables()
    edges[SEES]["time"] = np.full(200, np.datetime64("2024-03-03"), "datetime64[us]")
    split = split_edges(HeteroGraph.from_tables(nodes, edges), BUYS, cutoff="2024-09-01")
    late = {"src": ["user0"], "dst": ["item0"], "time": np.array(["2024-10-10"], "datetime64[us]")}
    planted = replace(split, train=split.train.extend(edges={SEES: late}))
    assert kind_of(planted) == "later_time"


@pytest.mark.parametrize(("other", "swap"), [(SEES, False), (BOUGHT_BY, True)])
def test_fault_081_another_relation_holds_the_pair(other: EdgeType, swap: bool) -> None:
    nodes, edges = tables()
    edges[BOUGHT_BY] = {"src": edges[BUYS]["dst"][:1], "dst": edges[BUYS]["src"][:1]}
    graph = HeteroGraph.from_tables(nodes, edges)
    split = split_by(SplitRule(edge_type=BUYS, by="random", test=0.1, leaky_with=(other,)), graph)
    assert audit_leaks(split, probe=False).leaks == ()
    planted = with_edge(split, other, swap=swap)
    assert kind_of(planted) == "leaky_relation"
    unsaid = replace(planted, rule=replace(planted.rule, leaky_with=()))
    assert audit_leaks(unsaid, probe=False).leaks == ()
    assert kind_of(unsaid, leaky_with=[other]) == "leaky_relation"


def vectors(graph: HeteroGraph, provenance: dict[str, Any]) -> Embeddings:
    parts = {
        kind: (graph.ids(kind), np.ones((graph.num_nodes(kind), 4), np.float32))
        for kind in ("user", "item")
    }
    return Embeddings.from_arrays(parts, provenance=provenance)


def test_fault_081_vectors_made_on_the_whole_graph() -> None:
    graph = shop()
    split = split_edges(graph, BUYS, by="random", test=0.1)
    fine = vectors(graph, {"graph": split.train.fingerprint})
    assert audit_leaks(split, embeddings=fine, probe=False).leaks == ()
    whole = vectors(graph, {"graph": graph.fingerprint})
    with pytest.raises(LeakError, match="whole graph"):
        audit_leaks(split, embeddings={"walks": whole}, probe=False)


def test_fault_081_vectors_derived_on_another_graph_at_a_later_step() -> None:
    graph = shop()
    split = split_edges(graph, BUYS, by="random", test=0.1)
    steps = {
        "graph": split.train.fingerprint,
        "merged": [{"derived": {"graph": graph.fingerprint}}],
    }
    assert kind_of(split, embeddings=vectors(graph, steps)) == "derived_vector"
    accepted = audit_leaks(
        split, embeddings=vectors(graph, steps), accept=[graph.fingerprint], probe=False
    )
    assert accepted.leaks == ()


def test_fault_081_sellers_derived_from_the_whole_graph() -> None:
    """What `derive` itself writes is enough: fitted on training, but derived with test edges."""
    graph = shop()
    split = split_edges(graph, BUYS, by="random", test=0.1)
    fitted = Embeddings([vectors(graph, {})["item"]], {"graph": split.train.fingerprint})
    fair, unfair = (
        fitted.merge(derive(fitted, source, along=BUYS)) for source in (split.train, graph)
    )
    assert audit_leaks(split, embeddings=fair, probe=False).leaks == ()
    assert kind_of(split, embeddings={"fair": fair, "unfair": unfair}) == "derived_vector"


def test_vectors_that_do_not_say_where_they_come_from_are_noted() -> None:
    split = split_edges(shop(), BUYS, by="random", test=0.1)
    audit = audit_leaks(split, embeddings=vectors(split.train, {}), probe=False)
    assert "do not say" in audit.notes[0]


def last_items(split: Split) -> list[str | None]:
    """Per user the id of a held-out item."""
    values: list[str | None] = [None] * USERS
    for user, item in zip(split.test.src, split.test.dst, strict=True):
        values[int(user)] = str(split.train.ids("item")[int(item)])
    return values


def test_fault_081_a_column_that_names_the_target() -> None:
    split = split_edges(shop(), BUYS, by="random", test=0.1)
    assert kind_of(with_column(split, "user", "favourite", last_items(split))) == "feature_column"


def test_fault_081_a_column_that_names_the_target_inside_a_text() -> None:
    split = split_edges(shop(), BUYS, by="random", test=0.1)
    texts = [f'["item3", "{item}"]' if item else None for item in last_items(split)]
    assert kind_of(with_column(split, "user", "basket", texts)) == "feature_column"


def test_fault_081_a_list_column_that_names_the_source() -> None:
    split = split_edges(shop(), BUYS, by="random", test=0.1)
    buyers: list[list[str]] = [[] for _ in range(ITEMS)]
    for user, item in zip(split.test.src, split.test.dst, strict=True):
        buyers[int(item)].append(str(split.train.ids("user")[int(user)]))
    assert kind_of(with_column(split, "item", "buyers", buyers)) == "feature_column"


def test_fault_081_a_column_that_counts_held_out_edges() -> None:
    split = split_edges(shop(), BUYS, cutoff="2024-09-01")
    adjacency = split.train[BUYS]
    pairs = np.unique(adjacency.sources().astype(np.int64) * ITEMS + adjacency.neighbors)
    counts = np.bincount(pairs % ITEMS, minlength=ITEMS)
    counts += np.bincount(split.removed.dst, minlength=ITEMS)
    assert kind_of(with_column(split, "item", "buyers", counts)) == "feature_column"


def test_columns_that_name_targets_by_chance_are_no_leak() -> None:
    split = split_edges(shop(), BUYS, by="random", test=0.3)
    rng = np.random.default_rng(4)
    lucky = [f"item{n}" for n in rng.zipf(1.6, USERS) % ITEMS]
    audit = audit_leaks(with_column(split, "user", "advert", lucky), probe=False)
    assert audit.leaks == ()


def test_a_brand_that_looks_like_an_id_and_sells_well_is_no_leak() -> None:
    """Popular items share the brand `user3`, and user3 buys much: chance, not knowledge."""
    nodes, edges = tables()
    edges[BUYS]["src"] = np.where(np.arange(700) % 3 == 0, "user3", edges[BUYS]["src"]).tolist()
    nodes["item"]["brand"] = ["user3" if n < 5 else f"user{n}" for n in range(ITEMS)]
    for seed in range(5):
        split = split_edges(HeteroGraph.from_tables(nodes, edges), BUYS, by="random", seed=seed)
        assert audit_leaks(split, probe=False).leaks == ()


def test_a_column_of_times_after_the_cutoff_is_noted() -> None:
    split = split_edges(shop(), BUYS, cutoff="2024-09-01")
    times = np.full(USERS, np.datetime64("2024-01-01"), "datetime64[us]")
    assert audit_leaks(with_column(split, "user", "joined", times), probe=False).notes == ()
    times[:4] = np.datetime64("2024-10-01")
    (note,) = audit_leaks(with_column(split, "user", "last_order", times), probe=False).notes
    assert "last_order" in note and "4 times" in note


@pytest.mark.parametrize("double", ["USER{}", " user{} ", "us er{}", "ｕser{}"])
def test_fault_081_a_source_that_stands_twice_under_another_spelling(double: str) -> None:
    split = split_edges(shop(), BUYS, by="random", test=0.1)
    number = str(split.train.ids("user")[int(split.test.src[0])]).removeprefix("user")
    other = double.format(number)
    nodes = {"user": {"id": [other], "age": [30]}}
    edge = {
        "src": [other],
        "dst": [split.train.ids("item")[int(split.test.dst[0])]],
        "time": np.array(["2024-01-01"], "datetime64[us]"),
    }
    planted = replace(split, train=split.train.extend(nodes, {BUYS: edge}))
    assert kind_of(planted) == "duplicate_id"


def test_doubles_whose_edges_tell_nothing_are_no_leak() -> None:
    split = split_edges(shop(), BUYS, by="random", test=0.1)
    extra = {"item": {"id": ["ITEM3"], "title": ["A thing"]}}
    assert audit_leaks(replace(split, train=split.train.extend(extra)), probe=False).leaks == ()


def test_a_given_split_with_test_pairs_in_training_fails() -> None:
    graph = friends()
    table = graph.edge_table(KNOWS)
    split = given_split(graph, KNOWS, {"src": table["dst"][:3], "dst": table["src"][:3]})
    with pytest.raises(LeakError, match="_edge"):
        audit_leaks(split)


def test_the_error_names_every_kind_and_shows_edges() -> None:
    split = split_edges(shop(), BUYS, by="random", test=0.1)
    planted = with_edge(
        with_column(split, "user", "best", last_items(split)), BUYS, time=held_time(split)
    )
    with pytest.raises(LeakError) as caught:
        audit_leaks(planted, probe=False)
    assert "same_edge" in str(caught.value) and "feature_column" in str(caught.value)
    assert f"'{split.train.ids('item')[int(split.test.dst[0])]}'" in str(caught.value)


def sessions(in_file_order: bool) -> HeteroGraph:
    """A catalogue listed in the order in which sessions viewed it, or shuffled."""
    rng = np.random.default_rng(0)
    items = [f"i{n}" for n in range(600)]
    rows = [
        (f"u{user}", items[user * 4 + step], user * 10 + step)
        for user in range(150)
        for step in range(4)
    ]
    listed = items if in_file_order else [items[n] for n in rng.permutation(600)]
    times = START.astype("datetime64[us]") + np.array([row[2] for row in rows], "timedelta64[m]")
    return HeteroGraph.from_tables(
        {"user": {"id": [f"u{user}" for user in range(150)]}, "item": {"id": listed}},
        {BUYS: {"src": [r[0] for r in rows], "dst": [r[1] for r in rows], "time": times}},
    )


def winners(graph: HeteroGraph) -> set[str]:
    audit = audit_leaks(split_edges(graph, BUYS, by="leave_one_out"))
    return {probe.name for probe in audit.probes if probe.wins}


def test_the_probe_by_row_distance_finds_a_catalogue_in_session_order() -> None:
    name = "row distance to the last positive"
    assert name in winners(sessions(True))
    assert name not in winners(sessions(False))


def test_the_probe_by_novelty_finds_a_catalogue_of_what_was_viewed() -> None:
    assert "never seen in training" in winners(sessions(False))


def test_the_probe_by_file_order_finds_a_sorted_file() -> None:
    rng = np.random.default_rng(1)
    rows = [(f"u{user}", f"i{item}") for user in range(80) for item in rng.choice(200, 5)]
    split = given_split(
        HeteroGraph.from_tables(
            {
                "user": {"id": [f"u{n}" for n in range(80)]},
                "item": {"id": [f"i{n}" for n in range(300)]},
            },
            {BUYS: {"src": [r[0] for r in rows], "dst": [r[1] for r in rows]}},
        ),
        BUYS,
        {"src": [f"u{n}" for n in range(80)], "dst": [f"i{n}" for n in range(220, 300)]},
    )
    wins = {probe.name: probe.wins for probe in audit_leaks(split).probes}
    assert wins["file order, last first"] and not wins["file order"]


def test_the_probe_by_another_relation_is_reported() -> None:
    nodes, edges = tables()
    edges[SEES] = {"src": edges[BUYS]["src"], "dst": edges[BUYS]["dst"]}
    split = split_edges(HeteroGraph.from_tables(nodes, edges), BUYS, by="random", test=0.2)
    audit = audit_leaks(split)
    assert any("joined by user-sees-item" in warning for warning in audit.warnings)
    assert "user-sees-item" in str(audit)


def test_probes_of_a_fair_split_seldom_win() -> None:
    """At 1 % a family, ten fair splits give no winner in about nine of ten runs of this test."""
    won = [winners(shop(seed)) - {"joined by user-sees-item"} for seed in range(10)]
    assert sum(map(bool, won)) <= 1


def test_an_audit_is_json() -> None:
    import json

    audit = audit_leaks(split_edges(shop(), BUYS, by="random", test=0.1))
    record = json.loads(json.dumps(audit.to_dict()))
    assert len(record["checks"]) == 8 and len(record["probes"]) >= 3
    assert "Bonferroni" in record["probe_test"] or "divided by" in record["probe_test"]
