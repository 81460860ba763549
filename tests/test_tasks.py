"""Node classification: the regression, the F1s and the protocol against scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score

from graphemb.embeddings import Vectors
from graphemb.errors import ConfigError, GraphError
from graphemb.ids import Ids
from graphemb.tasks import classify_nodes, f1, fit_one_vs_rest, likeliest


def blobs(count: int = 120, classes: int = 3, seed: int = 0) -> tuple[Vectors, list[str]]:
    """Points around one center per class, well apart."""
    rng = np.random.default_rng(seed)
    group = np.arange(count) % classes
    centers = rng.normal(size=(classes, 6)) * 4
    points = (centers[group] + rng.normal(size=(count, 6))).astype(np.float32)
    ids = [f"n{number}" for number in range(count)]
    return Vectors("node", Ids.of(ids), points), [f"class {number}" for number in group]


def table(vectors: Vectors, labels: list[Any]) -> dict[str, Any]:
    return {"id": vectors.ids.to_list(), "label": labels}


def test_the_regressions_equal_scikit_learn() -> None:
    rng = np.random.default_rng(1)
    features = rng.normal(size=(200, 5))
    marks = (features @ rng.normal(size=(5, 4)) + rng.normal(size=(200, 4))) > 0.7
    weights, bias = fit_one_vs_rest(features, marks)
    for place in range(4):
        model = LogisticRegression(C=1.0, max_iter=2000, tol=1e-8).fit(features, marks[:, place])
        assert weights[:, place] == pytest.approx(model.coef_[0], abs=5e-3)
        assert bias[place] == pytest.approx(model.intercept_[0], abs=5e-3)


def test_a_class_without_examples_is_never_predicted_and_one_without_others_always() -> None:
    marks = np.zeros((10, 3), np.bool_)
    marks[:, 1], marks[::2, 2] = True, True
    weights, bias = fit_one_vs_rest(np.random.default_rng(0).normal(size=(10, 2)), marks)
    assert bias[0] < -20 and bias[1] > 20
    assert not weights[:, :2].any() and weights[:, 2].any()


@given(st.integers(0, 2**31))
def test_f1_equals_scikit_learn(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth, guess = rng.random((2, 20, 5)) < 0.3
    expected = [
        f1_score(truth, guess, average=average, zero_division=0) for average in ("micro", "macro")
    ]
    assert f1(truth, guess) == pytest.approx(expected)


def test_as_many_labels_are_predicted_as_there_are() -> None:
    scores = np.array([[0.1, 0.9, 0.5], [0.3, 0.2, 0.1]])
    chosen = likeliest(scores, np.array([2, 1]))
    assert chosen.tolist() == [[False, True, True], [True, False, False]]


def test_classes_that_lie_apart_are_told_apart() -> None:
    vectors, labels = blobs()
    report = classify_nodes({"blobs": vectors}, table(vectors, labels), seeds=3)
    assert report.metrics["blobs"]["accuracy 50%"] > 0.95
    assert report.metrics["majority class"]["accuracy 50%"] < 0.45
    assert report.best() == "blobs"
    figure = report.sections[0].row("blobs").values["accuracy 10%"]
    assert figure.low is not None and figure.low <= figure.value <= (figure.high or 0)


def test_the_majority_class_is_what_accuracy_is_held_against() -> None:
    vectors, _ = blobs()
    labels = ["common"] * 90 + ["rare"] * 30
    noise = Vectors("node", vectors.ids, np.random.default_rng(0).normal(size=(120, 4)))
    report = classify_nodes({"noise": noise}, table(vectors, labels), train_shares=(0.5,))
    assert report.metrics["majority class"]["accuracy 50%"] == pytest.approx(0.75, abs=0.05)
    assert report.metrics["noise"]["accuracy 50%"] <= 0.8


def test_several_labels_a_node_follow_the_protocol_of_deepwalk() -> None:
    """The same divisions, done over with scikit-learn's own one-vs-rest."""
    from graphemb.split.pairs import id_keys

    rng = np.random.default_rng(2)
    points = rng.normal(size=(150, 5)).astype(np.float32)
    marks = (points @ rng.normal(size=(5, 4))) > 1.0
    marks[np.arange(150), rng.integers(0, 4, 150)] = True
    vectors = Vectors("node", Ids.of([f"n{n}" for n in range(150)]), points)
    labels = {f"n{n}": [int(label) for label in np.flatnonzero(marks[n])] for n in range(150)}
    report = classify_nodes(
        {"v": vectors}, labels, train_shares=(0.5,), seeds=1, seed=7, scaled=False
    )
    order = np.argsort(id_keys(vectors.ids, 7))
    base = np.argsort(id_keys(vectors.ids, 0))
    position = np.argsort(base)  # the task keeps its nodes in an order of its own
    own = np.argsort(id_keys(vectors.ids.take(base), 7))
    assert base[own].tolist() == order.tolist() and position.size == 150
    train, test = order[:75], order[75:]
    probabilities = np.stack(
        [
            LogisticRegression(max_iter=2000, tol=1e-8)
            .fit(points[train], marks[train, place])
            .decision_function(points[test])
            for place in range(4)
        ],
        axis=1,
    )
    guess = np.zeros_like(marks[test])
    for row, count in enumerate(marks[test].sum(axis=1)):
        guess[row, np.argsort(-probabilities[row])[:count]] = True
    figures = report.metrics["v"]
    assert figures["micro-f1 50%"] == pytest.approx(
        f1_score(marks[test], guess, average="micro"), abs=0.015
    )
    assert figures["macro-f1 50%"] == pytest.approx(
        f1_score(marks[test], guess, average="macro"), abs=0.015
    )


