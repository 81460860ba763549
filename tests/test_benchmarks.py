"""`python -m benchmarks`: the list, the names, and figures where the public sets are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import f1_score, precision_recall_curve, roc_auc_score

from benchmarks import classify, linkpred
from benchmarks.__main__ import benchmarks, main
from graphemb import SVD, DeepWalk, HeteroGraph
from graphemb.testing import KNOWS, communities
from graphemb_loaders import datasets


def test_without_a_name_the_benchmarks_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    listed = capsys.readouterr().out
    assert "linkpred" in listed
    assert all(name in listed and about for name, about in benchmarks().items())


def test_an_unknown_name_lists_the_known_nearest_first(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["linkprod"]) == 1
    assert "did you mean 'linkpred'" in capsys.readouterr().err


def test_a_missing_set_is_said_not_made_up(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("GRAPHEMB_DATA", raising=False)
    assert main(["classify", "--set", "wiki"]) == 1
    assert "OpenNE" in capsys.readouterr().err


def test_figures_are_those_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    linked = rng.random(400) < 0.4
    scores = rng.standard_normal(400) + linked
    auc, average, f1 = linkpred.pair_figures(scores, linked)
    precision, recall, _ = precision_recall_curve(linked, scores)
    threshold = np.sort(scores)[-linked.sum()]
    assert auc == pytest.approx(roc_auc_score(linked, scores))
    assert average == pytest.approx(-np.trapezoid(precision, recall), abs=0.002)
    assert f1 == pytest.approx(f1_score(linked, scores >= threshold))


def test_svd_beats_the_published_rows_on_gatne_amazon(data_set: Callable[[str], Path]) -> None:
    data_set("gatne_amazon")
    data = datasets.gatne_amazon()
    fitted = SVD(dim=128, degree_exponent=0.3, self_loops=3.0).fit(data.graph)
    figures = linkpred.mean_figures(data.test, linkpred.by_dot(fitted))
    assert np.all(np.array(figures) >= (0.988, 0.985, 0.953))


def test_classification_adds_to_what_was_measured_before(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Two methods, one after the other, on planted communities under the name of a public set."""
    planted = communities(mixing=0.05)
    users = planted.node_table("user")
    graph = HeteroGraph.from_tables(
        {"node": {"id": users["id"]}},
        {datasets.LINK: planted.edge_table(KNOWS).select(["src", "dst"])},
    )
    named = zip(users["id"].to_pylist(), users["community"].to_pylist(), strict=True)
    toy = datasets.LabelledGraph(graph, {node: (str(label),) for node, label in named})
    monkeypatch.setitem(classify.SETS, "ppi", lambda: toy)
    small = DeepWalk(dim=32, walk_length=20, walks_per_node=20)
    monkeypatch.setitem(classify.METHODS, "DeepWalk", lambda data, seed: small)
    out, keep = tmp_path / "classify.json", tmp_path / "vectors"
    keep.mkdir()
    for method in ("ProNE", "DeepWalk", "DeepWalk"):  # the last from the vectors that were kept
        options = ["--set", "ppi", "--method", method, "--out", str(out), "--keep", str(keep)]
        assert classify.main(options) == 0
    found = {one.method: one for one in classify.kept(out).values() if not one.published}
    assert set(found) == {"ProNE", "DeepWalk"}
    assert all(len(row) == 4 and row[0] > 0.7 for row in found["DeepWalk"].figures.values())
    assert found["ProNE"].fit and found["DeepWalk"].fit is None
    table = out.with_suffix(".md").read_text(encoding="utf-8")
    assert "| ppi | *node2vec (paper)* |" in table and "- / .1791" in table
    assert "±" in table and "| ppi | DeepWalk |" in table


def test_a_figure_of_one_is_shown_whole() -> None:
    assert classify.cell((1.0, 0.25, 0.0, 0.0125)) == "1.0000 ±.0000 / .2500 ±.0125"
