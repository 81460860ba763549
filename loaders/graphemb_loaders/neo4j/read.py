"""Reading a query from Neo4j: looked at, counted, then fetched as columns.

    CALL () { <query> } WITH * RETURN count(*), collect(src), collect(dst)

A record costs the driver about 15 microseconds, a value in a collected column a tenth of one; but
the server holds the columns in its heap. So rows, nulls and types are counted first; a large
answer is read in parts where the query uses `$part` and `$parts` (each part must be disjoint,
`WHERE id(a) % $parts = $part`); and what cannot be wrapped, or is refused for memory, is
streamed record by record into Arrow batches.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from graphemb.errors import MemoryLimit, SourceError
from graphemb.source import Parameter, Query, Report, Source
from graphemb_loaders.cypher import (
    internal_keys,
    looks_internal,
    quoted,
    refuse_internal_key,
    used_parameters,
    uses_parts,
)
from graphemb_loaders.neo4j.connection import Connection, Refused
from graphemb_loaders.neo4j.values import Column, array_of, column_of

if TYPE_CHECKING:
    import neo4j

PART_VALUES = 4_000_000
"""Values (rows x columns) that one part should hold."""
WHOLE_VALUES = 20_000_000
"""Values above which an answer without parts is streamed."""
_BATCH = 20_000
_REFUSED_PROCEDURES = ("apoc.load.", "apoc.import.", "apoc.export.", "apoc.cypher.", "dbms.")
_SAMPLE = 20


@dataclass(frozen=True)
class Plan:
    """How one query is read.

    Attributes:
        query: as in the spec.
        parameters: those it uses, with `part` and `parts` where it is read in parts.
        names: its columns.
        rows: as counted; None: could not be counted.
        columns: with their types; None: to be streamed.
        parts: how many parts it is read in.
        notes: what the user should know.
    """

    query: Query
    parameters: dict[str, Parameter]
    names: tuple[str, ...]
    rows: int | None = None
    columns: tuple[Column, ...] | None = None
    parts: int = 1
    notes: tuple[str, ...] = field(default=())


def look(connection: Connection, query: Query, given: Mapping[str, Parameter]) -> Plan:
    """Check what a query is, without running it: read-only, its columns, no foreign data.

    Raises:
        SourceError: it writes or loads, or lacks a column.
    """
    query_cypher = query.text
    parameters = used_parameters(query, {**given, "part": 0, "parts": 1})

    def explain(tx: neo4j.ManagedTransaction) -> tuple[tuple[str, ...], neo4j.ResultSummary]:
        result = tx.run(f"EXPLAIN {query_cypher}", parameters)
        return tuple(result.keys()), result.consume()

    names, summary = connection.read(query.name, explain)
    foreign = _foreign_operators(dict(summary.plan or {}))
    if foreign or summary.query_type != "r":
        raise SourceError(
            "a query of a spec may only read this database",
            code="write_refused",
            source=query.name,
            value=foreign[0] if foreign else f"query type {summary.query_type}",
        )
    query.check_columns(names)
    return Plan(query, parameters, names)


def _foreign_operators(plan: Mapping[str, Any]) -> list[str]:
    """Steps of a plan that read files or addresses instead of the database."""
    kind = str(plan.get("operatorType", ""))
    details = str(dict(plan.get("args") or {}).get("Details", ""))
    found = [kind] if kind.startswith("LoadCSV") else []
    if kind.startswith("ProcedureCall") and details.startswith(_REFUSED_PROCEDURES):
        found.append(details)
    for child in plan.get("children") or ():
        found += _foreign_operators(child)
    return found


def refuse_internal(plan: Plan, source: Source) -> Plan:
    """Refuse, or note, keys taken straight from the database's own ids."""
    columns = internal_keys(plan.query)
    if columns and source.internal_ids == "refuse":
        raise refuse_internal_key(plan.query, columns[0])
    if columns:
        note = f"{plan.query.name}: keys are the database's own ids, which a copy will not keep"
        return replace(plan, notes=(*plan.notes, note))
    return plan


def measure(connection: Connection, plan: Plan, source: Source) -> Plan:
    """Count rows and learn the type of each column, and choose how to read.

    Raises:
        SourceError: a column of several types, or of one that a graph does not keep.
        MemoryLimit: more rows than `max_rows`.
    """
    from neo4j.exceptions import Neo4jError

    query_cypher = plan.query.text
    types_cypher = ", ".join(
        f"count({quoted(name)}), collect(DISTINCT valueType({quoted(name)}))" for name in plan.names
    )

    def count(tx: neo4j.ManagedTransaction) -> list[Any] | None:
        try:
            result = tx.run(
                f"CALL () {{\n{query_cypher}\n}}\nWITH * RETURN count(*), {types_cypher}",
                plan.parameters,
            )
            return list(result.single(strict=True).values())
        except Neo4jError as error:
            if str(error.code).endswith("SyntaxError"):
                raise Refused from error
            raise

    try:
        found = connection.read(plan.query.name, count)
    except Refused:
        return _streamed(plan, "it cannot stand inside another query (AS for every column?)")
    rows = int(found[0]) if found else 0
    if rows > source.max_rows:
        raise MemoryLimit(
            f"{rows:,} rows, more than max_rows allows",
            source=plan.query.name,
            value=source.max_rows,
        )
    values = found[1:] if found else []
    columns = tuple(
        column_of(plan.query, name, values[2 * place + 1], nulls=values[2 * place] < rows)
        for place, name in enumerate(plan.names)
    )
    return _sized(replace(plan, rows=rows, columns=columns))


