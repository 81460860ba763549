"""EASE against its formula in dense float64, and where it is left out."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from graphemb.evaluate import ease as room
from graphemb.evaluate import evaluate_links
from graphemb.evaluate.ease import beyond_memory, ease
from graphemb.split import Split, split_edges
from graphemb.split.questions import Questions
from graphemb.testing import BUYS, communities
from graphemb.trainers.spectral import SVD


@pytest.fixture
def split() -> Split:
    return split_edges(communities(), BUYS, by="random", test=0.2, seed=0)


@pytest.mark.parametrize("rows", [7, 1_024])
def test_scores_are_the_papers(split: Split, rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "_ROWS", rows)
    questions = Questions.of(split)
    known = questions.history.toarray()[:, : questions.num_seen].astype(np.float64)
    inverse = np.linalg.inv(known.T @ known + 200.0 * np.eye(questions.num_seen))
    weights = np.eye(questions.num_seen) - inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0.0)
    scorer = ease(questions)
    sources = np.array([3, 0, 11])
    found = scorer.block(sources)
    assert_allclose(found[:, : questions.num_seen], known[sources] @ weights, rtol=1e-3, atol=1e-6)
    assert not found[:, questions.num_seen :].any()
    assert_allclose(scorer.pairs(sources, np.array([2, 2, 5])), found[[0, 1, 2], [2, 2, 5]])


def test_it_finds_planted_communities_and_beats_popularity(split: Split) -> None:
    report = evaluate_links(
        SVD(dim=4).fit(split.train), split, at=(10,), baselines=("popularity", "ease")
    )
    found = {name: values["recall@10"] for name, values in report.metrics.items()}
    assert found["EASE"] > 2 * found["popularity"]


def test_too_many_items_are_left_out_with_a_note(
    split: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert beyond_memory(11_585) is None
    assert "11,586 items" in str(beyond_memory(11_586))
    monkeypatch.setattr(room, "_MEMORY", 1_000)
    report = evaluate_links(
        SVD(dim=4).fit(split.train), split, at=(10,), baselines=("popularity", "ease")
    )
    assert "EASE" not in report.metrics
    assert any("EASE is left out" in note for note in report.sections[0].notes)
