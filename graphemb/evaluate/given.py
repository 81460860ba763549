"""Negatives that are given: a benchmark's own lists, ranked or only told apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphemb import metrics
from graphemb.errors import ConfigError
from graphemb.evaluate.measures import ranked, separated
from graphemb.evaluate.report import Estimate
from graphemb.metrics import Float64Array, Placements
from graphemb.split.questions import Questions
from graphemb.split.ranking import Scorer
from graphemb.types import IntArray


@dataclass(frozen=True, eq=False)
class GivenNegatives:
    """Pairs of ids that are negatives.

    Attributes:
        src: ids of the source type, any number.
        dst: ids of the target type, as many.
        rank: rank each query's positives among its own negatives (as NCF does with 99); else
            only AUC and AP over all pairs (as GATNE does).
    """

    src: Any
    dst: Any
    rank: bool = True


@dataclass(frozen=True, eq=False)
class GivenTask:
    """Given negatives in the order of the questions.

    Attributes:
        questions: what is asked.
        sources, columns: int64 [m], the negatives' places; grouped by query where ranked.
        offsets: int64 [q + 1], the negatives of each query, or None when not ranked.
        facts: how many there are, and how many were positives and left out.
    """

    questions: Questions
    sources: IntArray
    columns: IntArray
    offsets: IntArray | None
    facts: dict[str, int]

    @classmethod
    def of(cls, questions: Questions, given: GivenNegatives) -> GivenTask:
        """Bring negatives into the order of the questions; positives among them are left out.

        Raises:
            UnknownNode: an id that is not in the graph.
            ConfigError: lists of different length; a query without negatives.
        """
        graph, edge_type = questions.split.train, questions.split.edge_type
        src = questions.src_place[graph.rows(edge_type.src, given.src)]
        dst = questions.dst_place[graph.rows(edge_type.dst, given.dst)]
        if src.size != dst.size or not src.size:
            raise ConfigError(
                "as many sources as targets are wanted, and at least one",
                field="negatives",
                value=(src.size, dst.size),
            )
        asked = questions.queries[questions.query_of_positive]
        width = questions.num_candidates
        wrong = np.isin(src * width + dst, asked * width + questions.columns) | (dst < 0)
        facts = {"negatives": int((~wrong).sum()), "negatives_left_out": int(wrong.sum())}
        src, dst = src[~wrong], dst[~wrong]
        if not given.rank:
            return cls(questions, src, dst, None, facts)
        keys = np.unique(src * width + dst)
        keys = keys[np.isin(keys // width, questions.queries)]
        src, dst = keys // width, keys % width
        counts = np.bincount(np.searchsorted(questions.queries, src), minlength=1)
        if counts.size < questions.queries.size or (counts == 0).any():
            raise ConfigError(
                "a query has no given negatives",
                field="negatives",
                hint="give some for each, or rank=False",
            )
        offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        return cls(questions, src, dst, offsets, facts)

    def measured(self, scorer: Scorer, at: Sequence[int]) -> dict[str, Estimate]:
        """What a scorer achieves against these negatives."""
        questions = self.questions
        sources = questions.queries[questions.query_of_positive]
        scores = scorer.pairs(
            np.concatenate([sources, self.sources]),
            np.concatenate([questions.columns, self.columns]),
        ).astype(np.float64)
        scores[np.isnan(scores)] = -np.inf
        good, bad = scores[: sources.size], scores[sources.size :]
        found = {} if self.offsets is None else ranked(self._placed(good, bad), at)
        return {**found, **separated(good, {"given": bad})}

    def _placed(self, good: Float64Array, bad: Float64Array) -> Placements:
        """Each query's positives among its positives and negatives."""
        assert self.offsets is not None
        offsets = self.questions.offsets
        counts = np.diff(offsets) + np.diff(self.offsets)
        lines = np.full((counts.size, int(counts.max())), np.nan)
        number = np.arange(good.size) - offsets[self.questions.query_of_positive]
        lines[self.questions.query_of_positive, number] = good
        owner = np.repeat(np.arange(counts.size), np.diff(self.offsets))
        place = np.arange(bad.size) - self.offsets[owner] + np.diff(offsets)[owner]
        lines[owner, place] = bad
        unused = np.arange(lines.shape[1]) >= counts[:, None]
        known = np.concatenate([[0], np.cumsum(unused.sum(axis=1))]), np.nonzero(unused)[1]
        return metrics.placements(lines, (offsets, number), known)
