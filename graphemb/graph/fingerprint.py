"""A content hash of a graph: equal content, equal hash, whatever the order of the rows.

Every node and edge is hashed by its content (ids, weight, time, columns); the hashes of one type
are summed, so order plays no part. Two independent 64-bit lanes make an accidental collision
practically impossible. Widths do not count: an int32 column equals the same int64 one, a weight
that is absent equals 1, and a column of nulls equals no column.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from graphemb.arrow import to_numpy
from graphemb.graph.build import Edges, Nodes
from graphemb.graph.compressed import fixed
from graphemb.kernels import hash as hashing
from graphemb.types import EdgeType, NodeType

_LANES = (np.uint64(0x243F6A8885A308D3), np.uint64(0x13198A2E03707344))
_WEIGHT, _TIME, _DST, _COLUMN, _NULL = (np.uint64(salt) for salt in (11, 13, 17, 19, 23))

_BLOCK = 1 << 22

Hashes = npt.NDArray[np.uint64]


def fingerprint(nodes: Mapping[NodeType, Nodes], edges: Mapping[EdgeType, Edges]) -> str:
    """64 hexadecimal digits."""
    content: dict[str, list[int]] = {}
    for lane in _LANES:
        id_hashes = {name: hash_column(part.ids.array, lane) for name, part in nodes.items()}
        for name, part in nodes.items():
            hashes = id_hashes[name].copy()
            _add_columns(hashes, part.columns, lane)
            content.setdefault(name, [len(part.ids)]).append(_total(hashes))
        for edge_type, group in edges.items():
            count = group.adjacency.num_edges
            content.setdefault(str(edge_type), [count]).append(_edges(group, id_hashes, lane))
    text = json.dumps(content, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _total(hashes: Hashes) -> int:
    return int(np.add.reduce(hashes, dtype=np.uint64)) if hashes.size else 0


def _edges(group: Edges, id_hashes: Mapping[NodeType, Hashes], lane: np.uint64) -> int:
    """The sum over all edges, a block at a time: a graph may be larger than memory."""
    blocks = range(0, group.adjacency.num_edges, _BLOCK)
    totals = (_total(_edge_hashes(group, start, id_hashes, lane)) for start in blocks)
    return sum(totals) % 2**64


def _edge_hashes(
    group: Edges, start: int, id_hashes: Mapping[NodeType, Hashes], lane: np.uint64
) -> Hashes:
    """Of the block of edges that begins at `start`."""
    adjacency = group.adjacency
    end = min(start + _BLOCK, adjacency.num_edges)
    first, last = np.searchsorted(adjacency.offsets, [start, end - 1], side="right").tolist()
    bounds = np.clip(adjacency.offsets[first - 1 : last + 1], start, end)
    hashes = np.repeat(
        id_hashes[adjacency.edge_type.src][first - 1 : last], bounds[1:] - bounds[:-1]
    )
    dst = id_hashes[adjacency.edge_type.dst]
    hashing.combine_taken(hashes, fixed(dst), adjacency.neighbors[start:end], _DST)
    if adjacency.weights is None:
        weights = np.full(1, np.float32(1).view(np.uint32), np.uint64).repeat(hashes.size)
    else:
        weights = adjacency.weights[start:end].view(np.uint32).astype(np.uint64)
    hashing.combine(hashes, fixed(weights), _WEIGHT)
    if adjacency.times is not None:
        hashing.combine(hashes, fixed(adjacency.times[start:end].view(np.uint64)), _TIME)
    _add_columns(hashes, group.columns, lane, start)
    return hashes


def _add_columns(hashes: Hashes, columns: pa.Table, lane: np.uint64, start: int = 0) -> None:
    """Fold in the values of all columns from row `start` on."""
    for name in sorted(columns.column_names):
        column = columns[name]
        if column.null_count == len(column):
            continue
        part = hash_column(column.slice(start, hashes.size), lane)
        hashing.combine(hashes, fixed(part), hash_name(name, lane))


def hash_column(column: pa.Array | pa.ChunkedArray, seed: np.uint64) -> Hashes:
    """uint64 [n]: a hash of each value; integers of any width alike, and so floats and texts."""
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if isinstance(column, pa.ChunkedArray):
        column = pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    hashes = _hash_values(column, seed)
    if column.null_count:
        hashes = np.where(np.asarray(column.is_null()), hashing.mix(seed ^ _NULL), hashes)
    return hashes


def hash_name(name: str, seed: np.uint64) -> np.uint64:
    """As `hash_column` of a text alone."""
    letters = np.frombuffer(name.encode(), np.uint8)
    return np.uint64(hashing.hash_text(fixed(np.array([0, letters.size])), letters, seed)[0])


def _hash_values(column: pa.Array, seed: np.uint64) -> Hashes:
    kind = column.type
    if pa.types.is_boolean(kind) or pa.types.is_integer(kind):
        return _hash_ints(column.cast(pa.int64(), safe=False), seed)
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return _hash_ints(column.cast(pa.timestamp("us"), safe=False).cast(pa.int64()), seed)
    if pa.types.is_floating(kind):
        values = to_numpy(_filled(column.cast(pa.float64()))) + 0.0
        return hashing.hash_words(fixed(values.view(np.uint64)), seed)
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        column = pa.array([repr(value) for value in column.to_pylist()], pa.large_string())
    text = pa.concat_arrays([column.cast(pa.large_string())])
    if len(text) == 0:
        return np.zeros(0, np.uint64)
    _, offsets, data = text.buffers()
    places = np.frombuffer(offsets, np.int64)[text.offset : text.offset + len(text) + 1]
    letters = np.frombuffer(data, np.uint8) if data is not None else np.zeros(0, np.uint8)
    return hashing.hash_text(fixed(places), fixed(letters), seed)


def _hash_ints(column: pa.Array, seed: np.uint64) -> Hashes:
    return hashing.hash_words(fixed(to_numpy(_filled(column)).view(np.uint64)), seed)


def _filled(column: pa.Array) -> pa.Array:
    """Numbers, with 0 for nulls."""
    return pc.fill_null(column, 0) if column.null_count else column
