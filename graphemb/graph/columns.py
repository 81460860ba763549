"""Reading what users hand over: table-likes into Arrow, weights into float32, times into int64."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from graphemb.arrow import from_numpy, to_numpy
from graphemb.errors import ConfigError, GraphError, nearest
from graphemb.graph.policies import Policies
from graphemb.types import FloatArray, IntArray

TableLike: TypeAlias = Any
"""A pyarrow Table, a pandas or polars DataFrame, or a mapping of column name to array."""

_DAY = 86_400_000_000
_TICKS = {"s": 1_000_000, "ms": 1_000, "us": 1}


def as_table(table: TableLike, source: str) -> pa.Table:
    """Any table-like as an Arrow table.

    Raises:
        GraphError: not a table, or columns of different length.
    """
    if isinstance(table, pa.Table):
        return table
    if isinstance(table, pa.RecordBatch):
        return pa.Table.from_batches([table])
    try:
        if isinstance(table, Mapping):
            return pa.table({name: _column(values) for name, values in table.items()})
        if hasattr(table, "to_arrow"):
            return table.to_arrow()  # polars
        if hasattr(table, "dtypes") and hasattr(table, "columns"):
            return pa.Table.from_pandas(table, preserve_index=False)
    except (pa.ArrowException, OverflowError, TypeError, ValueError) as error:
        raise GraphError(f"this table cannot be read: {error}", source=source) from error
    raise GraphError(
        "a table is wanted: pyarrow Table, pandas or polars DataFrame, or a dict of columns",
        source=source,
        value=type(table).__name__,
    )


def _column(values: Any) -> Any:
    if isinstance(values, list):
        return _uncoerced(values)
    if hasattr(values, "to_arrow") and not isinstance(values, pa.Array | pa.ChunkedArray):
        return values.to_arrow()
    if hasattr(values, "array") and isinstance(values.array, pa.Array):
        return values.array  # Ids
    if isinstance(values, np.ndarray) and values.dtype.kind == "U":
        return pa.array(values.tolist())
    if isinstance(values, np.ndarray):
        return from_numpy(values)
    return values if isinstance(values, pa.Array | pa.ChunkedArray) else pa.array(values)


def _uncoerced(values: list[Any]) -> pa.Array:
    """An Arrow array that does not turn `[1, 1.5]`, say, into floats for us to take as ids."""
    numbers = {type(value) for value in values} - {type(None)}
    if len(numbers) > 1 and numbers <= {int, float, bool}:
        if bool in numbers:
            raise TypeError("numbers and booleans in one column")
        return pa.array([None if value is None else float(value) for value in values])
    return pa.array(values)


def require(table: pa.Table, names: tuple[str, ...], source: str) -> None:
    """Refuse a table that lacks one of the columns, or holds one twice.

    Raises:
        GraphError: names the missing column, those found and the nearest of them.
    """
    found = table.column_names
    twice = {name for name in found if found.count(name) > 1}
    if twice:
        raise GraphError("a column stands twice", source=source, field=sorted(twice)[0])
    for name in names:
        if name not in found:
            like = nearest(name, found)
            raise GraphError(
                f"column {name!r} is wanted",
                code="missing_column",
                source=source,
                field=name,
                value=found,
                hint=f"wanted: {', '.join(names)}"
                + (f"; nearest found: {like[0]!r} (RETURN {like[0]} AS {name})" if like else ""),
            )


def read_weights(column: pa.ChunkedArray, policies: Policies, source: str) -> FloatArray:
    """float32 [m]; nulls become `missing_weight`.

    Raises:
        GraphError: not a number, null without a default, NaN, infinite or negative.
    """
    if not _is_number(column.type):
        raise GraphError(
            f"weights must be numbers, not {column.type}", source=source, field="weight"
        )
    if column.null_count:
        if policies.missing_weight is None:
            row = int(np.flatnonzero(np.asarray(column.is_null()))[0])
            raise GraphError(
                f"{column.null_count} edges have no weight",
                code="missing_weight",
                source=source,
                row=row,
                field="weight",
                hint="Policies(missing_weight=1.0) declares what they weigh",
            )
        column = pc.fill_null(column.cast(pa.float64()), float(policies.missing_weight))
    values = to_numpy(column.cast(pa.float64(), safe=False))
    with np.errstate(over="ignore"):
        weights = values.astype(np.float32)
    bad = ~np.isfinite(weights) | (weights < 0)
    if bad.any():
        row = int(np.argmax(bad))
        raise GraphError(
            f"{int(bad.sum())} weights are not finite float32 numbers of at least 0",
            code="bad_weight",
            source=source,
            row=row,
            field="weight",
            value=float(values[row]),
        )
    return weights


def _is_number(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_decimal(kind)
        or pa.types.is_null(kind)
    )


def read_times(column: pa.ChunkedArray, policies: Policies, source: str) -> IntArray:
    """int64 [m], microseconds since 1970 UTC. A timestamp without a zone is taken as UTC.

    Raises:
        GraphError: null; neither timestamp, date nor declared integer; in the future.
    """
    if column.null_count:
        row = int(np.flatnonzero(np.asarray(column.is_null()))[0])
        raise GraphError(
            f"{column.null_count} edges have no time",
            code="missing_time",
            source=source,
            row=row,
            field="time",
        )
    times = _micros_of(column, policies, source)
    if policies.future_times == "error" and times.size:
        row = int(times.argmax())
        now = datetime.now(UTC)
        if times[row] > micros(now) + _DAY:
            raise GraphError(
                f"times lie after now ({now:%Y-%m-%d %H:%M} UTC)",
                code="future_time",
                source=source,
                row=row,
                field="time",
                value=column[row].as_py(),
                hint="is the unit right? Policies(time_unit=...) declares it for integers; "
                'Policies(future_times="keep") allows planned times',
            )
    return times


def _micros_of(column: pa.ChunkedArray, policies: Policies, source: str) -> IntArray:
    kind = column.type
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return _int64(column.cast(pa.timestamp("us", getattr(kind, "tz", None)), safe=False))
    if pa.types.is_integer(kind) and policies.time_unit is not None:
        ticks = _int64(column.cast(pa.int64()))
        if policies.time_unit == "ns":
            return ticks // 1000
        factor = _TICKS[policies.time_unit]
        if (
            ticks.size
            and max(-int(ticks.min()), int(ticks.max())) > np.iinfo(np.int64).max // factor
        ):
            raise GraphError(
                f"times do not fit when read as {policies.time_unit}",
                source=source,
                field="time",
                value=int(ticks.max()),
            )
        return ticks * factor
    hint = "cast it in the query, for example timestamp(at)"
    if pa.types.is_integer(kind):
        hint = 'declare the unit: Policies(time_unit="s"), "ms", "us" or "ns"'
    raise GraphError(
        f"times must be timestamps or dates, not {kind}",
        code="bad_time",
        source=source,
        row=0,
        field="time",
        value=column[0].as_py() if len(column) else None,
        hint=hint,
    )


def _int64(column: pa.ChunkedArray) -> IntArray:
    return to_numpy(column.cast(pa.int64()))


def micros(time: str | int | date | datetime) -> int:
    """A point in time as microseconds since 1970 UTC.

    Args:
        time: an ISO 8601 text, a date, a datetime (without a zone: UTC), or microseconds.

    Raises:
        ConfigError: none of these.
    """
    if isinstance(time, bool):
        raise ConfigError("a time is wanted", value=time)
    if isinstance(time, int | np.integer):
        return int(time)
    try:
        moment = datetime.fromisoformat(time) if isinstance(time, str) else time
        if not isinstance(moment, datetime):
            moment = datetime(moment.year, moment.month, moment.day)
    except (TypeError, ValueError, AttributeError) as error:
        raise ConfigError(
            "a time is wanted", value=time, hint="for example '2017-12-03' or '2017-12-03T10:00'"
        ) from error
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    delta = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds
