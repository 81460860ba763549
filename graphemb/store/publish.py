"""Writing one version: all of it, or nothing that a reader can see.

The files are written into a temporary folder and flushed without holding up other publishers. Then,
under the shelf's lock: a number is taken, the manifest written and flushed, the folder renamed, its
parent flushed, and last the pointer replaced. A crash before the rename leaves a folder that
readers skip; after it, a complete version that is not current; after the pointer, all is done.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import secrets
import shutil
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from graphemb.embeddings import Embeddings
from graphemb.errors import Conflict, CorruptManifest, StoreError
from graphemb.files import (
    check_free,
    digest_tree,
    filling,
    storage_errors,
    sync_file,
    sync_folder,
    sync_tree,
    write_json,
)
from graphemb.index import HNSW, IVF, Index
from graphemb.index.saved import ids_digest, vectors_digest
from graphemb.index.space import Metric
from graphemb.manifest import JSON, MANIFEST, json_bytes
from graphemb.store.records import StoreWarning
from graphemb.store.shelf import TEMPORARY, Pointer, Shelf, read_pointer, try_lock, write_pointer
from graphemb.store.version import INDEX, REPORT, SEAL, open_version, seal, write_vectors
from graphemb.types import NodeType


@dataclass(frozen=True)
class IndexPlan:
    """The index that is published with the vectors of a node type.

    Attributes:
        metric: `cosine`, `dot` or `l2`.
        kind: `flat`, `hnsw`, `ivf`, or `HNSW(...)`, `IVF(...)` with their fields. `flat` needs no
            file but the vectors.
    """

    metric: Metric = "cosine"
    kind: Literal["flat", "hnsw", "ivf"] | HNSW | IVF = "flat"


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is to be published, checked and measured.

    Attributes:
        shelf: where.
        embeddings: the vectors.
        facts: `lineage`, `quality` and such, for the manifest.
        report: JSON, or None.
        plans: the indexes wanted.
        tag, idempotency_key: as `EmbeddingStore.publish`.
        wait: seconds to wait for the lock.
        content: digest of the vectors and ids.
    """

    shelf: Shelf
    embeddings: Embeddings
    facts: Mapping[str, JSON]
    report: JSON
    plans: Mapping[NodeType, IndexPlan]
    tag: str | None
    idempotency_key: str | None
    wait: float
    content: str = field(default="")

    def __post_init__(self) -> None:
        object.__setattr__(self, "content", content_digest(self.embeddings))


def publish(request: Request) -> int:
    """Publish, or find what the same idempotency key published before; the version's number.

    Raises:
        StorageFull, StoreError, Conflict: as `EmbeddingStore.publish`.
    """
    shelf = request.shelf
    if (before := _published_before(request)) is not None:
        with storage_errors(shelf.root), shelf.locked(request.wait):
            return _finish(request, before)
    needed = _bytes_needed(request)
    check_free(shelf.root, needed)
    indexes = {
        node_type: Index.build(request.embeddings[node_type], plan.metric, plan.kind)
        for node_type, plan in request.plans.items()
    }
    with storage_errors(shelf.root, needed):
        shelf.make()
    with _new_folder(request, needed) as folder:
        write_vectors(folder, request.embeddings)
        for node_type, index in indexes.items():
            index.check(source=shelf.root)
            (folder / node_type / INDEX).mkdir()
            index.write(folder / node_type / INDEX)
        if request.report is not None:
            write_json(folder / REPORT, request.report)
        files = digest_tree(folder)
        for name in files:
            (folder / name).chmod(0o444)
        sync_tree(folder)
        with shelf.locked(request.wait):
            return _commit(request, folder, files)


def content_digest(embeddings: Embeddings) -> str:
    """SHA-256 over the ids, the vectors and the missing ids of every node type."""
    parts: dict[str, JSON] = {
        name: [vectors_digest(part), ids_digest(part.missing)] for name, part in embeddings.items()
    }
    return hashlib.sha256(json_bytes(parts)).hexdigest()


