"""Negatives for given positives: candidates that the same source is not joined to.

Every kind keeps the source and replaces the target:

- `uniform`: any candidate, each as likely.
- `degree`: in proportion to degree ** alpha (word2vec's .75 by default).
- `same_degree`: candidates of the positive's own degree (the nearest in degree where fewer than
  20 have it), so that popularity tells nothing.
- `two_hop`: the end of a short walk from the source over training edges (there, back, there;
  within one node type there, there), so that sharing a neighbour tells little.

Known positives are drawn again and counted; with `avoid=False` they are kept and counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy import sparse

from graphemb.checks import check_choice, check_int, check_number
from graphemb.errors import ConfigError
from graphemb.kernels import negative, rng
from graphemb.types import IntArray

NegativeKind = Literal["uniform", "degree", "same_degree", "two_hop"]
KINDS: tuple[NegativeKind, ...] = ("uniform", "degree", "same_degree", "two_hop")
_POOL = 20


@dataclass(frozen=True, eq=False)
class Negatives:
    """Drawn negatives, `num` for each positive.

    Attributes:
        dst: int64 [n, num], a target for each source.
        clashes: draws that were known positives, and were drawn again.
        strayed: draws that their kind had no candidate for, taken from all candidates instead.
        kept: known positives among `dst`.
    """

    dst: IntArray
    clashes: int
    strayed: int
    kept: int


@dataclass(frozen=True, kw_only=True)
class NegativeSampler:
    """How negatives are drawn.

    Attributes:
        kind: one of `KINDS`.
        num: negatives for each positive.
        alpha: exponent of `degree`; negative values favour rare candidates.
        avoid: draw known positives again.
        seed: of the draws; draw d of positive i depends on the seed, i and d alone.

    Raises:
        ConfigError: a field out of its range.
    """

    kind: NegativeKind = "uniform"
    num: int = 1
    alpha: float = 0.75
    avoid: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        check_choice("kind", self.kind, KINDS)
        check_int("num", self.num, low=1)
        check_number("alpha", self.alpha)
        check_int("seed", self.seed, low=0)

    def sample(
        self,
        src: npt.ArrayLike,
        dst: npt.ArrayLike,
        history: sparse.csr_matrix[Any],
        *,
        positives: sparse.csr_matrix[Any] | None = None,
    ) -> Negatives:
        """Draw negatives for the positives (src[i], dst[i]).

        Args:
            src, dst: rows and columns of `history`.
            history: training edges [n_src, n]; gives degrees and walks.
            positives: all known positives [n_src, n], `history` included; by default `history`.
                Put the diagonal in where a node is no candidate for itself.

        Raises:
            ConfigError: shapes differ, or there is no candidate.
        """
        rows, columns = (np.ascontiguousarray(end, np.int64) for end in (src, dst))
        known = _sorted(history if positives is None else positives)
        if known.shape != history.shape or rows.shape != columns.shape:
            raise ConfigError("sources, targets, history and positives differ in shape")
        if history.shape[1] == 0:
            raise ConfigError("there is no candidate to draw", value=history.shape)
        out = np.zeros((rows.size, self.num), np.int64)
        tally = np.zeros(3, np.int64)
        key = np.uint64(rng.make_key(np.uint64(self.seed), np.uint64(KINDS.index(self.kind))))
        self._fill(key, rows, columns, history, known, out, tally)
        return Negatives(out, *(int(count) for count in tally))

    def _fill(
        self,
        key: np.uint64,
        rows: IntArray,
        columns: IntArray,
        history: sparse.csr_matrix[Any],
        known: sparse.csr_matrix[Any],
        out: IntArray,
        tally: IntArray,
    ) -> None:
        offsets, taken = known.indptr, known.indices
        width = history.shape[1]
        if self.kind == "two_hop":
            there, back = _sorted(history), _sorted(history.T)
            hops = 2 if history.shape[0] == width and _is_symmetric(there) else 3
            ways = (there.indptr, there.indices, back.indptr, back.indices)
            negative.by_walk(key, rows, ways, hops, offsets, taken, self.avoid, out, tally)
            return
        degrees = np.bincount(history.indices, minlength=width)
        if self.kind == "degree":
            weights = np.where(degrees > 0, np.maximum(degrees, 1.0) ** self.alpha, 0.0)
            total = np.cumsum(weights if weights.any() else np.ones(width))
            negative.by_weight(key, rows, total, offsets, taken, self.avoid, out, tally)
            return
        order = np.arange(width, dtype=np.int64)
        low, high = np.zeros(rows.size, np.int64), np.full(rows.size, width, np.int64)
        if self.kind == "same_degree":
            order = np.argsort(degrees, kind="stable").astype(np.int64)
            low, high = _windows(degrees[order], degrees[columns])
        window = (order, low, high)
        negative.from_window(key, rows, window, offsets, taken, self.avoid, out, tally)


def _windows(ascending: IntArray, wanted: IntArray) -> tuple[IntArray, IntArray]:
    """For each wanted degree the places of it in `ascending`, widened to at least `_POOL`."""
    low = np.searchsorted(ascending, wanted, side="left")
    high = np.searchsorted(ascending, wanted, side="right")
    more = np.maximum(_POOL - (high - low) + 1, 0) // 2
    return np.maximum(low - more, 0), np.minimum(high + more, ascending.size)


def _sorted(matrix: Any) -> sparse.csr_matrix[Any]:
    """CSR with ascending, distinct columns in every row."""
    found = sparse.csr_matrix(matrix)
    if not found.has_canonical_format:
        found = found.copy()
        found.sum_duplicates()
    return found


def _is_symmetric(matrix: sparse.csr_matrix[Any]) -> bool:
    return bool(sparse.csr_matrix(abs(matrix - matrix.T)).count_nonzero() == 0)
