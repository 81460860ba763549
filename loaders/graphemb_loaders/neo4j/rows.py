"""Arrow columns as rows of plain values in one parameter, and the expressions that read them back.

Dates and times travel as whole days, seconds and microseconds, so that nothing is rounded.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from graphemb.errors import ConfigError
from graphemb_loaders.cypher import quoted

_MICROS = 1_000_000


class Rows:
    """Collects columns; each gets its place or places in the rows of `$rows`.

    Attributes:
        columns: one per place, of integers, floats, booleans, texts or lists of these.
    """

    def __init__(self, source: object) -> None:
        self._source = source
        self.columns: list[pa.ChunkedArray] = []

    def set_cypher(self, table: pa.Table, names: Sequence[str]) -> str:
        """Add columns; the clause that makes them properties of `it`. Columns of nulls stay out."""
        kept = [name for name in names if not pa.types.is_null(table.schema.field(name).type)]
        parts_cypher = ", ".join(
            f"it.{quoted(name)} = {self.add_cypher(name, table[name])}" for name in kept
        )
        return f" SET {parts_cypher}" if kept else ""

    def add_cypher(self, name: str, column: pa.ChunkedArray) -> str:
        """Add a column; the expression of its value.

        Raises:
            ConfigError: a type or value that Neo4j has no property for.
        """
        kind = column.type
        if pa.types.is_dictionary(kind):
            return self.add_cypher(name, column.cast(kind.value_type))
        if pa.types.is_date(kind):
            days_cypher = self._place_cypher(column.cast(pa.date32()).cast(pa.int32()))
            value_cypher = f"date('1970-01-01') + duration({{days: {days_cypher}}})"
            return f"CASE WHEN {days_cypher} IS NULL THEN null ELSE {value_cypher} END"
        if pa.types.is_timestamp(kind):
            return self._moment_cypher(column)
        return self._place_cypher(self._plain(name, column))

    def _moment_cypher(self, column: pa.ChunkedArray) -> str:
        zone = column.type.tz
        ticks = column.cast(pa.timestamp("us", zone), safe=False).cast(pa.int64())
        seconds = (
            pc.floor_temporal(ticks.cast(pa.timestamp("us")), unit="second")
            .cast(pa.timestamp("s"))
            .cast(pa.int64())
        )
        micros = pc.subtract(ticks, pc.multiply(seconds, _MICROS))
        seconds_cypher, micros_cypher = self._place_cypher(seconds), self._place_cypher(micros)
        if zone is None:
            value_cypher = (
                "localdatetime('1970-01-01T00:00') + "
                f"duration({{seconds: {seconds_cypher}, microseconds: {micros_cypher}}})"
            )
        else:
            value_cypher = (
                f"datetime({{epochSeconds: {seconds_cypher}, nanosecond: {micros_cypher} * 1000}})"
            )
        return f"CASE WHEN {seconds_cypher} IS NULL THEN null ELSE {value_cypher} END"

    def _place_cypher(self, column: pa.ChunkedArray) -> str:
        self.columns.append(column)
        return f"row[{int(len(self.columns) - 1)}]"

    def _plain(self, name: str, column: pa.ChunkedArray) -> pa.ChunkedArray:
        kind = column.type
        inner = kind
        if pa.types.is_list(kind) or pa.types.is_large_list(kind):
            inner = kind.value_type
            if pc.list_flatten(column).null_count:
                raise self._refusal(name, "lists with a null in them")
        try:
            if pa.types.is_unsigned_integer(kind):
                return column.cast(pa.int64())
        except pa.ArrowInvalid as error:
            raise self._refusal(name, "integers above 2^63 - 1") from error
        if not (
            pa.types.is_integer(inner)
            or pa.types.is_floating(inner)
            or pa.types.is_boolean(inner)
            or pa.types.is_string(inner)
            or pa.types.is_large_string(inner)
        ):
            raise self._refusal(name, f"columns of {kind}")
        return column

    def _refusal(self, name: str, what: str) -> ConfigError:
        return ConfigError(
            f"Neo4j has no property for {what}",
            code="column_type",
            source=self._source,
            field=name,
            hint="cast it to text, a number or a timestamp, or leave it out",
        )