def set_current(shelf: Shelf, number: int) -> None:
    """Let readers get this version; under the lock."""
    newest = number
    with contextlib.suppress(CorruptManifest):
        newest = max(number, read_pointer(shelf.current).newest)
    write_pointer(shelf.current, Pointer(number, newest))


@contextlib.contextmanager
def _new_folder(request: Request, needed: int) -> Iterator[Path]:
    """A temporary folder, locked so that no clean-up takes it for a leftover."""
    shelf = request.shelf
    temporary = shelf.versions / f"{TEMPORARY}{secrets.token_hex(6)}"
    descriptor = -1
    try:
        with filling(temporary, needed=needed) as folder:
            with shelf.locked(request.wait):  # no clean-up between the making and the lock
                descriptor = os.open(folder, os.O_RDONLY)
                try_lock(descriptor, fcntl.LOCK_EX)
            yield folder
    finally:
        if descriptor >= 0:
            os.close(descriptor)


def _commit(request: Request, folder: Path, files: Mapping[str, JSON]) -> int:
    shelf = request.shelf
    if (before := _published_before(request)) is not None:
        shutil.rmtree(folder)
        return _finish(request, before)
    durable = sync_folder(shelf.versions)
    number = shelf.next_number()
    seal(folder, _manifest(request, number, files, durable))
    for name in (MANIFEST, SEAL):
        (folder / name).chmod(0o444)
        sync_file(folder / name)
    sync_folder(folder)
    if not shelf.current.exists():
        write_pointer(shelf.current, Pointer(None, 0))
    folder.rename(shelf.version(number))
    sync_folder(shelf.versions)
    set_current(shelf, number)
    if request.tag is not None:
        write_pointer(shelf.tag(request.tag), Pointer(number, number))
    if not durable:
        warnings.warn(
            f"version {number} of {shelf.name} is written, but this file system cannot flush "
            "folders: it may be lost when the machine fails",
            StoreWarning,
            stacklevel=5,
        )
    return number


def _finish(request: Request, number: int) -> int:
    """Do what a publisher that crashed after its rename left undone; under the lock."""
    shelf = request.shelf
    try:
        pointer = read_pointer(shelf.current)
    except CorruptManifest:
        pointer = Pointer(None, 0)
    if number > pointer.newest:  # else it was current once, and may have been rolled back
        set_current(shelf, number)
    if request.tag is not None and shelf.tags().get(request.tag) != number:
        write_pointer(shelf.tag(request.tag), Pointer(number, number))
    return number


def _published_before(request: Request) -> int | None:
    if request.idempotency_key is None:
        return None
    for number in reversed(request.shelf.numbers()):
        try:
            version = open_version(request.shelf.version(number), request.shelf.name, number)
        except StoreError:
            continue
        if version.manifest["idempotency_key"] != request.idempotency_key:
            continue
        if version.problems(deep=False):
            continue
        if version.manifest["content"] != request.content:
            raise Conflict(
                f"version {number} was published with this idempotency key and other vectors",
                code="idempotency",
                source=request.shelf.root,
                value=request.idempotency_key,
                hint="use a new key for new content",
            )
        return number
    return None


def _manifest(
    request: Request, number: int, files: Mapping[str, JSON], durable: bool
) -> dict[str, Any]:
    embeddings = request.embeddings
    return {
        **request.facts,
        "name": request.shelf.name,
        "version": number,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "content": request.content,
        "idempotency_key": request.idempotency_key,
        "dim": embeddings.dim,
        "durable": durable,
        "node_types": [
            {"name": name, "count": len(part), "missing": len(part.missing)}
            for name, part in embeddings.items()
        ],
        "files": files,
    }


def _bytes_needed(request: Request) -> int:
    """A little more than the files will take: the vectors twice, the ids twice, the indexes."""
    total = 2**16
    for node_type, part in request.embeddings.items():
        ids = part.ids.array.nbytes + part.missing.array.nbytes
        total += 2 * part.matrix.nbytes + 2 * ids + 2**14
        plan = request.plans.get(node_type)
        if plan is not None and plan.kind != "flat":
            links = plan.kind.links if isinstance(plan.kind, HNSW) else HNSW().links
            total += part.matrix.nbytes + len(part) * (10 * links + 32)
    return total
