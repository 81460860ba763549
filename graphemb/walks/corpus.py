"""`Corpus`: sequences of nodes as one array; `Space`: the rows that stand in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from graphemb.graph import HeteroGraph
from graphemb.ids import Ids
from graphemb.types import IntArray, NodeId, NodeType, RowArray


@dataclass(frozen=True, eq=False)
class Space:
    """One row space over several node types, one after the other.

    Attributes:
        node_types: in the order of their rows.
        offsets: int64 [T + 1]; type t's rows are `offsets[t]:offsets[t + 1]`.
        ids: of each node type, in row order.
    """

    node_types: tuple[NodeType, ...]
    offsets: IntArray
    ids: tuple[Ids, ...]

    @classmethod
    def of_graph(cls, graph: HeteroGraph, node_types: Iterable[NodeType]) -> Space:
        """The rows of some node types of a graph, in the graph's order."""
        wanted = set(node_types)
        return cls.of_ids({name: graph.ids(name) for name in graph.node_types if name in wanted})

    @classmethod
    def of_ids(cls, ids: Mapping[NodeType, Ids]) -> Space:
        """The rows of node types with these ids."""
        sizes = [len(part) for part in ids.values()]
        offsets = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])
        offsets.flags.writeable = False
        return cls(tuple(ids), offsets, tuple(ids.values()))

    @property
    def num_rows(self) -> int:
        """Nodes of all types."""
        return int(self.offsets[-1])

    def first(self, node_type: NodeType) -> int:
        """The row of the first node of a type."""
        return int(self.offsets[self.node_types.index(node_type)])

    def node(self, row: int) -> tuple[NodeType, NodeId]:
        """Type and id of the node at a row."""
        place = int(np.searchsorted(self.offsets, row, side="right")) - 1
        return self.node_types[place], self.ids[place][row - int(self.offsets[place])]


@dataclass(frozen=True, eq=False)
class Corpus:
    """Sequences of nodes.

    Attributes:
        rows: int32 or int64 [tokens], rows of `space`, the sequences one after the other.
        offsets: int64 [sequences + 1]; sequence i is `rows[offsets[i]:offsets[i + 1]]`.
        space: what the rows mean.
    """

    rows: RowArray
    offsets: IntArray
    space: Space

    def __post_init__(self) -> None:
        self.rows.flags.writeable = False
        self.offsets.flags.writeable = False

    @property
    def num_tokens(self) -> int:
        """Nodes in all sequences, each as often as it stands there."""
        return int(self.rows.size)

    @property
    def lengths(self) -> IntArray:
        """int64 [sequences]: nodes of each."""
        return np.diff(self.offsets)

    def to_ids(self, number: int) -> list[tuple[NodeType, NodeId]]:
        """One sequence as node types and ids."""
        return [self.space.node(int(row)) for row in self[number]]

    def __len__(self) -> int:
        return int(self.offsets.size - 1)

    def __getitem__(self, number: int) -> RowArray:
        """int32 or int64 [length]: the rows of one sequence; a read-only view."""
        if not -len(self) <= number < len(self):
            raise IndexError(f"sequence {number} of {len(self)}")
        number %= len(self)
        return self.rows[self.offsets[number] : self.offsets[number + 1]]

    def __repr__(self) -> str:
        return f"Corpus({len(self):,} sequences, {self.num_tokens:,} tokens)"
