"""`Embeddings`: vectors as a value, one matrix per node type, with where they came from.

A node about which nothing was learned has no row; it is listed in `Vectors.missing`, so that
nobody mistakes zeros or noise for knowledge.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from graphemb.errors import (
    DimensionMismatch,
    GraphError,
    UnknownName,
    VectorError,
    shown,
)
from graphemb.ids import Ids
from graphemb.types import FloatArray, NodeId, NodeType, check_name

if TYPE_CHECKING:
    import faiss
    import pandas as pd

_CHECK_BLOCK = 65_536


@dataclass(frozen=True, eq=False)
class Vectors:
    """The vectors of one node type.

    Attributes:
        node_type: its name.
        ids: the n nodes that have a vector, in graph order.
        matrix: float32 [n, dim], C-contiguous, finite, read-only.
        missing: the nodes of this type that have none.

    Raises:
        VectorError: a component is not finite, or overflows float32; not a matrix.
        DimensionMismatch: ids and rows differ in number.
        GraphError: an id stands twice, or is both embedded and missing.
    """

    node_type: NodeType
    ids: Ids
    matrix: FloatArray
    missing: Ids = field(default_factory=lambda: Ids(pa.nulls(0, pa.large_string())))

    def __post_init__(self) -> None:
        check_name(self.node_type, "node type")
        object.__setattr__(self, "ids", Ids.of(self.ids, source=self.node_type))
        object.__setattr__(self, "missing", Ids.of(self.missing, source=self.node_type))
        object.__setattr__(self, "matrix", _checked(self.matrix, self.ids, self.node_type))
        if len(self.missing) and len(self.ids) and (self.ids.find(self.missing) >= 0).any():
            raise GraphError("an id is both embedded and missing", source=self.node_type)

    @property
    def dim(self) -> int:
        """Components of a vector."""
        return int(self.matrix.shape[1])

    def vector(self, node_id: NodeId) -> FloatArray:
        """float32 [dim]; a read-only view.

        Raises:
            UnknownNode: there is no such id, or it has no vector.
        """
        vector: FloatArray = self.vectors([node_id])[0]
        return vector

    def vectors(self, ids: Any) -> FloatArray:
        """float32 [len(ids), dim].

        Raises:
            UnknownNode: some ids are not there, or have no vector.
        """
        rows = self.ids.rows(ids, source=self.node_type)
        return self.matrix[rows]

    def most_similar(
        self, node_id: NodeId, k: int = 10, metric: str = "cosine"
    ) -> list[tuple[NodeId, float]]:
        """The k nodes of the same type nearest to one, best first, itself left out.

        Exact, by one pass over the matrix; for many queries build an `Index`.

        Args:
            metric: `cosine` or `dot`.

        Raises:
            UnknownNode: there is no such id.
            UnknownName: an unknown metric.
        """
        if metric not in ("cosine", "dot"):
            raise UnknownName("metric", metric, ("cosine", "dot"))
        query = self.vector(node_id)
        scores = self.matrix @ query
        if metric == "cosine":
            norms = np.linalg.norm(self.matrix, axis=1) * np.linalg.norm(query)
            scores = scores / np.maximum(norms, np.finfo(np.float32).tiny)
        scores[self.ids.row(node_id)] = -np.inf
        k = max(min(k, len(self.ids) - 1), 0)
        bar = np.partition(scores, -k)[-k] if k else np.inf
        near = np.flatnonzero(scores >= bar)
        best = near[np.argsort(-scores[near], kind="stable")][:k]
        return [(self.ids[int(row)], float(scores[row])) for row in best]

    def __len__(self) -> int:
        return len(self.ids)

    def __contains__(self, node_id: object) -> bool:
        return node_id in self.ids

    def __repr__(self) -> str:
        gone = f", {len(self.missing):,} missing" if len(self.missing) else ""
        return f"Vectors({self.node_type!r}, {len(self):,} x {self.dim}{gone})"


def _checked(matrix: npt.ArrayLike, ids: Ids, source: str) -> FloatArray:
    given = np.asarray(matrix)
    if given.ndim != 2 or given.shape[1] == 0 or given.dtype.kind not in "fiu":
        raise VectorError(
            f"vectors must be a numeric matrix [n, dim], not {given.dtype} {list(given.shape)}",
            source=source,
        )
    if given.shape[0] != len(ids):
        raise DimensionMismatch(len(ids), given.shape[0], source=f"{source} (rows for ids)")
    with np.errstate(over="ignore"):
        array = np.ascontiguousarray(given, dtype=np.float32)
    for start in range(0, array.shape[0], _CHECK_BLOCK):
        fine = np.isfinite(array[start : start + _CHECK_BLOCK])
        if not fine.all():
            row, component = (int(axis[0]) for axis in np.nonzero(~fine))
            found = float(given[start + row, component])
            raise VectorError(
                f"component {component} of {shown(ids[start + row])} is not a finite float32",
                code="not_finite",
                source=source,
                row=start + row,
                value=found,
            )
    if array is given and array.flags.writeable:
        array = array.view()
    array.flags.writeable = False
    return array


class Embeddings(Mapping[NodeType, Vectors]):
    """Vectors of any number of node types, of one dimension, with their provenance.

    Attributes:
        provenance: JSON-able: trainer, fields, seed, the graph's fingerprint, what was derived.

    Raises:
        DimensionMismatch: two node types have vectors of different length.
        VectorError: a node type stands twice.
    """

    def __init__(
        self, vectors: Iterable[Vectors], provenance: Mapping[str, Any] | None = None
    ) -> None:
        self._vectors: dict[NodeType, Vectors] = {}
        self.provenance: dict[str, Any] = dict(provenance or {})
        for part in vectors:
            if part.node_type in self._vectors:
                raise VectorError("a node type stands twice", source=part.node_type)
            self._vectors[part.node_type] = part
            if part.dim != self.dim:
                raise DimensionMismatch(self.dim, part.dim, source=part.node_type)

    @classmethod
    def from_arrays(
        cls,
        vectors: Mapping[NodeType, tuple[Any, npt.ArrayLike]],
        *,
        provenance: Mapping[str, Any] | None = None,
    ) -> Embeddings:
        """Embeddings made anywhere: per node type the ids and a matrix [n, dim].

        Raises:
            VectorError, DimensionMismatch, GraphError: as `Vectors`.
        """
        parts = [
            Vectors(node_type, Ids.of(ids, source=node_type), np.asarray(matrix))
            for node_type, (ids, matrix) in vectors.items()
        ]
        return cls(parts, provenance)

    @property
    def dim(self) -> int:
        """Components of a vector; 0 when there is no node type."""
        return next(iter(self._vectors.values())).dim if self._vectors else 0

    def merge(self, other: Embeddings, *, replace: bool = True) -> Embeddings:
        """Both, as new embeddings; where both hold a node type, the other's vectors stand.

        Args:
            replace: False refuses a node type that both hold.

        Raises:
            VectorError: a node type is in both and `replace` is False.
            DimensionMismatch: the dimensions differ.
        """
        both = [node_type for node_type in other if node_type in self]
        if both and not replace:
            raise VectorError(f"both hold vectors of {', '.join(both)}", source=both[0])
        merged = {**self._vectors, **other._vectors}
        step = {**other.provenance, "replaced": both} if both else other.provenance
        history = [*self.provenance.get("merged", []), step]
        return Embeddings(merged.values(), {**self.provenance, "merged": history})

    def save(self, folder: str | Path) -> None:
        """Write a folder of `.npy`, Parquet and a manifest with checksums, all or nothing.

        Raises:
            StoreError: the folder exists already and is not one of ours; no space.
        """
        from graphemb import vectorfile

        vectorfile.save(self, Path(folder))

    @classmethod
    def load(cls, folder: str | Path, *, mmap: bool = False) -> Embeddings:
        """Read what `save` wrote.

        Args:
            mmap: map the matrices instead of reading them.

        Raises:
            StoreError: no such folder; a file that is not what the manifest says.
        """
        from graphemb import vectorfile

        return vectorfile.load(Path(folder), mmap=mmap)

    def to_parquet(self, folder: str | Path) -> list[Path]:
        """Write `<node type>.parquet` (`id`, `vector` float32[dim]) each, with page checksums."""
        from graphemb import vectorfile

        return vectorfile.to_parquet(self, Path(folder))

    def to_word2vec(self, path: str | Path, node_type: NodeType) -> None:
        """Write word2vec's text format, which gensim reads.

        Raises:
            VectorError: an id holds white space, which the format cannot carry.
        """
        from graphemb import vectorfile

        vectorfile.to_word2vec(self[node_type], Path(path))

    def to_pandas(self, node_type: NodeType) -> pd.DataFrame:
        """A data frame [n, dim] with the ids as its index."""
        import pandas as pd

        part = self[node_type]
        return pd.DataFrame(part.matrix, index=pd.Index(part.ids.to_list(), name="id"))

    def to_faiss(self, node_type: NodeType) -> faiss.IndexFlatIP:
        """A flat FAISS index by inner product; row i is `ids[i]`. `Index` does more."""
        try:
            import faiss
        except ImportError as error:  # pragma: no cover - faiss is a main dependency
            from graphemb.errors import MissingDependency

            raise MissingDependency("faiss-cpu", "to_faiss") from error
        index = faiss.IndexFlatIP(self.dim)
        index.add(self[node_type].matrix)
        return index

    def __getitem__(self, node_type: NodeType) -> Vectors:
        if node_type not in self._vectors:
            raise UnknownName("node type with vectors", node_type, self._vectors)
        return self._vectors[node_type]

    def __contains__(self, node_type: object) -> bool:
        return node_type in self._vectors

    def __iter__(self) -> Iterator[NodeType]:
        return iter(self._vectors)

    def __len__(self) -> int:
        return len(self._vectors)

    def __repr__(self) -> str:
        parts = ", ".join(f"{part.node_type} {len(part):,}" for part in self._vectors.values())
        return f"Embeddings(dim={self.dim}, {parts})"
