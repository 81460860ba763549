"""Link prediction against a dense brute-force judge; what must not change it, does not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import sparse
from sklearn.metrics import average_precision_score, roc_auc_score

from graphemb.embeddings import Embeddings, Vectors
from graphemb.errors import ConfigError, UnknownName
from graphemb.evaluate import Evaluation, GivenNegatives, Report, baselines, evaluate_links
from graphemb.evaluate.baselines import BASELINES, baseline_scorers
from graphemb.evaluate.pairs import AskedPairs
from graphemb.evaluate.vectors import vector_scorer
from graphemb.graph import HeteroGraph
from graphemb.ids import Ids
from graphemb.split import Split, SplitRule, given_split, split_by, split_edges
from graphemb.split.questions import Questions
from graphemb.split.ranking import rank_all
from tests.evaluate.shop import BUYS, IN, ITEMS, KNOWS, Matrix, dense, friends, judge, shop, vectors

ALMOST = {"abs": 0.012}  # the judge's own luck with ties


def split_of(graph: HeteroGraph, **fields: Any) -> Split:
    edge_type = BUYS if BUYS in graph else KNOWS
    return split_by(SplitRule(edge_type=edge_type, test=0.2, **fields), graph)


def expected_scores(split: Split) -> dict[str, Matrix]:
    """Every baseline that is a closed formula, densely, in graph rows."""
    history = dense(split)[0]
    src, dst = history.sum(axis=1), history.sum(axis=0)
    with np.errstate(divide="ignore"):
        by_src, by_dst = (np.where(d > 0, 1 / d, 0) for d in (src, dst))
    cosine = (history.T @ history) * np.sqrt(np.outer(by_dst, by_dst))
    found = {
        "popularity": np.tile(dst, (src.size, 1)),
        "degree product": np.outer(src, dst),
        "ItemKNN": history @ cosine,
    }
    if split.rule.one_type:
        found["common neighbors"] = history @ history
        found["resource allocation"] = (history * by_dst) @ history
        return found
    found["common neighbors"] = history @ history.T @ history
    found["resource allocation"] = (history * by_dst) @ (history.T * by_src) @ history
    adjacency = split.train[IN]
    same = np.equal.outer(adjacency.neighbors, adjacency.neighbors)
    found["same city"] = history @ same
    return found


@pytest.mark.parametrize("make", [shop, friends])
def test_baselines_equal_their_dense_formulas(make: Any) -> None:
    split = split_of(make())
    questions = Questions.of(split)
    expected = expected_scores(split)
    checked = 0
    for scorer in baseline_scorers(questions, BASELINES, 0):
        if scorer.name not in expected:
            continue
        block = scorer.block(np.arange(questions.src_rows.size))
        wanted = expected[scorer.name][np.ix_(questions.src_rows, questions.dst_rows)]
        assert block == pytest.approx(wanted, rel=1e-5), scorer.name
        src, dst = np.array([3, 0, 3, 7]), np.array([1, 2, 0, 9])
        assert scorer.pairs(src, dst) == pytest.approx(wanted[src, dst], rel=1e-5), scorer.name
        checked += 1
    assert checked == len(expected)


@pytest.mark.parametrize("make", [shop, friends])
@pytest.mark.parametrize("valid", [0.0, 0.2])
def test_every_figure_equals_the_brute_force_judge(make: Any, valid: float) -> None:
    graph = make()
    split = split_of(graph, valid=valid)
    emb = vectors(graph)
    report = evaluate_links({"mine": emb}, split, at=(5,))
    _, asked, known = dense(split)
    expected = expected_scores(split)
    kind = split.edge_type
    expected["mine"] = (emb[kind.src].matrix @ emb[kind.dst].matrix.T).astype(np.float64)
    for name, scores in expected.items():
        wanted = judge(scores.round(9), asked, known, 5)
        found = report.metrics[name]
        for measure, value in wanted.items():
            key = measure if measure == "mrr" else f"{measure}@5"
            assert found[key] == pytest.approx(value, **ALMOST), (name, measure)


def test_ties_are_worth_their_mean_not_their_luck() -> None:
    graph = shop()
    split = split_of(graph)
    alike = Embeddings.from_arrays(
        {kind: (graph.ids(kind), np.ones((graph.num_nodes(kind), 3))) for kind in ("user", "item")}
    )
    report = evaluate_links({"alike": alike}, split, at=(5,), baselines=())
    _, asked, known = dense(split)
    queries = asked.any(axis=1)
    chance = 5 / (known == 0).sum(axis=1)[queries]
    assert report.metrics["alike"]["recall@5"] == pytest.approx(chance.mean())
    assert report.metrics["alike"]["auc uniform"] == 0.5


def shuffled(seed: int) -> Any:
    return lambda count: np.random.default_rng([seed, count]).permutation(count)


@pytest.mark.parametrize("coarse", [False, True])
def test_the_order_of_rows_changes_nothing(coarse: bool) -> None:
    figures = []
    for order in (np.arange, shuffled(1), shuffled(2)):
        graph = shop(order=order)
        split = split_of(graph, seed=3)
        report = evaluate_links({"mine": vectors(graph, coarse=coarse)}, split, seed=5)
        figures.append([section.to_dict() for section in report.sections])
    assert figures[0] == figures[1] == figures[2]


def test_the_blocks_change_nothing() -> None:
    graph = shop()
    questions = Questions.of(split_of(graph))
    scorer, _ = vector_scorer("mine", vectors(graph, coarse=True), questions, "dot", 0)
    whole = rank_all(questions, scorer)
    for size in (1, 250, 1000):
        parts = rank_all(questions, scorer, block_bytes=size)
        assert (parts.placed.above == whole.placed.above).all()
        assert (parts.placed.tied == whole.placed.tied).all()
        assert (parts.own.above == whole.own.above).all()
        assert parts.unseen_top == pytest.approx(whole.unseen_top)


@pytest.mark.parametrize("bytes_at_once", [1, 1 << 12, 1 << 29])
@pytest.mark.parametrize("gain", [0, 1 << 40])
def test_a_chain_counts_the_same_by_either_product(
    monkeypatch: pytest.MonkeyPatch, bytes_at_once: int, gain: int
) -> None:
    """Sparse (no gain) or dense (all gain), some sources at a time: the dense formula's scores."""
    monkeypatch.setattr(baselines, "_WIDE", bytes_at_once)
    monkeypatch.setattr(baselines, "_DENSE_GAIN", gain)
    generator = np.random.default_rng(0)
    start, first, last = (
        sparse.random(*shape, density=0.2, random_state=generator, format="csr", dtype=np.float32)
        for shape in ((30, 20), (20, 25), (25, 40))
    )
    chain = baselines.Chain("paths", sparse.csr_matrix(start), [first, sparse.csr_matrix(last)])
    asked = generator.integers(0, 30, 17)
    expected = start.toarray()[asked] @ first.toarray() @ last.toarray()
    np.testing.assert_allclose(chain.block(asked), expected, rtol=1e-4, atol=1e-6)


