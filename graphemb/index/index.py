"""`Index`: nearest neighbours among the vectors of one node type."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from graphemb.checks import check_choice, check_int
from graphemb.embeddings import Vectors
from graphemb.errors import StoreError
from graphemb.files import atomic_folder
from graphemb.ids import Ids
from graphemb.index import approximate, exact, saved
from graphemb.index.approximate import HNSW, IVF, KINDS, Approximate, Structure
from graphemb.index.space import METRICS, Metric, Space, best
from graphemb.types import BoolArray, FloatArray, IntArray, NodeId

MAX_K = 100_000
"""Most results a search gives."""

_FEW = 2_048
_SMALL_SHARE = 0.02
_SMALL_SHARE_OF_DOT_GRAPH = 0.25
_SAMPLE = 32


class Index:
    """Nearest neighbours among the vectors of one node type; immutable.

    `flat` scans every vector and is exact. `hnsw` and `ivf` are approximate and much faster on
    large sets; each candidate's closeness is computed again exactly, and equal vectors are indexed
    once, so that a clump of them harms nobody. Results are always k, or all that are permitted,
    nearest first, ties by row (among those found).

    Attributes:
        node_type, ids, dim, metric: of the vectors.
        kind: `flat`, `hnsw` or `ivf`.
        notes: what was done otherwise than asked, and why.
    """

    def __init__(
        self, vectors: Vectors, space: Space, structure: Approximate | None, notes: tuple[str, ...]
    ) -> None:
        """Use `Index.build` or `Index.load`."""
        self._vectors, self._space, self._structure = vectors, space, structure
        self._ready: FloatArray | None = None
        if structure is None or space.metric != "cosine":
            self._ready = space.searched(slice(None))
        self.notes = notes

    @classmethod
    def build(
        cls,
        vectors: Vectors,
        metric: Metric = "cosine",
        kind: Literal["flat", "hnsw", "ivf"] | HNSW | IVF = "flat",
    ) -> Index:
        """Index the vectors of a node type.

        Args:
            vectors: one node type of some embeddings.
            metric: `cosine`, `dot` or `l2`.
            kind: a name, or `HNSW(...)` / `IVF(...)` with their fields.

        Raises:
            ConfigError: an unknown metric or kind.
            VectorError: a vector that is all zero under cosine, or too long for float32 sums.
        """
        check_choice("metric", metric, METRICS)
        config: Structure | None = None
        if isinstance(kind, HNSW | IVF):
            config = kind
        else:
            check_choice("kind", kind, ("flat", *KINDS))
            config = None if kind == "flat" else KINDS[kind]()
        space = Space.of(vectors, metric)
        if config is None or len(vectors) == 0:
            return cls(vectors, space, None, ())
        built = approximate.build(space, config)
        if isinstance(built, str):
            return cls(vectors, space, None, (built,))
        return cls(vectors, space, built, ())

    @property
    def node_type(self) -> str:
        """The node type of the results."""
        return self._vectors.node_type

    @property
    def ids(self) -> Ids:
        """The indexed ids, in row order."""
        return self._vectors.ids

    @property
    def dim(self) -> int:
        """Components of a vector."""
        return self._vectors.dim

    @property
    def metric(self) -> Metric:
        """`cosine`, `dot` or `l2`."""
        return self._space.metric

    @property
    def kind(self) -> str:
        """`flat`, `hnsw` or `ivf`."""
        return "flat" if self._structure is None else self._structure.kind

    def search(
        self,
        query: npt.ArrayLike,
        k: int | np.int64 = 10,
        *,
        allowed: Sequence[NodeId] | Ids | None = None,
        exclude: Sequence[NodeId] | Ids | None = None,
    ) -> tuple[list[Any], FloatArray]:
        """The k nearest nodes: exactly k, or all that are permitted when there are fewer.

        Args:
            query: one vector [dim], or several [q, dim].
            k: 1 to 100,000.
            allowed: only these ids.
            exclude: none of these ids (seen items, say); ids without a vector are no matter.

        Returns:
            ids and scores, best first. For one query a list of ids and float32 [k]; for several a
            list of lists and float32 [q, k]. A score is the dot product or the cosine (larger is
            nearer), or the Euclidean distance (smaller is nearer).

        Raises:
            ConfigError: k out of range.
            DimensionMismatch, VectorError: a query that cannot be compared.
            UnknownNode: an allowed id that is not of this node type.
        """
        rows, scores = self.search_rows(query, k, mask=self._mask(allowed, exclude))
        flat = self.ids.array.take(pa.array(rows.reshape(-1))).to_pylist()
        if np.ndim(query) == 1:
            return flat, scores[0]
        width = rows.shape[1]
        return [flat[at * width : (at + 1) * width] for at in range(len(rows))], scores

    def search_rows(
        self, query: npt.ArrayLike, k: int | np.int64 = 10, *, mask: BoolArray | None = None
    ) -> tuple[IntArray, FloatArray]:
        """As `search`, in rows.

        Args:
            query: one vector [dim], or several [q, dim].
            k: 1 to 100,000.
            mask: bool [n], True where a row may be found.

        Returns:
            int64 [q, k] rows and float32 [q, k] scores; q is 1 for one query.

        Raises:
            ConfigError, DimensionMismatch, VectorError: as `search`.
        """
        if isinstance(k, np.integer):
            k = int(k)
        check_int("k", k, low=1, high=MAX_K)
        queries = self._space.queries(query, source=self.node_type)
        permitted = None if mask is None or mask.all() else np.flatnonzero(mask)
        count = len(self.ids) if permitted is None else len(permitted)
        k = min(k, count)
        if k == 0 or len(queries) == 0:
            return np.empty((len(queries), k), np.int64), np.empty((len(queries), k), np.float32)
        rows, closeness = self._search(queries, k, permitted, mask)
        return rows, self._space.scores(closeness)

    def _search(
        self, queries: FloatArray, k: int, permitted: IntArray | None, mask: BoolArray | None
    ) -> tuple[IntArray, FloatArray]:
        structure, space = self._structure, self._space
        count = len(self.ids) if permitted is None else len(permitted)
        want = k + 16
        # Under dot all edges of HNSW lead to long vectors: where most of those are forbidden it
        # finds 3 in 4 at a share of .1, and 9 in 10 at .3.
        by_length = self.metric == "dot" and self.kind == "hnsw"
        share = _SMALL_SHARE_OF_DOT_GRAPH if by_length else _SMALL_SHARE
        few = count <= max(_FEW, share * len(self.ids))
        if structure is None or few or want > len(structure.groups) // 8:
            return exact.search(space, queries, k, permitted, self._ready)
        rows = np.empty((len(queries), k), np.int64)
        closeness = np.empty((len(queries), k), np.float32)
        found = structure.search(space.asked(queries), want, k, None if permitted is None else mask)
        for number, candidates in enumerate(found):
            query = queries[number]
            if len(candidates) < k:
                one = exact.search(space, query[None], k, permitted, self._ready)
                rows[number], closeness[number] = one[0][0], one[1][0]
            else:
                near = space.closeness(query, candidates)
                rows[number], closeness[number] = best(near, candidates, k)
        return rows, closeness

    def _mask(
        self, allowed: Sequence[NodeId] | Ids | None, exclude: Sequence[NodeId] | Ids | None
    ) -> BoolArray | None:
        if allowed is None and exclude is None:
            return None
        mask: BoolArray = np.full(len(self.ids), allowed is None)
        if allowed is not None and len(allowed):
            rows = self.ids.find(allowed)
            unknown = np.flatnonzero(rows < 0)
            if unknown.size:
                left = allowed.array if isinstance(allowed, Ids) else pa.array(allowed)
                self._vectors.missing.rows(left.take(pa.array(unknown)), source=self.node_type)
            mask[rows[rows >= 0]] = True
        if exclude is not None and len(exclude):
            rows = self.ids.find(exclude)
            mask[rows[rows >= 0]] = False
        return mask

    def save(self, folder: str | Path) -> None:
        """Write the index, all or nothing; the vectors are not part of it.

        Raises:
            StoreError: the folder exists and is not one of ours; the disk failed.
            StorageFull: no room.
        """
        with atomic_folder(folder, replace=True) as temporary:
            self.write(temporary)

    def write(self, folder: Path) -> None:
        """Write the files of `save` into an existing folder."""
        saved.write(folder, self._vectors, self.metric, self._structure, self.notes)

    @classmethod
    def load(cls, folder: str | Path, vectors: Vectors, *, metric: Metric | None = None) -> Index:
        """Read what `save` wrote; a sample of the vectors must find itself.

        Args:
            folder: of `save`.
            vectors: those the index was built of.
            metric: refuse an index of any other.

        Raises:
            StoreError: not an index, or not of these vectors and this metric.
            CorruptManifest, ChecksumMismatch, UnsupportedFormat: files not to be trusted.
            ConfigError: a kind of index or metric that is not on the list.
            DimensionMismatch: vectors of another length.
        """
        space, structure, notes = saved.read(Path(folder), vectors, metric)
        index = cls(vectors, space, structure, notes)
        index.check(source=folder)
        return index

    def check(self, *, source: object = None) -> None:
        """Let a sample of the vectors find itself.

        Raises:
            StoreError: a row does not: the structure is not of these rows.
        """
        total = len(self.ids)
        rows = np.unique(np.linspace(0, max(total - 1, 0), min(total, _SAMPLE)).astype(np.int64))
        if self._structure is not None:
            lost = self._structure.differing(rows, self._space.searched(rows))
            if lost.size:
                raise StoreError(
                    f"{lost.size} of {rows.size} sampled rows hold another vector in the index",
                    code="index_rows",
                    source=source,
                    row=int(lost[0]),
                    value=self.ids[int(lost[0])],
                    hint="build the index again",
                )
        if self.metric != "dot" and rows.size:  # under dot a longer vector may be nearer
            self._check_self_queries(rows, source)

    def _check_self_queries(self, rows: IntArray, source: object) -> None:
        queries = self._space.matrix[rows]
        _, scores = self.search_rows(queries, 1)
        own = [
            self._space.scores(self._space.closeness(query, rows[at : at + 1]))[0]
            for at, query in enumerate(queries)
        ]
        missed = rows[scores[:, 0] != np.array(own, np.float32)]
        if missed.size > rows.size // 4:  # an approximate search may miss a few
            raise StoreError(
                f"{missed.size} of {rows.size} sampled vectors do not find themselves",
                code="index_rows",
                source=source,
                row=int(missed[0]),
                value=self.ids[int(missed[0])],
                hint="build the index again",
            )

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        return f"Index({self.node_type!r}, {len(self):,} x {self.dim}, {self.metric}, {self.kind})"
