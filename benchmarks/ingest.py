"""How fast graphs are read: Neo4j by columns and by a plain record loop, Ladybug from Parquet.

    python -m benchmarks ingest                 # 100,000 nodes, about 980,000 edges; 5 minutes
    python -m benchmarks ingest --size G0       # a twentieth of that
    python -m benchmarks ingest --spec benchmarks/specs/complete_journey.toml

With --spec the graph of a TOML file is read, written to either database and read back, which must
give the same fingerprint.

Neo4j is NEO4J_URI's, where nodes labelled `node` are then written, or one that is started here
(java and mvn). Both ways read the same query in one run on the same machine, so compare
their ratio; the targets are 5 times the plain loop, and 1.5 M rows/s for Ladybug.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import graphemb as ge
from benchmarks.graphs import LINKS, SIZES, planted_edges
from graphemb.pipeline import RunConfig
from graphemb.source import Query, open_loader, spec_of

EDGES = "MATCH (a:node)-[r:links]->(b:node) RETURN a.id AS src, b.id AS dst"
COLUMNS = EDGES + ", r.weight AS weight, r.time AS time"
FILE = "LOAD FROM 'edges.parquet' RETURN src, dst"
FILE_COLUMNS = FILE + ", weight, time"
FIRST_SECOND = 1_600_000_000


def main(argv: Sequence[str]) -> int:
    """Run it and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks ingest", description=__doc__)
    parser.add_argument("--size", choices=sorted(SIZES), default="G1")
    parser.add_argument("--spec", type=Path, help="a TOML file with a [graph]")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args(argv)
    if options.spec is not None:
        round_trips(options.spec)
        return 0
    graph = string_graph(options.size, options.seed)
    print(f"{graph}\n")
    print(f"{'what':44s}{'seconds':>9s}{'rows/s':>12s}{'ratio':>7s}")
    ladybug(graph, options.repeat)
    with server() as uri:
        neo4j(graph, uri, options.repeat)
    return 0


def round_trips(path: Path) -> None:
    """Through both databases and back.

    Raises:
        GraphEmbError: a fingerprint is not that of the files.
    """
    begin = time.perf_counter()
    graph = RunConfig.read(path).load()
    print(f"{graph}\nfiles: {time.perf_counter() - begin:.1f} s, fingerprint {graph.fingerprint}")
    empty = [one for one in graph.edge_types if not graph.num_edges(one)]
    with tempfile.TemporaryDirectory() as folder, server() as address:
        for uri in ("ladybug:graph.lbug", address):
            begin = time.perf_counter()
            ge.write_graph(graph, uri, root=folder)
            written = time.perf_counter()
            back = ge.load_graph(uri, spec_of(graph, uri), root=folder, allow_empty=empty)
            seconds = f"written {written - begin:.1f} s, read {time.perf_counter() - written:.1f} s"
            if back.fingerprint != graph.fingerprint:
                raise ge.GraphEmbError("what came back is not what was written", source=uri)
            print(f"{uri}: {seconds}, the same fingerprint", flush=True)


def string_graph(size: str, seed: int) -> ge.HeteroGraph:
    """The planted graph with text ids, weights and times."""
    edges, _ = planted_edges(SIZES[size], seed)
    times = (FIRST_SECOND + np.arange(len(edges))) * 1_000_000
    names = pa.array([f"n{number}" for number in range(SIZES[size].num_nodes)])
    return ge.HeteroGraph.from_tables(
        {"node": {"id": names}},
        {
            LINKS: {
                "src": names.take(pa.array(edges[:, 0])),
                "dst": names.take(pa.array(edges[:, 1])),
                "weight": (np.arange(len(edges)) % 7 + 1).astype(np.float32),
                "time": pa.array(times).cast(pa.timestamp("us", "UTC")),
            }
        },
    )