def test_no_block_is_larger_than_asked() -> None:
    graph = shop()
    questions = Questions.of(split_of(graph))
    inner, _ = vector_scorer("mine", vectors(graph), questions, "dot", 0)
    heights = []

    class Watched:
        name = "watched"

        def block(self, sources: Any) -> Any:
            heights.append(len(sources))
            return inner.block(sources)

        def pairs(self, sources: Any, columns: Any) -> Any:
            return inner.pairs(sources, columns)

    rank_all(questions, Watched(), block_bytes=4 * ITEMS * 7)
    assert max(heights) == 7 and sum(heights) == questions.queries.size


def test_a_perfect_candidate_scores_one_and_is_the_best() -> None:
    graph = shop()
    split = split_of(graph)
    _, asked, _ = dense(split)
    left, values, right = np.linalg.svd(asked)
    size = values.size
    oracle = Embeddings.from_arrays(
        {
            "user": (graph.ids("user"), left[:, :size] * values),
            "item": (graph.ids("item"), right[:size].T),
        }
    )
    report = evaluate_links({"random": vectors(graph, dim=size), "oracle": oracle}, split, at=(10,))
    assert report.metrics["oracle"]["recall@10"] == pytest.approx(1.0)
    assert report.metrics["oracle"]["ndcg@10"] == pytest.approx(1.0)
    assert report.metrics["oracle"]["auc two_hop"] == pytest.approx(1.0)
    assert report.best() == report.best("mrr") == "oracle"


