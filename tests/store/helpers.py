"""Embeddings to publish, and ways to look at a store and to break it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from graphemb.embeddings import Embeddings, Vectors
from graphemb.ids import Ids
from graphemb.store import EmbeddingStore


def make_embeddings(seed: int, rows: int = 40, dim: int = 8) -> Embeddings:
    rng = np.random.default_rng(seed)
    users = Vectors(
        "user",
        Ids.of([f"u{row}" for row in range(rows)]),
        rng.normal(size=(rows, dim)).astype(np.float32),
        Ids.of(["cold", "colder"]),
    )
    products = Vectors(
        "product", Ids.of(np.arange(rows) * 7), rng.normal(size=(rows, dim)).astype(np.float32)
    )
    return Embeddings([users, products], {"trainer": "Node2Vec", "seed": seed})


def same(one: Embeddings, other: Embeddings) -> bool:
    return list(one) == list(other) and all(
        one[name].ids == other[name].ids
        and one[name].missing == other[name].missing
        and np.array_equal(one[name].matrix, other[name].matrix)
        for name in one
    )


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def rewrite_manifest(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change a version's manifest and seal it anew, as an attacker could."""
    manifest = json.loads((folder / "manifest.json").read_text())
    change(manifest)
    write_sealed(folder, json.dumps(manifest) + "\n")


def write_sealed(folder: Path, text: str) -> None:
    for name, content in (
        ("manifest.json", text),
        ("manifest.sha256", f"{hashlib.sha256(text.encode()).hexdigest()}  manifest.json\n"),
    ):
        (folder / name).unlink(missing_ok=True)
        (folder / name).write_text(content)


def version_folder(store: EmbeddingStore, number: int) -> Path:
    return store.folder / "shop" / "versions" / f"{number:08d}"
