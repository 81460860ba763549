"""What a split asks: queries, candidates, positives and known pairs as arrays.

Rows here are not the graph's: sources and candidates are shuffled by their ids and the seed, so
that no result can come from the order of the input. Candidates seen in training come first.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from scipy import sparse

from graphemb.errors import ConfigError
from graphemb.split.pairs import id_keys
from graphemb.split.rule import HeldOut, Split
from graphemb.types import IntArray, RowArray

Part = Literal["test", "valid"]
Candidates = Literal["all", "seen"]


@dataclass(frozen=True, eq=False)
class Questions:
    """One question per asked source: which candidates is it joined to?

    Attributes:
        split: where they come from.
        src_rows: int64 [n_src], the graph row of each source here; all sources, asked or not.
        dst_rows: int64 [n], the graph row of each candidate here; those seen in training first.
        num_seen: candidates with a training edge of the split edge type.
        history: float32 CSR [n_src, n], 1 for each distinct training pair; symmetric pairs stand
            both ways when edges are asked from both ends.
        queries: int64 [q], the sources asked, ascending.
        offsets, columns: the positives of each query: int64 [q + 1] and [p], ascending.
        known_offsets, known_columns: likewise what is no candidate: known pairs, and itself.
        dropped: positives that cannot be asked, because their target is no candidate.
    """

    split: Split
    src_rows: IntArray
    dst_rows: IntArray
    num_seen: int
    history: sparse.csr_matrix[Any]
    queries: IntArray
    offsets: IntArray
    columns: IntArray
    known_offsets: IntArray
    known_columns: IntArray
    dropped: int

    @classmethod
    def of(
        cls, split: Split, *, part: Part = "test", candidates: Candidates = "all", seed: int = 0
    ) -> Questions:
        """The questions of a split's test or validation pairs.

        Args:
            part: ask for `test` (validation pairs are known) or `valid`.
            candidates: `all` nodes of the target type, or those `seen` in training.
            seed: of the order of rows.

        Raises:
            ConfigError: there are no validation pairs; no positive is left.
        """
        held = split.test if part == "test" else split.valid
        if held is None or not len(held):
            raise ConfigError(
                f"the split holds no {part} pairs", field="part", value=part, hint="give valid="
            )
        src_place, dst_place, num_seen, num_candidates = _places(split, seed)
        if candidates == "seen":
            num_candidates = num_seen
        asked = _mapped(split, held, src_place, dst_place)
        fits = asked[1] < num_candidates
        dropped = int(fits.size - np.count_nonzero(fits))
        src, dst = (end[fits] for end in asked)
        if not src.size:
            raise ConfigError("no positive is among the candidates", field="candidates")
        history = _history(split, src_place, dst_place, num_candidates)
        queries, offsets, columns = _grouped(src, dst, num_candidates)
        known = _known(split, part, src_place, dst_place, history, num_candidates)
        known_offsets, known_columns = _without(known, queries, offsets, columns)
        return cls(
            split,
            np.argsort(src_place),
            np.argsort(dst_place)[:num_candidates],
            num_seen,
            history,
            queries,
            offsets,
            columns,
            known_offsets,
            known_columns,
            dropped,
        )

    @property
    def num_candidates(self) -> int:
        """Nodes that are ranked, before each query's known ones are left out."""
        return int(self.dst_rows.size)

    @cached_property
    def query_of_positive(self) -> IntArray:
        """int64 [p]: the number of each positive's query."""
        return np.repeat(np.arange(self.queries.size), np.diff(self.offsets))

    @property
    def num_ranked(self) -> IntArray:
        """int64 [q]: candidates of each query, known ones left out."""
        return self.num_candidates - np.diff(self.known_offsets)

    @cached_property
    def src_degrees(self) -> IntArray:
        """int64 [n_src]: distinct training pairs of each source."""
        return np.diff(self.history.indptr).astype(np.int64)

    @cached_property
    def dst_degrees(self) -> IntArray:
        """int64 [n]: distinct training pairs of each candidate."""
        return np.bincount(self.history.indices, minlength=self.num_candidates).astype(np.int64)

    @cached_property
    def src_place(self) -> IntArray:
        """int64 [nodes of the source type]: the place here of each graph row."""
        return np.argsort(self.src_rows)

    @cached_property
    def dst_place(self) -> IntArray:
        """int64 [nodes of the target type]: the place here of each graph row; -1 for none."""
        place = np.full(self.split.train.num_nodes(self.split.edge_type.dst), -1, np.int64)
        place[self.dst_rows] = np.arange(self.num_candidates)
        return place