def test_a_candidate_without_a_vector_ranks_behind_all_others() -> None:
    graph = shop()
    split = split_of(graph)
    full = vectors(graph)
    gone = int(split.test.dst[0])
    keep = np.flatnonzero(np.arange(ITEMS) != gone)
    items = full["item"]
    part = Vectors("item", items.ids.take(keep), items.matrix[keep], items.ids.take([gone]))
    report = evaluate_links({"part": Embeddings([full["user"], part])}, split, at=(5,))
    scores = (full["user"].matrix @ items.matrix.T).astype(np.float64)
    scores[:, gone] = -np.inf
    _, asked, known = dense(split)
    wanted = judge(scores, asked, known, 5)
    assert report.metrics["part"]["recall@5"] == pytest.approx(wanted["recall"], **ALMOST)
    missing = report.sections[0].facts["missing"]["part"]
    assert missing["candidates_without_vector"] == 1
    assert missing["positives_without_vector"] == int(asked[:, gone].sum())
    assert any("no vector" in note for note in report.sections[0].notes)


def test_a_query_without_a_vector_is_answered_by_nothing() -> None:
    graph = shop()
    split = split_of(graph)
    full = vectors(graph)
    gone = int(split.test.src[0])
    keep = np.flatnonzero(np.arange(graph.num_nodes("user")) != gone)
    users = full["user"]
    part = Vectors("user", users.ids.take(keep), users.matrix[keep], users.ids.take([gone]))
    report = evaluate_links({"part": Embeddings([part, full["item"]])}, split, at=(5,))
    scores = (users.matrix @ full["item"].matrix.T).astype(np.float64)
    scores[gone] = 0
    _, asked, known = dense(split)
    wanted = judge(scores, asked, known, 5)
    assert report.metrics["part"]["recall@5"] == pytest.approx(wanted["recall"], **ALMOST)
    assert report.sections[0].facts["missing"]["part"]["queries_without_vector"] == 1


def test_a_candidate_without_a_node_type_is_refused() -> None:
    graph = shop()
    only = Embeddings([vectors(graph)["user"]])
    with pytest.raises(UnknownName, match="item"):
        evaluate_links(only, split_of(graph))


def test_ids_the_graph_does_not_know_are_counted() -> None:
    graph = shop()
    full = vectors(graph)
    more = Vectors(
        "user",
        Ids.of([*full["user"].ids.to_list(), "stranger"]),
        np.vstack([full["user"].matrix, np.ones((1, 8), np.float32)]),
    )
    report = evaluate_links({"more": Embeddings([more, full["item"]])}, split_of(graph))
    same = evaluate_links({"more": full}, split_of(graph))
    assert report.sections[0].facts["missing"]["more"]["vectors_of_unknown_ids"] == 1
    assert report.metrics == same.metrics


def test_cosine_ignores_length_and_counts_zero_vectors_as_missing() -> None:
    graph = shop()
    split = split_of(graph)
    full = vectors(graph)
    rng = np.random.default_rng(0)
    scaled = Embeddings.from_arrays(
        {
            kind: (full[kind].ids, full[kind].matrix * rng.uniform(1, 9, (len(full[kind]), 1)))
            for kind in ("user", "item")
        }
    )
    one, two = (
        evaluate_links({"v": e}, split, scorer="cosine", baselines=()) for e in (full, scaled)
    )
    for name, value in one.metrics["v"].items():
        assert two.metrics["v"][name] == pytest.approx(value, abs=1e-6)
    matrix = full["user"].matrix.copy()
    matrix[int(split.test.src[0])] = 0
    zeroed = Embeddings.from_arrays(
        {"user": (full["user"].ids, matrix), "item": (full["item"].ids, full["item"].matrix)}
    )
    report = evaluate_links({"v": zeroed}, split, scorer="cosine", baselines=())
    assert report.sections[0].facts["missing"]["v"]["queries_without_vector"] == 1


