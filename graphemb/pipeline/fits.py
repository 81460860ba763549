"""Vectors of candidates kept between runs, so that an interrupted run goes on.

One folder per candidate, written whole or not at all. It is used again only when everything that
made it is the same: the trainer's fields, the training graph's content, and this version of
graphemb. What differs is said.
"""

from __future__ import annotations

import fcntl
import hashlib
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from graphemb import __version__
from graphemb.embeddings import Embeddings
from graphemb.errors import Conflict, StoreError
from graphemb.files import replace_file, storage_errors
from graphemb.graph import HeteroGraph
from graphemb.manifest import json_bytes
from graphemb.trainers.base import Trainer, describe

_KEY = "kept_for"
_ATTEMPT = "attempt"
_LOCK = ".lock"


def key_of(trainer: Trainer, graph: HeteroGraph) -> dict[str, Any]:
    """Everything that decides a fit, JSON-able."""
    return {"fit": describe(trainer), "graph": graph.fingerprint, "graphemb": __version__}


class Fits:
    """The kept vectors of a run's candidates, one folder each below `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other runs out of the folder, and clear away what a killed one left half-written.

        Raises:
            Conflict: another run is under way here.
            StoreError: the folder cannot be written.
        """
        with storage_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = (self.folder / _LOCK).open("a")
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Conflict(
                    "another run is under way here",
                    source=self.folder,
                    hint="wait for it, or give this one another folder with --work",
                ) from None
            for left in self.folder.glob(".*.tmp-*"):
                shutil.rmtree(left, ignore_errors=True)
            yield

    def clear(self) -> None:
        """Forget everything."""
        for path in self.folder.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
        self.done()

    def get(self, name: str, key: Mapping[str, Any]) -> tuple[Embeddings | None, str]:
        """The vectors kept for a key, or None; and why there are none, where that is worth saying.

        A folder that cannot be trusted counts as none.
        """
        folder = self.folder / name
        if not folder.exists():
            return None, ""
        try:
            kept = Embeddings.load(folder)
        except StoreError as error:
            return None, f"fitted again, for what was kept cannot be used: {error.message}"
        provenance = dict(kept.provenance)
        found = provenance.pop(_KEY, None)
        if found == key:
            return Embeddings(kept.values(), provenance), ""
        differences = ", ".join(_differences(found, key))
        return None, f"fitted again, for this is no longer the same: {differences}"

    def put(self, name: str, key: Mapping[str, Any], emb: Embeddings) -> None:
        """Keep vectors, in place of what was kept under the name.

        Raises:
            StoreError: the disk failed, or is full.
        """
        Embeddings(emb.values(), {**emb.provenance, _KEY: dict(key)}).save(self.folder / name)

    def attempt(self, config: Mapping[str, Any]) -> str:
        """A key for publishing: the same until `done`, so that no attempt publishes twice."""
        path = self.folder / _ATTEMPT
        with storage_errors(self.folder):
            if not path.is_file():
                replace_file(path, secrets.token_hex(16).encode())
            number = path.read_text()
        return f"{number}-{hashlib.sha256(json_bytes(dict(config))).hexdigest()[:32]}"

    def done(self) -> None:
        """The attempt has published."""
        (self.folder / _ATTEMPT).unlink(missing_ok=True)


def _differences(old: object, new: object, name: str = "") -> Iterator[str]:
    """`dim (64, now 128)`: where two JSON values differ."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in dict.fromkeys([*old, *new]):
            yield from _differences(old.get(key), new.get(key), key)
    elif old != new:
        yield "the graph" if name == "graph" else f"{name} ({old}, now {new})"
