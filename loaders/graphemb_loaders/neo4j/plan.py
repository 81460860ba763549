"""How one query will be read, and whether it may be read at all: found out without running it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from graphemb.errors import SourceError
from graphemb.source import Parameter, Query, Source
from graphemb_loaders.cypher import internal_keys, refuse_internal_key, used_parameters
from graphemb_loaders.neo4j.connection import Connection
from graphemb_loaders.neo4j.values import Column

if TYPE_CHECKING:
    import neo4j

_REFUSED_PROCEDURES = ("apoc.load.", "apoc.import.", "apoc.export.", "apoc.cypher.", "dbms.")


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
