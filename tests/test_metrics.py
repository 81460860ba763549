"""Metrics against scikit-learn, brute force over every tie order, and closed forms."""

from __future__ import annotations

import itertools
import math
import warnings

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, ndcg_score, roc_auc_score

from graphemb import metrics
from graphemb.errors import ConfigError
from graphemb.metrics import Placements


def offsets_of(lists: list[list[int]]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    sizes = [len(part) for part in lists]
    flat = [column for part in lists for column in part]
    return np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64), np.array(flat, np.int64)


def place_one(scores: list[float], positives: list[int], known: list[int] = []) -> Placements:  # noqa: B006
    return metrics.placements([scores], offsets_of([positives]), offsets_of([known]))


def every_order(scores: list[float], positives: list[int]) -> list[list[int]]:
    """Places (from 1) of the positives, sorted, for each order that respects the scores."""
    found = []
    for order in itertools.permutations(range(len(scores))):
        values = [scores[column] for column in order]
        if all(a >= b for a, b in itertools.pairwise(values)):
            found.append(sorted(order.index(column) + 1 for column in positives))
    return found


def truth(places: list[int], k: int) -> tuple[float, float, float, float]:
    gains = sum(1 / math.log2(place + 1) for place in places if place <= k)
    ideal = sum(1 / math.log2(place + 1) for place in range(1, min(k, len(places)) + 1))
    inside = sum(place <= k for place in places)
    return inside / len(places), float(inside > 0), gains / ideal, 1 / places[0]


def measured(placed: Placements, k: int, ties: metrics.TieRule) -> list[float]:
    return [
        float(metrics.recall_at(placed, k, ties=ties)[0]),
        float(metrics.hit_at(placed, k, ties=ties)[0]),
        float(metrics.ndcg_at(placed, k, ties=ties)[0]),
        float(metrics.reciprocal_rank(placed, ties=ties)[0]),
    ]


tied_lists = st.lists(st.integers(0, 2).map(float), min_size=1, max_size=5)


@given(tied_lists, st.data())
def test_realistic_is_the_mean_over_every_order_of_the_ties(
    scores: list[float], data: st.DataObject
) -> None:
    columns = st.sets(st.integers(0, len(scores) - 1), min_size=1)
    positives = sorted(data.draw(columns))
    k = data.draw(st.integers(1, 7))
    outcomes = [truth(places, k) for places in every_order(scores, positives)]
    placed = place_one(scores, positives)
    assert measured(placed, k, "realistic") == pytest.approx(np.mean(outcomes, axis=0))
    best, worst = np.max(outcomes, axis=0), np.min(outcomes, axis=0)
    assert measured(placed, k, "optimistic") == pytest.approx(best)
    assert measured(placed, k, "pessimistic") == pytest.approx(worst)


def test_tie_rules_place_a_lone_positive_as_pykeen_does() -> None:
    placed = place_one([3.0, 2.0, 2.0, 2.0, 1.0], [2])
    assert metrics.ranks(placed, ties="optimistic") == [2]
    assert metrics.ranks(placed, ties="pessimistic") == [4]
    assert metrics.ranks(placed) == [3]


def test_an_unknown_tie_rule_is_refused() -> None:
    placed = place_one([1.0], [0])
    with pytest.raises(ConfigError, match="realistic"):
        metrics.ranks(placed, ties="lucky")  # type: ignore[arg-type]


def test_a_perfect_ranking_scores_one_and_the_worst_scores_zero() -> None:
    scores = [5.0, 4.0, 3.0, 2.0, 1.0]
    assert measured(place_one(scores, [0, 1]), 2, "realistic") == [1.0, 1.0, 1.0, 1.0]
    assert measured(place_one(scores, [3, 4]), 2, "realistic") == [0.0, 0.0, 0.0, 0.25]


def test_recall_divides_by_all_positives_and_ndcg_by_what_k_can_hold() -> None:
    placed = place_one([5.0, 4.0, 3.0, 2.0], [0, 1, 2])
    assert metrics.recall_at(placed, 2)[0] == pytest.approx(2 / 3)
    assert metrics.ndcg_at(placed, 2)[0] == pytest.approx(1.0)


def test_known_candidates_do_not_stand_in_the_way() -> None:
    placed = place_one([9.0, 8.0, 7.0, 1.0], [2], known=[0, 1])
    assert metrics.ranks(placed) == [1]
    assert placed.candidates.tolist() == [2]


