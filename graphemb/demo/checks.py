"""Whether the planted structure was found: shares and ratios beside what is asked of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from graphemb.demo.truth import Truth
from graphemb.embeddings import Embeddings, Vectors
from graphemb.evaluate import Report
from graphemb.index import Index

_NEAREST = 10
_LEAST_SHARE = {"user": 0.8, "product": 0.8, "job": 0.6, "seller": 0.6, "company": 0.6}
_LEAST_SHARE_OF_JOBS = 0.6
_TIMES_POPULARITY = 2.5
MEASURE = "recall@10"


@dataclass(frozen=True)
class Check:
    """One thing that the vectors must show.

    Attributes:
        name: what was measured.
        value: what it is.
        chance: what vectors that know nothing would give.
        least: what it must be at least.
    """

    name: str
    value: float
    chance: float
    least: float

    @property
    def found(self) -> bool:
        """Whether it is there."""
        return self.value >= self.least


def check_planted(
    candidates: Mapping[str, Embeddings], chosen: str, report: Report, truth: Truth
) -> list[Check]:
    """All checks: every trained candidate beats popularity, and the chosen one knows communities.

    Args:
        candidates: by name.
        chosen: the one that is published.
        report: of them all.
        truth: what was planted.
    """
    popularity = report.metrics["popularity"][MEASURE]
    checks = [
        Check(
            f"{name}: {MEASURE} of the next purchase",
            report.metrics[name][MEASURE],
            popularity,
            _TIMES_POPULARITY * popularity,
        )
        for name in candidates
    ]
    emb = candidates[chosen]
    for node_type, least in _LEAST_SHARE.items():
        part, planted = emb[node_type], truth.community[node_type]
        own = _communities(part, planted)
        share = _same_share(part, own, part, own)
        what = f"{node_type}: nearest {_NEAREST} of the same community"
        checks.append(Check(what, share, _by_chance(own, own), least))
    user, job = emb["user"], emb["job"]
    asked, found = (
        _communities(user, truth.community["user"]),
        _communities(job, truth.community["job"]),
    )
    share = _same_share(user, asked, job, found)
    what = f"user: nearest {_NEAREST} jobs of the same community"
    checks.append(Check(what, share, _by_chance(asked, found), _LEAST_SHARE_OF_JOBS))
    return checks


def _communities(part: Vectors, planted: Mapping[str, str]) -> npt.NDArray[np.str_]:
    return np.array([planted[str(one)] for one in part.ids])


def _same_share(
    asked: Vectors,
    asked_in: npt.NDArray[np.str_],
    found: Vectors,
    found_in: npt.NDArray[np.str_],
) -> float:
    """Mean share of the nearest that are of the asker's community.

    The nearest 10 others, or as many as the community has others where it has fewer.
    """
    same = asked.node_type == found.node_type
    rows, _ = Index.build(found, "cosine").search_rows(asked.matrix, _NEAREST + same)
    others = np.ones(rows.shape, np.bool_)
    if same:
        others = rows != np.arange(len(asked))[:, None]
    there = np.array([np.count_nonzero(found_in == name) - same for name in asked_in])
    wanted = np.minimum(there, _NEAREST)
    counted = others & (others.cumsum(axis=1) <= wanted[:, None])
    agree = (found_in[rows] == asked_in[:, None]) & counted
    return float((agree.sum(axis=1)[wanted > 0] / wanted[wanted > 0]).mean())


def _by_chance(asked: npt.NDArray[np.str_], found: npt.NDArray[np.str_]) -> float:
    """The share that random neighbours would have."""
    return sum(
        float(np.mean(asked == name)) * float(np.mean(found == name))
        for name in set(asked.tolist())
    )
