"""What near means: dot product, cosine or Euclidean distance, computed in float64.

FAISS proposes candidates in float32; their closeness is computed again here, the same way for
every row, so that equal vectors get equal closeness whatever the batch, and ties go by row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from graphemb.embeddings import Vectors
from graphemb.errors import SAMPLE_LIMIT, DimensionMismatch, VectorError, shown
from graphemb.types import FloatArray, IntArray

Metric: TypeAlias = Literal["cosine", "dot", "l2"]
METRICS: tuple[Metric, ...] = ("cosine", "dot", "l2")

BLOCK = 32_768
"""Rows handled at a time, so that temporary memory stays small."""
MAX_NORM = 2.0**62
"""Longest vector: sums and squares of lengths up to this stay inside float32."""

Float64Array: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Space:
    """A matrix and a metric.

    Attributes:
        metric: one of `METRICS`.
        matrix: float32 [n, dim].
        lengths: float64 [n], Euclidean lengths of the rows.
    """

    metric: Metric
    matrix: FloatArray
    lengths: Float64Array

    @classmethod
    def of(cls, vectors: Vectors, metric: Metric) -> Space:
        """The space of a node type's vectors.

        Raises:
            VectorError: a vector too long for float32 sums, or all zero under cosine; says how
                many and shows the first 20 ids.
        """
        lengths = _lengths(vectors.matrix)
        _refuse(vectors, lengths > MAX_NORM, "overflow", f"are longer than {MAX_NORM:.1e}")
        if metric == "cosine":
            _refuse(vectors, lengths == 0, "zero_vector", "are all zero, which has no direction")
        return cls(metric, vectors.matrix, lengths)

    def queries(self, given: npt.ArrayLike, source: object = None) -> FloatArray:
        """float32 [q, dim] of one query [dim] or several [q, dim], checked.

        Raises:
            DimensionMismatch: queries of another length.
            VectorError: not numbers, not finite, too long, or all zero under cosine.
        """
        array = np.asarray(given)
        if array.ndim not in (1, 2) or array.dtype.kind not in "fiu":
            raise VectorError(
                f"a query is a vector [dim] or a matrix [q, dim], not {array.dtype} "
                f"{list(array.shape)}",
                code="bad_query",
                source=source,
            )
        if array.shape[-1] != self.matrix.shape[1]:
            raise DimensionMismatch(self.matrix.shape[1], array.shape[-1], row=0, source=source)
        table = array.reshape(-1, array.shape[-1])
        with np.errstate(over="ignore"):
            queries = np.ascontiguousarray(table, dtype=np.float32)
        bad = ~np.isfinite(queries)
        if bad.any():
            row, component = (int(axis[0]) for axis in np.nonzero(bad))
            raise VectorError(
                f"component {component} of the query is not a finite float32",
                code="not_finite",
                source=source,
                row=row,
                value=float(table[row, component]),
            )
        lengths = _lengths(queries)
        for wrong, code, what in (
            (lengths > MAX_NORM, "overflow", f"is longer than {MAX_NORM:.1e}"),
            ((lengths == 0) & (self.metric == "cosine"), "zero_vector", "is all zero"),
        ):
            if wrong.any():
                row = int(np.argmax(wrong))
                raise VectorError(f"the query {what}", code=code, source=source, row=row)
        return queries

    def searched(self, rows: IntArray | slice) -> FloatArray:
        """float32 [len(rows), dim] as FAISS compares them: of length one under cosine."""
        matrix: FloatArray = self.matrix[rows]
        return unit(matrix, self.lengths[rows]) if self.metric == "cosine" else matrix

    def asked(self, queries: FloatArray) -> FloatArray:
        """The queries as FAISS compares them."""
        return unit(queries, _lengths(queries)) if self.metric == "cosine" else queries

    def closeness(self, query: FloatArray, rows: IntArray | slice) -> FloatArray:
        """float32 [len(rows)], larger is nearer: dot, cosine, or minus the squared distance."""
        wanted = query.astype(np.float64)
        matrix = self.matrix[rows].astype(np.float64)
        if self.metric == "l2":
            matrix -= wanted
            squares: Float64Array = np.einsum("rd,rd->r", matrix, matrix)
            return -squares.astype(np.float32)
        dots: Float64Array = np.einsum("rd,d->r", matrix, wanted)
        if self.metric == "cosine":
            dots /= self.lengths[rows] * float(np.sqrt(wanted @ wanted))
        return dots.astype(np.float32)

    def noise(self, queries: FloatArray) -> Float64Array:
        """float64 [q]: no float32 closeness is farther than this from the exact one."""
        longest = float(self.lengths.max(initial=0.0))
        lengths = _lengths(queries)
        scale = {
            "cosine": np.ones_like(lengths),
            "dot": lengths * longest,
            "l2": 2 * (lengths + longest) ** 2,
        }[self.metric]
        dim = self.matrix.shape[1]
        noise: Float64Array = (dim + 4) * (2.0**-23 * scale + 2.0**-125)
        return noise

    def scores(self, closeness: FloatArray) -> FloatArray:
        """What the user sees: dot or cosine as they are, l2 as a distance."""
        return np.sqrt(-closeness) if self.metric == "l2" else closeness


def unit(matrix: FloatArray, lengths: Float64Array) -> FloatArray:
    """The rows at length one."""
    result = np.empty(matrix.shape, np.float32)
    for start in range(0, len(matrix), BLOCK):
        part = slice(start, start + BLOCK)
        result[part] = matrix[part] / lengths[part, None]
    return result


def best(closeness: FloatArray, rows: IntArray, k: int) -> tuple[IntArray, FloatArray]:
    """The k nearest of `rows`, nearest first, ties by row."""
    if len(rows) > 4 * k:
        limit = np.partition(closeness, len(rows) - k)[len(rows) - k]
        above = np.flatnonzero(closeness > limit)
        level = np.flatnonzero(closeness == limit)
        level = level[np.argsort(rows[level], kind="stable")][: k - len(above)]
        kept = np.concatenate([above, level])
        closeness, rows = closeness[kept], rows[kept]
    order = np.lexsort((rows, -closeness))[:k]
    return rows[order], closeness[order]


def _lengths(matrix: FloatArray) -> Float64Array:
    lengths = np.empty(len(matrix))
    for start in range(0, len(matrix), BLOCK):
        part = matrix[start : start + BLOCK].astype(np.float64)
        lengths[start : start + BLOCK] = np.sqrt(np.einsum("rd,rd->r", part, part))
    return lengths


def _refuse(vectors: Vectors, bad: npt.NDArray[Any], code: str, what: str) -> None:
    rows = np.flatnonzero(bad)
    if rows.size:
        names = ", ".join(shown(vectors.ids[int(row)]) for row in rows[:SAMPLE_LIMIT])
        raise VectorError(
            f"{rows.size} of {len(vectors)} vectors {what}",
            code=code,
            source=vectors.node_type,
            row=int(rows[0]),
            value=vectors.ids[int(rows[0])],
            hint=f"leave them out, they belong to `missing`: {names}",
        )
