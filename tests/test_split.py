"""Splits: what leaves, what is asked, and that only ids, times and the seed decide it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphemb.errors import ConfigError, GraphError, UnknownName, UnknownNode
from graphemb.graph import HeteroGraph, micros
from graphemb.split import HeldOut, Split, SplitRule, given_split, split_by, split_edges
from graphemb.split.questions import Questions
from graphemb.types import EdgeType

BUYS = EdgeType("user", "buys", "item")
SEES = EdgeType("user", "sees", "item")
KNOWS = EdgeType("user", "knows", "user")
DAY = np.datetime64("2024-01-01")

Row = tuple[str, str, int]
"""src, dst, day."""


def shop(rows: list[Row], *, times: bool = True, **more: dict[str, Any]) -> HeteroGraph:
    users = sorted({row[0] for row in rows})
    items = sorted({row[1] for row in rows})
    edges: dict[EdgeType, dict[str, Any]] = {
        BUYS: {"src": [row[0] for row in rows], "dst": [row[1] for row in rows]}
    }
    if times:
        edges[BUYS]["time"] = np.array([DAY + row[2] for row in rows], "datetime64[us]")
    for name, table in more.items():
        edges[{"sees": SEES, "knows": KNOWS}[name]] = table
    return HeteroGraph.from_tables({"user": {"id": users}, "item": {"id": items}}, edges)


def friends(pairs: list[tuple[str, str]]) -> HeteroGraph:
    ids = sorted({end for pair in pairs for end in pair})
    src, dst = zip(*pairs, strict=True)
    return HeteroGraph.from_tables(
        {"user": {"id": ids}}, {KNOWS: {"src": list(src), "dst": list(dst)}}
    )


def named(graph: HeteroGraph, edge_type: EdgeType, held: HeldOut) -> set[tuple[Any, Any]]:
    src, dst = graph.ids(edge_type.src), graph.ids(edge_type.dst)
    pairs = zip(held.src.tolist(), held.dst.tolist(), strict=True)
    return {(src[row], dst[column]) for row, column in pairs}


def edges(graph: HeteroGraph, edge_type: EdgeType) -> list[tuple[Any, Any]]:
    table = graph.edge_table(edge_type)
    return sorted(zip(table["src"].to_pylist(), table["dst"].to_pylist(), strict=True))


def random_rows(seed: int, count: int = 120) -> list[Row]:
    rng = np.random.default_rng(seed)
    return [
        (f"u{rng.integers(15)}", f"i{rng.integers(12)}", int(rng.integers(30)))
        for _ in range(count)
    ]


seeds = st.integers(0, 2**31)


@given(seeds, st.sampled_from(["random", "time", "leave_one_out"]), st.sampled_from([0.0, 0.2]))
def test_no_held_out_pair_stands_in_training(seed: int, by: Any, valid: float) -> None:
    graph = shop(random_rows(seed))
    split = split_edges(graph, BUYS, by=by, test=0.2, valid=valid, seed=seed)
    train = set(edges(split.train, BUYS))
    asked = named(graph, BUYS, split.test)
    assert asked and not asked & train
    if split.valid is not None:
        tuned = named(graph, BUYS, split.valid)
        assert not tuned & train and not tuned & asked
    assert not named(graph, BUYS, split.removed) & train
    assert train <= set(edges(graph, BUYS))


@given(seeds)
def test_a_random_split_depends_on_ids_not_on_the_order_of_rows(seed: int) -> None:
    rows = random_rows(seed)
    other = [rows[place] for place in np.random.default_rng(seed).permutation(len(rows))]
    graph = shop(rows)
    turned = HeteroGraph.from_tables(
        {
            "user": {"id": graph.ids("user").to_list()[::-1]},
            "item": {"id": graph.ids("item").to_list()[::-1]},
        },
        {BUYS: {"src": [r[0] for r in other], "dst": [r[1] for r in other]}},
    )
    one, two = (split_edges(g, BUYS, by="random", test=0.2, seed=seed) for g in (graph, turned))
    assert named(graph, BUYS, one.test) == named(turned, BUYS, two.test)


def test_a_random_split_holds_out_the_share_it_was_asked_for() -> None:
    graph = shop(random_rows(1), times=False)
    pairs = len(set(edges(graph, BUYS)))
    split = split_edges(graph, BUYS, test=0.3, valid=0.2)
    assert split.by == "random"
    assert len(split.test) == round(0.3 * pairs)
    assert split.valid is not None and len(split.valid) == round(0.2 * pairs)


def test_another_seed_holds_out_other_pairs() -> None:
    graph = shop(random_rows(1), times=False)
    one, two = (split_edges(graph, BUYS, test=0.3, seed=seed) for seed in (1, 2))
    assert named(graph, BUYS, one.test) != named(graph, BUYS, two.test)


def test_parallel_edges_go_with_their_pair() -> None:
    rows = [("a", "x", 1), ("a", "x", 9), ("b", "x", 2), ("b", "y", 3), ("c", "y", 4)]
    for seed in range(6):
        split = split_edges(shop(rows), BUYS, by="random", test=0.25, seed=seed)
        left = edges(split.train, BUYS)
        assert left.count(("a", "x")) in (0, 2)


def test_reverse_edges_go_with_their_pair_within_one_node_type() -> None:
    both = [("a", "b"), ("b", "a"), ("b", "c"), ("c", "b"), ("c", "d"), ("d", "c"), ("a", "d")]
    graph = friends(both)
    for seed in range(8):
        split = split_edges(graph, KNOWS, test=0.25, seed=seed)
        held = named(graph, KNOWS, split.test)
        assert len(held) == 1
        left = set(edges(split.train, KNOWS))
        assert not left & held and not left & {(b, a) for a, b in held}


def test_a_directed_split_takes_the_reverse_away_but_does_not_ask_for_it() -> None:
    graph = friends([("a", "b"), ("b", "a"), ("b", "c"), ("c", "d"), ("d", "a")])
    for seed in range(12):
        rule = SplitRule(edge_type=KNOWS, test=0.2, seed=seed, directed=True)
        split = split_by(rule, graph)
        (pair,) = named(graph, KNOWS, split.test)
        left = set(edges(split.train, KNOWS))
        assert pair not in left and pair[::-1] not in left
        questions = Questions.of(split)
        assert questions.queries.size == 1
        assert questions.src_rows[questions.queries[0]] == graph.ids("user").row(pair[0])


def test_self_loops_are_never_asked() -> None:
    graph = friends([("a", "a"), ("b", "b"), ("a", "b"), ("b", "c"), ("c", "d")])
    for seed in range(8):
        split = split_edges(graph, KNOWS, test=0.3, seed=seed)
        assert all(src != dst for src, dst in named(graph, KNOWS, split.test))
        assert ("a", "a") in edges(split.train, KNOWS)


def test_times_make_a_time_split_the_default() -> None:
    split = split_edges(shop(random_rows(4)), BUYS)
    assert split.by == "time" and split.train_until is not None
    times = split.train[BUYS].times
    assert times is not None and (times < split.train_until).all()
    assert split.test.time is not None and (split.test.time >= split.train_until).all()


def test_a_cutoff_cuts_every_edge_type_with_times() -> None:
    rows = [("a", "x", 1), ("a", "y", 5), ("b", "y", 2), ("b", "x", 6), ("a", "x", 7)]
    seen = {
        "src": ["a", "a"],
        "dst": ["x", "y"],
        "time": np.array([DAY, DAY + 5], "datetime64[us]"),
    }
    graph = shop(rows, sees=seen)
    split = split_edges(graph, BUYS, cutoff="2024-01-05")
    assert edges(split.train, BUYS) == [("a", "x"), ("b", "y")]
    assert edges(split.train, SEES) == [("a", "x")]
    assert named(graph, BUYS, split.test) == {("a", "y"), ("b", "x")}
    assert split.counts["pairs_known_before"] == 1
    assert split.counts["edges_left_out.user-sees-item"] == 1


def test_other_edge_types_are_left_uncut_only_with_a_note() -> None:
    rows = [("a", "x", 1), ("a", "y", 5), ("b", "y", 2), ("b", "x", 6)]
    seen = {"src": ["a"], "dst": ["y"], "time": np.array([DAY + 5], "datetime64[us]")}
    rule = SplitRule(edge_type=BUYS, cutoff="2024-01-05", cut_others=False)
    split = split_by(rule, shop(rows, sees=seen))
    assert edges(split.train, SEES) == [("a", "y")]
    assert any("not cut in time: user-sees-item" in note for note in split.notes)


def test_repeated_pairs_are_asked_only_when_wanted() -> None:
    rows = [("a", "x", 1), ("a", "x", 7), ("a", "y", 8), ("b", "y", 1)]
    graph = shop(rows)
    new = split_by(SplitRule(edge_type=BUYS, cutoff="2024-01-05"), graph)
    every = split_by(SplitRule(edge_type=BUYS, cutoff="2024-01-05", new_only=False), graph)
    assert named(graph, BUYS, new.test) == {("a", "y")}
    assert named(graph, BUYS, every.test) == {("a", "y"), ("a", "x")}
    assert ("a", "x") in edges(every.train, BUYS)
    questions = Questions.of(every)
    assert questions.known_columns.size == 0


def test_validation_lies_between_training_and_test() -> None:
    rows = [(f"u{day % 4}", f"i{day}", day) for day in range(20)]
    split = split_edges(shop(rows), BUYS, test=0.2, valid=0.25)
    assert split.valid is not None and split.valid.time is not None
    assert split.test.time is not None and split.train[BUYS].times is not None
    assert split.train[BUYS].times.max() < split.valid.time.min()
    assert split.valid.time.max() < split.test.time.min()
    assert (len(split.test), len(split.valid)) == (4, 4)


def test_leave_one_out_takes_the_last_pair_by_its_first_edge() -> None:
    rows = [
        ("a", "x", 1),
        ("a", "y", 2),
        ("a", "x", 3),  # a second view of x: y stays the last new pair, and this is later
        ("b", "y", 1),
        ("c", "x", 1),
        ("c", "z", 2),
        ("c", "z", 9),  # goes with its pair
    ]
    graph = shop(rows)
    split = split_edges(graph, BUYS, by="leave_one_out")
    assert named(graph, BUYS, split.test) == {("a", "y"), ("c", "z")}
    assert edges(split.train, BUYS) == [("a", "x"), ("b", "y"), ("c", "x")]
    assert split.counts["own_later_edges"] == 1
    assert any("not strict" in note for note in split.notes)


def test_leave_one_out_validates_on_the_last_but_one() -> None:
    rows = [("a", item, day) for day, item in enumerate("wxyz")] + [("b", "w", 0), ("b", "x", 1)]
    graph = shop(rows)
    split = split_edges(graph, BUYS, by="leave_one_out", valid=0.1)
    assert split.valid is not None
    assert named(graph, BUYS, split.test) == {("a", "z"), ("b", "x")}
    assert named(graph, BUYS, split.valid) == {("a", "y")}


def test_equal_last_times_are_settled_by_the_seed_not_by_the_row() -> None:
    rows = [(f"u{user}", item, 5) for user in range(40) for item in "abc"]
    rows += [(f"u{user}", "d", 1) for user in range(40)]
    graph = shop(rows)
    held = [
        named(graph, BUYS, split_edges(graph, BUYS, by="leave_one_out", seed=s).test)
        for s in range(6)
    ]
    chosen = {item for pairs in held for _, item in pairs}
    assert chosen == {"a", "b", "c"}


def test_what_a_source_did_at_the_held_out_moment_leaves_too() -> None:
    """A basket: the other things bought with the held-out one would give it away."""
    rows = [("a", "x", 1), ("a", "y", 5), ("a", "z", 5), ("b", "y", 5)]
    split = split_edges(shop(rows), BUYS, by="leave_one_out")
    assert edges(split.train, BUYS) == [("a", "x"), ("b", "y")]


def test_leaky_relations_lose_the_same_pairs() -> None:
    back = EdgeType("item", "bought_by", "user")
    rows = random_rows(5)
    table = {"src": [r[0] for r in rows], "dst": [r[1] for r in rows]}
    graph = HeteroGraph.from_tables(
        {
            "user": {"id": sorted({r[0] for r in rows})},
            "item": {"id": sorted({r[1] for r in rows})},
        },
        {BUYS: table, SEES: table, back: {"src": table["dst"], "dst": table["src"]}},
    )
    split = split_by(SplitRule(edge_type=BUYS, test=0.2, leaky_with=(SEES, back)), graph)
    held = named(graph, BUYS, split.test)
    assert not held & set(edges(split.train, SEES))
    assert not held & {(b, a) for a, b in edges(split.train, back)}
    assert edges(split.train, SEES) == edges(split.train, BUYS)


def test_a_reverse_edge_type_asks_the_other_way_round() -> None:
    graph = shop(random_rows(6))
    split = split_edges(graph, BUYS.reverse, by="random", test=0.2)
    assert split.edge_type.src == "item"
    held = named(graph, BUYS.reverse, split.test)
    assert not {(b, a) for a, b in held} & set(edges(split.train, BUYS))
    assert Questions.of(split).num_candidates == graph.num_nodes("user")


def test_max_queries_asks_fewer_but_hides_as_much() -> None:
    graph = shop(random_rows(7))
    rule = SplitRule(edge_type=BUYS, by="random", test=0.3, max_queries=4)
    every = split_edges(graph, BUYS, by="random", test=0.3)
    few = split_by(rule, graph)
    assert np.unique(few.test.src).size == 4
    assert few.train.fingerprint == every.train.fingerprint
    assert few.counts["test_not_asked"] == len(every.test) - len(few.test)


def test_cold_pairs_are_kept_and_counted_or_dropped() -> None:
    rows = [
        ("a", "x", 1),
        ("b", "x", 2),
        ("a", "new", 8),
        ("late", "x", 8),
        ("b", "y", 8),
        ("a", "y", 3),
    ]
    graph = shop(rows)
    kept = split_by(SplitRule(edge_type=BUYS, cutoff="2024-01-06"), graph)
    dropped = split_by(SplitRule(edge_type=BUYS, cutoff="2024-01-06", cold="drop"), graph)
    assert len(kept.test) == 3
    assert (kept.counts["test_cold_sources"], kept.counts["test_cold_targets"]) == (1, 1)
    assert named(graph, BUYS, dropped.test) == {("b", "y")}


def test_a_split_records_what_it_takes_to_make_it_again() -> None:
    graph = shop(random_rows(8))
    rule = SplitRule(edge_type=BUYS, by="time", test=0.2, max_queries=5, seed=3)
    split = split_by(rule, graph)
    record = split.describe()
    assert record["graph"] == graph.fingerprint
    assert record["train"] == split.train.fingerprint != graph.fingerprint
    fields = {**record["rule"], "edge_type": EdgeType.parse(record["rule"]["edge_type"])}
    again = split_by(SplitRule(**fields), graph)
    assert again.train.fingerprint == split.train.fingerprint
    assert (again.test.src == split.test.src).all() and (again.test.dst == split.test.dst).all()


def test_the_graph_that_is_split_is_untouched() -> None:
    graph = shop(random_rows(9))
    before = graph.fingerprint
    split = split_edges(graph, BUYS, by="leave_one_out")
    assert (
        HeteroGraph.from_tables(
            {name: graph.node_table(name) for name in graph.node_types},
            {name: graph.edge_table(name) for name in graph.edge_types},
        ).fingerprint
        == before
    )
    with pytest.raises(ValueError, match="read-only"):
        split.test.src[0] = 0


def test_a_given_split_keeps_what_it_was_given() -> None:
    graph = shop([("a", "x", 1), ("b", "y", 1), ("a", "y", 2)], times=False)
    split = given_split(graph, BUYS, {"src": ["b", "b"], "dst": ["x", "x"]})
    assert split.by == "given"
    assert named(graph, BUYS, split.test) == {("b", "x")}
    with pytest.raises(UnknownNode):
        given_split(graph, BUYS, {"src": ["nobody"], "dst": ["x"]})


@pytest.mark.parametrize(
    "fields",
    [
        {"test": 0.0},
        {"test": 1.0},
        {"valid": -0.1},
        {"by": "luck"},
        {"cutoff": "soon"},
        {"cutoff": "2024-01-01", "by": "random"},
        {"max_queries": 0},
        {"leaky_with": (KNOWS,)},
        {"leaky_with": (BUYS.reverse,)},
        {"cold": "freeze"},
    ],
)
def test_rules_that_cannot_be_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        SplitRule(edge_type=BUYS, **fields)


def test_time_splits_need_times() -> None:
    graph = shop(random_rows(1), times=False)
    for by in ("time", "leave_one_out"):
        with pytest.raises(ConfigError, match="times"):
            split_edges(graph, BUYS, by=by)  # type: ignore[arg-type]


def test_a_split_that_asks_or_leaves_nothing_is_refused() -> None:
    graph = shop([("a", "x", 1), ("b", "y", 1)])
    with pytest.raises(GraphError, match="no pair"):
        split_edges(graph, BUYS, by="leave_one_out")
    with pytest.raises(GraphError, match="no edge is left"):
        split_edges(graph, BUYS, cutoff="2020-01-01")
    with pytest.raises(GraphError, match="no pair"):
        split_edges(graph, BUYS, cutoff="2030-01-01")
    with pytest.raises(UnknownName):
        split_edges(graph, SEES)


def test_a_cutoff_may_be_micros() -> None:
    graph = shop(random_rows(2))
    text, number = (
        split_edges(graph, BUYS, cutoff=cut) for cut in ("2024-01-20", micros("2024-01-20"))
    )
    assert text.train.fingerprint == number.train.fingerprint


@given(seeds, st.booleans())
def test_questions_equal_a_dense_reading(seed: int, both: bool) -> None:
    graph = (
        friends([(r[0], "u" + r[1]) for r in random_rows(seed, 60)])
        if both
        else shop(random_rows(seed))
    )
    edge_type = KNOWS if both else BUYS
    split = split_edges(graph, edge_type, by="random", test=0.2, valid=0.1, seed=seed)
    questions = Questions.of(split, seed=seed)
    check_questions(split, questions, edge_type)


def check_questions(split: Split, questions: Questions, edge_type: EdgeType) -> None:
    graph, both = split.train, edge_type == KNOWS
    history = np.zeros((graph.num_nodes(edge_type.src), graph.num_nodes(edge_type.dst)), bool)
    adjacency = graph[edge_type]
    history[adjacency.sources(), adjacency.neighbors] = True
    asked, removed = np.zeros_like(history), np.zeros_like(history)
    asked[split.test.src, split.test.dst] = True
    removed[split.removed.src, split.removed.dst] = True
    if both:
        history, asked, removed = (part | part.T for part in (history, asked, removed))
        np.fill_diagonal(removed, True)
    src, dst = questions.src_rows, questions.dst_rows
    assert (questions.history.toarray() > 0).tolist() == history[np.ix_(src, dst)].tolist()
    seen = history.any(axis=0)[dst]
    assert seen[: questions.num_seen].all() and not seen[questions.num_seen :].any()
    for number, query in enumerate(questions.queries):
        here = questions.columns[questions.offsets[number] : questions.offsets[number + 1]]
        assert here.tolist() == np.flatnonzero(asked[src[query]][dst]).tolist()
        low, high = questions.known_offsets[number : number + 2]
        known = (history | removed) & ~asked
        expected = np.flatnonzero(known[src[query]][dst]).tolist()
        assert questions.known_columns[low:high].tolist() == expected
    assert set(src[questions.queries]) == set(np.flatnonzero(asked.any(axis=1)))
