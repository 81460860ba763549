"""An index as a folder: its structure, and a manifest that binds it to the vectors it was built of.

The vectors themselves are not written again: `Index.load` takes them, and refuses others.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from graphemb.embeddings import Vectors
from graphemb.errors import ConfigError, CorruptManifest, DimensionMismatch, StoreError, UnknownName
from graphemb.files import check_sha256, digest_tree, write_json
from graphemb.ids import Ids
from graphemb.index import approximate
from graphemb.index.approximate import KINDS, Approximate, Structure
from graphemb.index.space import METRICS, Metric, Space
from graphemb.manifest import MANIFEST, inside, read_manifest

KIND = "graphemb index"
FORMAT = 1


def write(
    folder: Path,
    vectors: Vectors,
    metric: Metric,
    structure: Approximate | None,
    notes: tuple[str, ...],
) -> None:
    """Write an index into an existing folder.

    Raises:
        OSError: as the system says.
    """
    if structure is not None:
        structure.write(folder)
    fields = {} if structure is None else asdict(structure.config)
    manifest: dict[str, Any] = {
        "kind": KIND,
        "format": FORMAT,
        "node_type": vectors.node_type,
        "metric": metric,
        "structure": {"kind": "flat" if structure is None else structure.kind, **fields},
        "dim": vectors.dim,
        "count": len(vectors),
        "distinct": len(vectors) if structure is None else len(structure.groups),
        "vectors": vectors_digest(vectors),
        "notes": list(notes),
        "files": digest_tree(folder),
    }
    write_json(folder / MANIFEST, manifest)


def read(
    folder: Path, vectors: Vectors, metric: Metric | None
) -> tuple[Space, Approximate | None, tuple[str, ...]]:
    """Read what `write` wrote, for the same vectors.

    Raises:
        StoreError: not an index, of another metric than wanted, or of other vectors.
        CorruptManifest, ChecksumMismatch, UnsupportedFormat: files not to be trusted.
        UnknownName: a kind of index that is not on the list.
        DimensionMismatch: vectors of another length.
    """
    manifest = read_manifest(folder, KIND, FORMAT)
    _check_types(manifest, folder)
    config = _config(manifest["structure"], folder)
    found: Metric = manifest["metric"]
    if found not in METRICS:
        raise UnknownName("metric", found, METRICS, source=folder / MANIFEST)
    if metric is not None and metric != found:
        raise StoreError(
            f"the index was built for the metric {found!r}",
            code="index_metric",
            source=folder,
            value=metric,
            hint="build an index for the metric you want",
        )
    _check_vectors(manifest, vectors, folder)
    for name, facts in manifest["files"].items():
        check_sha256(inside(folder, name), facts["sha256"], name=str(folder / name))
    space = Space.of(vectors, found)
    structure = None
    if config is not None:
        structure = approximate.read(space, config, folder, manifest["distinct"])
    return space, structure, tuple(manifest["notes"])


def vectors_digest(vectors: Vectors) -> str:
    """SHA-256 of the ids and the matrix: equal when they are, whatever the Arrow layout."""
    sha = hashlib.sha256(f"{vectors.ids.kind} {len(vectors)} {vectors.dim}".encode())
    _add_ids(sha, vectors.ids)
    sha.update(np.ascontiguousarray(vectors.matrix).reshape(-1).view(np.uint8).data)
    return sha.hexdigest()


def ids_digest(ids: Ids) -> str:
    """SHA-256 of the ids."""
    sha = hashlib.sha256(f"{ids.kind} {len(ids)}".encode())
    _add_ids(sha, ids)
    return sha.hexdigest()


def _add_ids(sha: Any, ids: Ids) -> None:
    if ids.kind == "int":
        sha.update(np.asarray(ids.array).tobytes())
        return
    if len(ids) == 0:
        return
    _, offsets, data = ids.array.buffers()
    start = ids.array.offset
    bounds = np.frombuffer(offsets, np.int64)[start : start + len(ids) + 1]
    sha.update((bounds - bounds[0]).tobytes())
    if bounds[-1] > bounds[0]:
        sha.update(memoryview(data)[bounds[0] : bounds[-1]])


def _check_types(manifest: dict[str, Any], folder: Path) -> None:
    wanted = {
        "metric": str,
        "structure": dict,
        "dim": int,
        "count": int,
        "distinct": int,
        "vectors": str,
        "notes": list,
        "files": dict,
    }
    for name, kind in wanted.items():
        value = manifest.get(name)
        if not isinstance(value, kind) or isinstance(value, bool):
            raise CorruptManifest(
                f"must be {kind.__name__}", source=folder / MANIFEST, field=name, value=value
            )


def _config(given: dict[str, Any], folder: Path) -> Structure | None:
    fields = dict(given)
    kind = fields.pop("kind", None)
    if kind == "flat":
        return None
    if kind not in KINDS:
        raise UnknownName("kind of index", kind, ["flat", *KINDS], source=folder / MANIFEST)
    try:
        return KINDS[kind](**fields)
    except (ConfigError, TypeError) as error:
        raise CorruptManifest(
            "the index's fields are not valid", source=folder / MANIFEST, value=str(error)
        ) from error


def _check_vectors(manifest: dict[str, Any], vectors: Vectors, folder: Path) -> None:
    if manifest["dim"] != vectors.dim:
        raise DimensionMismatch(manifest["dim"], vectors.dim, source=folder)
    if manifest["count"] != len(vectors):
        raise StoreError(
            f"the index holds {manifest['count']} vectors",
            code="index_count",
            source=folder,
            value=len(vectors),
            hint="give the vectors it was built of",
        )
    if manifest["vectors"] != vectors_digest(vectors):
        raise StoreError(
            "the index was built of other vectors, ids or order of rows",
            code="index_vectors",
            source=folder,
            hint="give the vectors it was built of, or build it again",
        )
