"""The positives beside drawn negatives, scored pair by pair for AUC and average precision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from graphemb.evaluate.measures import separated
from graphemb.evaluate.report import Estimate
from graphemb.negatives import NegativeKind, NegativeSampler
from graphemb.split.questions import Questions
from graphemb.types import FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class AskedPairs:
    """All positives, and one negative of each kind for each.

    Attributes:
        positives: int64 [p], their columns.
        negatives: kind -> int64 [p], columns for the same sources.
        facts: kind -> how many draws were positives, strayed, or were kept all the same.
    """

    positives: IntArray
    negatives: dict[str, IntArray]
    facts: dict[str, dict[str, int]]

    @classmethod
    def of(cls, questions: Questions, kinds: Sequence[NegativeKind], seed: int) -> AskedPairs:
        """Draw the negatives; every known pair, asked or not, is avoided."""
        sources = questions.queries[questions.query_of_positive]
        known = _all_known(questions)
        negatives: dict[str, IntArray] = {}
        facts: dict[str, dict[str, int]] = {}
        for kind in kinds:
            drawn = NegativeSampler(kind=kind, seed=seed).sample(
                sources, questions.columns, questions.history, positives=known
            )
            negatives[kind] = drawn.dst[:, 0]
            facts[kind] = {
                "positives_drawn_again": drawn.clashes,
                "strayed": drawn.strayed,
                "positives_kept": drawn.kept,
            }
        return cls(questions.columns, negatives, facts)

    @property
    def beside(self) -> IntArray:
        """int64 [kinds, p]: the negatives of each positive."""
        parts = list(self.negatives.values())
        return np.stack(parts) if parts else np.zeros((0, self.positives.size), np.int64)

    def separated(self, scores: FloatArray) -> dict[str, Estimate]:
        """AUC and AP for each kind.

        Args:
            scores: float32 [1 + kinds, p], of the positives and of each kind of negatives; a
                score that is not a number ranks last.
        """
        known = np.where(np.isnan(scores), -np.inf, scores).astype(np.float64)
        return separated(known[0], dict(zip(self.negatives, known[1:], strict=True)))


def _all_known(questions: Questions) -> sparse.csr_matrix[Any]:
    """CSR [n_src, n]: known pairs and asked ones, of the sources that are asked."""
    owners = [
        np.repeat(questions.queries, np.diff(offsets))
        for offsets in (questions.known_offsets, questions.offsets)
    ]
    rows = np.concatenate(owners)
    columns = np.concatenate([questions.known_columns, questions.columns])
    ones = np.ones(rows.size, np.float32)
    return sparse.csr_matrix((ones, (rows, columns)), shape=questions.history.shape)
