"""Losses of propagated vectors with their gradients, written out: a softmax and a logistic one.

Both take the vectors float32 [N, dim] that came out of the propagation and add the gradient of
their loss to `slopes` of the same shape. The test suite holds them against automatic
differentiation.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from graphemb.kernels import descent
from graphemb.linalg import CSR, DoubleArray, multiply
from graphemb.types import FloatArray, IntArray

_CHUNK = 256
_SHORT = 1e-12


class Objective(Protocol):
    """A step's loss."""

    def __call__(self, vectors: FloatArray, slopes: FloatArray) -> float:
        """The loss, and its gradient added to `slopes`."""
        ...


def shaped(rows: FloatArray, power: float) -> tuple[FloatArray, FloatArray]:
    """float32 [n, dim] vectors brought to length |x|^power, and the lengths [n, 1] they had."""
    lengths = np.sqrt(np.einsum("ij,ij->i", rows, rows)) + np.float32(_SHORT)
    scale = lengths ** np.float32(power - 1.0)
    return rows * scale[:, None], lengths[:, None]


def shaped_slopes(
    rows: FloatArray, lengths: FloatArray, slopes: FloatArray, power: float
) -> FloatArray:
    """The gradient before `shaped`, float32 [n, dim], from the one after it."""
    along = np.einsum("ij,ij->i", slopes, rows)[:, None] / lengths**2
    bent: FloatArray = slopes + np.float32(power - 1.0) * along * rows
    return bent * lengths ** np.float32(power - 1.0)


@dataclass(frozen=True, eq=False)
class SharedSoftmax:
    """Decoupled softmax of some sources' targets against negatives that all of them share.

    sum over pairs of w (log sum over negatives of exp(s / t) - s / t), divided by the sum of w,
    with the product s of the source at length 1 and the target at length |x|^length_power. A
    source's targets are left out of the sum (the positive by Yeh et al. 2022, the others because
    nobody asks which of them comes first), so that a source costs one row of one product
    whatever the number of its targets.

    Attributes:
        sources: int64 [b], their rows.
        positives: float32 CSR [b, N], the weights of their pairs.
        candidates: int64 [c], rows of all targets.
        negatives: int64 [n], distinct places in `candidates`.
        known: CSR [b, n], an entry wherever a negative is one of the source's targets.
    """

    sources: IntArray
    positives: CSR
    candidates: IntArray
    negatives: IntArray
    known: CSR
    temperature: float
    length_power: float
    pool: Executor

    def __call__(self, vectors: FloatArray, slopes: FloatArray) -> float:
        """The loss, and its gradient added to `slopes`."""
        queries, query_lengths = shaped(vectors[self.sources], 0.0)
        targets, target_lengths = shaped(vectors[self.candidates], self.length_power)
        positives = self.positives[:, self.candidates]
        mass = np.asarray(positives.sum(axis=1), np.float32).ravel()
        total = float(mass.sum(dtype=np.float64))
        wanted = multiply(positives, targets)
        sharp = np.float32(1.0 / self.temperature)
        to_targets = multiply(positives.T.tocsr(), queries) * -sharp
        to_queries = np.empty_like(queries)
        losses = np.zeros(mass.size)
        absent = targets[self.negatives]
        for part in self._against(queries, absent, mass, to_queries, losses):
            to_targets[self.negatives] += part
        loss = float(losses.sum()) - float(sharp) * float(
            np.einsum("ij,ij->", wanted, queries, dtype=np.float64)
        )
        to_queries -= wanted * sharp
        scale = np.float32(1.0 / total)
        slopes[self.sources] += (
            shaped_slopes(vectors[self.sources], query_lengths, to_queries, 0.0) * scale
        )
        slopes[self.candidates] += (
            shaped_slopes(vectors[self.candidates], target_lengths, to_targets, self.length_power)
            * scale
        )
        return loss / total

    def _against(
        self,
        queries: FloatArray,
        absent: FloatArray,
        mass: FloatArray,
        to_queries: FloatArray,
        losses: DoubleArray,
    ) -> Iterator[FloatArray]:
        """Fill `to_queries` and `losses`; the gradients of `absent`, block by block of queries."""

        def of_block(low: int) -> FloatArray:
            block = slice(low, min(low + _CHUNK, len(queries)))
            scores: FloatArray = queries[block] @ absent.T
            own, known = losses[block], self.known[block].tocoo()
            scores[known.row, known.col] = descent.HIDDEN
            descent.softmax_rows(scores, self.temperature, mass[block], own, 0, len(scores))
            np.matmul(scores, absent, out=to_queries[block])
            back: FloatArray = scores.T @ queries[block]
            return back

        yield from self.pool.map(of_block, range(0, len(queries), _CHUNK))


@dataclass(frozen=True, eq=False)
class Logistic:
    """Cross-entropy of pairs against as many that are none, with a learned scale and bias.

    The score is scale x product + bias; edge or no edge each counts half.

    Attributes:
        src, dst: int64 [b], rows of the pairs.
        weight: float64 [b], theirs.
        absent: int64 [b], another target for each of their sources.
        line: float64 [2], scale and bias.
        line_slopes: float64 [2], to which their gradient is added.
    """

    src: IntArray
    dst: IntArray
    weight: DoubleArray
    absent: IntArray
    line: DoubleArray
    line_slopes: DoubleArray

    def __call__(self, vectors: FloatArray, slopes: FloatArray) -> float:
        """The loss, and its gradient added to `slopes`."""
        rows = np.tile(self.src, 2), np.concatenate([self.dst, self.absent])
        sign = np.repeat([1.0, -1.0], self.src.size)
        share = np.tile(self.weight, 2) / (2.0 * self.weight.sum())
        one, other = vectors[rows[0]], vectors[rows[1]]
        products = np.einsum("ij,ij->i", one, other, dtype=np.float64)
        margins = sign * (self.line[0] * products + self.line[1])
        slope = -sign * share / (1.0 + np.exp(np.minimum(margins, 700.0)))
        self.line_slopes[:] += slope @ products, slope.sum()
        factor = (slope * self.line[0]).astype(np.float32)[:, None]
        _scatter(slopes, rows[0], factor * other)
        _scatter(slopes, rows[1], factor * one)
        return float(share @ np.logaddexp(0.0, -margins))


def _scatter(out: FloatArray, rows: IntArray, values: FloatArray) -> None:
    """Add `values` [n, dim] to rows of `out`, which may stand several times."""
    from scipy import sparse

    entries = (np.ones(rows.size, np.float32), (rows, np.arange(rows.size)))
    out += multiply(sparse.csr_matrix(entries, shape=(len(out), rows.size)), values)