def test_hadamard_learns_which_components_matter() -> None:
    """Two components mark communities, one with the wrong sign; dot is fooled, Hadamard is not."""
    rng = np.random.default_rng(0)
    group_u, group_i = rng.integers(0, 2, 60), rng.integers(0, 2, 50)
    pairs = np.argwhere(
        rng.random((60, 50)) < np.where(np.equal.outer(group_u, group_i), 0.35, 0.02)
    )
    graph = HeteroGraph.from_tables(
        {"user": {"id": np.arange(60)}, "item": {"id": np.arange(50)}},
        {BUYS: {"src": pairs[:, 0], "dst": pairs[:, 1]}},
    )
    user = np.stack([group_u * 2 - 1, rng.normal(size=60)], axis=1)
    item = np.stack([1 - group_i * 2, rng.normal(size=50)], axis=1)
    emb = Embeddings.from_arrays({"user": (np.arange(60), user), "item": (np.arange(50), item)})
    split = split_edges(graph, BUYS, test=0.2)
    plain, learned = (
        evaluate_links({"v": emb}, split, scorer=scorer, baselines=()).metrics["v"]["auc uniform"]
        for scorer in ("dot", "hadamard")
    )
    assert plain < 0.4 and learned > 0.7


def test_auc_and_ap_equal_scikit_learn_on_the_drawn_negatives() -> None:
    graph = shop()
    split = split_of(graph)
    emb = vectors(graph)
    report = evaluate_links({"mine": emb}, split, negatives=("uniform", "two_hop"), seed=4)
    questions = Questions.of(split, seed=4)
    asked = AskedPairs.of(questions, ("uniform", "two_hop"), 4)
    users = emb["user"].matrix[questions.src_rows[questions.queries[questions.query_of_positive]]]
    history, positives, known = dense(split)
    for kind, columns in asked.negatives.items():
        rows = questions.src_rows[questions.queries[questions.query_of_positive]]
        targets = questions.dst_rows[columns]
        assert not ((history + positives + known)[rows, targets] > 0).any()
        labels = np.repeat([1, 0], columns.size)
        both = np.concatenate([asked.positives, columns])
        items = emb["item"].matrix[questions.dst_rows[both]]
        scores = np.einsum("ij,ij->i", np.tile(users, (2, 1)), items)
        found = report.metrics["mine"]
        assert found[f"auc {kind}"] == pytest.approx(roc_auc_score(labels, scores))
        assert found[f"ap {kind}"] == pytest.approx(average_precision_score(labels, scores))
    assert set(report.sections[0].facts["negatives"]) == {"uniform", "two_hop"}


def test_random_vectors_are_no_better_than_chance_and_structure_is_found() -> None:
    rng = np.random.default_rng(0)
    side_u, side_i = np.arange(200) % 4, np.arange(120) % 4
    pairs = np.argwhere(
        rng.random((200, 120)) < np.where(np.equal.outer(side_u, side_i), 0.3, 0.01)
    )
    graph = HeteroGraph.from_tables(
        {"user": {"id": np.arange(200)}, "item": {"id": np.arange(120)}},
        {BUYS: {"src": pairs[:, 0], "dst": pairs[:, 1]}},
    )
    report = evaluate_links({}, split_edges(graph, BUYS, test=0.2))
    figures = report.metrics
    assert figures["random vectors"]["auc uniform"] == pytest.approx(0.5, abs=0.06)
    assert figures["popularity"]["auc same_degree"] == pytest.approx(0.5, abs=0.06)
    for name in ("SVD-8", "ItemKNN", "resource allocation"):
        assert figures[name]["auc uniform"] > 0.75


