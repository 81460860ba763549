"""A Chung-Lu graph of any size with planted communities, written to disk block by block.

Nodes have ranks. A node's expected degree falls with its rank as a power law of exponent 2.5,

    weight(rank) = (rank + shift) ** (-2/3),

whose running sum is a cube root, so that a rank is drawn as the cube of a uniform number: no
table. The shift bounds the largest hub. A node's community is its rank modulo their number; an
edge stays inside by giving the second end the first one's remainder. Ids are the ranks, shuffled.

Edges go both ways into files by range of source, and each file is then sorted and freed of
doubles alone. Memory holds a block of draws, one such file and a few numbers per node.
"""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from graphemb import EdgeType, HeteroGraph
from graphemb.graph import Adjacency, Policies
from graphemb.graph.build import NO_COLUMNS, Edges, Nodes
from graphemb.ids import Ids

LINKS = EdgeType("node", "links", "node")
_DRAWS = 1 << 21
_KEYS_PER_FILE = 1 << 23
_LOST = 1.035  # loops and doubles, about
_HEADER = 128

Longs = npt.NDArray[np.int64]


@dataclass(frozen=True)
class ScaleSize:
    """What a graph is drawn from. Hubs and communities grow with it as they do from G1 to G2.

    Attributes:
        num_nodes: nodes.
        num_edges: undirected edges, about.
        inside: share of the edges drawn inside a community.
        seed: of everything drawn.
    """

    num_nodes: int
    num_edges: int
    inside: float = 0.7
    seed: int = 0

    @property
    def num_draws(self) -> int:
        """Edges drawn; loops and doubles are then removed."""
        return int(self.num_edges * _LOST)

    @property
    def num_communities(self) -> int:
        """64 at 100,000 nodes, four times as many for ten times the nodes."""
        return max(1, int(64 * (self.num_nodes / 1e5) ** 0.602))

    @property
    def max_degree(self) -> float:
        """Expected degree of the largest hub: 3,200 at 100,000 nodes, 14,500 at a million."""
        return float(3200 * (self.num_nodes / 1e5) ** 0.656)

    @property
    def shift(self) -> float:
        """Ranks added, so that the first node has about `max_degree`."""
        sums = 3 * self.max_degree * self.num_nodes ** (1 / 3)
        return float((2 * self.num_draws / sums) ** 1.5)


def generate(size: ScaleSize, folder: Path) -> None:
    """Write the graph as `HeteroGraph.save` does, every edge in both directions.

    `graph.homogeneous(directed=True)` is then the stored CSR itself, mapped and not copied.
    """
    with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
        parts = _spill(size, Path(temporary))
        neighbors = Path(temporary) / "neighbors.npy"
        offsets = _join(size, parts, neighbors)
        mapped = np.load(neighbors, mmap_mode="r")
        adjacency = Adjacency(LINKS, size.num_nodes, offsets, mapped)
        nodes = {"node": Nodes(Ids(pa.array(np.arange(size.num_nodes))), NO_COLUMNS)}
        HeteroGraph(nodes, {LINKS: Edges(adjacency, NO_COLUMNS)}, Policies()).save(folder)


def draw_ranks(size: ScaleSize, count: int, rng: np.random.Generator) -> Longs:
    """int64 [count]: ranks by weight."""
    low, high = np.cbrt(size.shift), np.cbrt(size.num_nodes + size.shift)
    ranks = (rng.random(count) * (high - low) + low) ** 3 - size.shift
    drawn: Longs = np.clip(ranks.astype(np.int64), 0, size.num_nodes - 1)
    return drawn


def draw_edges(size: ScaleSize, block: int) -> tuple[Longs, Longs]:
    """The ranks at both ends of one block of draws."""
    rng = np.random.default_rng([size.seed, 1, block])
    count = min(_DRAWS, size.num_draws - block * _DRAWS)
    src, dst = draw_ranks(size, count, rng), draw_ranks(size, count, rng)
    number = size.num_communities
    mates = dst - dst % number + src % number
    mates -= number * (mates >= size.num_nodes)
    return src, np.where(rng.random(count) < size.inside, mates, dst)


def _spill(size: ScaleSize, folder: Path) -> list[Path]:
    """Draw all edges; keys source * N + target, both ways, in a file for each range of sources."""
    ids = np.random.default_rng([size.seed, 0]).permutation(np.arange(size.num_nodes))
    number = -(-2 * size.num_draws // _KEYS_PER_FILE)
    paths = [folder / f"{part}.keys" for part in range(number)]
    borders = np.array([_first_row(size, part, number) for part in range(1, number)], np.int64)
    with ExitStack() as stack:
        files = [stack.enter_context(path.open("wb")) for path in paths]
        for block in range(-(-size.num_draws // _DRAWS)):
            ends = [ids[ranks] for ranks in draw_edges(size, block)]
            src, dst = ends[0][ends[0] != ends[1]], ends[1][ends[0] != ends[1]]
            keys = np.concatenate([src * size.num_nodes + dst, dst * size.num_nodes + src])
            keys.sort()
            cuts = np.searchsorted(keys, borders * size.num_nodes)
            for file, part in zip(files, np.split(keys, cuts), strict=True):
                part.tofile(file)
    return paths


def _join(size: ScaleSize, paths: list[Path], neighbors: Path) -> Longs:
    """Sort each file and append its targets to an `.npy` file; int64 [N + 1], the offsets."""
    offsets = np.zeros(size.num_nodes + 1, np.int64)
    with neighbors.open("wb") as file:
        file.write(bytes(_HEADER))
        for part, path in enumerate(paths):
            keys = np.fromfile(path, np.int64)
            path.unlink()
            keys.sort()
            keys = keys[np.concatenate([[True], keys[1:] != keys[:-1]])] if keys.size else keys
            first, end = (_first_row(size, one, len(paths)) for one in (part, part + 1))
            rows = keys // size.num_nodes
            offsets[first + 1 : end + 1] = np.bincount(rows - first, minlength=end - first)
            (keys - rows * size.num_nodes).astype(np.int32).tofile(file)
        np.cumsum(offsets, out=offsets)
        file.seek(0)
        header = {"descr": "<i4", "fortran_order": False, "shape": (int(offsets[-1]),)}
        np.lib.format.write_array_header_1_0(file, header)
        if file.tell() != _HEADER:
            raise RuntimeError(f"the header of an .npy file has {file.tell()} bytes")
    return offsets


def _first_row(size: ScaleSize, part: int, parts: int) -> int:
    return part * size.num_nodes // parts