def _places(split: Split, seed: int) -> tuple[IntArray, IntArray, int, int]:
    """Where each graph row of source and target type goes; seen and all targets in number."""
    edge_type = split.edge_type
    dst_degrees = split.train_degrees()[1]
    dst_order = np.lexsort((id_keys(split.train.ids(edge_type.dst), seed), dst_degrees == 0))
    dst_place = np.argsort(dst_order)
    if split.rule.one_type:
        src_place = dst_place
    else:
        src_place = np.argsort(np.argsort(id_keys(split.train.ids(edge_type.src), seed)))
    num_seen = int(np.count_nonzero(dst_degrees))
    return src_place, dst_place, num_seen, dst_place.size


def _mapped(
    split: Split, pairs: HeldOut, src_place: IntArray, dst_place: IntArray
) -> tuple[IntArray, IntArray]:
    """Pairs in places; both ways where edges are asked from both ends."""
    src, dst = src_place[pairs.src], dst_place[pairs.dst]
    if split.both_ways:
        src, dst = np.concatenate([src, dst]), np.concatenate([dst, src])
    return src, dst


def _history(
    split: Split, src_place: IntArray, dst_place: IntArray, num_candidates: int
) -> sparse.csr_matrix[Any]:
    adjacency = split.train[split.edge_type]
    src = src_place[adjacency.sources()]
    dst = dst_place[adjacency.neighbors]
    if split.both_ways:
        src, dst = np.concatenate([src, dst]), np.concatenate([dst, src])
    return _matrix(src, dst, (src_place.size, num_candidates))


def _matrix(src: RowArray, dst: RowArray, shape: tuple[int, int]) -> sparse.csr_matrix[Any]:
    """float32 CSR of ones, sorted, each pair once."""
    matrix = sparse.csr_matrix((np.ones(src.size, np.float32), (src, dst)), shape=shape)
    matrix.sum_duplicates()
    matrix.data[:] = 1.0
    return matrix


def _grouped(src: IntArray, dst: IntArray, width: int) -> tuple[IntArray, IntArray, IntArray]:
    """Distinct sources, and each one's targets as offsets and columns."""
    keys = np.unique(src * width + dst)
    queries, counts = np.unique(keys // width, return_counts=True)
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return queries, offsets, keys % width


def _known(
    split: Split,
    part: Part,
    src_place: IntArray,
    dst_place: IntArray,
    history: sparse.csr_matrix[Any],
    num_candidates: int,
) -> sparse.csr_matrix[Any]:
    """CSR of all pairs that are known when `part` is asked; positives may be among them."""
    known = history
    if part == "test":
        src, dst = _mapped(split, split.removed, src_place, dst_place)
        fits = dst < num_candidates
        known = known + _matrix(src[fits], dst[fits], history.shape)
    if split.rule.one_type:
        size = min(history.shape)
        known = known + _matrix(np.arange(size), np.arange(size), history.shape)
    return sparse.csr_matrix(known)


def _without(
    known: sparse.csr_matrix[Any], queries: IntArray, offsets: IntArray, columns: IntArray
) -> tuple[IntArray, IntArray]:
    """The known columns of each query, its positives taken out."""
    rows = known[queries]
    width = known.shape[1]
    owner = np.repeat(np.arange(queries.size), np.diff(rows.indptr))
    keys = np.unique(owner * width + rows.indices)
    asked = np.repeat(np.arange(queries.size), np.diff(offsets)) * width + columns
    left = np.setdiff1d(keys, asked, assume_unique=True)
    counts = np.bincount(left // width, minlength=queries.size)
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64), left % width
