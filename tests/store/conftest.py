"""Stores with something in them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from graphemb.store import EmbeddingStore
from tests.store.helpers import make_embeddings


@pytest.fixture(scope="session")
def fast_folder() -> Iterator[Path]:
    """A temporary folder in memory where there is one: hundreds of flushes to a disk take long."""
    shared = Path("/dev/shm")
    with TemporaryDirectory(dir=shared if os.access(shared, os.W_OK) else None) as folder:
        yield Path(folder)


@pytest.fixture
def store(tmp_path: Path) -> EmbeddingStore:
    return EmbeddingStore(tmp_path / "store")


@pytest.fixture
def two(store: EmbeddingStore) -> EmbeddingStore:
    """A store with versions 1 (tagged `prod`) and 2 of `shop`."""
    store.publish("shop", make_embeddings(1), tag="prod", report={"auc": 0.5})
    store.publish("shop", make_embeddings(2))
    return store