def test_a_labelled_node_without_a_vector_takes_part_and_is_counted() -> None:
    vectors, labels = blobs()
    half = Vectors("node", vectors.ids.take(np.arange(60)), vectors.matrix[:60])
    whole = table(vectors, labels)
    report = classify_nodes({"half": half, "all": vectors}, whole, train_shares=(0.5,))
    assert report.sections[0].facts["missing"] == {"half": 60, "all": 0}
    assert report.metrics["half"]["accuracy 50%"] < report.metrics["all"]["accuracy 50%"] - 0.2
    assert "60 labelled nodes" in report.sections[0].notes[0]


def test_the_order_of_rows_and_the_scale_change_nothing() -> None:
    vectors, labels = blobs()
    turned = np.random.default_rng(0).permutation(120)
    other = Vectors("node", vectors.ids.take(turned), vectors.matrix[turned] * 37)
    one = classify_nodes({"v": vectors}, table(vectors, labels), seeds=2)
    two = classify_nodes({"v": other}, table(other, [labels[n] for n in turned]), seeds=2)
    for name, value in one.metrics["v"].items():
        assert two.metrics["v"][name] == pytest.approx(value)


def test_labels_come_as_a_table_or_a_mapping_and_null_ones_are_left_out() -> None:
    vectors, labels = blobs()
    some = [None if number % 10 == 0 else label for number, label in enumerate(labels)]
    ids = vectors.ids.to_list()
    given = {key: label for key, label in zip(ids, some, strict=True) if label is not None}
    arrow = pa.table({"id": ids, "label": some})
    one, two = (classify_nodes(vectors, part, seeds=2) for part in (given, arrow))
    assert one.metrics == two.metrics
    assert one.sections[0].facts["nodes"] == 108


def test_what_cannot_be_is_refused() -> None:
    vectors, labels = blobs()
    fine = table(vectors, labels)
    for options in ({"train_shares": (1.0,)}, {"train_shares": (0.0,)}, {"seeds": 0}, {"seed": -1}):
        with pytest.raises(ConfigError):
            classify_nodes(vectors, fine, **options)
    with pytest.raises(GraphError, match="same label"):
        classify_nodes(vectors, table(vectors, ["one"] * 120))
    with pytest.raises(GraphError, match="no labels"):
        classify_nodes(vectors, {"id": ["n0"], "label": [None]})
    with pytest.raises(GraphError, match="ids"):
        classify_nodes(vectors, {"id": [1, 2], "label": ["a", "b"]})
