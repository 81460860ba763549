"""Probes: rankings that know nothing, and should win nothing.

File order, nearness in the file and "never seen in training" carry no taste. When one of them
beats both popularity and a shuffle by more than chance, the data set itself gives answers away.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from graphemb import metrics
from graphemb.metrics import Float64Array
from graphemb.split.questions import Questions
from graphemb.split.ranking import Fixed, Ranking, Scorer, pairs_by_block, popularity, rank_all
from graphemb.types import EdgeType, FloatArray, IntArray

TOP = 10
LEVEL = 0.01
TEST = (
    f"one-sided paired z-test over queries against popularity and against a random order, on "
    f"recall@{TOP} and on the AUC of each query, at {LEVEL:.0%} divided by the number of tests"
)
_MIN_QUERIES = 20


@dataclass(frozen=True)
class Probe:
    """What one probe scored.

    Attributes:
        name: what it ranks by.
        recall, auc: its recall@10 and mean AUC per query.
        popularity_recall, popularity_auc: the same of popularity.
        wins: the measures, of `recall` and `auc`, on which it beats popularity and a random
            order by more than chance.
    """

    name: str
    recall: float
    auc: float
    popularity_recall: float
    popularity_auc: float
    wins: tuple[str, ...]

    def __str__(self) -> str:
        verdict = f"beats popularity on {' and '.join(self.wins)}" if self.wins else "wins nothing"
        return (
            f"{self.name}: {verdict} (recall@{TOP} {self.recall:.3f} against "
            f"{self.popularity_recall:.3f}, AUC {self.auc:.3f} against {self.popularity_auc:.3f})"
        )


def run_probes(questions: Questions) -> tuple[Probe, ...]:
    """Rank by each probe and compare with popularity and with chance."""
    scorers = _scorers(questions)
    level = LEVEL / (2 * max(len(scorers), 1))
    floor = _measures(rank_all(questions, popularity(questions), top=TOP))
    ranked = questions.num_ranked
    chance = (np.minimum(TOP, ranked) / np.maximum(ranked, 1), np.full(ranked.size, 0.5))
    probes = []
    for scorer in scorers:
        found = _measures(rank_all(questions, scorer, top=TOP))
        wins = tuple(
            name
            for name, own, other, luck in zip(("recall", "auc"), found, floor, chance, strict=True)
            if _beats(own, other, level) and _beats(own, luck, level)
        )
        recall, auc, floor_recall, floor_auc = map(metrics.macro_average, (*found, *floor))
        probes.append(Probe(scorer.name, recall, auc, floor_recall, floor_auc, wins))
    return tuple(probes)


def _measures(ranking: Ranking) -> tuple[Float64Array, Float64Array]:
    placed = ranking.placed
    return metrics.recall_at(placed, TOP), metrics.auc_of_query(placed)


def _beats(own: Float64Array, other: Float64Array, level: float) -> bool:
    """Whether `own` is above `other` query by query, by more than chance."""
    gain = (own - other)[~np.isnan(own - other)]
    if gain.size < _MIN_QUERIES or gain.mean() <= 0:
        return False
    error = gain.std(ddof=1) / np.sqrt(gain.size)
    return bool(error == 0 or _upper_tail(gain.mean() / error) < level)


def _upper_tail(z: float) -> float:
    """Chance that a standard normal number is above z."""
    return 0.5 * math.erfc(z / math.sqrt(2.0))


def _scorers(questions: Questions) -> list[Scorer]:
    order = questions.dst_rows.astype(np.float32)
    found: list[Scorer] = [Fixed("file order", -order), Fixed("file order, last first", order)]
    if questions.split.train[questions.split.edge_type].times is not None:
        found.append(_RowDistance(questions))
    if questions.num_seen < questions.num_candidates:
        unseen = np.arange(questions.num_candidates) >= questions.num_seen
        found.append(Fixed("never seen in training", unseen.astype(np.float32)))
    split = questions.split
    ends = sorted((split.edge_type.src, split.edge_type.dst))
    for other in split.train.edge_types:
        if sorted((other.src, other.dst)) == ends and other != split.edge_type.stored:
            found.append(_Joined(questions, other))
    return found


class _RowDistance:
    """Candidates by how near their row is to that of the source's last training pair."""

    name = "row distance to the last positive"

    def __init__(self, questions: Questions) -> None:
        self._rows = questions.dst_rows.astype(np.float64)
        self._last = _last_rows(questions)

    def block(self, sources: IntArray) -> FloatArray:
        gap = np.abs(self._last[sources][:, None] - self._rows)
        return np.nan_to_num(-gap, nan=0.0).astype(np.float32)

    def pairs(self, sources: IntArray, columns: IntArray) -> FloatArray:
        gap = np.abs(self._last[sources] - self._rows[columns])
        return np.nan_to_num(-gap, nan=0.0).astype(np.float32)


def _last_rows(questions: Questions) -> Float64Array:
    """float64 [n_src]: the graph row of each source's newest target; NaN without one."""
    split = questions.split
    adjacency = split.train[split.edge_type]
    assert adjacency.times is not None
    src, dst, times = adjacency.sources(), adjacency.neighbors, adjacency.times
    if split.both_ways:
        src, dst = np.concatenate([src, dst]), np.concatenate([dst, src])
        times = np.concatenate([times, times])
    order = np.argsort(times, kind="stable")
    last = np.full(questions.src_rows.size, np.nan)
    last[questions.src_place[src[order]]] = dst[order]
    return last


class _Joined:
    """Candidates that another edge type joins to the source first."""

    def __init__(self, questions: Questions, other: EdgeType) -> None:
        self.name = f"joined by {other}"
        split = questions.split
        way = other if other.src == split.edge_type.src else other.reverse
        adjacency = split.train[way]
        src = questions.src_place[adjacency.sources()]
        dst = questions.dst_place[adjacency.neighbors]
        if split.both_ways:
            src, dst = np.concatenate([src, dst]), np.concatenate([dst, src])
        fits = dst >= 0
        ones = np.ones(int(fits.sum()), np.float32)
        self._matrix: sparse.csr_matrix[Any] = sparse.csr_matrix(
            (ones, (src[fits], dst[fits])), shape=questions.history.shape
        )

    def block(self, sources: IntArray) -> FloatArray:
        return np.ascontiguousarray(self._matrix[sources].toarray())

    def pairs(self, sources: IntArray, columns: IntArray) -> FloatArray:
        return pairs_by_block(self, sources, columns, self._matrix.shape[1])
