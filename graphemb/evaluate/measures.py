"""From places to figures with intervals: the main measures, slices by degree, strata."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from graphemb import metrics
from graphemb.evaluate.report import Estimate
from graphemb.metrics import Float64Array, Placements
from graphemb.split.questions import Questions
from graphemb.split.ranking import Ranking
from graphemb.types import IntArray

Z95 = 1.959963984540054
_EDGES = (0, 1, 4, 16, 64, 256, 1024)
UNSEEN_TOP = "unseen in top 10"
BUCKETS = ("0 (cold)", "1-3", "4-15", "16-63", "64-255", "256-1023", "1024+")


def mean_of(values: Float64Array) -> Estimate:
    """The mean over what is not NaN, with the interval of 1.96 standard errors."""
    known = values[~np.isnan(values)]
    if not known.size:
        return Estimate(float("nan"))
    mean = float(known.mean())
    if known.size < 2:
        return Estimate(mean)
    error = Z95 * float(known.std(ddof=1)) / np.sqrt(known.size)
    return Estimate(mean, mean - error, mean + error)


def ranked(placed: Placements, at: Sequence[int]) -> dict[str, Estimate]:
    """recall@k, hit@k and NDCG@k for each k, and MRR: means over queries."""
    found: dict[str, Estimate] = {}
    measures: Mapping[str, Callable[[Placements, int], Float64Array]] = {
        "recall": metrics.recall_at,
        "hit": metrics.hit_at,
        "ndcg": metrics.ndcg_at,
    }
    for name, measure in measures.items():
        for k in at:
            found[f"{name}@{k}"] = mean_of(measure(placed, k))
    found["mrr"] = mean_of(metrics.reciprocal_rank(placed))
    return found


def separated(positive: Float64Array, negative: Mapping[str, Float64Array]) -> dict[str, Estimate]:
    """AUC and AP of the positives' scores against each kind of negatives."""
    found = {}
    for kind, scores in negative.items():
        auc = metrics.roc_auc(positive, scores)
        error = Z95 * metrics.auc_error(auc, positive.size, scores.size)
        found[f"auc {kind}"] = Estimate(auc, max(auc - error, 0.0), min(auc + error, 1.0))
    for kind, scores in negative.items():
        found[f"ap {kind}"] = Estimate(metrics.average_precision(positive, scores))
    return found


@dataclass(frozen=True, eq=False)
class Slices:
    """Positives or queries in buckets of a degree.

    Attributes:
        names: the buckets that hold any, ascending.
        bucket: int64, the place in `names` of each positive or query.
    """

    names: tuple[str, ...]
    bucket: IntArray

    @classmethod
    def of(cls, degrees: IntArray) -> Slices:
        """Buckets of four-fold width; degree 0 by itself."""
        level = np.searchsorted(_EDGES, degrees, side="right") - 1
        used, bucket = np.unique(level, return_inverse=True)
        return cls(tuple(BUCKETS[place] for place in used), bucket.astype(np.int64))

    def means(self, values: Float64Array) -> dict[str, Estimate]:
        """The mean of each bucket."""
        return {
            name: mean_of(values[self.bucket == place]) for place, name in enumerate(self.names)
        }

    def counts(self) -> dict[str, int]:
        """How many are in each bucket."""
        sizes = np.bincount(self.bucket, minlength=len(self.names))
        return dict(zip(self.names, sizes.tolist(), strict=True))


def target_slices(questions: Questions) -> Slices:
    """Positives by the training degree of their target."""
    return Slices.of(questions.dst_degrees[questions.columns])


def source_slices(questions: Questions) -> Slices:
    """Queries by their number of training pairs."""
    return Slices.of(questions.src_degrees[questions.queries])


def strata(ranking: Ranking, at: Sequence[int]) -> dict[str, Estimate]:
    """The ranking among candidates of the positive's own seen/unseen status.

    A model that merely favours what was never seen gains nothing here. The last column is the
    share of unseen candidates in the best 10 of the full ranking, which is no merit either way.
    """
    own, half = ranking.own, ranking.own_unseen
    found = {}
    for k in at:
        found[f"recall@{k}"] = mean_of(metrics.recall_at(own, k))
    for k in at:
        found[f"ndcg@{k}"] = mean_of(metrics.ndcg_at(own, k))
    recall = metrics.recall_at(own, at[0])
    found[f"recall@{at[0]} seen"] = mean_of(recall[~half])
    found[f"recall@{at[0]} unseen"] = mean_of(recall[half])
    found[UNSEEN_TOP] = mean_of(ranking.unseen_top)
    return found