def test_slices_hold_every_positive_and_query_once() -> None:
    graph = shop()
    split = split_of(graph)
    report = evaluate_links({"mine": vectors(graph)}, split, at=(5,))
    main, target, source = report.sections[:3]
    assert sum(target.facts["positives"].values()) == main.facts["positives"]
    assert sum(source.facts["queries"].values()) == main.facts["queries"]
    sizes = source.facts["queries"]
    overall = sum(source.row("mine").values[name].value * size for name, size in sizes.items())
    assert overall / main.facts["queries"] == pytest.approx(report.metrics["mine"]["recall@5"])


def cold_split() -> Split:
    """Every user has one held-out item; the items x0..x9 were never bought before."""
    users = [f"u{n}" for n in range(40)]
    rows = [(user, f"i{(n * 3 + step) % 20}") for n, user in enumerate(users) for step in range(3)]
    graph = HeteroGraph.from_tables(
        {
            "user": {"id": users},
            "item": {"id": [f"i{n}" for n in range(20)] + [f"x{n}" for n in range(10)]},
        },
        {BUYS: {"src": [r[0] for r in rows], "dst": [r[1] for r in rows]}},
    )
    test = {
        "src": users,
        "dst": [f"x{n % 10}" if n % 4 else f"i{(n * 3 + 7) % 20}" for n in range(40)],
    }
    return given_split(graph, BUYS, test)


def test_favouring_cold_candidates_gains_nothing_among_their_like() -> None:
    split = cold_split()
    graph = split.train
    cold = np.array([[1.0] if str(key).startswith("x") else [0.0] for key in graph.ids("item")])
    emb = Embeddings.from_arrays(
        {"user": (graph.ids("user"), np.ones((40, 1))), "item": (graph.ids("item"), cold)}
    )
    report = evaluate_links({"lover of the new": emb}, split, at=(5,))
    own = report.section("among candidates of the positive's own status")
    full = report.metrics
    assert full["lover of the new"]["recall@5"] > 1.5 * full["random vectors"]["recall@5"]
    mine = own.row("lover of the new").values
    unseen, seen = 5 / 10, 5 / 17
    assert mine["recall@5 unseen"].value == pytest.approx(unseen)
    assert mine["recall@5 seen"].value == pytest.approx(seen, rel=0.02)
    assert mine["unseen in top 10"].value == 1.0
    assert own.row("popularity").values["unseen in top 10"].value == 0.0
    assert "75%" in own.notes[0]


def test_ranking_only_seen_candidates_leaves_cold_positives_out() -> None:
    split = cold_split()
    report = Evaluation(candidates="seen", at=(5,)).run(vectors(split.train), split)
    facts = report.sections[0].facts
    assert facts["candidates"] == 20 and facts["positives_not_among_candidates"] == 30
    assert facts["positives"] == 10
    with pytest.raises(UnknownName):
        report.section("among candidates of")


def test_validation_pairs_can_be_asked() -> None:
    graph = shop()
    split = split_of(graph, valid=0.2)
    report = Evaluation(part="valid", at=(5,)).run({"mine": vectors(graph)}, split)
    assert split.valid is not None
    assert report.sections[0].facts["positives"] == len(split.valid)
    with pytest.raises(ConfigError, match="valid"):
        Evaluation(part="valid").run(vectors(graph), split_of(graph))


def test_nodes_of_one_type_never_rank_themselves() -> None:
    graph = friends()
    split = split_of(graph)
    questions = Questions.of(split)
    ranked = questions.num_ranked
    _, _, known = dense(split)
    wanted = (known == 0).sum(axis=1)[questions.src_rows[questions.queries]]
    assert ranked.tolist() == wanted.tolist()


# -- negatives that are given ---------------------------------------------------------------------


