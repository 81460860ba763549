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
from graphemb.split.ranking import Scorer
from graphemb.types import IntArray


@dataclass(frozen=True, eq=False)
class AskedPairs:
    """All positives, and one negative of each kind for each.

    Attributes:
        sources: int64 [p], places of the sources.
        positives: int64 [p], their columns.
        negatives: kind -> int64 [p], columns for the same sources.
        facts: kind -> how many draws were positives, strayed, or were kept all the same.
    """

    sources: IntArray
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
        return cls(sources, questions.columns, negatives, facts)

    def separated(self, scorer: Scorer) -> dict[str, Estimate]:
        """AUC and AP of a scorer for each kind."""
        if not self.negatives:
            return {}
        columns = [self.positives, *self.negatives.values()]
        sources = np.tile(self.sources, len(columns))
        scores = scorer.pairs(sources, np.concatenate(columns)).astype(np.float64)
        positive, *negative = np.split(scores, len(columns))
        return separated(positive, dict(zip(self.negatives, negative, strict=True)))


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
