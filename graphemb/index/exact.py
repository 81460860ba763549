"""Exact search by scanning all permitted rows.

FAISS proposes a few more rows than asked for, in float32. When the last proposal is so near to
the k-th result that rounding could have hidden a better row (or an equal one that comes first),
the rows are scanned once more in float64.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphemb.index.faissfile import faiss_module
from graphemb.index.space import BLOCK, Space, best
from graphemb.types import BoolArray, FloatArray, IntArray

_OVERFETCH = 2_048
"""Up to this many forbidden rows are fetched too and dropped; more, and the rest is copied."""


def search(
    space: Space, queries: FloatArray, k: int, permitted: IntArray | None, ready: FloatArray | None
) -> tuple[IntArray, FloatArray]:
    """The k nearest permitted rows of each query.

    Args:
        space: n rows and a metric.
        queries: float32 [q, dim].
        k: at most the number of permitted rows.
        permitted: ascending rows; None permits all.
        ready: the matrix as FAISS compares it, when it is kept; else made block by block.

    Returns:
        int64 [q, k] rows, nearest first, ties by row, and their float32 [q, k] closeness.
    """
    count = len(space.matrix) if permitted is None else len(permitted)
    want = min(k + max(16, k // 8), count)
    proposed, rough = _propose(space, queries, want, permitted, ready)
    noise = space.noise(queries)
    rows = np.empty((len(queries), k), np.int64)
    closeness = np.empty((len(queries), k), np.float32)
    for number, query in enumerate(queries):
        found = proposed[number]
        rows[number], closeness[number] = best(space.closeness(query, found), found, k)
        gap = float(closeness[number, -1]) - float(rough[number, -1])
        if want < count and not gap > noise[number]:
            rows[number], closeness[number] = _scan(space, query, k, permitted)
    return rows, closeness


def _scan(
    space: Space, query: FloatArray, k: int, permitted: IntArray | None
) -> tuple[IntArray, FloatArray]:
    rows, closeness = np.empty(0, np.int64), np.empty(0, np.float32)
    count = len(space.matrix) if permitted is None else len(permitted)
    for start in range(0, count, BLOCK):
        stop = min(start + BLOCK, count)
        part = np.arange(start, stop) if permitted is None else permitted[start:stop]
        near = space.closeness(query, slice(start, stop) if permitted is None else part)
        rows, closeness = best(
            np.concatenate([closeness, near]), np.concatenate([rows, part]), min(k, stop)
        )
    return rows, closeness


def _propose(
    space: Space,
    queries: FloatArray,
    want: int,
    permitted: IntArray | None,
    ready: FloatArray | None,
) -> tuple[IntArray, FloatArray]:
    """int64 [q, want] rows and their float32 closeness, nearest first."""
    total = len(space.matrix)
    asked = space.asked(queries)
    forbidden = 0 if permitted is None else total - len(permitted)
    if ready is None or forbidden > _OVERFETCH:
        return _propose_by_block(space, asked, want, permitted)
    rows, rough = _nearest(space, asked, ready, min(want + forbidden, total))
    if permitted is not None:
        mask: BoolArray = np.zeros(total, bool)
        mask[permitted] = True
        kept = np.argsort(~mask[rows], axis=1, kind="stable")[:, :want]
        rows, rough = np.take_along_axis(rows, kept, 1), np.take_along_axis(rough, kept, 1)
    return rows, rough


def _propose_by_block(
    space: Space, asked: FloatArray, want: int, permitted: IntArray | None
) -> tuple[IntArray, FloatArray]:
    rows = np.empty((len(asked), 0), np.int64)
    rough = np.empty((len(asked), 0), np.float32)
    count = len(space.matrix) if permitted is None else len(permitted)
    for start in range(0, count, BLOCK):
        stop = min(start + BLOCK, count)
        part: Any = slice(start, stop) if permitted is None else permitted[start:stop]
        near, closeness = _nearest(space, asked, space.searched(part), min(want, stop - start))
        rows = np.hstack([rows, near + start if permitted is None else part[near]])
        rough = np.hstack([rough, closeness])
        order = np.argsort(-rough, axis=1, kind="stable")[:, :want]
        rows, rough = np.take_along_axis(rows, order, 1), np.take_along_axis(rough, order, 1)
    return rows, rough


def _nearest(
    space: Space, asked: FloatArray, matrix: FloatArray, k: int
) -> tuple[IntArray, FloatArray]:
    faiss = faiss_module()
    if space.metric == "l2":
        distances, rows = faiss.knn(asked, matrix, k, metric=faiss.METRIC_L2)
        return rows, -distances
    products, rows = faiss.knn(asked, matrix, k, metric=faiss.METRIC_INNER_PRODUCT)
    return rows, products
