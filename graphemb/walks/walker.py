"""`Walker`: makes the walks of a spec on a graph, any part of them, in any order."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from graphemb.errors import GraphError
from graphemb.graph import HeteroGraph, HomogeneousCSR
from graphemb.graph.adjacency import row_dtype
from graphemb.kernels import alias, corpus, edge_filter, node2vec, walk
from graphemb.kernels.node2vec import Bias
from graphemb.kernels.walk import Links
from graphemb.linalg import over_rows
from graphemb.types import EdgeType, FloatArray, IntArray, Metapath, NodeType, RowArray
from graphemb.walks.corpus import Corpus, Space
from graphemb.walks.spec import WalkSpec

_BLOCK = 4096


class Source(Protocol):
    """Sequences by number, without end: round after round, epoch after epoch."""

    @property
    def space(self) -> Space:
        """What the rows mean."""
        ...

    @property
    def round_size(self) -> int:
        """Sequences until every start has had its turn."""
        ...

    @property
    def num_sequences(self) -> int:
        """Sequences of one epoch: some whole rounds."""
        ...

    @property
    def mean_length(self) -> float:
        """Nodes of a sequence, about."""
        ...

    def block(self, first: int, size: int) -> tuple[RowArray, IntArray]:
        """Sequences `first` to `first + size - 1`.

        Returns:
            int32 or int64 [tokens], rows of `space`, one sequence after the other, and int64
            [size], their lengths.
        """
        ...


@dataclass(frozen=True, eq=False)
class Walker:
    """The walks of one spec on one graph, made on demand; a `Source`.

    Attributes:
        space: what the rows mean.
        hops: a CSR for each hop of the metapath, or the one that all steps take.
        shifts: int64 [length]: added to the rows of each step to make them rows of `space`.
        starts: rows of the first hop that have a way out.
        bias: node2vec's, or None.
        rounds: walks from each start.
        seed: of the walks.
    """

    space: Space
    hops: tuple[Links, ...]
    shifts: IntArray
    starts: RowArray
    bias: Bias | None
    rounds: int
    seed: int

    @classmethod
    def of(cls, graph: HeteroGraph, spec: WalkSpec, space: Space | None = None) -> Walker:
        """The walks of `spec` on `graph`.

        Args:
            space: for a metapath, at least its node types; None: just these.

        Raises:
            UnknownName: an edge type that is not in the graph.
            GraphError: a metapath through an edge type without edges.
        """
        if spec.metapath is not None:
            space = space or Space.of_graph(graph, node_types_of(spec.metapath))
            return cls._along(graph, spec, spec.metapath, space)
        merged = graph.homogeneous(spec.edge_types, directed=spec.directed)
        links = links_of(merged.offsets, merged.neighbors, merged.weights)
        return cls(
            Space.of_graph(graph, merged.node_types),
            (links,),
            _fixed(np.zeros(spec.walk_length, np.int64)),
            _starts(links, links.neighbors.dtype),
            _bias(merged, spec) if spec.second_order else None,
            spec.walks_per_node,
            spec.seed,
        )

    @classmethod
    def _along(cls, graph: HeteroGraph, spec: WalkSpec, metapath: Metapath, space: Space) -> Walker:
        parts = [graph[edge_type] for edge_type in metapath]
        for number, part in enumerate(parts, 1):
            if not part.num_edges:
                raise GraphError(
                    f"hop {number} of the metapath has no edges",
                    code="empty_hop",
                    source=part.edge_type,
                    field="metapath",
                    hint="walks cannot pass here; leave this metapath out",
                )
        hops = tuple(links_of(part.offsets, part.neighbors, part.weights) for part in parts)
        length = spec.walk_length
        if metapath[-1].dst != metapath[0].src:
            length = min(length, len(metapath) + 1)
        stops = [metapath[0].src, *(edge_type.dst for edge_type in metapath)]
        turns = [step if step <= len(hops) else step % len(hops) for step in range(length)]
        shifts = [space.first(stops[turn]) for turn in turns]
        return cls(
            space,
            hops,
            _fixed(np.array(shifts, np.int64)),
            _starts(hops[0], max(links.neighbors.dtype for links in hops)),
            None,
            spec.walks_per_node,
            spec.seed,
        )

    @property
    def round_size(self) -> int:
        """Walks until every start has had its turn."""
        return int(self.starts.size)

    @property
    def num_sequences(self) -> int:
        """Walks in all rounds together."""
        return self.rounds * int(self.starts.size)

    @property
    def mean_length(self) -> float:
        """Nodes of a walk that does not end early."""
        return float(self.shifts.size)

    def block(self, first: int, size: int) -> tuple[RowArray, IntArray]:
        """Walks `first` to `first + size - 1`; see `Source.block`."""
        tokens = np.empty(size * self.shifts.size, row_dtype(self.space.num_rows))
        lengths = np.empty(size, np.int64)
        return tokens[: self.fill(first, tokens, lengths)], lengths

    def fill(self, first: int, tokens: RowArray, lengths: IntArray) -> int:
        """Make walks `first`, `first + 1`, ..., one for each place in `lengths`.

        Args:
            tokens: with room for walks of full length.

        Returns:
            How many tokens were written.
        """
        count = 0
        for low in range(0, lengths.size, _BLOCK):
            part = lengths[low : low + _BLOCK]
            walks = self._walks(first + low, part.size)
            count += corpus.pack(walks, self.shifts, tokens[count:], part)
        return count

    def _walks(self, first: int, size: int) -> RowArray:
        """int [length, size]: walks, time-major; -1 after their ends."""
        walks = np.empty((self.shifts.size, size), self.starts.dtype)
        keys, came = np.empty(size, np.uint64), np.empty(size, np.int64)
        walk.begin(self.starts, first, self.seed, keys, walks[0])
        for step in range(1, self.shifts.size):
            links = self.hops[(step - 1) % len(self.hops)]
            now, out = walks[step - 1], walks[step]
            if self.bias is None or step == 1:
                walk.advance(links, now, keys, step, out)
                continue
            before = walks[step - 2]
            if step == 2:
                walk.edges_taken(links.offsets, links.neighbors, before, now, came)
            node2vec.advance(links, self.bias, before, now, came, keys, step, out)
        return walks


def generate_walks(graph: HeteroGraph, spec: WalkSpec, *, threads: int | None = None) -> Corpus:
    """All walks of `spec`, the same at any number of threads.

    Args:
        threads: at most; None: one per core.

    Raises:
        UnknownName: an edge type that is not in the graph.
        GraphError: a metapath through an edge type without edges.
    """
    walker = Walker.of(graph, spec)
    number, longest = walker.num_sequences, walker.shifts.size
    tokens = np.empty(number * longest, row_dtype(walker.space.num_rows))
    lengths = np.empty(number, np.int64)
    blocks = -(-number // _BLOCK)
    counts = np.zeros(blocks, np.int64)

    def make(low: int, high: int) -> None:
        for block in range(low, high):
            first = block * _BLOCK
            room = tokens[first * longest : (first + _BLOCK) * longest]
            counts[block] = walker.fill(first, room, lengths[first : first + _BLOCK])

    over_rows(make, np.arange(blocks + 1), threads=threads)
    total = 0
    for block in range(blocks):  # close the gaps that walks which ended early have left
        start = block * _BLOCK * longest
        if start != total:
            tokens[total : total + counts[block]] = tokens[start : start + counts[block]]
        total += int(counts[block])
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    return Corpus(tokens[:total], offsets, walker.space)


def node_types_of(edge_types: Iterable[EdgeType]) -> set[NodeType]:
    """The node types at the ends of some edge types."""
    return {end for edge_type in edge_types for end in (edge_type.src, edge_type.dst)}


def _fixed(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """As a read-only plain array: kernels are compiled once per kind of array."""
    view = np.asarray(array).view()
    view.flags.writeable = False
    return view


def links_of(offsets: IntArray, neighbors: RowArray, weights: FloatArray | None) -> Links:
    """A CSR as kernels walk on it, with alias tables where there are weights."""
    table = np.empty(0 if weights is None else neighbors.size, np.uint64)
    if weights is not None:
        over_rows(lambda low, high: alias.fill(offsets, weights, table, low, high), offsets)
    return Links(_fixed(offsets), _fixed(neighbors), _fixed(table))


def _starts(links: Links, dtype: np.dtype[Any]) -> RowArray:
    return _fixed(np.flatnonzero(np.diff(links.offsets)).astype(dtype))


def _bias(merged: HomogeneousCSR, spec: WalkSpec) -> Bias:
    """What node2vec's steps need beside the CSR: 1 byte an edge, 4 bytes a node.

    And 4 bytes an edge more where the way back may weigh something else than the way there.
    """
    back, far = 1.0 / spec.p, 1.0 / spec.q
    none, mutual = np.empty(0, np.float32), not spec.directed
    weights = none if merged.weights is None else merged.weights
    edges = (merged.offsets, merged.neighbors, weights)
    words = np.zeros(0, np.uint64)
    if far != 1.0:
        words = np.zeros(merged.num_edges // edge_filter.EDGES_PER_WORD + 1, np.uint64)
        edge_filter.fill(*edges[:2], words)
    homes = totals = none
    if back > max(1.0, far):
        homes = weights
        if not (mutual and merged.distinct().all()):
            homes = np.empty(merged.num_edges, np.float32)
            over_rows(partial(walk.weigh_homes, *edges, homes), merged.offsets)
        if homes.size:
            totals = np.empty(merged.num_nodes, np.float32)
            run = partial(walk.weigh_rows, merged.offsets, weights, totals)
            over_rows(run, merged.offsets)
    words, weights = _fixed(words), _fixed(weights)
    return Bias(back, far, words, weights, _fixed(homes), _fixed(totals), mutual)
