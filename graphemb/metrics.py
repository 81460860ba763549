"""Metrics over arrays of scores and places: AUC, AP, recall@k, hit@k, MRR, NDCG@k.

They know no model and no graph. A positive's place is given by two counts, the candidates above
it and the candidates tied with it, and a named rule says what a tie is worth:

- `realistic` (default): the mean over every order of the tied candidates. What a random shuffle
  gives on average, without its noise. (PyKEEN's realistic rank is the mean rank, as `ranks` here;
  the means of hit@k, NDCG@k and 1 / rank over the orders are not those of the mean rank.)
- `optimistic`: positives first among those tied. `pessimistic`: positives last.

Per-query metrics are NaN for a query without positives; `macro_average` leaves those out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from graphemb.checks import check_choice, check_int
from graphemb.errors import ConfigError
from graphemb.kernels import rank
from graphemb.types import IntArray

Float64Array: TypeAlias = npt.NDArray[np.float64]
TieRule = Literal["realistic", "optimistic", "pessimistic"]
TIE_RULES: tuple[TieRule, ...] = ("realistic", "optimistic", "pessimistic")


@dataclass(frozen=True, eq=False)
class Placements:
    """Where the positives of each query stand among its candidates.

    Attributes:
        offsets: int64 [q + 1]; query i's positives are `offsets[i]:offsets[i + 1]`.
        above: int64 [p], candidates that score higher; other positives of the query count.
        tied: int64 [p], candidates of the same score, the positive itself included.
        candidates: int64 [q], candidates of each query.
    """

    offsets: IntArray
    above: IntArray
    tied: IntArray
    candidates: IntArray

    @property
    def num_queries(self) -> int:
        """Queries, those without positives included."""
        return int(self.offsets.size - 1)

    @property
    def counts(self) -> IntArray:
        """int64 [q]: positives of each query."""
        return np.diff(self.offsets)

    def queries(self) -> IntArray:
        """int64 [p]: the query of each positive."""
        return np.repeat(np.arange(self.num_queries), self.counts)

    def take(self, positives: npt.NDArray[np.bool_]) -> Placements:
        """Only some positives, by mask bool [p]; a query may be left without any."""
        kept = np.bincount(self.queries()[positives], minlength=self.num_queries)
        offsets = np.concatenate([[0], np.cumsum(kept)]).astype(np.int64)
        return Placements(offsets, self.above[positives], self.tied[positives], self.candidates)


def placements(
    scores: npt.ArrayLike,
    positives: tuple[IntArray, IntArray],
    known: tuple[IntArray, IntArray] | None = None,
) -> Placements:
    """Place positives in a dense score matrix.

    Args:
        scores: [q, n], one row per query and one column per candidate; NaN ranks last.
        positives: offsets int64 [q + 1] and columns int64 [p].
        known: likewise, columns that are no candidates of that query.
    """
    lines = np.array(scores, np.float64, ndmin=2)
    offsets, columns = (np.asarray(part, np.int64) for part in positives)
    nothing = (np.zeros(lines.shape[0] + 1, np.int64), np.zeros(0, np.int64))
    hidden = tuple(np.asarray(part, np.int64) for part in (known or nothing))
    size = lines.shape[0]
    rank.hide_known(lines, 0, hidden[0], hidden[1], 0, size)
    found = np.zeros((columns.size, 4), np.int64)
    rank.place_block(lines, 0, offsets, columns, lines.shape[1], found, 0, size)
    candidates = np.zeros(size, np.int64)
    rank.count_candidates(lines, candidates, 0, 0, size)
    return Placements(offsets, found[:, 0].copy(), found[:, 1].copy(), candidates)


def ranks(placed: Placements, *, ties: TieRule = "realistic") -> Float64Array:
    """float64 [p]: rank of each positive, from 1; other positives of the query are in the list.

    Raises:
        ConfigError: an unknown tie rule.
    """
    settled = settle(placed, ties)
    return settled.above + (settled.tied + 1) / 2.0


def settle(placed: Placements, ties: TieRule) -> Placements:
    """The same with ties resolved: under `optimistic` and `pessimistic` every place is certain.

    Raises:
        ConfigError: an unknown tie rule.
    """
    check_choice("ties", ties, TIE_RULES)
    if ties == "realistic" or placed.above.size == 0:
        return placed
    queries = placed.queries()
    order = np.lexsort((placed.above, queries))
    above, query = placed.above[order], queries[order]
    new = np.concatenate([[True], (above[1:] != above[:-1]) | (query[1:] != query[:-1])])
    starts = np.flatnonzero(new)
    sizes = np.diff(np.append(starts, above.size))
    number = np.arange(above.size) - np.repeat(starts, sizes)
    tied = placed.tied[order]
    shift = number if ties == "optimistic" else tied - 1 - number
    settled = np.empty_like(placed.above)
    settled[order] = above + shift
    return Placements(placed.offsets, settled, np.ones_like(settled), placed.candidates)


def found_at(placed: Placements, k: int, *, ties: TieRule = "realistic") -> Float64Array:
    """float64 [p]: the chance of each positive to stand in the first k places."""
    check_int("k", k, low=1)
    settled = settle(placed, ties)
    return np.clip(k - settled.above, 0, settled.tied) / settled.tied


def recall_at(placed: Placements, k: int, *, ties: TieRule = "realistic") -> Float64Array:
    """float64 [q]: share of the query's positives in the first k places."""
    return _share(placed, found_at(placed, k, ties=ties), placed.counts)


