"""A real graph of 31,000 nodes and 175,000 edges: from files, into a real Neo4j, and back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from graphemb import EdgeType, HeteroGraph, load_graph, write_graph
from graphemb.pipeline.config import RunConfig
from graphemb.source import spec_of
from tests.loaders.conftest import Database

pytestmark = pytest.mark.neo4j

SPEC = Path(__file__).parents[2] / "benchmarks" / "specs" / "complete_journey.toml"


def renamed(graph: HeteroGraph, name: Callable[[str], str]) -> HeteroGraph:
    """The same graph under other names of node types."""
    return HeteroGraph.from_tables(
        {name(one): graph.node_table(one) for one in graph.node_types},
        {
            EdgeType(name(one.src), one.relation, name(one.dst)): graph.edge_table(one)
            for one in graph.edge_types
        },
        policies=graph.policies,
    )


def test_a_neo4j_gives_the_same_graph_as_the_files(
    data_set: Callable[[str], Path], database: Database
) -> None:
    """Written under labels of this test's own, for the server may hold other people's nodes."""
    data_set("complete_journey")
    from_files = RunConfig.read(SPEC).load()
    own = renamed(from_files, database.label)
    write_graph(own, database.uri)
    read_back = load_graph(database.uri, spec_of(own, database.uri))
    assert read_back.fingerprint == own.fingerprint
    back = renamed(read_back, lambda label: label.removesuffix(f"_{database.suffix}"))
    assert back.fingerprint == from_files.fingerprint
    for edge_type in from_files.edge_types:
        assert back.num_edges(edge_type) == from_files.num_edges(edge_type)
