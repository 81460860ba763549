"""Embeddings as files: our folder, Parquet for other tools, and word2vec's text format."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from graphemb.arrow import from_numpy
from graphemb.errors import VectorError
from graphemb.files import (
    atomic_folder,
    check_sha256,
    create,
    digest_tree,
    read_array,
    read_parquet,
    storage_errors,
    temporary_name,
    write_array,
    write_json,
    write_parquet,
)
from graphemb.ids import Ids
from graphemb.manifest import MANIFEST, inside, read_manifest

if TYPE_CHECKING:
    from graphemb.embeddings import Embeddings, Vectors

FORMAT = 1
_KIND = "graphemb embeddings"


def save(embeddings: Embeddings, folder: Path) -> None:
    """See `Embeddings.save`."""
    size = sum(part.matrix.nbytes + part.ids.array.nbytes for part in embeddings.values())
    with atomic_folder(folder, replace=True, needed=size) as temporary:
        for node_type, part in embeddings.items():
            write_array(temporary / f"{node_type}.npy", part.matrix)
            write_parquet(temporary / f"{node_type}.ids.parquet", id_table(part.ids))
            write_parquet(temporary / f"{node_type}.missing.parquet", id_table(part.missing))
        manifest: dict[str, Any] = {
            "kind": _KIND,
            "format": FORMAT,
            "dim": embeddings.dim,
            "node_types": list(embeddings),
            "provenance": embeddings.provenance,
            "files": digest_tree(temporary),
        }
        write_json(temporary / MANIFEST, manifest)


def load(folder: Path, *, mmap: bool) -> Embeddings:
    """See `Embeddings.load`."""
    from graphemb.embeddings import Embeddings, Vectors

    manifest = read_manifest(folder, _KIND, FORMAT)
    for name, facts in manifest["files"].items():
        check_sha256(inside(folder, name), facts["sha256"], name=str(folder / name))
    parts = [
        Vectors(
            name,
            _read_ids(folder / f"{name}.ids.parquet"),
            read_array(folder / f"{name}.npy", mmap=mmap),
            _read_ids(folder / f"{name}.missing.parquet"),
        )
        for name in manifest["node_types"]
    ]
    return Embeddings(parts, manifest["provenance"])


def id_table(ids: Ids) -> pa.Table:
    """A table with one column `id`."""
    return pa.table({"id": ids.array})


def _read_ids(path: Path) -> Ids:
    column = read_parquet(path)["id"]
    return Ids(pa.concat_arrays([*column.chunks, pa.nulls(0, column.type)]))


def vector_table(part: Vectors) -> pa.Table:
    """`id` and `vector`, a fixed-size list of `dim` float32, without a copy of the matrix."""
    flat = from_numpy(part.matrix.reshape(-1))
    return pa.table(
        {"id": part.ids.array, "vector": pa.FixedSizeListArray.from_arrays(flat, part.dim)}
    )


def to_parquet(embeddings: Embeddings, folder: Path) -> list[Path]:
    """See `Embeddings.to_parquet`."""
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        written = []
        for node_type, part in embeddings.items():
            path = folder / f"{node_type}.parquet"
            temporary = temporary_name(path)
            try:
                write_parquet(temporary, vector_table(part))
                temporary.replace(path)
            finally:
                temporary.unlink(missing_ok=True)
            written.append(path)
    return written


def to_word2vec(part: Vectors, path: Path) -> None:
    """See `Embeddings.to_word2vec`."""
    keys = [str(key) for key in part.ids]
    for row, key in enumerate(keys):
        if any(letter.isspace() for letter in key):
            raise VectorError(
                "word2vec's text format cannot carry an id with white space",
                source=part.node_type,
                row=row,
                value=key,
                hint="use to_parquet",
            )
    temporary = temporary_name(path)
    with storage_errors(path.parent):
        try:
            with create(temporary) as file:
                file.write(f"{len(keys)} {part.dim}\n".encode())
                for key, vector in zip(keys, part.matrix, strict=True):
                    numbers = " ".join(np.format_float_positional(x, trim="0") for x in vector)
                    file.write(f"{key} {numbers}\n".encode())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