def ndcg_at(placed: Placements, k: int, *, ties: TieRule = "realistic") -> Float64Array:
    """float64 [q]: sum of 1 / log2(1 + place) over the positives in the first k places.

    Divided by the best possible sum, which is truncated at k as well.
    """
    check_int("k", k, low=1)
    settled = settle(placed, ties)
    discount = np.concatenate([[0.0], np.cumsum(1.0 / np.log2(np.arange(2, k + 2)))])
    start = np.minimum(settled.above, k)
    end = np.minimum(settled.above + settled.tied, k)
    gain = (discount[end] - discount[start]) / settled.tied
    return _share(placed, gain, discount[np.minimum(placed.counts, k)])


def hit_at(placed: Placements, k: int, *, ties: TieRule = "realistic") -> Float64Array:
    """float64 [q]: the chance that at least one positive is in the first k places."""
    check_int("k", k, low=1)
    return _first(settle(placed, ties), k)[0]


def reciprocal_rank(placed: Placements, *, ties: TieRule = "realistic") -> Float64Array:
    """float64 [q]: 1 / place of the first positive."""
    return _first(settle(placed, ties), 1)[1]


def auc_of_query(placed: Placements) -> Float64Array:
    """float64 [q]: share of (positive, other candidate) pairs in which the positive scores higher.

    A tie counts half. Other positives are no part of it. NaN when every candidate is positive.
    """
    queries = placed.queries()
    order = np.lexsort((placed.above, queries))
    above, tied = placed.above[order], placed.tied[order]
    new = np.ones(order.size, bool)
    new[1:] = (above[1:] != above[:-1]) | (queries[1:] != queries[:-1])
    starts = np.flatnonzero(new)
    group = np.cumsum(new) - 1
    members = np.bincount(group, minlength=starts.size)
    positives_above = starts[group] - placed.offsets[queries]
    worse = above - positives_above + (tied - members[group]) / 2.0
    others = placed.candidates - placed.counts
    pairs = np.where(others > 0, placed.counts * others, 0).astype(np.float64)
    return _ratio(pairs - _sums(queries, np.asarray(worse, np.float64), placed.num_queries), pairs)


def macro_average(values: Float64Array) -> float:
    """Mean over the queries that have a value; NaN when none has."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else float("nan")


def roc_auc(positive: npt.ArrayLike, negative: npt.ArrayLike) -> float:
    """Chance that a positive scores higher than a negative; a tie counts half.

    Raises:
        ConfigError: no positives, no negatives, or a score that is NaN.
    """
    good, bad = _scores(positive, negative)
    bad = np.sort(bad)
    below = np.searchsorted(bad, good, side="left")
    upto = np.searchsorted(bad, good, side="right")
    return float((below.sum() + upto.sum()) / (2.0 * good.size * bad.size))


def average_precision(positive: npt.ArrayLike, negative: npt.ArrayLike) -> float:
    """Sum over thresholds of precision times gained recall; equal scores share one threshold.

    Raises:
        ConfigError: no positives, no negatives, or a score that is NaN.
    """
    good, bad = _scores(positive, negative)
    thresholds, hits = np.unique(good, return_counts=True)
    thresholds, hits = thresholds[::-1], hits[::-1]
    true = np.cumsum(hits)
    false = bad.size - np.searchsorted(np.sort(bad), thresholds, side="left")
    return float((hits / good.size * true / (true + false)).sum())


def auc_error(auc: float, num_positive: int, num_negative: int) -> float:
    """Standard error of an AUC (Hanley and McNeil 1982)."""
    first, second = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    spread = (num_positive - 1) * (first - auc**2) + (num_negative - 1) * (second - auc**2)
    return float(np.sqrt(max(0.0, auc * (1 - auc) + spread) / (num_positive * num_negative)))


def _scores(positive: npt.ArrayLike, negative: npt.ArrayLike) -> tuple[Float64Array, Float64Array]:
    good, bad = (np.asarray(part, np.float64).ravel() for part in (positive, negative))
    for field, part in (("positive", good), ("negative", bad)):
        if part.size == 0 or np.isnan(part).any():
            what = "is not a number" if part.size else "is missing"
            raise ConfigError(
                f"a score {what}", field=field, hint="at least one score on each side"
            )
    return good, bad


def _first(settled: Placements, k: int) -> tuple[Float64Array, Float64Array]:
    hit, reciprocal = (np.empty(settled.num_queries) for _ in range(2))
    rank.first_place(settled.above, settled.tied, settled.offsets, k, hit, reciprocal)
    return hit, reciprocal


def _share(placed: Placements, parts: Float64Array, whole: npt.NDArray[np.generic]) -> Float64Array:
    total = _sums(placed.queries(), parts, placed.num_queries)
    return _ratio(total, np.asarray(whole, np.float64))


def _sums(groups: IntArray, values: Float64Array, size: int) -> Float64Array:
    return np.bincount(groups, weights=values, minlength=size).astype(np.float64)


def _ratio(part: Float64Array, whole: Float64Array) -> Float64Array:
    out = np.full(part.shape, np.nan)
    np.divide(part, whole, out=out, where=whole > 0)
    return out