def test_given_negatives_are_ranked_as_ncf_does() -> None:
    graph = shop()
    split = split_of(graph)
    rng = np.random.default_rng(1)
    emb = vectors(graph, coarse=True)
    history, asked, _ = dense(split)
    users = np.unique(split.test.src)
    lists = {
        user: rng.choice(np.flatnonzero(asked[user] + history[user] == 0), 6, replace=False)
        for user in users
    }
    src = np.repeat(users, 6)
    dst = np.concatenate([lists[user] for user in users])
    ids_u, ids_i = graph.ids("user"), graph.ids("item")
    given = GivenNegatives([ids_u[int(n)] for n in src], [ids_i[int(n)] for n in dst])
    report = evaluate_links({"mine": emb}, split, at=(3,), negatives=given)
    scores = (emb["user"].matrix @ emb["item"].matrix.T).astype(np.float64)
    known = np.ones_like(asked)
    known[src, dst] = 0
    known[asked > 0] = 0
    wanted = judge(scores, asked, known, 3)
    for measure in ("recall", "hit", "ndcg"):
        found = report.metrics["mine"][f"{measure}@3"]
        assert found == pytest.approx(wanted[measure], **ALMOST), measure
    assert len(report.sections) == 1 and "given" in report.sections[0].title
    assert "popularity" in report.metrics


def test_given_negatives_that_are_positives_are_left_out_and_counted() -> None:
    graph = shop()
    split = split_of(graph)
    ids_u, ids_i = graph.ids("user"), graph.ids("item")
    src = [ids_u[int(n)] for n in split.test.src]
    dst = [ids_i[int(n)] for n in split.test.dst]
    never = ids_i[graph.rows("item", [f"i{ITEMS - 1}"])[0]]
    given = GivenNegatives(src + src, dst + [never] * len(src))
    report = evaluate_links({"mine": vectors(graph)}, split, negatives=given)
    facts = report.sections[0].facts
    assert facts["negatives_left_out"] == len(src)
    assert facts["negatives"] == len(src)


def test_given_pairs_may_be_told_apart_without_ranking() -> None:
    graph = shop()
    split = split_of(graph)
    emb = vectors(graph)
    given = GivenNegatives(["u0", "u1"], [f"i{ITEMS - 1}", f"i{ITEMS - 2}"], rank=False)
    report = evaluate_links({"mine": emb}, split, negatives=given)
    pairs = list(zip(split.test.src, split.test.dst, strict=True))
    rows = [
        *pairs,
        (graph.rows("user", ["u0"])[0], graph.rows("item", [f"i{ITEMS - 1}"])[0]),
        (graph.rows("user", ["u1"])[0], graph.rows("item", [f"i{ITEMS - 2}"])[0]),
    ]
    scores = [float(emb["user"].matrix[a] @ emb["item"].matrix[b]) for a, b in rows]
    labels = [1] * len(pairs) + [0, 0]
    assert report.metrics["mine"]["auc given"] == pytest.approx(roc_auc_score(labels, scores))
    assert "recall@10" not in report.metrics["mine"]


def test_given_negatives_must_serve_every_query() -> None:
    graph = shop()
    with pytest.raises(ConfigError, match="no given negatives"):
        evaluate_links(vectors(graph), split_of(graph), negatives=GivenNegatives(["u0"], ["i1"]))


# -- options --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fields",
    [
        {"at": ()},
        {"at": (0,)},
        {"scorer": "magic"},
        {"negatives": ("kind",)},
        {"baselines": ("guess",)},
        {"part": "train"},
        {"candidates": "some"},
        {"seed": -1},
    ],
)
def test_options_that_cannot_be_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        Evaluation(**fields)


def test_two_rows_of_one_name_are_refused() -> None:
    graph = shop()
    with pytest.raises(ConfigError, match="one name"):
        evaluate_links({"popularity": vectors(graph)}, split_of(graph))


def test_only_the_baselines_asked_for_stand_in_the_report() -> None:
    graph = shop()
    report = evaluate_links(vectors(graph), split_of(graph), baselines=("popularity", "svd"))
    assert list(report.metrics) == ["embeddings", "popularity", "SVD-6"]
    assert isinstance(report, Report)
