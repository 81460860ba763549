"""Where the positives of every query rank among all candidates, block by block of queries."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np
import numpy.typing as npt

from graphemb.kernels import rank
from graphemb.linalg import over_rows
from graphemb.metrics import Float64Array, Placements
from graphemb.split.questions import Questions
from graphemb.types import FloatArray, IntArray

BLOCK_BYTES = 64 << 20
"""Bytes of scores held at once."""


class Scorer(Protocol):
    """Scores candidates for sources; places are those of `Questions`."""

    @property
    def name(self) -> str:
        """What reports call it."""
        ...

    def block(self, sources: IntArray) -> FloatArray:
        """float32 [len(sources), n], C-contiguous and the caller's own: it is written into."""
        ...

    def pairs(self, sources: IntArray, columns: IntArray) -> FloatArray:
        """float32 [len(sources)]: the score of each pair."""
        ...


@dataclass(frozen=True, eq=False)
class Ranking:
    """Where positives stand.

    Attributes:
        placed: among all candidates of their query.
        own: among the candidates of the same seen/unseen status; each query with positives of
            both is two queries here.
        own_unseen: bool per query of `own`: whether it is the unseen half.
        unseen_top: float64 [q], share of candidates never seen in training in the best `top`.
        scores: float32 [1 + m, p], of the positives and of the columns asked for beside them.
    """

    placed: Placements
    own: Placements
    own_unseen: npt.NDArray[np.bool_]
    unseen_top: Float64Array
    scores: FloatArray


def rank_all(
    questions: Questions,
    scorer: Scorer,
    *,
    beside: IntArray | None = None,
    top: int = 10,
    block_bytes: int = BLOCK_BYTES,
) -> Ranking:
    """Rank every positive among all candidates that are not known, in bounded memory.

    Args:
        beside: int64 [m, p], columns whose scores for the positives' queries are kept as well.
        top: how many best candidates are looked at for `unseen_top`.
        block_bytes: at most so many bytes of scores at once (one query's at the least).
    """
    queries, n = questions.queries, questions.num_candidates
    height = max(1, block_bytes // (4 * max(n, 1)))
    found = np.zeros((questions.columns.size, 4), np.int64)
    unseen_top = np.zeros(queries.size)
    columns = questions.columns[None] if beside is None else np.vstack([questions.columns, beside])
    kept = np.empty(columns.shape, np.float32)
    run = _Run(questions, columns, found, unseen_top, kept, min(top, n))
    for first in range(0, queries.size, height):
        scores = scorer.block(queries[first : first + height])
        rows = np.arange(scores.shape[0] + 1, dtype=np.int64)
        over_rows(partial(run.rank_rows, scores, first), rows)
    return _ranking(questions, found, unseen_top, kept)


@dataclass(frozen=True, eq=False)
class _Run:
    """What one ranking asks and fills in."""

    questions: Questions
    columns: IntArray
    found: IntArray
    unseen_top: Float64Array
    kept: FloatArray
    top: int

    def rank_rows(self, scores: FloatArray, first: int, low: int, high: int) -> None:
        asked = self.questions
        start, end = asked.offsets[first + low], asked.offsets[first + high]
        rows = asked.query_of_positive[start:end] - first
        self.kept[:, start:end] = scores[rows, self.columns[:, start:end]]
        rank.hide_known(scores, first, asked.known_offsets, asked.known_columns, low, high)
        rank.place_block(
            scores, first, asked.offsets, asked.columns, asked.num_seen, self.found, low, high
        )
        if asked.num_seen < asked.num_candidates:
            seen = asked.num_seen
            rank.late_share(scores, seen, self.top, self.unseen_top, first, low, high)


def _ranking(
    questions: Questions, found: IntArray, unseen_top: Float64Array, scores: FloatArray
) -> Ranking:
    ranked = questions.num_ranked
    placed = Placements(questions.offsets, found[:, 0].copy(), found[:, 1].copy(), ranked)
    unseen = questions.columns >= questions.num_seen
    group = questions.query_of_positive * 2 + unseen
    groups, counts = np.unique(group, return_counts=True)
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    known_unseen = np.bincount(
        np.repeat(np.arange(questions.queries.size), np.diff(questions.known_offsets)),
        weights=questions.known_columns >= questions.num_seen,
        minlength=questions.queries.size,
    ).astype(np.int64)
    num_unseen = questions.num_candidates - questions.num_seen - known_unseen
    half = groups % 2 == 1
    size = np.where(half, num_unseen[groups // 2], (ranked - num_unseen)[groups // 2])
    own = Placements(offsets, found[:, 2].copy(), found[:, 3].copy(), size)
    return Ranking(placed, own, half, unseen_top, scores)


@dataclass(frozen=True, eq=False)
class Fixed:
    """One score per candidate, the same for every source: popularity, file order.

    Attributes:
        name: what reports call it.
        scores: float32 [n].
    """

    name: str
    scores: FloatArray

    def block(self, sources: IntArray) -> FloatArray:
        """float32 [len(sources), n]."""
        return np.tile(self.scores, (sources.size, 1))

    def pairs(self, sources: IntArray, columns: IntArray) -> FloatArray:
        """float32 [len(sources)]."""
        return self.scores[columns]


def popularity(questions: Questions) -> Fixed:
    """Candidates by their number of distinct training pairs."""
    return Fixed("popularity", questions.dst_degrees.astype(np.float32))


def pairs_by_block(
    scorer: Scorer, sources: IntArray, columns: IntArray, num_candidates: int
) -> FloatArray:
    """Scores of pairs for a scorer that only scores whole rows, in bounded memory."""
    out = np.empty(sources.size, np.float32)
    order = np.argsort(sources, kind="stable")
    distinct, starts = np.unique(sources[order], return_index=True)
    ends = np.append(starts[1:], sources.size)
    height = max(1, BLOCK_BYTES // (4 * max(num_candidates, 1)))
    for first in range(0, distinct.size, height):
        block = scorer.block(distinct[first : first + height])
        last = min(first + height, distinct.size) - 1
        places = order[starts[first] : ends[last]]
        rows = np.searchsorted(distinct, sources[places]) - first
        out[places] = block[rows, columns[places]]
    return out
