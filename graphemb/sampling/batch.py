"""A neighbourhood in the making: which nodes it has so far, and what numbers they have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from graphemb.graph import HeteroGraph
from graphemb.kernels import neighbor, numbering
from graphemb.kernels.neighbor import Frontier
from graphemb.sampling.sampled import Excluded, SampledGraph
from graphemb.types import EdgeType, IntArray, NodeType

_NONE = np.empty(0, np.int64)


class Known:
    """The nodes of one type that are in a batch, numbered in the order of their finding.

    A node's key is its row, or, where every seed has a tree of its own, tree * n + row.
    """

    def __init__(self, num_rows: int) -> None:
        self.num_rows = max(num_rows, 1)
        self.keys = _NONE
        self.ends = [0]
        self._parts: list[IntArray] = []
        self._size = 0
        self._table = np.full(32, -1, np.int64)

    def enter(self, keys: IntArray) -> IntArray:
        """int64 [n]: the number of each key; those not yet known are added."""
        self._reserve(keys.size)
        numbers, fresh = np.empty((2, keys.size), np.int64)
        count = numbering.enter(self._table, keys, self._size, numbers, fresh)
        self._parts.append(fresh[:count].copy())
        self._size += count
        return numbers

    def find(self, keys: IntArray) -> IntArray:
        """int64 [n]: the number of each key, -1 for one that is not known."""
        return numbering.find(self._table, keys)

    def end_hop(self) -> None:
        """What was entered since the last call is the next frontier."""
        self.keys = np.concatenate([self.keys, *self._parts])
        self._parts = []
        self.ends.append(self._size)

    def frontier(self) -> slice:
        """The nodes that were found in the last hop."""
        return slice(self.ends[-2], self.ends[-1]) if len(self.ends) > 1 else slice(0, 0)

    def _reserve(self, more: int) -> None:
        """Grow the table so that it stays at most two thirds full."""
        wanted = 3 * (self._size + more)
        if wanted <= self._table.size:
            return
        table = np.full(1 << int(wanted - 1).bit_length(), -1, np.int64)
        keys = np.concatenate([self.keys, *self._parts])
        numbering.enter(table, keys, 0, *np.empty((2, keys.size), np.int64))
        self._table = table


class Batch:
    """Nodes and edges found so far."""

    def __init__(
        self,
        graph: HeteroGraph,
        seeds: Mapping[NodeType, npt.ArrayLike],
        times: Mapping[NodeType, npt.ArrayLike] | None,
        exclude: Sequence[Excluded],
        *,
        disjoint: bool,
    ) -> None:
        self._disjoint = disjoint
        self._known = {name: Known(graph.num_nodes(name)) for name in graph.node_types}
        self._edges: dict[EdgeType, list[tuple[IntArray, IntArray, IntArray]]] = {}
        self._banned: dict[EdgeType, Any] = {}
        self._exclude = exclude
        self._seeds: dict[NodeType, IntArray] = {}
        until, first = [_NONE], 0
        for node_type, given in seeds.items():
            rows = np.asarray(given, np.int64).reshape(-1)
            known = self._known[node_type]
            if disjoint:
                rows = rows + np.arange(first, first + rows.size) * known.num_rows
            self._seeds[node_type] = known.enter(rows)
            first += rows.size
            if times is not None:
                until.append(np.asarray(times[node_type], np.int64).reshape(-1))
        self._times = np.concatenate(until)
        self.end_hop()

    def frontier(self, edge_type: EdgeType) -> Frontier:
        """The nodes that gather along an edge type now."""
        known = self._known[edge_type.dst]
        now = known.frontier()
        keys = known.keys[now]
        rows, until = keys, _NONE
        if self._disjoint:
            trees, rows = np.divmod(keys, known.num_rows)
            until = self._times[trees] if self._times.size else _NONE
        return Frontier(rows, keys, until, *self._bans(edge_type, known, now))

    def add(
        self,
        edge_type: EdgeType,
        frontier: Frontier,
        room: IntArray,
        counts: IntArray,
        edges: IntArray,
        neighbors: IntArray,
    ) -> None:
        """Enter what the frontier has drawn; `neighbors` become keys in place."""
        known = self._known[edge_type.src]
        target = self._known[edge_type.dst]
        shifts = _NONE
        if self._disjoint:
            shifts = (frontier.streams // target.num_rows) * known.num_rows
        targets = np.empty(edges.size, np.int64)
        first = target.frontier().start
        total = neighbor.pack(room, counts, edges, neighbors, shifts, first, targets)
        found = (known.enter(neighbors[:total]), targets[:total], edges[:total])
        self._edges.setdefault(edge_type, []).append(found)

    def end_hop(self) -> None:
        """What was found in this hop draws in the next."""
        for known in self._known.values():
            known.end_hop()

    def finish(self, edge_types: Sequence[EdgeType]) -> SampledGraph:
        """The neighbourhood, complete."""
        nodes, trees = {}, {}
        for node_type, known in self._known.items():
            trees[node_type], nodes[node_type] = np.divmod(known.keys, known.num_rows)
        edges = {edge_type: self._edges.get(edge_type, []) for edge_type in edge_types}
        joined = {edge_type: _joined(parts) for edge_type, parts in edges.items()}
        return SampledGraph(
            nodes=nodes,
            seeds=self._seeds,
            edge_index={name: found[:2] for name, found in joined.items()},
            positions={name: found[2] for name, found in joined.items()},
            num_nodes={name: np.diff(known.ends).tolist() for name, known in self._known.items()},
            num_edges={name: [part[0].size for part in parts] for name, parts in edges.items()},
            trees=trees if self._disjoint else None,
        )

    def _bans(self, edge_type: EdgeType, known: Known, now: slice) -> tuple[IntArray, ...]:
        """For each node of the frontier its part of the banned neighbours; and these."""
        if edge_type not in self._banned:
            self._banned[edge_type] = _bans_of(edge_type, self._exclude, known.num_rows)
        keys, starts, banned = self._banned[edge_type]
        if not keys.size:
            return _NONE, _NONE, banned
        low, high = np.zeros((2, now.stop - now.start), np.int64)
        places = known.find(keys) - now.start
        here = np.flatnonzero((places >= 0) & (places < low.size))
        low[places[here]], high[places[here]] = starts[here], starts[here + 1]
        return low, high, banned


def _joined(parts: Sequence[tuple[IntArray, IntArray, IntArray]]) -> IntArray:
    """int64 [3, m]: the hops of one edge type, one after the other."""
    out = np.empty((3, sum(part[0].size for part in parts)), np.int64)
    start = 0
    for part in parts:
        for line, found in zip(out, part, strict=True):
            line[start : start + found.size] = found
        start += part[0].size
    return out


def _bans_of(
    edge_type: EdgeType, exclude: Sequence[Excluded], num_rows: int
) -> tuple[IntArray, IntArray, IntArray]:
    """Keys of nodes, where the part of each begins, and the neighbours they must not draw."""
    pairs = [_NONE.reshape(0, 2)]
    for one in exclude:
        if one.edge_type.stored != edge_type.stored:
            continue
        src, dst = (np.asarray(end, np.int64).reshape(-1) for end in (one.src, one.dst))
        trees = np.zeros(src.size, np.int64) if one.trees is None else np.asarray(one.trees)
        same = edge_type.src == edge_type.dst
        for gathers, other, kind in ((dst, src, one.edge_type), (src, dst, one.edge_type.reverse)):
            if same or kind == edge_type:
                pairs.append(np.stack([gathers + trees * num_rows, other], axis=1))
    found = np.concatenate(pairs)
    found = found[np.lexsort((found[:, 1], found[:, 0]))]
    found = found[np.append(True, (found[1:] != found[:-1]).any(axis=1))[: len(found)]]
    keys, starts = np.unique(found[:, 0], return_index=True)
    ends = np.append(starts, len(found)).astype(np.int64)
    return keys, ends, np.ascontiguousarray(found[:, 1])