def test_a_score_that_is_not_a_number_ranks_behind_all_others() -> None:
    placed = place_one([float("nan"), -1e30, float("nan")], [0])
    assert metrics.ranks(placed, ties="optimistic") == [2]
    assert metrics.ranks(placed, ties="pessimistic") == [3]


def test_queries_without_positives_are_left_out_of_the_average() -> None:
    scores = np.array([[1.0, 2.0], [2.0, 1.0]])
    placed = metrics.placements(scores, offsets_of([[], [0]]))
    recall = metrics.recall_at(placed, 1)
    assert np.isnan(recall[0]) and np.isnan(metrics.hit_at(placed, 1)[0])
    assert metrics.macro_average(recall) == 1.0
    assert np.isnan(metrics.macro_average(np.array([np.nan])))


@given(st.integers(0, 2**32), st.integers(1, 60), st.integers(1, 40), st.booleans())
def test_places_equal_a_dense_count(seed: int, width: int, positives: int, coarse: bool) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 4, (3, width)) if coarse else rng.normal(size=(3, width))
    marks = rng.random((3, width)) < positives / 40
    hidden = (rng.random((3, width)) < 0.2) & ~marks
    lists = [np.flatnonzero(line).tolist() for line in marks]
    known = [np.flatnonzero(line).tolist() for line in hidden]
    placed = metrics.placements(scores, offsets_of(lists), offsets_of(known))
    at = 0
    for row, columns in enumerate(lists):
        rest = scores[row][~hidden[row]]
        for column in columns:
            assert placed.above[at] == (rest > scores[row, column]).sum()
            assert placed.tied[at] == (rest == scores[row, column]).sum()
            at += 1


@given(st.integers(0, 2**32), st.booleans())
def test_auc_and_ap_equal_scikit_learn(seed: int, coarse: bool) -> None:
    rng = np.random.default_rng(seed)
    good, bad = rng.normal(0.5, 1, 40), rng.normal(0, 1, 60)
    if coarse:
        good, bad = good.round(), bad.round()
    labels = np.repeat([1, 0], [40, 60])
    both = np.concatenate([good, bad])
    assert metrics.roc_auc(good, bad) == pytest.approx(roc_auc_score(labels, both))
    assert metrics.average_precision(good, bad) == pytest.approx(
        average_precision_score(labels, both)
    )


@given(st.integers(0, 2**32), st.booleans())
def test_the_auc_of_a_query_equals_scikit_learn(seed: int, coarse: bool) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 3, 12) if coarse else rng.normal(size=12)
    marks = rng.random(12) < 0.4
    marks[:2] = [True, False]
    placed = place_one(scores.tolist(), np.flatnonzero(marks).tolist())
    assert metrics.auc_of_query(placed)[0] == pytest.approx(roc_auc_score(marks, scores))


def test_ndcg_equals_scikit_learn_where_nothing_is_tied() -> None:
    rng = np.random.default_rng(3)
    scores = rng.permutation(30).astype(float)
    marks = rng.random(30) < 0.3
    placed = place_one(scores.tolist(), np.flatnonzero(marks).tolist())
    for k in (1, 5, 30):
        expected = ndcg_score(marks[None].astype(int), scores[None], k=k)
        assert metrics.ndcg_at(placed, k)[0] == pytest.approx(expected)


def test_the_error_of_an_auc_is_about_its_spread() -> None:
    rng = np.random.default_rng(0)
    drawn = [metrics.roc_auc(rng.normal(1, 1, 80), rng.normal(0, 1, 90)) for _ in range(400)]
    assert metrics.auc_error(float(np.mean(drawn)), 80, 90) == pytest.approx(np.std(drawn), rel=0.2)


@pytest.mark.parametrize(("good", "bad"), [([], [1.0]), ([1.0], []), ([float("nan")], [1.0])])
def test_missing_scores_are_refused(good: list[float], bad: list[float]) -> None:
    with pytest.raises(ConfigError), warnings.catch_warnings():
        metrics.roc_auc(good, bad)


@pytest.mark.parametrize("k", [0, -1])
def test_k_below_one_is_refused(k: int) -> None:
    with pytest.raises(ConfigError, match="at least 1"):
        metrics.recall_at(place_one([1.0], [0]), k)
