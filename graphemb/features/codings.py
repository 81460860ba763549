"""How one column becomes components: as a number, as categories, or as the vector it holds.

A coding is what was fitted on one column: small, immutable, and plain JSON. It writes its
components of any column of the same kind, seen in fitting or not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from graphemb.errors import DimensionMismatch, GraphError
from graphemb.graph.fingerprint import hash_column
from graphemb.types import FloatArray

DoubleArray: TypeAlias = npt.NDArray[np.float64]
Scale = Literal["number", "boolean", "time"]
Reading = Literal["number", "boolean", "time", "categories", "sets", "vector", "other"]
"""What a column holds, as far as coding goes; `sets` are lists of categories."""

_HASH_SEED = np.uint64(0xA0761D6478BD642F)
_SIGN = np.uint64(1 << 63)
_DAY = 86_400_000_000


def reading_of(column: pa.Array) -> Reading:
    """What a column holds, by its Arrow type; lists of floats are vectors when of one length."""
    kind = column.type
    if pa.types.is_boolean(kind):
        return "boolean"
    if _is_number(kind):
        return "number"
    if pa.types.is_temporal(kind):
        return "time"
    if _is_text(kind):
        return "categories"
    if pa.types.is_fixed_size_list(kind) and _is_number(kind.value_type):
        return "vector"
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        if _is_text(kind.value_type) or pa.types.is_integer(kind.value_type):
            return "sets"
        lengths = pc.unique(pc.drop_null(pc.list_value_length(column)))
        if _is_number(kind.value_type) and len(lengths) == 1:
            return "vector"
    return "other"


def _is_number(kind: pa.DataType) -> bool:
    types = pa.types
    return bool(types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind))


def _is_text(kind: pa.DataType) -> bool:
    types = pa.types
    return bool(types.is_string(kind) or types.is_large_string(kind))


@dataclass(frozen=True)
class Number:
    """One component: (value - mean) / scale, 0 where there is none.

    Attributes:
        name: of the column.
        reads: `number`; `boolean` (0 and 1 as they are); `time` (in days, or in seconds for
            times of day and durations).
        mean, scale: of the values found in fitting.
        tells_missing: whether a second component is 1 where there is no value; so when fitting
            met some. A NaN is no value.
    """

    kind: ClassVar[str] = "number"
    name: str
    reads: Scale
    mean: float
    scale: float
    tells_missing: bool

    @classmethod
    def fit(cls, name: str, column: pa.Array, reads: Scale) -> Number:
        """The coding of a column.

        Raises:
            GraphError: a value is infinite.
        """
        values = _numbers(name, column, reads)
        found = values[~np.isnan(values)]
        missing = found.size < values.size
        if reads == "boolean" or not found.size:
            return cls(name, reads, 0.0, 1.0, missing)
        spread = float(found.std())
        least = 1e-12 * max(1.0, float(np.abs(found).max()))  # rounding of a constant column
        if spread <= least:
            return cls(name, reads, float(found[0]), 1.0, missing)
        return cls(name, reads, float(found.mean()), spread, missing)

    @property
    def names(self) -> tuple[str, ...]:
        """What the components are called."""
        return (self.name, f"{self.name} missing") if self.tells_missing else (self.name,)

    def encode(self, column: pa.Array, out: FloatArray) -> None:
        """Fill `out` float32 [n, components], which holds zeros.

        Raises:
            GraphError: the column holds something else; a value is infinite.
        """
        values = _numbers(self.name, column, self.reads)
        missing = np.isnan(values)
        out[:, 0] = np.where(missing, 0.0, (values - self.mean) / self.scale)
        if self.tells_missing:
            out[:, 1] = missing


def _numbers(name: str, column: pa.Array, reads: Reading) -> DoubleArray:
    """float64 [n], NaN where there is no value."""
    if column.null_count == len(column):
        return np.full(len(column), np.nan)
    _expect(name, column, reads)
    kind, factor = column.type, 1.0
    if reads == "boolean":
        column = column.cast(pa.int8())
    elif pa.types.is_time(kind) or pa.types.is_duration(kind):
        made = pa.time64("us") if pa.types.is_time(kind) else pa.duration("us")
        column, factor = column.cast(made, safe=False).cast(pa.int64()), 1e-6
    elif reads == "time":
        column = column.cast(pa.timestamp("us", getattr(kind, "tz", None)), safe=False)
        column, factor = column.cast(pa.int64()), 1.0 / _DAY
    values = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False) * factor
    endless = np.isinf(values)
    if endless.any():
        raise GraphError(
            f"{int(endless.sum())} values are infinite",
            code="not_finite",
            row=int(np.argmax(endless)),
            field=name,
        )
    return np.asarray(values, np.float64)


@dataclass(frozen=True)
class Categories:
    """A component per category known from fitting, and shared components for all others.

    Those beyond the known ones are hashed: each adds 1 or -1 to one of `buckets` components, so
    that collisions cancel on average (Weinberger et al. 2009). Without buckets, and where there
    is no value, all components are 0.

    Attributes:
        name: of the column.
        values: categories with a component of their own, ascending.
        buckets: components that the other categories share.
        many: each value of the column is a list of categories; a category counts once a list.
    """

    kind: ClassVar[str] = "categories"
    name: str
    values: tuple[str, ...]
    buckets: int
    many: bool

    @classmethod
    def fit(cls, name: str, column: pa.Array, *, many: bool, most: int, buckets: int) -> Categories:
        """The coding of a column: its `most` frequent categories, and buckets if it has more."""
        found = _texts(name, column, many)[1].value_counts()
        counts = np.asarray(found.field("counts"))
        texts = found.field("values").to_pylist()
        order = sorted(range(len(texts)), key=lambda place: (-counts[place], texts[place]))
        known = tuple(sorted(texts[place] for place in order[:most]))
        return cls(name, known, buckets if len(texts) > most else 0, many)

    @property
    def names(self) -> tuple[str, ...]:
        """What the components are called."""
        shared = (f"{self.name} other {bucket}" for bucket in range(self.buckets))
        return (*(f"{self.name}={value}" for value in self.values), *shared)

    def encode(self, column: pa.Array, out: FloatArray) -> None:
        """Fill `out` float32 [n, components], which holds zeros.

        Raises:
            GraphError: the column holds something else.
        """
        rows, texts = _texts(self.name, column, self.many)
        coded = texts.dictionary_encode()
        codes = np.asarray(coded.indices).astype(np.int64)
        distinct = coded.dictionary
        pairs = np.unique(rows * max(len(distinct), 1) + codes)  # a category once a list
        rows, codes = pairs // max(len(distinct), 1), pairs % max(len(distinct), 1)
        known = pa.array(self.values, pa.large_string())
        place = np.asarray(pc.fill_null(pc.index_in(distinct, value_set=known), -1))[codes]
        out[rows[place >= 0], place[place >= 0]] = 1.0
        if self.buckets and len(distinct):
            hashes = hash_column(distinct, _HASH_SEED)[codes[place < 0]]
            bucket = len(self.values) + (hashes % np.uint64(self.buckets)).astype(np.int64)
            np.add.at(out, (rows[place < 0], bucket), np.where(hashes & _SIGN, 1.0, -1.0))


def _texts(name: str, column: pa.Array, many: bool) -> tuple[npt.NDArray[np.int64], pa.Array]:
    """The row of each category that stands in the column, and the categories as text."""
    if column.null_count == len(column):
        return np.zeros(0, np.int64), pa.array([], pa.large_string())
    _expect(name, column, "sets" if many else "categories")
    if many:
        rows, items = pc.list_parent_indices(column), pc.list_flatten(column)
    else:
        rows, items = pa.array(np.arange(len(column))), column
    there = items.is_valid()
    items = items.filter(there).cast(pa.large_string())
    return np.asarray(rows.filter(there)).astype(np.int64), items


@dataclass(frozen=True)
class Vector:
    """The components that a column of lists of numbers holds, as they are; zeros without one.

    Attributes:
        name: of the column.
        width: numbers in each list.
        tells_missing: whether one more component is 1 where there is no list; so when fitting
            met some.
    """

    kind: ClassVar[str] = "vector"
    name: str
    width: int
    tells_missing: bool

    @classmethod
    def fit(cls, name: str, column: pa.Array) -> Vector:
        """The coding of a column."""
        lengths = pc.drop_null(pc.list_value_length(column))
        return cls(name, lengths[0].as_py() if len(lengths) else 0, column.null_count > 0)

    @property
    def names(self) -> tuple[str, ...]:
        """What the components are called."""
        own = tuple(f"{self.name} {number}" for number in range(self.width))
        return (*own, f"{self.name} missing") if self.tells_missing else own

    def encode(self, column: pa.Array, out: FloatArray) -> None:
        """Fill `out` float32 [n, components], which holds zeros.

        Raises:
            GraphError: the column holds something else; a number is missing or not finite.
            DimensionMismatch: lists of another length.
        """
        there = np.asarray(column.is_valid())
        if self.tells_missing:
            out[:, self.width] = ~there
        if not there.any():
            return
        _expect(self.name, column, "vector")
        given = pc.drop_null(column)
        length = pc.list_value_length(given)[0].as_py()
        if length != self.width:
            raise DimensionMismatch(self.width, length, source=self.name)
        numbers = pc.list_flatten(given).cast(pa.float64(), safe=False)
        with np.errstate(over="ignore"):
            matrix = numbers.to_numpy(zero_copy_only=False).astype(np.float32)
        matrix = matrix.reshape(-1, self.width)
        bad = ~np.isfinite(matrix).all(axis=1)
        if bad.any():
            raise GraphError(
                f"{int(bad.sum())} vectors hold a component that is not a finite float32",
                code="not_finite",
                row=int(np.flatnonzero(there)[np.argmax(bad)]),
                field=self.name,
            )
        out[there, : self.width] = matrix


Coding: TypeAlias = Number | Categories | Vector
CODINGS: dict[str, type[Coding]] = {kind.kind: kind for kind in (Number, Categories, Vector)}


def _expect(name: str, column: pa.Array, wanted: Reading) -> None:
    """Refuse a column that holds something else than what was fitted.

    Numbers and truth values may be read as categories.
    """
    found = reading_of(column)
    as_text = wanted == "categories" and found in ("number", "boolean")
    if found != wanted and not as_text:
        raise GraphError(
            f"the column was fitted as {wanted}, and this one holds {found}",
            code="other_kind",
            field=name,
            value=str(column.type),
        )


def plain(column: pa.ChunkedArray) -> pa.Array:
    """One Arrow array of plain values from a column in chunks, dictionaries or string views."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if pa.types.is_string_view(kind):
        kind = pa.large_string()
    chunks = column.cast(kind).chunks
    return pa.concat_arrays(chunks) if chunks else pa.array([], kind)
