"""NumPy and SciPy by hand, blocks on threads: aggregation, exact top-k, negatives, an SVD."""

# mypy: disable-error-code="import-untyped,import-not-found,attr-defined,no-any-return"
from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from inputs import undirected
from measure import Meter, main
from scipy import sparse
from scipy.sparse.linalg import svds


def _loading(meter: Meter) -> None:
    meter.timed(lambda: undirected(meter), meter.plan["num_edges"])


def _named(meter: Meter) -> None:
    """Words become numbers by Arrow's own dictionaries."""

    def build() -> Any:
        table = pq.read_table(meter.folder / "named.parquet")
        both = pa.chunked_array([*table["src"].chunks, *table["dst"].chunks])
        words = both.combine_chunks().dictionary_encode()
        codes, size = words.indices.to_numpy(), len(words.dictionary)
        src, dst = np.split(codes, 2)
        ends = np.concatenate([src, dst]), np.concatenate([dst, src])
        return sparse.csr_matrix((np.ones(ends[0].size, np.float32), ends), (size, size))

    meter.timed(build, meter.plan["num_edges"])


def _aggregate(meter: Meter) -> None:
    matrix, dense = undirected(meter), np.load(meter.folder / "dense.npy")
    means = sparse.diags(1 / np.maximum(matrix.sum(axis=1).A1, 1)).astype(np.float32) @ matrix
    cuts = np.searchsorted(means.indptr, np.linspace(0, means.nnz, 4 * meter.plan["threads"] + 1))
    blocks = [means[low:high] for low, high in pairwise(cuts)]

    def run() -> Any:
        with ThreadPoolExecutor(meter.plan["threads"]) as pool:
            return np.concatenate(list(pool.map(lambda block: block @ dense, blocks)))

    np.save(meter.out, meter.timed(run, matrix.nnz))


def _top(meter: Meter) -> None:
    dense, k = np.load(meter.folder / "dense.npy"), meter.plan["k"]
    dense /= np.linalg.norm(dense, axis=1, keepdims=True)
    queries = dense[: meter.plan["num_queries"]]

    def block(part: Any) -> Any:
        scores = part @ dense.T
        best = np.argpartition(scores, -k, axis=1)[:, -k:]
        order = np.argsort(-np.take_along_axis(scores, best, 1), axis=1)
        return np.take_along_axis(best, order, 1)

    def run() -> Any:
        parts = [queries[low : low + 256] for low in range(0, len(queries), 256)]
        with ThreadPoolExecutor(meter.plan["threads"]) as pool:
            return np.concatenate(list(pool.map(block, parts)))

    np.save(meter.out, meter.timed(run, len(queries)))


def _negatives(power: float) -> Any:
    """Draw, test against the edges by a sorted search, draw those again."""

    def task(meter: Meter) -> None:
        matrix, size = undirected(meter), meter.plan["num_nodes"]
        rows = np.repeat(np.arange(size), np.diff(matrix.indptr))
        edges = rows * size + matrix.indices
        edges.sort()
        chances = np.cumsum(np.diff(matrix.indptr) ** power)
        rng = np.random.default_rng(0)

        def draw(count: int) -> Any:
            if power == 0:
                return rng.integers(0, size, count)
            return np.searchsorted(chances, rng.random(count) * chances[-1], side="right")

        def run() -> Any:
            src = np.repeat(rows, meter.plan["negatives"])
            out = draw(src.size)
            todo = np.arange(src.size)
            while todo.size:
                keys = src[todo] * size + out[todo]
                place = np.minimum(np.searchsorted(edges, keys), edges.size - 1)
                todo = todo[edges[place] == keys]
                out[todo] = draw(todo.size)
            return out

        meter.counted(meter.timed(run).size)

    return task


def _svd(meter: Meter) -> None:
    matrix = undirected(meter)
    scale = sparse.diags(np.maximum(matrix.sum(axis=1).A1, 1) ** -0.5).astype(np.float32)
    scaled = (scale @ matrix @ scale).tocsr()

    def fit() -> Any:
        left, values, _ = svds(scaled, k=meter.plan["dim"], random_state=0)
        return left * np.sqrt(values)

    np.save(meter.out, meter.timed(fit).astype(np.float32))


if __name__ == "__main__":
    main(
        {
            "load": _loading,
            "load.named": _named,
            "derive": _aggregate,
            "topk": _top,
            "negatives.uniform": _negatives(0.0),
            "negatives.degree": _negatives(0.75),
            "svd": _svd,
        }
    )
