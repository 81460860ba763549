"""FAISS itself: loading it, and its files.

A file's header is read here before FAISS sees it: only the kinds we write, only sizes the file can
hold. While FAISS parses, its own limits are set to the file's size, so that a length field deep
inside cannot make it allocate more.
"""

from __future__ import annotations

import os
import struct
import threading
from pathlib import Path
from typing import Any

from graphemb.errors import DimensionMismatch, MissingDependency, StoreError
from graphemb.files import create

_HEADER = struct.Struct("<4siqqqBi")
"""Kind, dim, vectors, two unused numbers, is trained, metric."""
_KINDS = {"hnsw": b"IHNf", "ivf": b"IwFl"}
_SLACK = 2**20
_parsing = threading.Lock()
_ready = False


def faiss_module() -> Any:
    """FAISS, loaded at the first use.

    In a child made by `fork` it runs on one thread: its OpenMP pool does not survive the fork, and
    a search that wants the pool waits for ever.

    Raises:
        MissingDependency: faiss-cpu is not installed.
    """
    global _ready
    try:
        import faiss
    except ImportError as error:  # pragma: no cover - a main dependency
        raise MissingDependency("faiss-cpu", "search") from error
    if not _ready:
        os.register_at_fork(after_in_child=lambda: faiss.omp_set_num_threads(1))
        _ready = True
    return faiss


def write_index(index: Any, path: Path) -> None:
    """Write a FAISS index; errors of the disk keep their number."""
    faiss = faiss_module()
    with create(path) as file:
        faiss.write_index(index, faiss.PyCallbackIOWriter(file.write))


def read_index(path: Path, kind: str, *, dim: int, count: int, metric: int) -> Any:
    """Read a FAISS index that must be what is expected.

    Raises:
        StoreError: another kind or metric, claims more than the file holds, cut short.
        DimensionMismatch: vectors of another length.
    """
    faiss = faiss_module()
    size = path.stat().st_size
    check_header(path, kind, dim=dim, count=count, metric=metric)
    with _parsing:
        bytes_before = faiss.get_deserialization_vector_byte_limit()
        loops_before = faiss.get_deserialization_loop_limit()
        faiss.set_deserialization_vector_byte_limit(size + _SLACK)
        faiss.set_deserialization_loop_limit(size + _SLACK)
        try:
            index = faiss.read_index(str(path))
        except (RuntimeError, MemoryError) as error:
            raise StoreError(
                "FAISS cannot read this index", code="bad_index", source=path, value=str(error)
            ) from error
        finally:
            faiss.set_deserialization_vector_byte_limit(bytes_before)
            faiss.set_deserialization_loop_limit(loops_before)
    if index.ntotal != count or index.d != dim:  # pragma: no cover - the header said otherwise
        raise StoreError("the index is not what its header says", code="bad_index", source=path)
    return index


def check_header(path: Path, kind: str, *, dim: int, count: int, metric: int) -> None:
    """Compare the first bytes of a FAISS file with what is expected.

    Raises:
        StoreError: not a kind we write; counts or metric differ; larger than the file.
        DimensionMismatch: vectors of another length.
    """

    def refuse(what: str, code: str, value: object, hint: str | None = None) -> None:
        raise StoreError(what, code=code, source=path, value=value, hint=hint)

    with path.open("rb") as file:
        data = file.read(_HEADER.size)
    if len(data) < _HEADER.size:
        refuse("the file is too short for an index", "bad_index", len(data))
    found, found_dim, found_count, _, _, _, found_metric = _HEADER.unpack(data)
    if found != _KINDS.get(kind):
        known = ", ".join(_KINDS)
        refuse(f"not an index of kind {kind}", "index_kind", found, f"kinds we read: {known}")
    if found_dim != dim:
        raise DimensionMismatch(dim, found_dim, source=path)
    if found_count != count:
        refuse(f"the index must hold {count} vectors", "index_count", found_count)
    if found_metric != metric:
        refuse("the index has another metric", "index_metric", found_metric)
    if count * dim * 4 > path.stat().st_size:
        refuse("the header claims more than the file holds", "index_size", count * dim * 4)
