"""Reading a query from Neo4j as columns, not records.

    CALL () { <query> } WITH * RETURN count(*), collect(src), collect(dst)

A record costs the driver about 15 microseconds, a value in a collected column a tenth of one; but
the server holds the columns in its heap. So a sample tells the types, and a bounded bite takes
the whole answer in one pass if it is small. A larger one is counted and, where the query uses
`$part` and `$parts` (parts must be disjoint: `WHERE id(a) % $parts = $part`), read in parts. What
cannot be wrapped, or is refused for memory, is streamed record by record into Arrow batches.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from graphemb.errors import ConnectionFailed, MemoryLimit, SourceError
from graphemb.source import AnswerSize, Parameter, Report, Source
from graphemb_loaders.cypher import (
    counting_cypher,
    looks_internal,
    quoted,
    refuse_internal_key,
    sampling_cypher,
    uses_parts,
)
from graphemb_loaders.neo4j.connection import Connection, Refused
from graphemb_loaders.neo4j.plan import Plan
from graphemb_loaders.neo4j.values import Column, array_of, column_of

if TYPE_CHECKING:
    import neo4j

PART_VALUES = 4_000_000
"""Values (rows x columns) that a bite or a part should hold."""
WHOLE_VALUES = 20_000_000
"""Values above which an answer without parts is streamed."""
_SAMPLE_ROWS = 1_000
_VALUE_BYTES = 60
"""What a value takes as a Python object in a list, about."""
_BATCH = 20_000
_KEYS_LOOKED_AT = 20


def measure(connection: Connection, plan: Plan, source: Source, most: int | None = None) -> Plan:
    """Count rows (no more than `most`), learn each column's type, and choose how to read.

    Raises:
        SourceError: a column of several types, or of one that a graph does not keep.
        MemoryLimit: more rows than `max_rows`.
    """
    query_cypher, limit_cypher = plan.query.text, _limit_cypher(most)
    types_cypher = ", ".join(_types_cypher(name) for name in plan.names)

    def count(tx: neo4j.ManagedTransaction) -> list[Any]:
        return _single(
            tx,
            f"CALL () {{\n{query_cypher}\n}}\nWITH *{limit_cypher} RETURN count(*), {types_cypher}",
            {**plan.parameters, "graphemb_most": most},
        )

    try:
        rows, *found = connection.read(plan.query.name, count)
    except Refused as refused:
        return _streamed(plan, str(refused))
    if rows > source.max_rows:
        raise MemoryLimit(
            f"{rows:,} rows, more than max_rows allows",
            source=plan.query.name,
            value=source.max_rows,
        )
    known = replace(plan, rows=rows, columns=_columns(plan, rows, found))
    return known if most is not None else _sized(known)


def size(connection: Connection, plan: Plan) -> AnswerSize | None:
    """How large an answer will be; None when it cannot be counted."""
    count_cypher = counting_cypher(plan.query, "graphemb_count")
    sample_cypher = sampling_cypher(plan.query, _SAMPLE_ROWS)
    if count_cypher is None or sample_cypher is None:
        return None
    whole = _parameters(plan, 0)

    def read(tx: neo4j.ManagedTransaction) -> tuple[int, list[list[Any]]]:
        (rows,) = _single(tx, count_cypher, whole)
        return rows, tx.run(sample_cypher, whole).values()

    rows, sample = connection.read(plan.query.name, read)
    columns = [
        array_of(plan.query, name, [row[place] for row in sample])
        for place, name in enumerate(plan.names)
    ]
    taken = rows * sum(column.nbytes for column in columns) // max(len(sample), 1)
    return AnswerSize(rows, taken, min(rows * len(plan.names), PART_VALUES) * _VALUE_BYTES + taken)


def bite(connection: Connection, plan: Plan, source: Source) -> pa.Table | None:
    """The whole answer in one pass, if it is small and the sample told its types; else None."""
    guess = measure(connection, plan, source, _SAMPLE_ROWS)
    most = max(PART_VALUES // len(plan.names), _SAMPLE_ROWS)
    if guess.columns is None or most > source.max_rows:
        return None
    try:
        return _collect(connection, guess, _parameters(guess, 0), most)
    except ConnectionFailed:
        raise
    except (Refused, SourceError):
        return None


def fetch(
    connection: Connection, plan: Plan, part: int, report: Report
) -> tuple[pa.Table, tuple[str, ...]]:
    """One part of a measured answer, and notes on how it was read.

    Raises:
        SourceError: the answer is not what was counted.
    """
    slow = plan
    if plan.columns is not None:
        try:
            table = _collect(connection, plan, _parameters(plan, part))
            assert table is not None
            return table, ()
        except Refused as refused:
            slow = _streamed(plan, str(refused))
    return _stream(connection, slow, part, report), slow.notes[len(plan.notes) :]


def join(plan: Plan, parts: Sequence[pa.Table], source: Source) -> pa.Table:
    """The parts as one table, when they are what was counted.

    Raises:
        SourceError: rows are missing or too many; keys that are element ids.
    """
    table = pa.concat_tables(parts, promote_options="permissive")
    if plan.rows is not None and table.num_rows != plan.rows:
        raise _changed(plan, f"{plan.rows:,} rows counted, {table.num_rows:,} read")
    for name in plan.query.keys:
        sample = table[name].slice(0, _KEYS_LOOKED_AT).to_pylist()
        if source.internal_ids == "refuse" and looks_internal(sample):
            raise refuse_internal_key(plan.query, name)
    return table


def _collect(
    connection: Connection, plan: Plan, parameters: dict[str, Parameter], most: int | None = None
) -> pa.Table | None:
    """The columns; None when there are `most` rows or more, which then stay on the server.

    Raises:
        SourceError: columns that are not of the types and lengths they should be.
        Refused: by the server, for memory.
    """
    columns = plan.columns or ()
    query_cypher, limit_cypher = plan.query.text, _limit_cypher(most)
    types_cypher = ", ".join(_types_cypher(column.name) for column in columns)
    few_cypher = "$graphemb_most IS NULL OR count(*) < $graphemb_most"
    fetched = [column.value_cypher for column in columns]
    fetched += [f"{quoted(column.name)} IS NULL" for column in columns if column.nulls]
    lists_cypher = ", ".join(
        f"CASE WHEN {few_cypher} THEN collect({value_cypher}) END" for value_cypher in fetched
    )

    def read(tx: neo4j.ManagedTransaction) -> list[Any]:
        return _single(
            tx,
            f"CALL () {{\n{query_cypher}\n}}\n"
            f"WITH *{limit_cypher} RETURN count(*), {types_cypher}, {lists_cypher}",
            {**parameters, "graphemb_most": most},
        )

    rows, *found = connection.read(plan.query.name, read)
    if most is not None and rows >= most:
        return None
    split = 2 * len(columns)
    if most is not None and _columns(plan, rows, found[:split], columns) != columns:
        raise _changed(plan, "other types, or nulls")
    lists, masks = found[split : split + len(columns)], iter(found[split + len(columns) :])
    try:
        arrays = [
            column.array(values, next(masks) if column.nulls else None)
            for column, values in zip(columns, lists, strict=True)
        ]
    except (pa.ArrowException, IndexError) as error:
        raise _changed(plan, str(error)) from error
    if any(len(array) != rows for array in arrays):
        raise _changed(plan, "columns of different length")
    return pa.table(arrays, names=[column.name for column in columns])


def _stream(connection: Connection, plan: Plan, part: int, report: Report) -> pa.Table:
    """Read record by record, in batches, into Arrow; a lost connection starts it afresh."""
    query_cypher = plan.query.text

    def read(tx: neo4j.ManagedTransaction) -> list[pa.Table]:
        result = tx.run(query_cypher, _parameters(plan, part))
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


def _single(
    tx: neo4j.ManagedTransaction, statement_cypher: str, given: dict[str, Any]
) -> list[Any]:
    """The values of the one record.

    Raises:
        Refused: the query cannot be wrapped, or the server's memory is too small; a retry would
            not help.
    """
    from neo4j.exceptions import Neo4jError

    try:
        return list(tx.run(statement_cypher, given).single(strict=True).values())
    except Neo4jError as error:
        if "Memory" in str(error.code):
            raise Refused(
                "the server has no memory for its columns; use $part and $parts"
            ) from error
        if str(error.code).endswith("SyntaxError"):
            raise Refused(
                "it cannot stand in CALL () {...}; is there an AS for every column?"
            ) from error
        raise


def _limit_cypher(most: int | None) -> str:
    return " LIMIT $graphemb_most" if most is not None else ""


def _types_cypher(name: str) -> str:
    return f"count({quoted(name)}), collect(DISTINCT valueType({quoted(name)}))"


def _columns(
    plan: Plan, rows: int, found: Sequence[Any], known: Sequence[Column] = ()
) -> tuple[Column, ...]:
    """The columns for counts of values and type names, as `_types_cypher` returns them."""
    return tuple(
        column_of(
            plan.query,
            name,
            found[2 * place + 1],
            nulls=found[2 * place] < rows or (bool(known) and known[place].nulls),
        )
        for place, name in enumerate(plan.names)
    )


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


def _parameters(plan: Plan, part: int) -> dict[str, Parameter]:
    parted = {"part": part, "parts": plan.parts} if uses_parts(plan.query) else {}
    return {**plan.parameters, **parted}


def _changed(plan: Plan, what: str) -> SourceError:
    return SourceError(
        f"the answer is not what was counted: {what}",
        code="partial",
        source=plan.query.name,
        hint="the data changed while it was read (read again), or the parts of a query with $part "
        "and $parts overlap or leave rows out",
    )
