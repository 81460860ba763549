"""Every loader that is declared passes `check_loader`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from graphemb.source import loaders
from graphemb.testing import check_loader

CHECKED = {"ladybug", "neo4j", "bolt"}


def test_every_declared_loader_is_checked_here() -> None:
    assert set(loaders()) <= CHECKED


def test_ladybug_keeps_the_contract(tmp_path: Path) -> None:
    check_loader("ladybug:graph.lbug", root=tmp_path)


@pytest.mark.neo4j
def test_neo4j_keeps_the_contract(database: Any) -> None:
    check_loader(database.uri)
