"""`Ids`: the user's keys of one node type, in row order.

Keys are all strings or all int64, kept exactly as they were given: `"007"` stays `"007"`, and the
string `"1"` never meets the number 1. Anything else (floats, nulls, a mixture) is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal, cast, overload

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from graphemb.arrow import from_numpy, to_numpy
from graphemb.errors import SAMPLE_LIMIT, GraphError, UnknownNode, shown
from graphemb.types import IntArray, NodeId, RowArray

_BLOCK = 1 << 17
_FEW = 8
_STRING_BYTES = 2**31 - 1  # Arrow's plain strings have 32-bit offsets
MAX_ID_BYTES = 65_535
"""Longest string id, in UTF-8 bytes."""


class Ids(Sequence[NodeId]):
    """Distinct keys in row order; immutable. Build one with `Ids.of`.

    Attributes:
        array: Arrow array of `large_string` or `int64`, without nulls.
    """

    __slots__ = ("array",)

    array: pa.Array

    def __init__(self, array: pa.Array) -> None:
        """Trusts `array`; `Ids.of` checks it."""
        self.array = array

    @classmethod
    def of(cls, values: Any, *, source: object = None, field: str = "id") -> Ids:
        """Read keys from a list, NumPy, Arrow, pandas or polars column.

        Raises:
            GraphError: a null, empty, overlong or doubled key; floats; a mixture of types.
        """
        if isinstance(values, Ids):
            return values
        array = key_array(values, source=source, field=field)
        _refuse_doubled(array, source, field)
        return cls(array.cast(pa.large_string()) if pa.types.is_string(array.type) else array)

    @property
    def kind(self) -> Literal["str", "int"]:
        """Whether the keys are strings or integers."""
        return "int" if pa.types.is_int64(self.array.type) else "str"

    def find(self, ids: Any) -> IntArray:
        """int64 row of each key, -1 where it is unknown.

        Raises:
            GraphError: keys of the other kind (`1` for `"1"`), or not keys at all.
        """
        wanted = ids.array if isinstance(ids, Ids) else key_array(ids)
        return self.find_keys(wanted).astype(np.int64, copy=False)

    def find_keys(self, wanted: pa.Array) -> RowArray:
        """As `find`, of an Arrow array as `key_array` gives it; int32 when the rows fit.

        Raises:
            GraphError: keys of the other kind.
        """
        if len(wanted) == 0 or len(self) == 0:
            return np.full(len(wanted), -1, np.int32)
        if pa.types.is_int64(wanted.type) != (self.kind == "int"):
            raise GraphError(
                f"ids here are {self.kind}, and none is looked up by another type",
                code="id_type",
                value=wanted[0].as_py(),
                hint='ids are never converted: 1 and "1" are two different ids',
            )
        if self.kind == "int" and (rows := _find_dense(self.array, wanted)) is not None:
            return rows
        if len(wanted) <= _FEW:  # a scan each is quicker than a hash table of all
            keys = (pa.scalar(key.as_py(), self.array.type) for key in wanted)
            return np.array([pc.index(self.array, key).as_py() for key in keys], np.int64)
        known = self.array.cast(wanted.type) if self.array.nbytes < _STRING_BYTES else self.array
        found = pc.index_in(wanted.cast(known.type), value_set=known)
        return to_numpy(pc.fill_null(found, -1) if found.null_count else found)

    def rows(self, ids: Any, *, source: object = None) -> IntArray:
        """int64 row of each key.

        Raises:
            UnknownNode: some keys are not there; says how many, and shows the first 20.
            GraphError: keys of the other kind.
        """
        rows = self.find(ids)
        unknown = np.flatnonzero(rows < 0)
        if unknown.size:
            wanted = ids.array if isinstance(ids, Ids) else key_array(ids)
            sample = wanted.take(pa.array(unknown[:SAMPLE_LIMIT])).to_pylist()
            raise UnknownNode(
                f"{unknown.size} of {rows.size} ids are not known",
                source=source,
                row=int(unknown[0]),
                value=sample[0],
                hint="unknown: " + ", ".join(shown(key) for key in sample),
            )
        return rows

    def row(self, node_id: NodeId) -> int:
        """Row of one key.

        Raises:
            UnknownNode: it is not there.
        """
        return int(self.rows([node_id])[0])

    def take(self, rows: npt.ArrayLike) -> Ids:
        """The keys of these rows, in their order; `rows` holds no row twice."""
        return Ids(self.array.take(from_numpy(np.asarray(rows, np.int64))))

    def to_list(self) -> list[NodeId]:
        """All keys as Python values."""
        return cast("list[NodeId]", self.array.to_pylist())

    def look_alikes(self) -> int:
        """How many string ids differ from another one only in Unicode form (NFC, NFD)."""
        if self.kind == "int" or pc.all(pc.string_is_ascii(self.array)).as_py() is not False:
            return 0
        distinct: int = pc.count_distinct(pc.utf8_normalize(self.array, form="NFC")).as_py()
        return len(self) - distinct

    def __len__(self) -> int:
        return len(self.array)

    @overload
    def __getitem__(self, key: int) -> NodeId: ...
    @overload
    def __getitem__(self, key: slice) -> Ids: ...
    def __getitem__(self, key: int | slice) -> NodeId | Ids:
        if isinstance(key, slice):
            return Ids(self.array[key])
        return cast(NodeId, self.array[key].as_py())

    def __contains__(self, node_id: object) -> bool:
        if isinstance(node_id, bool) or not isinstance(node_id, str | int):
            return False
        if (self.kind == "int") != isinstance(node_id, int):
            return False
        return bool(pc.index(self.array, pa.scalar(node_id, self.array.type)).as_py() >= 0)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ids) and bool(self.array.equals(other.array))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Ids({len(self):,} {self.kind})"


def _find_dense(keys: pa.Array, wanted: pa.Array) -> RowArray | None:
    """Rows by a direct table when the keys lie close together, as 0..n-1 do; else None."""
    low, high = (value.as_py() for value in pc.min_max(keys).values())
    span = high - low + 1
    if span > 4 * len(keys) + 1024:
        return None
    kind = np.int32 if len(keys) <= np.iinfo(np.int32).max else np.int64
    table = np.full(span + 1, -1, kind)
    table[to_numpy(keys) - low] = np.arange(len(keys), dtype=kind)
    found: RowArray = np.empty(len(wanted), kind)
    places = to_numpy(wanted)
    for start in range(0, found.size, _BLOCK):
        block = places[start : start + _BLOCK]
        outside = (block < low) | (block > high)
        found[start : start + _BLOCK] = table[np.where(outside, span, block - low)]
    return found


def key_array(values: Any, *, source: object = None, field: str = "id") -> pa.Array:
    """One Arrow array (of strings or `int64`) of the keys in a column; doubles are allowed.

    Raises:
        GraphError: a null, empty or overlong key; floats or another type; a mixture of types.
    """
    array = _to_arrow(values, source, field)
    if array.null_count:
        row = int(np.flatnonzero(np.asarray(array.is_null()))[0])
        raise GraphError(
            f"{array.null_count} ids are null", code="null_id", source=source, row=row, field=field
        )
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    kind = array.type
    if pa.types.is_integer(kind):
        return _to_int64(array, source, field)
    if pa.types.is_string_view(kind):
        array = array.cast(pa.large_string())
    if pa.types.is_string(array.type) or pa.types.is_large_string(array.type):
        return _checked_text(array, source, field)
    if len(array) == 0:
        return pa.array([], pa.large_string())
    raise GraphError(
        f"ids must be strings or integers, not {kind}",
        code="id_type",
        source=source,
        row=0,
        field=field,
        value=array[0].as_py(),
        hint="cast the column in the query, for example to STRING",
    )


def _to_arrow(values: Any, source: object, field: str) -> pa.Array:
    if isinstance(values, pa.ChunkedArray):
        return values.chunk(0) if values.num_chunks == 1 else values.combine_chunks()
    if isinstance(values, pa.Array):
        return values
    if hasattr(values, "to_arrow") and not isinstance(values, np.ndarray):
        values = values.to_arrow()  # polars
        return values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    if isinstance(values, Iterable) and not hasattr(values, "__array__"):
        values = list(values)
    if isinstance(values, list) or getattr(values, "dtype", None) == np.dtype(object):
        _refuse_mixture(list(values), source, field)
        values = list(values)
    if isinstance(values, np.ndarray) and values.dtype.kind == "U":
        values = values.tolist()
    try:
        array = from_numpy(values) if isinstance(values, np.ndarray) else pa.array(values)
    except (pa.ArrowException, UnicodeEncodeError, OverflowError, TypeError, ValueError) as error:
        raise GraphError(
            f"these ids cannot be read: {error}", code="bad_id", source=source, field=field
        ) from error
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array


def _refuse_mixture(values: list[Any], source: object, field: str) -> None:
    kinds: dict[type, int] = {}
    for row, value in enumerate(values):
        kinds.setdefault(type(value), row)
    allowed = (str, int, np.str_, np.integer)
    odd = [kind for kind in kinds if not issubclass(kind, allowed) or issubclass(kind, bool)]
    odd = [kind for kind in odd if kind is not type(None)]
    text = [kind for kind in kinds if issubclass(kind, str)]
    mixed = bool(text) and len(text) < len([kind for kind in kinds if kind is not type(None)])
    if not odd and not mixed:
        return
    bad = odd[0] if odd else list(kinds)[1]
    raise GraphError(
        "ids must be all strings or all integers",
        code="id_type",
        source=source,
        row=kinds[bad],
        field=field,
        value=values[kinds[bad]],
        hint="types found: " + ", ".join(sorted(kind.__name__ for kind in kinds)),
    )


def _to_int64(array: pa.Array, source: object, field: str) -> pa.Array:
    try:
        return array.cast(pa.int64())
    except pa.ArrowInvalid as error:
        raise GraphError(
            "integer ids must fit int64; give larger ones as strings",
            code="id_type",
            source=source,
            field=field,
            value=pc.max(array).as_py(),
        ) from error


def _checked_text(array: pa.Array, source: object, field: str) -> pa.Array:
    if len(array) == 0:
        return array
    for start in range(0, len(array), _BLOCK):
        _check_lengths(array[start : start + _BLOCK], start, source, field)
    try:
        array.validate(full=True)
    except pa.ArrowInvalid as error:
        raise _invalid_text(array, source, field) from error
    return array


def _check_lengths(array: pa.Array, start: int, source: object, field: str) -> None:
    lengths = to_numpy(pc.binary_length(array))
    for bad, code, what in (
        (lengths == 0, "empty_id", "an id is empty"),
        (lengths > MAX_ID_BYTES, "long_id", f"an id is longer than {MAX_ID_BYTES} bytes"),
    ):
        if bad.any():
            row = int(np.argmax(bad))
            raise GraphError(
                what,
                code=code,
                source=source,
                row=start + row,
                field=field,
                value=array[row].as_py()[:200],
            )


def _invalid_text(array: pa.Array, source: object, field: str) -> GraphError:
    for row, raw in enumerate(array.cast(pa.large_string()).cast(pa.large_binary(), safe=False)):
        try:
            raw.as_py().decode("utf-8")
        except UnicodeDecodeError as error:
            return GraphError(
                f"an id is not valid UTF-8 (byte {error.start})",
                code="utf8",
                source=source,
                row=row,
                field=field,
                value=raw.as_py(),
            )
    return GraphError("ids are not valid UTF-8", code="utf8", source=source, field=field)


def _refuse_doubled(array: pa.Array, source: object, field: str) -> None:
    if len(array) == 0 or pc.count_distinct(array).as_py() == len(array):
        return
    encoded = np.asarray(pc.dictionary_encode(array).indices)
    order = np.argsort(encoded, kind="stable")
    again = order[1:][encoded[order[1:]] == encoded[order[:-1]]]
    row = int(again.min())
    first = int(np.flatnonzero(encoded == encoded[row])[0])
    raise GraphError(
        f"{again.size} ids stand more than once; rows {first} and {row} hold the same one",
        code="doubled_id",
        source=source,
        row=row,
        field=field,
        value=array[row].as_py(),
    )
