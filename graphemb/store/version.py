"""One version's folder: its manifest, checked, and its files, checked before they are read."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from graphemb.embeddings import Embeddings, Vectors
from graphemb.errors import (
    ChecksumMismatch,
    ConfigError,
    CorruptManifest,
    DimensionMismatch,
    StoreError,
)
from graphemb.files import (
    check_sha256,
    create,
    read_array,
    read_parquet,
    sha256_file,
    write_array,
    write_json,
    write_parquet,
)
from graphemb.ids import Ids
from graphemb.manifest import MANIFEST, inside, read_manifest
from graphemb.store.records import Problem
from graphemb.types import NodeType, check_name
from graphemb.vectorfile import id_table, vector_table

KIND = "graphemb version"
FORMAT = 1

SEAL = "manifest.sha256"
"""The manifest's own checksum, in `sha256sum`'s format."""
REPORT = "report.json"
MATRIX, IDS, MISSING, VECTORS = "matrix.npy", "ids.parquet", "missing.parquet", "vectors.parquet"
INDEX = "index"

_FIELDS: dict[str, type | tuple[type, ...]] = {
    "name": str,
    "version": int,
    "created": str,
    "content": str,
    "idempotency_key": (str, type(None)),
    "dim": int,
    "durable": bool,
    "node_types": list,
    "lineage": dict,
    "quality": dict,
    "files": dict,
}
_COUNTS = ("count", "missing")


@dataclass(frozen=True)
class Version:
    """A version whose manifest is what was written.

    Attributes:
        folder: where it is.
        manifest: the checked manifest.
    """

    folder: Path
    manifest: Mapping[str, Any]

    @property
    def number(self) -> int:
        """The version."""
        return int(self.manifest["version"])

    @property
    def counts(self) -> dict[NodeType, int]:
        """Node type to number of vectors, in the order in which they were published."""
        return {facts["name"]: facts["count"] for facts in self.manifest["node_types"]}

    @property
    def bytes(self) -> int:
        """Sum of the sizes of its files."""
        return sum(int(facts["bytes"]) for facts in self.manifest["files"].values())

    @property
    def created(self) -> datetime:
        """When, UTC, by the publisher's clock."""
        return datetime.fromisoformat(self.manifest["created"]).astimezone(UTC)

    def check(self, names: Iterable[str]) -> None:
        """Compare files with the manifest.

        Raises:
            ChecksumMismatch: other bytes than were published.
        """
        for name in names:
            facts = self.manifest["files"].get(name)
            if facts is None:
                raise CorruptManifest("a file is not listed", source=self.folder, value=name)
            check_sha256(inside(self.folder, name), facts["sha256"], name=name)

    def vectors(self, node_type: NodeType, *, mmap: bool) -> Vectors:
        """One node type, its files checked first.

        Raises:
            ChecksumMismatch: a file is not what was published.
            StoreError: files that contradict the manifest.
        """
        facts = next(each for each in self.manifest["node_types"] if each["name"] == node_type)
        base = self.folder / node_type
        self.check([f"{node_type}/{name}" for name in (MATRIX, IDS, MISSING)])
        matrix = read_array(base / MATRIX, mmap=mmap)
        if matrix.ndim != 2 or matrix.dtype != np.float32:
            raise StoreError("not a float32 matrix", code="bad_array", source=base / MATRIX)
        if matrix.shape[1] != self.manifest["dim"]:
            raise DimensionMismatch(self.manifest["dim"], matrix.shape[1], source=base / MATRIX)
        ids, missing = read_ids(base / IDS), read_ids(base / MISSING)
        for found, want in (
            (len(matrix), facts["count"]),
            (len(ids), facts["count"]),
            (len(missing), facts["missing"]),
        ):
            if found != want:
                raise StoreError(
                    f"the manifest counts {want} ids", code="count", source=base, value=found
                )
        return Vectors(node_type, ids, matrix, missing)

    def has_index(self, node_type: NodeType) -> bool:
        """Whether an index was published with the vectors."""
        return f"{node_type}/{INDEX}/{MANIFEST}" in self.manifest["files"]

    def problems(self, *, deep: bool) -> list[Problem]:
        """Files that are missing or differ; extra ones too when `deep`, which reads every byte."""
        found = []
        for name, facts in self.manifest["files"].items():
            path = inside(self.folder, name)
            if not path.is_file():
                found.append(Problem("missing", name, "the file is not there"))
            elif path.stat().st_size != facts["bytes"]:
                found.append(
                    Problem("size", name, f"{path.stat().st_size} bytes, not {facts['bytes']}")
                )
            elif deep and (digest := sha256_file(path)) != facts["sha256"]:
                found.append(Problem("checksum", name, f"SHA-256 {digest}, not {facts['sha256']}"))
        return found + (self._extra() if deep else [])

    def _extra(self) -> list[Problem]:
        known = {MANIFEST, SEAL, *self.manifest["files"]}
        folders = {str(parent) for name in known for parent in Path(name).parents}
        found = (path.relative_to(self.folder).as_posix() for path in self.folder.rglob("*"))
        extra = sorted(name for name in found if name not in known and name not in folders)
        return [Problem("extra", name, "not in the manifest; readers ignore it") for name in extra]


