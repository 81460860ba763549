"""EASE: a linear item-item model in closed form, the floor of recommenders (Steck 2019)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import linalg, sparse

from graphemb.split.questions import Questions
from graphemb.split.ranking import pairs_by_block
from graphemb.types import FloatArray, IntArray

_REGULARIZATION = 200.0
"""The smallest of the values that the paper found best on its three sets; nothing is tuned."""
_MEMORY = 1 << 29
"""Bytes of the item-item matrix at most; one more of its size is needed for a moment."""
_ROWS = 1_024


@dataclass(frozen=True, eq=False)
class ItemWeights:
    """Scores by a dense item-item matrix: the sum over a source's history.

    Attributes:
        history: CSR [n_src, n]; only the first `weights.shape[0]` columns hold anything.
        weights: float32 [seen, seen]; candidates never seen in training score 0.
        name: what reports call it.
    """

    history: sparse.csr_matrix[Any]
    weights: FloatArray
    name: str = "EASE"

    def block(self, sources: IntArray) -> FloatArray:
        """float32 [len(sources), n]."""
        seen = len(self.weights)
        out = np.zeros((sources.size, self.history.shape[1]), np.float32)
        out[:, :seen] = self.history[sources][:, :seen] @ self.weights
        return out

    def pairs(self, sources: IntArray, columns: IntArray) -> FloatArray:
        """float32 [len(sources)]."""
        return pairs_by_block(self, sources, columns, self.history.shape[1])


def beyond_memory(num_items: int) -> str | None:
    """Why EASE of so many items is not tried; None if it is."""
    size = 4 * num_items**2
    if size <= _MEMORY:
        return None
    return f"{num_items:,} items need a matrix of {size >> 20:,} MiB, more than {_MEMORY >> 20}"


def ease(questions: Questions) -> ItemWeights:
    """B = I - P / diag(P) with P the inverse of X^T X + l I: the best X B without a diagonal."""
    seen = questions.num_seen
    history = questions.history
    known = history[:, :seen]
    inner = np.empty((seen, seen), np.float32, order="F")
    turned = sparse.csr_matrix(known.T)
    for low in range(0, seen, _ROWS):
        inner[low : low + _ROWS] = (turned[low : low + _ROWS] @ known).toarray()
    inner[np.diag_indices(seen)] += np.float32(_REGULARIZATION)
    factor, _ = linalg.lapack.spotrf(inner, lower=1, clean=1, overwrite_a=1)
    inverse, _ = linalg.lapack.spotri(factor, lower=1, overwrite_c=1)
    for low in range(0, seen, _ROWS):  # the upper half, from the lower one
        high = min(low + _ROWS, seen)
        inverse[low:high, high:] = inverse[high:, low:high].T
        square = np.tril(inverse[low:high, low:high])
        inverse[low:high, low:high] = square + np.tril(square, -1).T
    inverse /= -np.diag(inverse).copy()
    inverse[np.diag_indices(seen)] = 0.0
    return ItemWeights(history, np.ascontiguousarray(inverse))
