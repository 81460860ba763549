"""Node columns that give held-out pairs away: by naming the other end, or by counting it in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy.special import gammainc

from graphemb.ids import Ids
from graphemb.split.pairs import distinct_pairs, find_pairs
from graphemb.split.rule import HeldOut, Split
from graphemb.types import IntArray, NodeType

_CHANCE = 1e-3
_SEPARATORS = r"[\s,;|\[\]{}()\"']+"
_MIN_NODES = 5
_SHARE_EQUAL = 0.9


@dataclass(frozen=True)
class ColumnLeak:
    """A column that knows held-out pairs.

    Attributes:
        node_type, column: where it stands.
        found: held-out pairs it gives away.
        expected: how many it would by chance.
        how: `names` the other end's id, or `counts` edges that training does not hold.
    """

    node_type: NodeType
    column: str
    found: int
    expected: float
    how: str

    def __str__(self) -> str:
        return (
            f"column {self.column!r} of {self.node_type} {self.how} the other end of "
            f"{self.found:,} held-out pairs ({self.expected:.2g} by chance)"
        )


def column_leaks(split: Split, secret: HeldOut) -> list[ColumnLeak]:
    """The columns of both ends' node types that give `secret` pairs away."""
    edge_type = split.edge_type
    swapped = HeldOut(secret.dst, secret.src)
    found = list(_of_end(split, edge_type.src, edge_type.dst, secret, 0))
    if split.rule.one_type:
        both = HeldOut(
            np.concatenate([secret.src, secret.dst]), np.concatenate([secret.dst, secret.src])
        )
        return list(_of_end(split, edge_type.src, edge_type.dst, both, 0))
    return found + list(_of_end(split, edge_type.dst, edge_type.src, swapped, 1))


def _of_end(
    split: Split, node_type: NodeType, other: NodeType, pairs: HeldOut, end: int
) -> Iterator[ColumnLeak]:
    columns = split.train.columns(node_type)
    ids = split.train.ids(other)
    degrees = _degrees(split, end)
    text_ids = Ids(ids.array.cast(pa.large_string()))
    for name in columns.column_names:
        column = columns[name].combine_chunks() if columns.num_rows else None
        if column is None or len(column) == 0:
            continue
        leak = _names(node_type, name, column, text_ids, pairs)
        if leak is None:
            leak = _counts(node_type, name, column, degrees, pairs)
        if leak is not None:
            yield leak


def late_columns(split: Split) -> Iterator[str]:
    """Node columns with times from the test's on; whether they tell anything is for a person."""
    if split.train_until is None:
        return
    limit = pa.scalar(split.train_until, pa.timestamp("us"))
    for node_type in dict.fromkeys((split.edge_type.src, split.edge_type.dst)):
        columns = split.train.columns(node_type)
        for name in columns.column_names:
            if not pa.types.is_temporal(columns[name].type) or pa.types.is_time(columns[name].type):
                continue
            times = columns[name].cast(pa.timestamp("us", getattr(columns[name].type, "tz", None)))
            late = pc.sum(pc.greater_equal(times.cast(pa.timestamp("us")), limit)).as_py()
            if late:
                yield (
                    f"column {name!r} of {node_type} holds {late:,} times at or after the end "
                    f"of training: does it tell who did what?"
                )


def _degrees(split: Split, end: int) -> list[IntArray]:
    """int64 [n] each, at one end: training edges, and distinct training pairs."""
    adjacency = split.train[split.edge_type]
    both = split.both_ways
    pairs = distinct_pairs(adjacency, unordered=both, loops=not split.rule.one_type).held
    sizes = (adjacency.num_src, adjacency.num_dst)
    distinct = [
        np.bincount(rows, minlength=size)
        for rows, size in zip((pairs.src, pairs.dst), sizes, strict=True)
    ]
    once = distinct[0] + distinct[1] if both else distinct[end]
    return [split.train_degrees()[end], once.astype(np.int64)]


def _names(
    node_type: NodeType, name: str, column: pa.Array, ids: Ids, pairs: HeldOut
) -> ColumnLeak | None:
    """A column whose values, or words in them, are ids of the other end, more than by chance.

    Expected: the held-out pairs' ends matched anew at random, so that neither what is popular
    nor a value that stands on many popular nodes looks like knowledge.
    """
    rows, words = _words(column)
    claims = ids.find(Ids(words)) if len(words) else np.zeros(0, np.int64)
    real = claims >= 0
    src, dst = rows[real], claims[real]
    width = max(len(ids), 1)
    distinct = np.unique(src * width + dst)
    src, dst = distinct // width, distinct % width
    found = int(np.count_nonzero(find_pairs(src, dst, pairs, width, False)))
    if not found:
        return None
    of_row = np.bincount(pairs.src, minlength=len(column))
    of_id = np.bincount(pairs.dst, minlength=width)
    expected = float(of_row[src] @ of_id[dst]) / len(pairs)
    if gammainc(found, expected) >= _CHANCE:  # the chance of as many, if Poisson
        return None
    return ColumnLeak(node_type, name, found, expected, "names")


def _words(column: pa.Array) -> tuple[IntArray, pa.Array]:
    """The row and text of every value, and of every word in a text or element of a list."""
    rows = np.arange(len(column))
    kind = column.type
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        rows = np.asarray(pc.list_parent_indices(column)).astype(np.int64)
        column = pc.list_flatten(column)
        kind = column.type
    if pa.types.is_dictionary(kind):
        column, kind = column.dictionary_decode(), kind.value_type
    whole = pa.types.is_integer(kind)
    if not (whole or pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        return np.zeros(0, np.int64), pa.array([], pa.large_string())
    text = column.cast(pa.large_string())
    known = np.asarray(pc.is_valid(text))
    rows, text = rows[known], text.filter(pa.array(known))
    if whole:
        return rows, text
    split = pc.split_pattern_regex(text, _SEPARATORS)
    owners = np.asarray(pc.list_parent_indices(split)).astype(np.int64)
    words = pc.list_flatten(split).cast(pa.large_string())
    trimmed = pc.utf8_trim_whitespace(text)
    return np.concatenate([rows, rows[owners]]), pa.concat_arrays([trimmed, words])


def _counts(
    node_type: NodeType, name: str, column: pa.Array, degrees: list[IntArray], pairs: HeldOut
) -> ColumnLeak | None:
    """A numeric column that equals a degree with the held-out pairs counted in."""
    kind = column.type
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        return None
    values = np.asarray(pc.fill_null(column.cast(pa.float64(), safe=False), -1.0))
    held = np.bincount(pairs.src, minlength=values.size)
    touched = np.flatnonzero(held)
    if touched.size < _MIN_NODES:
        return None
    for degree in degrees:
        whole = (degree + held)[touched]
        equal = values[touched] == whole
        if np.unique(whole).size > 1 and equal.mean() >= _SHARE_EQUAL:
            return ColumnLeak(node_type, name, int(held[touched][equal].sum()), 0.0, "counts")
    return None
