"""`python -m benchmarks gnn`: how sets are divided, what the table says, one run of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import sparse

import graphemb as ge
from benchmarks import gnn
from benchmarks.gnn import labels, newcomers, sets, table
from benchmarks.gnn.methods import LINK_METHODS
from benchmarks.gnn.sets import LINK, Asked, Labelled, Links
from graphemb.errors import UnknownName


def row(method: str, seed: int, auc: float, ap: float, *, network: bool) -> dict[str, Any]:
    figures = {"ROC-AUC": auc, "PR-AUC": ap, "F1": 0.5}
    return {
        "set": "cora",
        "method": method,
        "seed": seed,
        "seconds": 2.0,
        "peak_mb": 300.0,
        "network": network,
        "test": figures,
        "valid": figures,
    }


MADE = {"command": "c", "version": "v", "machine": "m", "date": "d"}


def test_the_page_says_what_was_reached_and_missed_and_who_is_ahead() -> None:
    rows = [
        row("words", 0, 0.94, 0.95, network=False),
        row("words", 1, 0.94, 0.95, network=False),
        row("GAT", 0, 0.99, 0.99, network=True),  # has not run with all seeds
        row("GraphSAGE", 0, 0.95, 0.91, network=True),
        row("GraphSAGE", 1, 0.93, 0.95, network=True),
    ]
    page = table.markdown({"made": MADE, "rows": rows})
    assert "| **GraphSAGE** | 0.9400 ± 0.0100 | 0.9300 ± 0.0200 | 2 | 2.0 | 300 |" in page
    assert "must 0.91 / 0.92: reached by GraphSAGE" in page
    assert "goal 0.93 / 0.94: missed in PR-AUC by GraphSAGE" in page
    worse = table.markdown({"made": MADE, "rows": [rows[0], rows[4]]})
    assert "**A simple model beats the network**: words ROC-AUC 0.9400" in worse
    better = table.markdown({"made": MADE, "rows": [rows[0], rows[3]]})
    assert "The network is ahead: GraphSAGE ROC-AUC 0.9500, words 0.9400" in better


def test_newcomers_are_judged_by_their_share_of_a_retrain() -> None:
    def later(method: str, seed: int, hit: float, retrained: float) -> dict[str, Any]:
        figures = {"hit@10": hit, "hit@10 retrained": retrained, "share": hit / retrained}
        found = row(method, seed, 0, 0, network=method == "GAT")
        return {**found, "set": "cora newcomers", "test": figures}

    rows = [later("words", 0, 0.6, 0.6), later("GAT", 0, 0.5, 0.55)]
    page = table.markdown({"made": MADE, "rows": rows})
    assert "| **GAT** | 0.5000 | 0.5500 | 0.9091 | 1 |" in page
    assert "must 0.9: reached by GAT" in page
    assert "goal" not in page
    missed = table.markdown({"made": MADE, "rows": [rows[0], later("GAT", 0, 0.4, 0.5)]})
    assert "must 0.9: missed in share by GAT" in missed


def test_words_are_smoothed_whatever_came_first(data_set: Callable[[str], Path]) -> None:
    """Nothing is learned from the past, so that a retrain finds the same."""
    data_set("cora")
    method = "words averaged with neighbours', cosine"
    figures = newcomers.figures_of("cora newcomers", method, 0)
    assert figures["share"] == 1.0
    assert 0.4 < figures["hit@10"] < 0.9


def test_strangers_are_distinct_pairs_that_no_edge_joins() -> None:
    edges = np.array([[0, 1], [3, 2], [4, 4]])
    found = sets._strangers(edges, 12, 40, np.random.default_rng(0))
    pairs = {tuple(sorted(pair)) for pair in found.tolist()}
    assert len(pairs) == 40
    assert not pairs & {(0, 1), (2, 3)}
    assert all(src != dst for src, dst in pairs)


def test_scores_are_products_in_graph_order() -> None:
    edges = {LINK: {"src": ["b", "a"], "dst": ["c", "b"]}}
    graph = ge.HeteroGraph.from_tables({"node": {"id": ["b", "x", "a", "c"]}}, edges)
    asked = {LINK: Asked(np.array([0]), np.array([2]), np.array([True]))}
    links = Links(graph, asked, asked)
    degree = LINK_METHODS["gatne_amazon"]["degree product"].fit(links, 0)
    assert degree(np.array([0, 0, 1]), np.array([2, 3, 0])).tolist() == [2, 2, 0]


def test_vectors_that_tell_the_label_help_and_noise_does_not_decide() -> None:
    rng = np.random.default_rng(0)
    told = rng.integers(2, size=400)
    noise = sparse.csr_matrix(rng.random((400, 5)) < 0.3, dtype=np.float32)
    table_ = {"id": np.arange(400)}
    graph = ge.HeteroGraph.from_tables({"node": table_}, {LINK: {"src": [0], "dst": [1]}})
    labelled = Labelled(graph, noise, told)
    alone, _ = labels.figures_of(labelled, None, 0)
    vectors = (told[:, None] + rng.normal(0, 0.3, (400, 4))).astype(np.float32)
    both, valid = labels.figures_of(labelled, vectors, 0)
    assert alone["ROC-AUC"] < 0.65
    assert both["ROC-AUC"] > 0.98
    assert valid["Micro-F1"] > 0.9


def test_cora_is_divided_by_the_seed_and_nothing_held_out_is_left(
    data_set: Callable[[str], Path],
) -> None:
    data_set("cora")
    links, again, other = sets.cora(1), sets.cora(1), sets.cora(2)
    train = links.graph[LINK]
    assert (train.num_edges, links.valid[LINK].src.size, links.test[LINK].src.size) == (
        5278 - 527 - 263,
        2 * 263,
        2 * 527,
    )
    for part in (links.valid[LINK], links.test[LINK]):
        assert not train.contains(part.src, part.dst).any()
        assert not train.contains(part.dst, part.src).any()
        assert part.linked.mean() == 0.5
    assert (links.test[LINK].src == again.test[LINK].src).all()
    assert not (links.test[LINK].src == other.test[LINK].src).all()


def test_a_run_is_written_beside_others(
    data_set: Callable[[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data_set("cora")
    method = "words averaged with neighbours', cosine"
    other = row(method, 1, 0.9, 0.9, network=False)
    (tmp_path / "GNN.json").write_text(json.dumps({"rows": [other]}), encoding="utf-8")
    call = ["--set", "cora", "--method", method, "--seed", "0", "--out", str(tmp_path)]
    assert gnn.main(call) == 0
    rows = json.loads((tmp_path / "GNN.json").read_text(encoding="utf-8"))["rows"]
    assert [one["seed"] for one in rows] == [0, 1]
    assert rows[1] == other
    assert 0.9 < rows[0]["test"]["ROC-AUC"] < 0.99
    assert (tmp_path / "GNN.md").read_text(encoding="utf-8") in capsys.readouterr().out


def test_an_unknown_method_lists_the_known_nearest_first() -> None:
    with pytest.raises(UnknownName, match="did you mean 'GraphSAGE'"):
        gnn.main(["--set", "cora", "--method", "GraphSage"])