def ladybug(graph: ge.HeteroGraph, repeat: int) -> None:
    """Parquet by Cypher into Arrow, and on into a graph."""
    rows = graph.num_edges()
    with tempfile.TemporaryDirectory() as folder:
        pq.write_table(graph.edge_table(LINKS), Path(folder) / "edges.parquet")
        pq.write_table(graph.node_table("node"), Path(folder) / "nodes.parquet")
        for name, query in (("two columns", FILE), ("with weight and time", FILE_COLUMNS)):
            seconds = median(partial(answer, "ladybug::memory:", query, folder), repeat)
            line(f"Ladybug, Parquet to Arrow, {name}", seconds, rows)
        spec = ge.GraphSpec({"node": "LOAD FROM 'nodes.parquet' RETURN id"}, {LINKS: FILE_COLUMNS})
        back = ge.load_graph("ladybug::memory:", spec, root=folder)
        assert back.fingerprint == graph.fingerprint
        seconds = median(lambda: ge.load_graph("ladybug::memory:", spec, root=folder), repeat)
        line("Ladybug, Parquet to graph", seconds, rows)
        begin = time.perf_counter()
        ge.write_graph(graph, "ladybug:graph.lbug", root=folder)
        line("Ladybug, graph to database", time.perf_counter() - begin, rows)


def neo4j(graph: ge.HeteroGraph, uri: str, repeat: int) -> None:
    """The same query by a plain record loop and by columns."""
    rows = graph.num_edges()
    begin = time.perf_counter()
    ge.write_graph(graph, uri)
    line("Neo4j, graph to database", time.perf_counter() - begin, rows)
    for name, query in (("two columns", EDGES), ("with weight and time", COLUMNS)):
        answer(uri, query)  # warms the server's cache for both
        slow = median(partial(plain_loop, uri, query), 1)
        line(f"Neo4j, plain record loop, {name}", slow, rows)
        fast = median(partial(answer, uri, query), repeat)
        line(f"Neo4j, by columns, {name}", fast, rows, slow / fast)
    spec = spec_of(graph, uri)
    assert ge.load_graph(uri, spec).fingerprint == graph.fingerprint
    line("Neo4j, to graph", median(lambda: ge.load_graph(uri, spec), repeat), rows)


def answer(uri: str, query: str, root: str = ".") -> pa.Table:
    """The answer of one query as the loader reads it."""
    with closing(open_loader(uri, root)) as loader:
        return loader.read([Query(LINKS, query)], {}, lambda *progress: None)[0].table


def plain_loop(uri: str, query: str) -> list[list[object]]:
    """What one writes without thinking: the driver, record by record, into a list per column."""
    from neo4j import GraphDatabase

    login = os.environ["NEO4J_USERNAME"], os.environ["NEO4J_PASSWORD"]
    with GraphDatabase.driver(uri, auth=login) as driver, driver.session() as session:
        result = session.run(query)
        names = result.keys()
        columns: list[list[object]] = [[] for _ in names]
        for record in result:
            for column, value in zip(columns, record, strict=True):
                column.append(value)
    return columns


def median(work: Callable[[], object], repeat: int) -> float:
    """Median of the seconds it takes."""
    taken = []
    for _ in range(repeat):
        begin = time.perf_counter()
        work()
        taken.append(time.perf_counter() - begin)
    return statistics.median(taken)


def line(what: str, seconds: float, rows: int, ratio: float | None = None) -> None:
    """One line of the table."""
    times = "" if ratio is None else f"{ratio:6.1f}x"
    print(f"{what:44s}{seconds:9.2f}{rows / seconds:12,.0f}{times:>7s}", flush=True)


@contextmanager
def server() -> Iterator[str]:
    """The address of a Neo4j whose login is in the environment."""
    if os.environ.get("NEO4J_URI"):
        yield os.environ["NEO4J_URI"]
        return
    from tests.neo4j.server import missing_tools, running

    reason = missing_tools()
    if reason:
        raise ge.GraphEmbError(f"NEO4J_URI is not set and no server can be started: {reason}")
    with running() as started:
        os.environ["NEO4J_USERNAME"], os.environ["NEO4J_PASSWORD"] = "neo4j", started.password
        yield started.uri
