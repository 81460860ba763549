"""HNSW and IVF over the distinct vectors of a space.

HNSW: Malkov & Yashunin 2018 (arXiv:1603.09320), in FAISS's implementation; under `dot` its edges
follow the inner product itself (Morozov & Babenko 2018, ip-NSW): measured on vectors of skewed
length it finds .99 of the neighbours where the reduction of inner product to Euclidean distance by
one more component (Bachrach et al. 2014) finds .40 at equal cost. IVF: k-means cells.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from graphemb.checks import check_int
from graphemb.errors import StoreError
from graphemb.files import read_array, write_array
from graphemb.index.distinct import Groups, find_equal
from graphemb.index.faissfile import faiss_module, read_index, write_index
from graphemb.index.space import Space
from graphemb.types import BoolArray, FloatArray, IntArray

POINTS_PER_LIST = 39
"""FAISS's own bound: fewer training points per k-means cell give poor cells."""
FEWEST_LISTS = 16
_TRAINING_POINTS = 64  # per cell; FAISS's 256 takes four times as long for cells no better

INDEX_FILE = "index.faiss"
GROUPS_FILE = "groups.npy"


@dataclass(frozen=True, kw_only=True)
class HNSW:
    """A graph of near neighbours: fast, larger, slow to build.

    Attributes:
        links: edges of a vector (twice as many at the lowest level).
        ef_construction: candidates kept while building.
        ef_search: candidates kept while searching; more finds more and takes longer. Queries of
            another distribution than the vectors (a user among products) need more.

    Raises:
        ConfigError: a field out of range.
    """

    links: int = 16
    ef_construction: int = 100
    ef_search: int = 128

    def __post_init__(self) -> None:
        check_int("links", self.links, low=2, high=256)
        check_int("ef_construction", self.ef_construction, low=1, high=10_000)
        check_int("ef_search", self.ef_search, low=1, high=100_000)


@dataclass(frozen=True, kw_only=True)
class IVF:
    """Cells of k-means: quick to build, small.

    Attributes:
        lists: number of cells; None is 4 sqrt(n), at most n / 39.
        probes: cells looked into; None is 2 sqrt(lists), at least 16.

    Raises:
        ConfigError: a field out of range.
    """

    lists: int | None = None
    probes: int | None = None

    def __post_init__(self) -> None:
        if self.lists is not None:
            check_int("lists", self.lists, low=1, high=2**20)
        if self.probes is not None:
            check_int("probes", self.probes, low=1, high=2**20)

    def resolved(self, points: int) -> tuple[int, int]:
        """Cells and probes for a number of points; 0 cells when there are too few."""
        most = points // POINTS_PER_LIST
        lists = self.lists or min(round(4 * points**0.5), most)
        if lists > most or (self.lists is None and lists < FEWEST_LISTS):
            return 0, 0
        return lists, min(self.probes or max(16, round(2 * lists**0.5)), lists)


Structure: TypeAlias = HNSW | IVF
KINDS: dict[str, type[HNSW] | type[IVF]] = {"hnsw": HNSW, "ivf": IVF}