def read_ids(path: Path) -> Ids:
    """The column `id` of a Parquet file; published ids were checked before."""
    column = read_parquet(path, ["id"])["id"]
    return Ids(pa.concat_arrays([*column.chunks, pa.array([], column.type)]))


def open_version(folder: Path, name: str, number: int) -> Version:
    """Read a version's manifest.

    Raises:
        StoreError: there is no such version (`not_found`).
        CorruptManifest: empty, cut short, of another version, with unsafe paths or doubled keys.
        ChecksumMismatch: the manifest is not the one that was published.
        UnsupportedFormat: published by a newer graphemb.
    """
    path = folder / MANIFEST
    if not path.is_file() or path.stat().st_size == 0:
        if not folder.is_dir():
            raise StoreError("there is no such version", code="not_found", source=folder)
        raise CorruptManifest("the manifest is missing or empty", source=path)
    _check_seal(folder)
    manifest = read_manifest(folder, KIND, FORMAT)
    _check_fields(manifest, path)
    if (manifest["name"], manifest["version"]) != (name, number):
        raise CorruptManifest(
            f"the manifest is not of {name} version {number}",
            source=path,
            value=f"{manifest['name']} version {manifest['version']}",
        )
    for listed in manifest["files"]:
        inside(folder, listed)
    return Version(folder, manifest)


def _check_seal(folder: Path) -> None:
    try:
        words = (folder / SEAL).read_text("ascii").split()
    except (OSError, UnicodeDecodeError) as error:
        raise CorruptManifest(
            "the manifest's checksum cannot be read", source=folder / SEAL
        ) from error
    data = (folder / MANIFEST).read_bytes()
    if not data.endswith(b"}\n"):
        raise CorruptManifest("the manifest is cut short", source=folder / MANIFEST)
    if words != [hashlib.sha256(data).hexdigest(), MANIFEST]:
        expected = words[0] if words else "(empty)"
        raise ChecksumMismatch(str(folder / MANIFEST), expected, hashlib.sha256(data).hexdigest())


def _check_fields(manifest: Mapping[str, Any], path: Path) -> None:
    def refuse(field: str, value: object) -> None:
        raise CorruptManifest("not a valid manifest", source=path, field=field, value=value)

    for field, kind in _FIELDS.items():
        value = manifest.get(field, ...)
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            refuse(field, value)
    try:
        datetime.fromisoformat(manifest["created"])
    except ValueError:
        refuse("created", manifest["created"])
    for name, facts in manifest["files"].items():
        known = isinstance(facts, dict) and set(facts) == {"bytes", "sha256"}
        if not known or type(facts["bytes"]) is not int or not isinstance(facts["sha256"], str):
            refuse(f"files.{name}", facts)
    for facts in manifest["node_types"]:
        if not isinstance(facts, dict) or any(type(facts.get(key)) is not int for key in _COUNTS):
            refuse("node_types", facts)
        try:
            check_name(facts.get("name"), "node type")
        except ConfigError:
            refuse("node_types", facts)


def write_vectors(folder: Path, embeddings: Embeddings) -> None:
    """Write the files of every node type into a folder that is being filled."""
    for node_type, part in embeddings.items():
        base = folder / node_type
        base.mkdir()
        write_array(base / MATRIX, part.matrix)
        write_parquet(base / IDS, id_table(part.ids))
        write_parquet(base / MISSING, id_table(part.missing))
        write_parquet(base / VECTORS, vector_table(part))


def seal(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Write the manifest and its checksum."""
    write_json(folder / MANIFEST, {"kind": KIND, "format": FORMAT, **manifest})
    digest = sha256_file(folder / MANIFEST)
    with create(folder / SEAL) as file:
        file.write(f"{digest}  {MANIFEST}\n".encode())
