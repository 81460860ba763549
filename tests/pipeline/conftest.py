"""A small marketplace on disk, and run files over it that take a second."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from graphemb.demo.market import Marketplace

SHOP = """\
seed = 3

[graph]
uri = "ladybug::memory:"

[graph.nodes]
user = "LOAD FROM 'users.parquet' RETURN id"
product = "LOAD FROM 'products.parquet' RETURN id, title, price"
seller = "LOAD FROM 'sellers.parquet' RETURN id, name"

[graph.edges]
user-buys-product = "LOAD FROM 'purchases.parquet' RETURN user AS src, product AS dst, at AS time"
seller-sells-product = "LOAD FROM 'products.parquet' RETURN seller AS src, id AS dst"

[split]
edge_type = "user-buys-product"
by = "time"
test = 0.1
valid = 0.1

[fit.floor]
trainer = "RandomVectors"
dim = 8

[fit.svd]
trainer = "SVD"
dim = 8
edge_types = ["user-buys-product"]

[[derive]]
along = "seller-sells-product"

[evaluate]
at = [10]
negatives = []
baselines = ["popularity"]

[publish]
store = "embeddings"
name = "shop"
fit = "best"
"""

WriteRunFile = Callable[..., Path]


@pytest.fixture(scope="session")
def market(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The marketplace's Parquet files; not to be written to."""
    folder = tmp_path_factory.mktemp("market")
    Marketplace(seed=3, scale=0.15).write(folder)
    return folder


@pytest.fixture
def run_file(market: Path, tmp_path: Path) -> WriteRunFile:
    """`run_file(old, new, ...)`: the file's path, each `old` in it replaced by its `new`."""

    def write(*changes: str) -> Path:
        text = SHOP
        for old, new in zip(changes[::2], changes[1::2], strict=True):
            assert old in text
            text = text.replace(old, new)
        folder = tmp_path / "shop"
        if not folder.exists():
            shutil.copytree(market, folder)
        path = folder / "shop.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write
