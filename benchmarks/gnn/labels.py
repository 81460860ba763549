"""Labels of nodes by logistic regression: from features, from vectors, from both."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import product
from typing import Any

import numpy as np
from scipy import sparse

import graphemb as ge
from benchmarks.gnn.methods import placed
from benchmarks.gnn.sets import Labelled
from graphemb.types import FloatArray, IntArray

Make = Callable[[int], Any]
_STRENGTHS = (1.0, 3.0, 10.0)
_SHARES = (0.3, 1.0)
"""What vectors are multiplied by, beside features."""


def _prone(seed: int) -> Any:
    return ge.ProNE(dim=128, seed=seed)


def _sage(seed: int) -> Any:
    return ge.GraphSAGE(
        dim=128,
        inputs="features",
        epochs=2,
        batch_size=1024,
        fanouts=(10,),
        normalize=True,
        loss="softmax",
        negatives="in_batch",
        temperature=0.2,
        dropout=0.3,
        learning_rate=0.003,
        num_layers=1,
        weight_decay=0.1,
        seed=seed,
    )


LABEL_METHODS: Mapping[str, tuple[Make | None, bool]] = {
    "features alone": (None, False),
    "ProNE and features": (_prone, False),
    "GraphSAGE and features": (_sage, True),
}
"""Whose vectors stand beside the features, and whether a network made them."""


def vectors_of(labelled: Labelled, make: Make, seed: int) -> FloatArray:
    """float32 [n, dim], standardised components over the root of dim: rows are about 1 long."""
    matrix = placed(make(seed).fit(labelled.graph)["node"], labelled.graph, "node")
    matrix = matrix - matrix.mean(axis=0)
    spread = np.maximum(np.sqrt(matrix.shape[1]) * matrix.std(axis=0), 1e-9)
    scaled: FloatArray = (matrix / spread).astype(np.float32)
    return scaled


def figures_of(
    labelled: Labelled, vectors: FloatArray | None, seed: int
) -> tuple[dict[str, float], dict[str, float]]:
    """Test and validation figures: half of the nodes train, a fifth of these choose the fields."""
    order = np.random.default_rng(seed).permutation(labelled.labels.size)
    train, test = np.split(order, [order.size // 2])
    fit, valid = np.split(train, [4 * train.size // 5])
    best, chosen, known = -1.0, (1.0, 1.0), {}
    for strength, share in product(_STRENGTHS, _SHARES if vectors is not None else (1.0,)):
        matrix = _beside(labelled, vectors, share)
        figures = _judged(matrix, labelled.labels, fit, valid, strength)
        if figures["Micro-F1"] > best:
            best, chosen, known = figures["Micro-F1"], (strength, share), figures
    matrix = _beside(labelled, vectors, chosen[1])
    return _judged(matrix, labelled.labels, train, test, chosen[0]), known


def _beside(labelled: Labelled, vectors: FloatArray | None, share: float) -> Any:
    if vectors is None:
        return labelled.features
    return sparse.csr_matrix(sparse.hstack([labelled.features, sparse.csr_matrix(share * vectors)]))


def _judged(
    matrix: Any, labels: IntArray, train: IntArray, test: IntArray, strength: float
) -> dict[str, float]:
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import f1_score, roc_auc_score

    model = LogisticRegression(C=strength, max_iter=1000, tol=1e-3).fit(
        matrix[train], labels[train]
    )
    chances = model.predict_proba(matrix[test])
    predicted = model.classes_[chances.argmax(axis=1)]
    figures = {
        "Micro-F1": float(f1_score(labels[test], predicted, average="micro")),
        "Macro-F1": float(f1_score(labels[test], predicted, average="macro")),
    }
    if model.classes_.size == 2:
        figures["ROC-AUC"] = float(roc_auc_score(labels[test], chances[:, 1]))
    return figures