@dataclass(frozen=True, eq=False)
class Approximate:
    """A FAISS structure over the distinct vectors.

    Attributes:
        config: what it was built with.
        index: the FAISS index, of u vectors.
        groups: rows of each distinct vector.
    """

    config: Structure
    index: Any
    groups: Groups

    @property
    def kind(self) -> str:
        """`hnsw` or `ivf`."""
        return kind_of(self.config)

    def search(
        self, asked: FloatArray, want: int, k: int, mask: BoolArray | None
    ) -> Iterator[IntArray]:
        """Candidate rows of each query, at most k of each group of equal vectors.

        Args:
            asked: float32 [q, dim], as FAISS compares them.
            want: distinct vectors to look for, at most u.
            mask: bool [n], the permitted rows; None permits all.
        """
        groups = self.groups
        parameters = self._parameters(want, mask)
        _, found = self.index.search(asked, want, params=parameters)
        first_rows = groups.first_rows if len(groups) == len(groups.rows) else None
        for row in found:
            near = row[row >= 0]
            if first_rows is not None:
                yield first_rows[near]
            else:
                members = (groups.members(group) for group in near)
                permitted = (part if mask is None else part[mask[part]] for part in members)
                yield np.concatenate([part[:k] for part in permitted] or [near])

    def _parameters(self, want: int, mask: BoolArray | None) -> Any:
        faiss = faiss_module()
        groups = self.groups
        selector, share = None, 1.0
        if mask is not None:
            permitted = np.zeros(len(groups), bool)
            permitted[groups.of_row[mask]] = True
            selector = faiss.IDSelectorBitmap(np.packbits(permitted, bitorder="little"))
            share = float(permitted.mean())
        if isinstance(self.config, HNSW):
            breadth = min(int(max(self.config.ef_search, want) / share), len(groups))
            return faiss.SearchParametersHNSW(sel=selector, efSearch=breadth)
        lists, probes = self.index.nlist, self.index.nprobe
        return faiss.SearchParametersIVF(sel=selector, nprobe=min(int(probes / share), lists))

    def differing(self, rows: IntArray, searched: FloatArray) -> IntArray:
        """Those of `rows` for which FAISS does not hold `searched`, bit by bit."""
        faiss = faiss_module()
        if self.kind == "ivf":
            self.index.make_direct_map()
        held = self.index.reconstruct_batch(self.groups.of_row[rows])
        if self.kind == "ivf":
            self.index.set_direct_map_type(faiss.DirectMap.NoMap)
        differing: BoolArray = (held != searched).any(axis=1)
        return rows[differing]

    def write(self, folder: Path) -> None:
        """Write the structure's files into an existing folder."""
        write_index(self.index, folder / INDEX_FILE)
        if len(self.groups) < len(self.groups.rows):
            write_array(folder / GROUPS_FILE, self.groups.of_row)


def kind_of(config: Structure) -> str:
    """`hnsw` or `ivf`."""
    return next(kind for kind, made in KINDS.items() if isinstance(config, made))


def faiss_metric(space: Space) -> int:
    """FAISS's number for the metric; cosine is the inner product of unit vectors."""
    faiss = faiss_module()
    return int(faiss.METRIC_L2 if space.metric == "l2" else faiss.METRIC_INNER_PRODUCT)


def build(space: Space, config: Structure) -> Approximate | str:
    """Build the structure, or say why the vectors had better be scanned."""
    faiss = faiss_module()
    dim = space.matrix.shape[1]
    searched = space.searched(slice(None))
    groups = Groups.from_groups(find_equal(searched))
    if len(groups) < len(searched):
        searched = searched[groups.first_rows]
    metric = faiss_metric(space)
    if isinstance(config, HNSW):
        index = faiss.IndexHNSWFlat(dim, config.links, metric)
        index.hnsw.efConstruction = config.ef_construction
        index.hnsw.efSearch = config.ef_search
    else:
        lists, probes = config.resolved(len(groups))
        if not lists:
            need = (config.lists or FEWEST_LISTS) * POINTS_PER_LIST
            return (
                f"IVF needs at least {need} distinct vectors to train and there are "
                f"{len(groups)}; searched exactly instead"
            )
        index = faiss.IndexIVFFlat(faiss.IndexFlat(dim, metric), dim, lists, metric)
        index.nprobe = probes
        # Cells by direction: else the longest centroid draws most vectors under inner product.
        index.cp.spherical = space.metric != "l2"
        index.cp.max_points_per_centroid = _TRAINING_POINTS
        index.train(searched)
    index.add(np.ascontiguousarray(searched))
    return Approximate(config, index, groups)


def read(space: Space, config: Structure, folder: Path, distinct: int) -> Approximate:
    """Read what `Approximate.write` wrote, for the same space.

    Raises:
        StoreError: files that do not belong to this space.
        DimensionMismatch: vectors of another length.
    """
    total, dim = space.matrix.shape
    of_row = np.arange(total)
    if distinct < total:
        of_row = np.asarray(read_array(folder / GROUPS_FILE, mmap=False))
    fits = of_row.dtype == np.int64 and of_row.shape == (total,)
    if not fits or (total and (of_row.min() != 0 or of_row.max() != distinct - 1)):
        raise StoreError("groups do not fit the vectors", code="index_count", source=folder)
    groups = Groups.from_groups(of_row)
    index = read_index(
        folder / INDEX_FILE,
        kind_of(config),
        dim=dim,
        count=distinct,
        metric=faiss_metric(space),
    )
    if isinstance(config, HNSW):
        index.hnsw.efSearch = config.ef_search
    return Approximate(config, index, groups)
