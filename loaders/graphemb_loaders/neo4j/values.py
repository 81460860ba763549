"""What Neo4j's values become in Arrow, decided once per column from the types the server names.

INTEGER int64, FLOAT float64, STRING string, BOOLEAN bool, DATE date32, ZONED DATETIME
timestamp[us, UTC], LOCAL DATETIME timestamp[us] (which means UTC to a graph), and lists of the
first four. Date and time values travel as integers: as objects they cost ten times the time.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from graphemb.errors import SourceError
from graphemb.source import Query
from graphemb_loaders.cypher import quoted

_SCALARS = {
    "INTEGER": pa.int64(),
    "FLOAT": pa.float64(),
    "STRING": pa.string(),
    "BOOLEAN": pa.bool_(),
    "DATE": pa.date32(),
    "ZONED DATETIME": pa.timestamp("us", "UTC"),
    "LOCAL DATETIME": pa.timestamp("us"),
}
_LIST = re.compile(r"LIST<(.*)>\Z")
_IN_LISTS = ("INTEGER", "FLOAT", "STRING", "BOOLEAN")


@dataclass(frozen=True)
class Column:
    """One column of an answer.

    Attributes:
        name: as the query named it.
        type: its Arrow type.
        nulls: whether some of its values are null.
    """

    name: str
    type: pa.DataType
    nulls: bool

    @property
    def value_cypher(self) -> str:
        """The expression that brings a value over the wire."""
        name_cypher = quoted(self.name)
        if pa.types.is_date(self.type):
            return f"duration.inDays(date('1970-01-01'), {name_cypher}).days"
        if not pa.types.is_timestamp(self.type):
            return name_cypher
        # not epochSeconds: before 1970 that is a second late where there are fractions
        micros_cypher = f"epochMillis * 1000 + {name_cypher}.microsecond % 1000"
        if self.type.tz is not None:
            return f"{name_cypher}.{micros_cypher}"
        moment_cypher = f"datetime({{datetime: {name_cypher}, timezone: 'Z'}})"
        return f"CASE WHEN {name_cypher} IS NOT NULL THEN {moment_cypher}.{micros_cypher} END"

    def array(self, values: Sequence[Any], missing: Sequence[bool] | None) -> pa.Array:
        """An Arrow array of values that are not null and, where there are nulls, their places.

        Raises:
            pa.ArrowException: a value of another type than the server named.
        """
        wire = self.type
        if pa.types.is_date(wire):
            wire = pa.int32()
        elif pa.types.is_timestamp(wire):
            wire = pa.int64()
        array = pa.array(values, wire)
        if missing is not None:
            gone = np.asarray(missing, np.bool_)
            places = pa.array(np.cumsum(~gone) - 1, mask=gone)
            array = array.take(places)
        return array.cast(self.type) if wire != self.type else array


def column_of(query: Query, name: str, types: Sequence[str], *, nulls: bool) -> Column:
    """The column for the types that the server names, such as `INTEGER NOT NULL`.

    Raises:
        SourceError: types that do not go into one column, or that a graph does not keep.
    """
    found = {text.removesuffix(" NOT NULL") for text in types} - {"NULL"}
    kind = _type_of(found, numbers=name not in query.keys)
    if kind is None:
        mixed = len(found) > 1
        raise SourceError(
            f"a column of {' and '.join(sorted(found))}",
            code="mixed_column" if mixed else "column_type",
            source=query.name,
            field=name,
            hint="convert its values in the query, for example by toString(...)"
            if mixed
            else "return a property, a text (toString), a number or a date",
        )
    return Column(name, kind, nulls)


def _type_of(found: set[str], *, numbers: bool) -> pa.DataType | None:
    if not found:
        return pa.null()
    if len(found) == 1 and (only := next(iter(found))) in _SCALARS:
        return _SCALARS[only]
    if found == {"INTEGER", "FLOAT"} and numbers:
        return pa.float64()
    lists = [_LIST.match(text) for text in found]
    if all(lists):
        inner = {
            part.removesuffix(" NOT NULL")
            for match in lists
            if match
            for part in match.group(1).split(" | ")
        } - {"NULL", "NOTHING"}
        if inner <= set(_IN_LISTS):
            kind = _type_of(inner, numbers=True)
            return None if kind is None else pa.list_(kind)
    return None


def array_of(query: Query, name: str, values: Sequence[Any]) -> pa.Array:
    """An Arrow array of values as the driver gives them, for answers read record by record.

    Raises:
        SourceError: as `column_of`.
    """
    from neo4j.time import Date, DateTime

    types = {_type_name(value) for value in values}
    column = column_of(query, name, sorted(types), nulls=False)
    if pa.types.is_temporal(column.type):
        values = [
            value.to_native() if isinstance(value, Date | DateTime) else value for value in values
        ]
    return pa.array(values, column.type)


def _type_name(value: Any) -> str:
    from neo4j.time import Date, DateTime

    if isinstance(value, DateTime):
        return "LOCAL DATETIME" if value.tzinfo is None else "ZONED DATETIME"
    if isinstance(value, Date):
        return "DATE"
    if isinstance(value, list):
        inner = {_type_name(one) for one in value} or {"NOTHING"}
        return f"LIST<{' | '.join(sorted(inner))}>"
    names = {bool: "BOOLEAN", int: "INTEGER", float: "FLOAT", str: "STRING", type(None): "NULL"}
    return names.get(type(value), type(value).__name__)
