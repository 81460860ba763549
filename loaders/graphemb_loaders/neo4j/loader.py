"""`Neo4jLoader`: several queries at once, each looked at, counted and fetched."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from graphemb.errors import nearest
from graphemb.graph import HeteroGraph
from graphemb.source import Answer, AnswerSize, GraphSpec, Parameter, Query, Report, Source
from graphemb_loaders.cypher import read_back
from graphemb_loaders.neo4j import read
from graphemb_loaders.neo4j.connection import Connection
from graphemb_loaders.neo4j.plan import Plan, look, refuse_internal
from graphemb_loaders.neo4j.write import write_batches

if TYPE_CHECKING:
    import neo4j

T = TypeVar("T")
R = TypeVar("R")

WORKERS = 4
_NAMES = re.compile(r"[(\[]\s*\w*\s*:\s*`?([A-Za-z_][A-Za-z0-9_]*)")


class Neo4jLoader:
    """Reads and writes Neo4j (5.7 or newer, fast from 5.23); see `graphemb.source.Loader`.

    `neo4j://host:7687/database` and its kin `neo4j+s`, `neo4j+ssc`, `bolt`, `bolt+s`, `bolt+ssc`;
    without a path the user's home database. The login is read from the environment.
    """

    def __init__(self, source: Source, root: Path) -> None:
        self._source = source
        self._connection = Connection(source)

    def read(
        self, queries: Sequence[Query], parameters: Mapping[str, Parameter], report: Report
    ) -> list[Answer]:
        """The answers as Arrow tables; all queries are looked at before one of them runs.

        Raises:
            SourceError: a query that writes or loads, fails, or changes while it is read.
            ConnectionFailed: no server, no login, or lost for longer than the driver retries.
            MemoryLimit: more rows than `max_rows`.
        """
        looked = _at_once(lambda query: self._look(query, parameters), queries)
        bites = _at_once(lambda plan: self._bite(plan, report), looked)
        large = [plan for plan, whole in zip(looked, bites, strict=True) if whole is None]
        measured = iter(self._in_parts(large, report))
        return [whole or next(measured) for whole in bites]

    def sizes(
        self, queries: Sequence[Query], parameters: Mapping[str, Parameter]
    ) -> list[AnswerSize | None]:
        """The size of every answer, by a query that counts and one for the first rows.

        Raises:
            SourceError: a query that writes or fails.
            ConnectionFailed: no server, no login, or lost for longer than the driver retries.
        """
        looked = _at_once(lambda query: self._look(query, parameters), queries)
        return _at_once(partial(read.size, self._connection), looked)

    def write(self, graph: HeteroGraph, report: Report) -> None:
        """Write nodes and relationships in batches, each idempotent by key.

        Raises:
            ConfigError: a name, id or column that Neo4j cannot hold; nothing was written.
            SourceError: the server refused; names the batch.
            ConnectionFailed: no server, no login, or lost for longer than the driver retries.
        """
        write_batches(self._connection, graph, report)

    def spec_of(self, graph: HeteroGraph) -> GraphSpec:
        """The queries that read back what `write` wrote."""
        labels = {node_type: node_type for node_type in graph.node_types}
        relations = {edge_type: edge_type.relation for edge_type in graph.edge_types}
        widest = max((graph.num_edges(edge_type) for edge_type in graph.edge_types), default=0)
        return read_back(graph, labels, relations, in_parts=widest * 4 > read.PART_VALUES)

    def close(self) -> None:
        """Close the driver."""
        self._connection.close()

    def _look(self, query: Query, parameters: Mapping[str, Parameter]) -> Plan:
        plan = look(self._connection, query, parameters)
        return refuse_internal(plan, self._source)

    def _bite(self, plan: Plan, report: Report) -> Answer | None:
        report(plan.query.name, 0, None)
        table = read.bite(self._connection, plan, self._source)
        if table is None:
            return None
        report(plan.query.name, table.num_rows, table.num_rows)
        return self._joined(replace(plan, rows=table.num_rows), [Answer(table)])

    def _in_parts(self, looked: Sequence[Plan], report: Report) -> list[Answer]:
        """Answers too large for one bite, or of types that their first rows did not show."""
        plans = _at_once(lambda plan: read.measure(self._connection, plan, self._source), looked)
        tasks = [(plan, part) for plan in plans for part in range(plan.parts)]
        done = dict.fromkeys((plan.query.name for plan in plans), 0)

        def fetch(task: tuple[Plan, int]) -> Answer:
            plan, part = task
            table, notes = read.fetch(self._connection, plan, part, report)
            done[plan.query.name] += table.num_rows
            report(plan.query.name, done[plan.query.name], plan.rows)
            return Answer(table, notes)

        parts = iter(_at_once(fetch, tasks))
        return [self._joined(plan, list(islice(parts, plan.parts))) for plan in plans]

    def _joined(self, plan: Plan, parts: Sequence[Answer]) -> Answer:
        table = read.join(plan, [part.table for part in parts], self._source)
        notes = dict.fromkeys([*plan.notes, *(note for part in parts for note in part.notes)])
        if not table.num_rows:
            notes |= dict.fromkeys(self._unknown_names(plan.query))
        return Answer(table, tuple(notes))

    def _unknown_names(self, query: Query) -> list[str]:
        """Labels and relationship types in a query that the database has not."""

        def known(tx: neo4j.ManagedTransaction) -> list[str]:
            labels = tx.run("CALL db.labels() YIELD label RETURN label").value()
            types = tx.run(
                "CALL db.relationshipTypes() YIELD relationshipType RETURN relationshipType"
            ).value()
            return [*labels, *types]

        names = self._connection.read(query.name, known)
        missing = sorted(set(_NAMES.findall(query.text)) - set(names))
        return [
            f"{query.name}: the database has no label or relationship type {name!r}, "
            f"nearest: {', '.join(nearest(name, names)[:3])}"
            for name in missing
        ]


def _at_once(work: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """`work` of each item, several at a time; after a failure no more are begun."""
    with ThreadPoolExecutor(WORKERS) as pool:
        futures = [pool.submit(work, item) for item in items]
        try:
            return [future.result() for future in futures]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
