"""`EmbeddingStore`: published embeddings in a folder."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from graphemb.checks import check_int, check_number
from graphemb.embeddings import Embeddings, Vectors
from graphemb.errors import ConfigError, StoreError, UnknownName
from graphemb.files import storage_errors
from graphemb.index import Index
from graphemb.index.space import Metric
from graphemb.manifest import JSON, MANIFEST, read_json
from graphemb.store import cleanup, find
from graphemb.store.find import LATEST
from graphemb.store.lineage import lineage, plain
from graphemb.store.publish import IndexPlan, Request, publish, set_current
from graphemb.store.quality import gate
from graphemb.store.records import Health, Problem, VersionRecord
from graphemb.store.shelf import Pointer, Shelf, check_label, reading, write_pointer
from graphemb.store.version import INDEX, REPORT, Version, open_version
from graphemb.types import NodeType

_MAX_KEY = 200


class Fingerprinted(Protocol):
    """What is asked of a graph: the hash of its content."""

    @property
    def fingerprint(self) -> str: ...


class Reported(Protocol):
    """What is asked of a report: itself as JSON."""

    def to_dict(self) -> Mapping[str, Any]: ...


class EmbeddingStore:
    """Names, each with immutable versions numbered from 1, a current one, and tags.

    A version is an int, a tag, or `"latest"`: the one that was last published or rolled back to.
    Versions are ordered by their numbers, never by a clock. Reading needs no right to write.

    Args:
        folder: of the store; made by the first publish.
        index: the index published with every node type, or with those named; without one,
            `load_index` builds a flat one.
        force: publish what the quality gate refuses, and record that.
        wait: seconds to wait for another publisher before `Conflict`.
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        index: IndexPlan | Mapping[NodeType, IndexPlan] | None = None,
        force: bool = False,
        wait: float = 60.0,
    ) -> None:
        check_number("wait", wait, low=0)
        self.folder = Path(folder).absolute()
        self._index, self._force, self._wait = index, force, wait

    # -- writing ----------------------------------------------------------------------------------

    def publish(
        self,
        name: str,
        embeddings: Embeddings,
        *,
        graph: Fingerprinted | str | None = None,
        report: Reported | Mapping[str, Any] | None = None,
        spec: object = None,
        tag: str | None = None,
        idempotency_key: str | None = None,
    ) -> int:
        """Write a new immutable version and make it current.

        Args:
            name: letters, digits, `.`, `_`, `-`.
            embeddings: at least one node type with vectors.
            graph: the graph they were learned on, or its fingerprint.
            report: an evaluation, kept as `report.json`.
            spec: what the graph was read by; credentials in addresses are not kept.
            tag: a name to point at the version, too.
            idempotency_key: publishing again with the same key gives the version that is there.

        Returns:
            The version's number.

        Raises:
            ConfigError: a name, tag or key that cannot be.
            StoreError: nothing to publish; collapsed vectors (`quality`); the store cannot be
                written (`read_only`); the disk failed (`io_error`).
            StorageFull: no room; nothing is left behind.
            Conflict: another publisher did not finish in time; a key used for other vectors.
        """
        shelf = self._shelf(name)
        if tag is not None:
            check_label("tag", tag)
        _check_key(idempotency_key)
        _check_writable(shelf.versions)
        if not embeddings or not any(len(part) for part in embeddings.values()):
            raise StoreError("there are no vectors to publish", code="empty", source=name)
        request = Request(
            shelf=shelf,
            embeddings=embeddings,
            facts={
                "lineage": lineage(embeddings, graph, spec),
                "quality": gate(embeddings, force=self._force, source=name),
            },
            report=plain(report, field="report"),
            plans=self._plans(embeddings),
            tag=tag,
            idempotency_key=idempotency_key,
            wait=self._wait,
        )
        return publish(request)

    def tag(self, name: str, version: int | str, tag: str) -> None:
        """Point a tag at a version, after verifying it.

        Raises:
            ConfigError: a tag that cannot be; UnknownName: no such name or tag.
            StoreError: there is no such version, or it fails verification; the tag stays.
        """
        shelf = self._known_shelf(name)
        path = shelf.tag(tag)
        with storage_errors(shelf.root), shelf.locked(self._wait):
            number = find.sound(shelf, version)
            write_pointer(path, Pointer(number, number))

    def untag(self, name: str, tag: str) -> None:
        """Remove a tag; the version stays.

        Raises:
            UnknownName: there is no such tag.
        """
        shelf = self._known_shelf(name)
        path = shelf.tag(tag)
        with storage_errors(shelf.root), shelf.locked(self._wait):
            if not path.exists():
                raise UnknownName("tag", tag, shelf.tags(), source=name)
            path.unlink()

    def rollback(self, name: str, version: int | str) -> int:
        """Make an older (or any) version current, after verifying it; its number.

        Raises:
            StoreError: there is no such version, or it fails verification; the pointer stays.
        """
        shelf = self._known_shelf(name)
        with storage_errors(shelf.root), shelf.locked(self._wait):
            number = find.sound(shelf, version)
            set_current(shelf, number)
        return number

    def clean(self, name: str, *, keep: int | None = None) -> list[str]:
        """Remove what crashes left and, when `keep` is given, all but the newest `keep` versions.

        The current version, tagged ones, newer ones, and what is being written or opened stay.

        Returns:
            The names of the removed folders and files.

        Raises:
            ConfigError: `keep` below 1.
            StoreError: a pointer cannot be read, so that what it protects is not known.
        """
        if keep is not None:
            check_int("keep", keep, low=1)
        shelf = self._known_shelf(name)
        with storage_errors(shelf.root), shelf.locked(self._wait):
            return cleanup.clean(shelf, keep)

    def leftovers(self, name: str) -> list[str]:
        """What crashed publishers left, which `clean` removes; one still writing may be among it.

        Raises:
            UnknownName: nothing is published under the name.
        """
        return [path.name for path in cleanup.leftovers(self._known_shelf(name))]

    # -- reading ----------------------------------------------------------------------------------

    def names(self) -> list[str]:
        """The names published in this store, sorted."""
        if not self.folder.is_dir():
            return []
        return sorted(path.name for path in self.folder.iterdir() if (path / "versions").is_dir())

    def versions(self, name: str) -> list[VersionRecord]:
        """Every version of a name, oldest first; sizes are checked, bytes are not read.

        Raises:
            UnknownName: nothing is published under the name.
        """
        return find.records(self._known_shelf(name))

    def load(self, name: str, version: int | str = LATEST, *, mmap: bool = True) -> Embeddings:
        """The vectors of a version; every file is checked before it is read.

        Args:
            mmap: map the matrices (read-only) instead of reading them.

        Raises:
            UnknownName: no such name or tag.
            StoreError: there is no such version (`not_found`).
            ChecksumMismatch, CorruptManifest, UnsupportedFormat: files not to be trusted.
        """

        def read(found: Version) -> Embeddings:
            parts = [found.vectors(each, mmap=mmap) for each in found.counts]
            return Embeddings(parts, found.manifest["lineage"].get("provenance"))

        return find.read(self._known_shelf(name), version, read)

    def load_index(
        self,
        name: str,
        node_type: NodeType,
        version: int | str = LATEST,
        *,
        metric: Metric | None = None,
    ) -> Index:
        """The index published with a version, or a flat one over its vectors.

        Args:
            metric: refuse a published index of any other; for a flat one, by default `cosine`.

        Raises:
            UnknownName: no such name, tag or node type.
            StoreError: no such version; an index of another metric, or not of these vectors.
            ChecksumMismatch, CorruptManifest, UnsupportedFormat: files not to be trusted.
        """

        def read(found: Version) -> Index:
            if node_type not in found.counts:
                raise UnknownName("node type", node_type, found.counts, source=name)
            vectors: Vectors = found.vectors(node_type, mmap=True)
            if not found.has_index(node_type):
                return Index.build(vectors, metric or "cosine")
            found.check([f"{node_type}/{INDEX}/{MANIFEST}"])
            return Index.load(found.folder / node_type / INDEX, vectors, metric=metric)

        return find.read(self._known_shelf(name), version, read)

    def report(self, name: str, version: int | str = LATEST) -> JSON:
        """The report published with a version; None when there was none.

        Raises:
            UnknownName, StoreError: as `load`.
        """

        def read(found: Version) -> JSON:
            if REPORT not in found.manifest["files"]:
                return None
            found.check([REPORT])
            return read_json(found.folder / REPORT)

        return find.read(self._known_shelf(name), version, read)

    def manifest(self, name: str, version: int | str = LATEST) -> Mapping[str, Any]:
        """The manifest of a version: lineage, quality, counts, files.

        Raises:
            UnknownName, StoreError: as `load`.
        """
        return find.read(self._known_shelf(name), version, lambda found: found.manifest)

    def verify(self, name: str, version: int | str = LATEST) -> list[Problem]:
        """Read every byte of a version; what is wrong with it, extra files too.

        Raises:
            UnknownName: no such name or tag.
            StoreError: there is no such version.
        """
        shelf = self._known_shelf(name)
        number = find.locate(shelf, version)
        folder = shelf.version(number)
        with reading(folder):
            try:
                return open_version(folder, name, number).problems(deep=True)
            except StoreError as error:
                return [Problem(error.code, MANIFEST, str(error))]

    def health(self, name: str) -> Health:
        """Which version is served as the latest, and what is wrong.

        Raises:
            UnknownName: nothing is published under the name.
        """
        return find.health(self._known_shelf(name))

    # -- finding ----------------------------------------------------------------------------------

    def _shelf(self, name: str) -> Shelf:
        return Shelf(check_label("name", name), self.folder / name)

    def _known_shelf(self, name: str) -> Shelf:
        shelf = self._shelf(name)
        if not shelf.versions.is_dir():
            raise UnknownName("published name", name, self.names(), source=self.folder)
        return shelf

    def _plans(self, embeddings: Embeddings) -> Mapping[NodeType, IndexPlan]:
        if self._index is None:
            return {}
        if isinstance(self._index, IndexPlan):
            return dict.fromkeys(embeddings, self._index)
        for node_type in self._index:
            embeddings[node_type]  # raises UnknownName
        return self._index


def _check_writable(folder: Path) -> None:
    place = next(place for place in (folder, *folder.parents) if place.exists())
    if not os.access(place, os.W_OK | os.X_OK):
        raise StoreError(
            "the store cannot be written",
            code="read_only",
            source=place,
            hint="reading still works; publish where you have the right to write",
        )


def _check_key(key: str | None) -> None:
    if key is not None and not (isinstance(key, str) and 0 < len(key) <= _MAX_KEY):
        raise ConfigError(
            f"idempotency_key must be a text of 1 to {_MAX_KEY} characters",
            code="range",
            field="idempotency_key",
            value=key,
        )
