"""What all tests share: the public data sets, quiet figures, hypothesis without a clock."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
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


@pytest.fixture(scope="session")
def neo4j_server() -> Iterator[tuple[str, str, str]]:
    """Address, user name and password of a real Neo4j: NEO4J_URI's, or one that is started here.

    Without java or mvn the test is skipped with that reason, and fails instead where CI=true.
    """
    from tests.neo4j import server

    uri = os.environ.get("NEO4J_URI")
    if uri:
        name = os.environ.get("NEO4J_USERNAME", "neo4j")
        yield uri, name, os.environ.get("NEO4J_PASSWORD", "")
        return
    reason = server.missing_tools()
    if reason and os.environ.get("CI") == "true":
        pytest.fail(f"NEO4J_URI is not set and no server can be started: {reason}")
    if reason:
        pytest.skip(f"NEO4J_URI is not set and no server can be started: {reason}")
    with server.running(memory_per_transaction="64m") as started:
        yield started.uri, "neo4j", started.password


@pytest.fixture
def neo4j_uri(neo4j_server: tuple[str, str, str], monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of a real Neo4j; the login is in the environment."""
    uri, name, password = neo4j_server
    monkeypatch.setenv("NEO4J_USERNAME", name)
    monkeypatch.setenv("NEO4J_PASSWORD", password)
    return uri
