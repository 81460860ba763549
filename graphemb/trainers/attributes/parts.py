"""What items and users are made of: one sparse row over all attributes for each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from scipy import sparse

from graphemb.graph import Adjacency, HeteroGraph
from graphemb.ids import Ids
from graphemb.types import BoolArray, IntArray, Metapath, NodeType

CSR: TypeAlias = "sparse.csr_matrix[Any]"


@dataclass(frozen=True, eq=False)
class Table:
    """The rows of one table of vectors over several node types, one type after the other.

    Attributes:
        ids: of each node type, in row order.
    """

    ids: Mapping[NodeType, Ids]

    @property
    def size(self) -> int:
        """Rows of the table."""
        return sum(len(ids) for ids in self.ids.values())

    def rows(self, node_type: NodeType) -> slice:
        """Where a node type stands."""
        names = list(self.ids)
        start = sum(len(self.ids[name]) for name in names[: names.index(node_type)])
        return slice(start, start + len(self.ids[node_type]))

    def places(self, node_type: NodeType, nodes: Ids) -> IntArray:
        """int64 [len(nodes)]: the row of each, -1 where the table has none."""
        own = self.ids[node_type]
        start = self.rows(node_type).start
        if own == nodes:
            return np.arange(start, start + len(nodes))
        found = own.find(nodes)
        return np.where(found >= 0, found + start, -1)

    def parts_of(
        self, graph: HeteroGraph, node_type: NodeType, paths: Mapping[Metapath, float]
    ) -> CSR:
        """float64 [nodes, size]: how much each node has of each row of the table.

        A path gives a node the nodes it leads to, by the product of the edge weights summed over
        all ways; these are brought to length 1 and multiplied by the path's weight, so that a
        title of ten words says no more than a city. The empty path is the node itself.
        """
        total = sparse.csr_matrix((graph.num_nodes(node_type), self.size), dtype=np.float64)
        for path, weight in paths.items():
            end = path[-1].dst if path else node_type
            found = sparse.identity(graph.num_nodes(node_type), np.float64, format="csr")
            for hop in path:
                found = found @ graph[hop].to_scipy().astype(np.float64)
            placed = self._placed(found, self.places(end, graph.ids(end)))
            total = total + sparse.diags_array(weight / _lengths(placed)) @ placed
        return sparse.csr_matrix(total)

    def _placed(self, found: CSR, places: IntArray) -> CSR:
        """The columns of `found` at their rows of the table; unknown ones are gone."""
        entries = found.tocoo()
        columns = places[entries.col]
        known = columns >= 0
        content = (entries.data[known], (entries.row[known], columns[known]))
        return sparse.csr_matrix(content, shape=(found.shape[0], self.size))


def _lengths(matrix: CSR) -> Any:
    """float64 [n]: the length of each row, 1 where it is empty."""
    squares = np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel()
    return np.where(squares > 0, np.sqrt(squares), 1.0)


def reached(graph: HeteroGraph, path: Metapath) -> BoolArray:
    """bool [nodes]: those of the last type that a path leads to from anywhere.

    Raises:
        UnknownName: an edge type that is not in the graph.
    """
    here = np.ones(graph[path[0]].num_src, np.bool_)
    for hop in path:
        adjacency = graph[hop]
        ends = adjacency.neighbors[here[adjacency.sources()]]
        here = np.bincount(ends, minlength=adjacency.num_dst) > 0
    return here


@dataclass(frozen=True, eq=False)
class Histories:
    """The items of each user, oldest first.

    Attributes:
        offsets: int64 [users + 1].
        items: int64 [m], each item once, at its first time: a re-view is no new view.
        num_items: items in all.
        timed: whether the order means anything; without it all items weigh the same.
    """

    offsets: IntArray
    items: IntArray
    num_items: int
    timed: bool

    @classmethod
    def of(cls, adjacency: Adjacency) -> Histories:
        """From the edges user -> item."""
        source = adjacency.sources().astype(np.int64)
        item = adjacency.neighbors.astype(np.int64)
        if adjacency.times is not None:
            order = np.lexsort((item, adjacency.times, source))
            source, item = source[order], item[order]
        keys = source * max(adjacency.num_dst, 1) + item
        first = np.sort(np.unique(keys, return_index=True)[1])
        counts = np.bincount(source[first], minlength=adjacency.num_src)
        offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        return cls(offsets, item[first], adjacency.num_dst, adjacency.times is not None)

    def __len__(self) -> int:
        return self.items.size

    def degrees(self) -> IntArray:
        """int64 [num_items]: how many users have each."""
        return np.bincount(self.items, minlength=self.num_items)

    def owners(self) -> IntArray:
        """int64 [m]: the user of each item."""
        return np.repeat(np.arange(self.offsets.size - 1), np.diff(self.offsets))

    def latest(self, users: IntArray, decay: float, most: int) -> CSR:
        """float64 [len(users), num_items]: the newest weighs 1, the one before decay, decay^2 ...

        The weights of a row add up to 1; `most` items at most.
        """
        end = self.offsets[users + 1]
        row, rank = _ragged(end - self.offsets[users])
        return self._weighed(row, end[row] - 1 - rank, rank, decay, most, users.size)

    def around(self, places: IntArray, owners: IntArray, decay: float, most: int) -> CSR:
        """float64 [len(places), num_items]: likewise, what a user did around `items[places]`.

        The nearest in order comes first, of two as near the one before; the item itself is out.
        """
        low, high = self.offsets[owners], self.offsets[owners + 1]
        row, step = _ragged(high - low)
        gap = low[row] + step - places[row]
        before, after = (places - low)[row], (high - 1 - places)[row]  # so many on each side
        earlier = -gap - 1 + np.minimum(-gap - 1, after)
        later = gap - 1 + np.minimum(gap, before)
        rank = np.where(gap < 0, earlier, later)
        other = gap != 0
        row, rank, found = row[other], rank[other], (places[row] + gap)[other]
        return self._weighed(row, found, rank, decay, most, places.size)

    def _weighed(
        self, row: IntArray, found: IntArray, rank: IntArray, decay: float, most: int, rows: int
    ) -> CSR:
        weights = np.ones(row.size)
        if self.timed:
            keep = rank < most
            row, found, rank = row[keep], found[keep], rank[keep]
            weights = decay ** rank.astype(np.float64)
        weights /= np.maximum(np.bincount(row, weights, rows), np.finfo(np.float64).tiny)[row]
        content = (weights, (row, self.items[found]))
        return sparse.csr_matrix(content, shape=(rows, self.num_items))


def _ragged(sizes: IntArray) -> tuple[IntArray, IntArray]:
    """Rows of these sizes, one after the other: the row of each entry, and its place in the row."""
    row = np.repeat(np.arange(sizes.size), sizes)
    return row, np.arange(row.size) - np.repeat(np.cumsum(sizes) - sizes, sizes)
