"""Vectors of candidates kept between runs, so that an interrupted run goes on.

One folder per candidate, written whole or not at all. It is used again only when everything that
made it is the same: the trainer's fields, the training graph's content, and this version of
graphemb. What differs is said. While a candidate is fitted, a trainer that can go on from
checkpoints keeps them in `.checkpoints`, under a hash of the same key.
"""

from __future__ import annotations

import fcntl
import hashlib
import inspect
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

from graphemb import __version__
from graphemb.embeddings import Embeddings
from graphemb.errors import Conflict, StoreError
from graphemb.files import replace_file, storage_errors
from graphemb.graph import HeteroGraph
from graphemb.manifest import json_bytes
from graphemb.progress import OnEpoch
from graphemb.trainers.base import Trainer, describe

_KEY = "kept_for"
_ATTEMPT = "attempt"
_LOCK = ".lock"
_CHECKPOINTS = ".checkpoints"


class Resumable(Protocol):
    """A trainer that writes checkpoints into a folder and goes on from what it finds there."""

    def fit(
        self, graph: HeteroGraph, *, on_epoch: OnEpoch | None, checkpoint: Path | None
    ) -> Embeddings:
        """As `Trainer.fit`."""


def resumable(trainer: Trainer) -> Resumable | None:
    """The trainer, when it takes checkpoints."""
    takes = "checkpoint" in inspect.signature(trainer.fit).parameters
    return cast("Resumable", trainer) if takes else None


@dataclass(frozen=True)
class Kept:
    """What an interrupted run leaves to go on from.

    Attributes:
        fitted: candidates whose vectors are kept.
        begun: those with a checkpoint.
    """

    fitted: tuple[str, ...]
    begun: tuple[str, ...]


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
        shutil.rmtree(self.folder / _CHECKPOINTS / name, ignore_errors=True)
        with suppress(OSError):  # others are under way
            (self.folder / _CHECKPOINTS).rmdir()

    def checkpoint(self, name: str, key: Mapping[str, Any]) -> Path:
        """Where the fit for a key keeps its checkpoints; those for other keys are cleared away."""
        own = hashlib.sha256(json_bytes(dict(key))).hexdigest()[:32]
        folder = self.folder / _CHECKPOINTS / name / own
        for other in folder.parent.glob("*"):
            if other != folder:
                shutil.rmtree(other)
        return folder

    def kept(self) -> Kept:
        """What there is to go on from; nothing where no run has been."""
        fitted = [path.name for path in self.folder.glob("[!.]*/")]
        begun = {path.parts[-3] for path in self.folder.glob(f"{_CHECKPOINTS}/*/*/step-*/")}
        return Kept(tuple(sorted(fitted)), tuple(sorted(begun)))

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