def _sized(plan: Plan) -> Plan:
    size = (plan.rows or 0) * len(plan.names)
    if uses_parts(plan.query):
        return replace(plan, parts=max(-(-size // PART_VALUES), 1))
    if size > WHOLE_VALUES:
        return _streamed(plan, "it is large; use $part and $parts in the query to read columns")
    return plan


def _streamed(plan: Plan, why: str) -> Plan:
    note = f"{plan.query.name}: read record by record, which is slow: {why}"
    return replace(plan, columns=None, notes=(*plan.notes, note))


def fetch(
    connection: Connection, plan: Plan, part: int, report: Report
) -> tuple[pa.Table, tuple[str, ...]]:
    """One part of an answer, and notes on how it was read.

    Raises:
        SourceError: the answer is not what was counted.
    """
    if plan.columns is None:
        return _stream(connection, plan, part, report), ()
    try:
        return _collect(connection, plan, plan.columns, part), ()
    except Refused:
        slow = _streamed(plan, "the server has no memory for its columns; use $part and $parts")
        return _stream(connection, slow, part, report), slow.notes[len(plan.notes) :]


def _part_parameters(plan: Plan, part: int) -> dict[str, Parameter]:
    parted = {"part": part, "parts": plan.parts} if uses_parts(plan.query) else {}
    return {**plan.parameters, **parted}


def _collect(connection: Connection, plan: Plan, columns: Sequence[Column], part: int) -> pa.Table:
    from neo4j.exceptions import Neo4jError

    query_cypher = plan.query.text
    values_cypher = "".join(f", collect({column.value_cypher})" for column in columns)
    nulls_cypher = "".join(
        f", collect({quoted(column.name)} IS NULL)" for column in columns if column.nulls
    )

    def read(tx: neo4j.ManagedTransaction) -> list[Any]:
        try:
            result = tx.run(
                f"CALL () {{\n{query_cypher}\n}}\n"
                f"WITH * RETURN count(*){values_cypher}{nulls_cypher}",
                _part_parameters(plan, part),
            )
            return list(result.single(strict=True).values())
        except Neo4jError as error:
            if "Memory" in str(error.code):
                raise Refused from error
            raise

    rows, *lists = connection.read(plan.query.name, read)
    masks = iter(lists[len(columns) :])
    try:
        arrays = [
            column.array(values, next(masks) if column.nulls else None)
            for column, values in zip(columns, lists, strict=False)
        ]
    except (pa.ArrowException, IndexError) as error:
        raise _changed(plan, f"{error}") from error
    if any(len(array) != rows for array in arrays):
        raise _changed(plan, "columns of different length")
    return pa.table(arrays, names=[column.name for column in columns])


def _stream(connection: Connection, plan: Plan, part: int, report: Report) -> pa.Table:
    """Read record by record, in batches, into Arrow; a lost connection starts it afresh."""
    query_cypher = plan.query.text

    def read(tx: neo4j.ManagedTransaction) -> list[pa.Table]:
        result = tx.run(query_cypher, _part_parameters(plan, part))
        batches: list[pa.Table] = []
        done = 0
        while records := result.fetch(_BATCH):
            rows = [record.values() for record in records]
            arrays = [
                array_of(plan.query, name, [row[place] for row in rows])
                for place, name in enumerate(plan.names)
            ]
            batches.append(pa.table(arrays, names=list(plan.names)))
            done += len(rows)
            if plan.parts == 1:
                report(plan.query.name, done, plan.rows)
        return batches

    batches = connection.read(plan.query.name, read)
    if not batches:
        return pa.table({name: pa.array([], pa.null()) for name in plan.names})
    try:
        return pa.concat_tables(batches, promote_options="permissive")
    except pa.ArrowException as error:
        raise SourceError(
            f"a column of several types: {error}", code="mixed_column", source=plan.query.name
        ) from error


def join(plan: Plan, parts: Sequence[pa.Table], source: Source) -> pa.Table:
    """The parts as one table, when they are what was counted.

    Raises:
        SourceError: rows are missing or too many; keys that are element ids.
    """
    table = pa.concat_tables(parts, promote_options="permissive")
    if plan.rows is not None and table.num_rows != plan.rows:
        raise _changed(plan, f"{plan.rows:,} rows counted, {table.num_rows:,} read")
    for name in plan.query.keys:
        sample = table[name].slice(0, _SAMPLE).to_pylist()
        if source.internal_ids == "refuse" and looks_internal(sample):
            raise refuse_internal_key(plan.query, name)
    return table


def _changed(plan: Plan, what: str) -> SourceError:
    return SourceError(
        f"the answer is not what was counted: {what}",
        code="partial",
        source=plan.query.name,
        hint="the data changed while it was read (read again), or the parts of a query with $part "
        "and $parts overlap or leave rows out",
    )
