"""Graphs out of databases and files by Cypher, and back.

    spec = GraphSpec(
        nodes={"user": "MATCH (u:User) RETURN u.id AS id, u.country AS country"},
        edges={KNOWS: "MATCH (a:User)-[r:KNOWS]->(b:User) RETURN a.id AS src, b.id AS dst"},
    )
    graph = load_graph("neo4j://localhost:7687", spec)

A loader answers named queries with Arrow tables and is found by the scheme of the address
through the entry points `graphemb.loaders`; what the tables mean is decided here, once.
"""

from graphemb.source.load import load_graph, spec_of, write_graph
from graphemb.source.loader import (
    Answer,
    Loader,
    LoadEvent,
    OnLoad,
    Report,
    Source,
    loaders,
    open_loader,
)
from graphemb.source.sizes import AnswerSize, SizingLoader, answer_sizes
from graphemb.source.spec import RESERVED_PARAMETERS, GraphSpec, Parameter, Query

__all__ = [
    "RESERVED_PARAMETERS",
    "Answer",
    "AnswerSize",
    "GraphSpec",
    "LoadEvent",
    "Loader",
    "OnLoad",
    "Parameter",
    "Query",
    "Report",
    "SizingLoader",
    "Source",
    "answer_sizes",
    "load_graph",
    "loaders",
    "open_loader",
    "spec_of",
    "write_graph",
]
