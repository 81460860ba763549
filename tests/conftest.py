"""What all tests share: the public data sets, quiet figures, hypothesis without a clock."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

os.environ.setdefault("MPLBACKEND", "Agg")

settings.register_profile("graphemb", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("graphemb")


@pytest.fixture
def data_set() -> Callable[[str], Path]:
    """`data_set("wiki")` is the folder of a public data set.

    Skips the test when GRAPHEMB_DATA is not set, and fails it when it is and the set is missing.
    """

    def folder(name: str) -> Path:
        root = os.environ.get("GRAPHEMB_DATA")
        if not root:
            pytest.skip(f"GRAPHEMB_DATA is not set, so the public data set {name!r} is not at hand")
        path = Path(root) / name
        assert path.is_dir(), f"GRAPHEMB_DATA is set, but {path} is not there"
        return path

    return folder
