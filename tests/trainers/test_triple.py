"""Triples: planted parity, the three ways to tell them, the score by hand, files, refusals."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from graphemb import EdgeType, HeteroGraph
from graphemb.errors import (
    ConfigError,
    CorruptManifest,
    DimensionMismatch,
    GraphError,
    TrainingError,
    UnknownName,
    UnknownNode,
)
from graphemb.metrics import roc_auc
from graphemb.testing import APPLIES, BUYS, SELLS, awkward, communities, parity
from graphemb.trainers.triple import TripleInteraction, TripleScorer

BY_EDGE = TripleInteraction(along=APPLIES, columns={"company": "company"}, label="applied", dim=16)
ENDS = {"member": "member", "role": "role", "company": "company"}
BY_TABLE = TripleInteraction(events="application", columns=ENDS, label="applied", dim=16)


def auc(trainer: TripleInteraction, graph: HeteroGraph, held: pa.Table) -> float:
    scores = trainer.fit_scorer(graph).score(*(held[name] for name in ENDS))
    came = np.asarray(held["applied"]) == 1
    return roc_auc(scores[came], scores[~came])


def relabelled(graph: HeteroGraph, seed: int) -> HeteroGraph:
    """The same triples with labels that mean nothing."""
    table = graph.edge_table(APPLIES)
    rng = np.random.default_rng(seed)
    labels = pa.array(rng.permutation(np.asarray(table["applied"])))
    table = table.set_column(table.column_names.index("applied"), "applied", labels)
    nodes = {name: graph.node_table(name) for name in graph.node_types}
    return HeteroGraph.from_tables(nodes, {APPLIES: table})


# -- what only three together tell -----------------------------------------------------------------


def test_no_pair_of_the_planted_three_tells_anything() -> None:
    graph, held = parity()
    kinds = {
        name: np.asarray(graph.columns(name)["kind"])[graph.rows(name, held[name])] for name in ENDS
    }
    came = np.asarray(held["applied"])
    for one, two in (("member", "role"), ("member", "company"), ("role", "company")):
        for pair in range(4):
            here = kinds[one] * 2 + kinds[two] == pair
            assert abs(came[here].mean() - 0.5) < 0.06
    assert ((kinds["member"] + kinds["role"] + kinds["company"]) % 2 == came).all()


@pytest.mark.parametrize(("score", "seed"), [("trilinear", 0), ("trilinear", 1), ("mlp", 0)])
def test_parity_is_learned_by_who_looks_at_three(score: Any, seed: int) -> None:
    trainer = replace(BY_EDGE, score=score, seed=seed)
    assert auc(trainer, *parity(seed=seed)) > 0.98


@pytest.mark.parametrize("seed", range(2))
def test_parity_is_a_guess_to_every_sum_of_pairs(seed: int) -> None:
    assert abs(auc(replace(BY_EDGE, score="pairwise", seed=seed), *parity(seed=seed)) - 0.5) < 0.08


def test_labels_at_random_cannot_be_learned() -> None:
    graph, held = parity()
    assert abs(auc(BY_EDGE, relabelled(graph, 1), held) - 0.5) < 0.08


# -- where triples come from -----------------------------------------------------------------------


def test_edge_table_and_path_tell_the_same_triples() -> None:
    graph, _ = parity()
    edges, table = BY_EDGE.triples(graph), BY_TABLE.triples(graph)
    assert edges.node_types == table.node_types == ("member", "role", "company")
    assert edges.labels is not None and table.labels is not None
    one = np.column_stack([edges.rows, edges.labels])
    two = np.column_stack([table.rows, table.labels])
    assert sorted(map(tuple, one.tolist())) == sorted(map(tuple, two.tolist()))


def test_the_reverse_edge_type_tells_them_the_other_way() -> None:
    graph, _ = parity()
    there, back = (
        BY_EDGE.triples(graph),
        replace(BY_EDGE, along=APPLIES.reverse).triples(graph),
    )
    assert there.labels is not None and back.labels is not None
    one = np.column_stack([there.rows, there.labels])
    two = np.column_stack([back.rows[:, [1, 0, 2]], back.labels])
    assert sorted(map(tuple, one.tolist())) == sorted(map(tuple, two.tolist()))


def test_a_path_joins_edges_where_they_meet() -> None:
    graph = communities()
    triples = TripleInteraction(along=BUYS, then=SELLS.reverse).triples(graph)
    bought = graph.edge_table(BUYS)
    sellers: dict[str, list[str]] = {}
    for seller, product in zip(*graph.edge_table(SELLS).columns[:2], strict=True):
        sellers.setdefault(product.as_py(), []).append(seller.as_py())
    wanted = sorted(
        (user, product, seller)
        for user, product in zip(bought["src"].to_pylist(), bought["dst"].to_pylist(), strict=True)
        for seller in sellers[product]
    )
    names = [graph.ids(name).to_list() for name in triples.node_types]
    found = sorted(tuple(names[i][row] for i, row in enumerate(r)) for r in triples.rows.tolist())
    assert found == wanted
    assert triples.times is not None and len(triples.times) == len(triples)


def test_without_labels_altered_triples_are_the_negatives() -> None:
    """Colleagues: the third follows from the first two together."""
    rng = np.random.default_rng(0)
    member, role = rng.integers(40, size=3000), rng.integers(30, size=3000)
    company = ((member % 2) ^ (role % 2)) + 2 * rng.integers(6, size=3000)
    graph = HeteroGraph.from_tables(
        {"member": {"id": np.arange(40)}, "role": {"id": np.arange(30)},
         "company": {"id": np.arange(12)}},
        {APPLIES: {"src": member, "dst": role, "company": company}},
    )  # fmt: skip
    trainer = TripleInteraction(along=APPLIES, columns={"company": "company"}, dim=16, epochs=60)
    scorer = trainer.fit_scorer(graph)
    members, roles = rng.integers(40, size=400), rng.integers(30, size=400)
    right = (members % 2) ^ (roles % 2)
    assert roc_auc(
        scorer.score(members, roles, right), scorer.score(members, roles, 1 - right)
    ) > 0.95  # fmt: skip


# -- vectors ---------------------------------------------------------------------------------------


def test_vectors_of_all_three_types_come_out_and_kinds_can_be_read_off_them() -> None:
    graph, _ = parity()
    emb = BY_EDGE.fit(graph)
    assert set(emb) == {"member", "role", "company"}
    for name in emb:
        kinds = np.asarray(graph.columns(name)["kind"])
        matrix = emb[name].matrix
        gap = matrix[kinds == 0].mean(axis=0) - matrix[kinds == 1].mean(axis=0)
        side = (matrix - matrix.mean(axis=0)) @ gap
        assert ((side < 0) == (kinds == 1)).all()


def test_who_stands_in_no_triple_is_missing() -> None:
    emb = TripleInteraction(along=BUYS, then=SELLS.reverse, dim=4).fit(awkward())
    assert all(len(part) == 0 for part in emb.values())  # nobody sells anything there
    graph, _ = parity()
    more = graph.extend({"company": {"id": ["c99"], "kind": [0]}})
    assert replace(BY_EDGE, epochs=1).fit(more)["company"].missing.to_list() == ["c99"]


def test_a_node_type_may_stand_twice() -> None:
    rows = {"a": ["x", "y", "x"], "b": ["y", "x", "y"], "c": ["p", "p", "q"]}
    graph = HeteroGraph.from_tables(
        {
            "person": {"id": ["x", "y"]},
            "place": {"id": ["p", "q"]},
            "meeting": {"id": [1, 2, 3], **rows},
        },
        {},
    )
    trainer = TripleInteraction(
        events="meeting", columns={"a": "person", "b": "person", "c": "place"}, epochs=2, dim=4
    )
    scorer = trainer.fit_scorer(graph)
    assert sorted(scorer.embeddings) == ["person", "place"]
    assert np.isfinite(scorer.score(["x", "y"], ["x", "x"], ["q", "p"])).all()


# -- the score -------------------------------------------------------------------------------------


@pytest.mark.parametrize("score", ["trilinear", "mlp", "pairwise"])
def test_the_scorer_gives_what_torch_gives(score: Any) -> None:
    import torch

    from graphemb.trainers.triple.model import TripleModel

    graph, held = parity()
    trainer = replace(BY_EDGE, score=score, epochs=3)
    scorer = trainer.fit_scorer(graph)
    model = TripleModel(graph, trainer.triples(graph), trainer)
    for name, table in model.tables.items():
        table.data = torch.from_numpy(scorer.embeddings[name].matrix.copy())
    for name, values in scorer.parameters.items():
        home = {"hidden": "hidden.weight", "hidden_bias": "hidden.bias"}.get(name, name)
        model.get_parameter(home).data = torch.from_numpy(values.copy())
    rows = np.stack([graph.rows(name, held[name]) for name in ENDS], axis=1)
    with torch.no_grad():
        wanted = model(torch.from_numpy(rows)).numpy()
    np.testing.assert_allclose(scorer.score(*(held[name] for name in ENDS)), wanted, atol=1e-4)
    if score == "pairwise":
        assert not scorer.parameters["trilinear"].any()


def test_a_scorer_comes_back_from_disk_as_it_was(tmp_path: Path) -> None:
    graph, held = parity()
    scorer = replace(BY_EDGE, score="mlp", epochs=2).fit_scorer(graph)
    scorer.save(tmp_path / "scorer")
    scorer.save(tmp_path / "scorer")
    again = TripleScorer.load(tmp_path / "scorer")
    triples = [held[name] for name in ENDS]
    assert again.node_types == scorer.node_types
    assert again.score(*triples).tobytes() == scorer.score(*triples).tobytes()


def test_parameters_of_other_vectors_are_refused(tmp_path: Path) -> None:
    graph, _ = parity()
    scorer = replace(BY_EDGE, epochs=1).fit_scorer(graph)
    other = replace(BY_EDGE, epochs=1, dim=8).fit_scorer(graph)
    TripleScorer(scorer.node_types, other.embeddings, scorer.parameters).save(tmp_path / "scorer")
    with pytest.raises(CorruptManifest):
        TripleScorer.load(tmp_path / "scorer")


def test_ids_that_are_not_known_or_do_not_match_are_refused() -> None:
    graph, _ = parity()
    scorer = replace(BY_EDGE, epochs=1).fit_scorer(graph)
    with pytest.raises(UnknownNode):
        scorer.score(["m0"], ["r0"], ["c99"])
    with pytest.raises(DimensionMismatch):
        scorer.score(["m0", "m1"], ["r0", "r1"], ["c0"])


# -- training --------------------------------------------------------------------------------------


def test_fault_084_the_same_seed_gives_the_same_scores() -> None:
    graph, held = parity()
    triples = [held[name] for name in ENDS]
    one, two = (replace(BY_EDGE, epochs=5).fit_scorer(graph).score(*triples) for _ in range(2))
    other = replace(BY_EDGE, epochs=5, seed=1).fit_scorer(graph).score(*triples)
    assert one.tobytes() == two.tobytes() != other.tobytes()


def test_fault_086_training_taken_up_again_ends_where_it_would_have(tmp_path: Path) -> None:
    graph, held = parity()
    triples = [held[name] for name in ENDS]
    trainer = replace(BY_EDGE, epochs=6, num_negatives=2)
    whole = trainer.fit_scorer(graph).score(*triples)

    class Killed(Exception):
        pass

    def kill(event: Any) -> None:
        if event.epoch > 3.5:
            raise Killed

    import graphemb.learning.loop as loop

    pause, loop.SECONDS_PER_CHECKPOINT = loop.SECONDS_PER_CHECKPOINT, 0.0
    try:
        with pytest.raises(Killed):
            trainer.fit_scorer(graph, on_epoch=kill, checkpoint=tmp_path / "c")
    finally:
        loop.SECONDS_PER_CHECKPOINT = pause
    assert list((tmp_path / "c").glob("step-*"))
    again = trainer.fit_scorer(graph, checkpoint=tmp_path / "c").score(*triples)
    assert again.tobytes() == whole.tobytes()
    with pytest.raises(ConfigError):  # fault 87
        replace(trainer, dim=8).fit_scorer(graph, checkpoint=tmp_path / "c")


def test_fault_077_a_loss_that_is_no_number_stops_training() -> None:
    graph, _ = parity()
    with pytest.raises(TrainingError):
        replace(BY_EDGE, learning_rate=1e30, weight_decay=0.0).fit(graph)


def test_known_triples_are_never_negatives() -> None:
    import torch

    from graphemb.trainers.triple.model import TripleModel, TripleTask

    graph, _ = parity()
    trainer = replace(BY_EDGE, valid=0.0, num_negatives=3)
    triples = trainer.triples(graph)
    model = TripleModel(graph, triples, trainer)
    task = TripleTask(model, triples, (24, 16, 12), trainer, torch.device("cpu"))
    assert triples.labels is not None
    came = triples.rows[triples.labels]
    changed, keep = task.altered(came, 3, np.random.default_rng(0))
    known = set(map(tuple, came.tolist()))
    assert [tuple(row) not in known for row in changed.tolist()] == keep.tolist()
    differ = (changed != np.repeat(came, 3, axis=0)).sum(axis=1)
    assert differ.max() == 1
    assert 0.5 < keep.mean() < 1.0


# -- refusals --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"along": APPLIES, "events": "application"},
        {"along": APPLIES},
        {"along": APPLIES, "columns": ENDS},
        {"events": "application", "columns": {"member": "member"}},
        {"events": "application", "columns": ENDS, "then": SELLS},
        {"along": BUYS, "then": SELLS.reverse, "label": "applied"},
        {"along": BUYS, "then": SELLS.reverse, "num_negatives": 0},
        {"along": BUYS, "then": SELLS.reverse, "num_negatives": -1},
        {"along": BUYS, "then": SELLS.reverse, "score": "cubic"},
    ],
)
def test_fault_090_fields_that_cannot_be_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        TripleInteraction(**fields)


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"columns": {"firm": "company"}}, UnknownName),
        ({"columns": {"company": "firm"}}, UnknownName),
        ({"columns": {"company": "role"}}, UnknownNode),
        ({"label": "came"}, UnknownName),
        ({"label": "company"}, GraphError),
        ({"along": EdgeType("member", "sees", "role")}, UnknownName),
    ],
)
def test_what_the_graph_does_not_tell_is_named(
    fields: dict[str, Any], error: type[Exception]
) -> None:
    graph, _ = parity()
    with pytest.raises(error):
        replace(BY_EDGE, **fields).fit(graph)


@pytest.mark.parametrize("labels", [[0, 2], [0.5, 1.0], [None, 1], ["yes", "no"]])
def test_a_label_is_one_or_zero(labels: list[Any]) -> None:
    graph = HeteroGraph.from_tables(
        {"member": {"id": [1]}, "role": {"id": [1, 2]}, "company": {"id": [1]}},
        {APPLIES: {"src": [1, 1], "dst": [1, 2], "company": [1, 1], "applied": pa.array(labels)}},
    )
    with pytest.raises(GraphError, match="a label is 0 or 1"):
        BY_EDGE.fit(graph)


def test_a_path_must_go_on_where_it_is() -> None:
    with pytest.raises(ConfigError, match="starts at 'seller'") as error:
        TripleInteraction(along=BUYS, then=SELLS).fit(communities())
    assert "product-~sells-seller" in str(error.value)
