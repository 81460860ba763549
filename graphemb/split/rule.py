"""What a split is: its rule, what is held out, and the training graph that is left."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import date, datetime
from typing import Any, Literal, TypeAlias

import numpy as np

from graphemb.checks import check_choice, check_int, check_number
from graphemb.errors import ConfigError
from graphemb.graph import HeteroGraph, micros
from graphemb.types import BoolArray, EdgeType, IntArray

By = Literal["random", "time", "leave_one_out"]
Cold = Literal["keep", "drop"]
Moment: TypeAlias = str | int | date | datetime


@dataclass(frozen=True, kw_only=True)
class SplitRule:
    """How edges of one type are held out; the fields of a run file's `[split]` table.

    A pair of nodes is held out as a whole: its parallel edges, and between nodes of one type its
    reverse edges, leave the training graph with it.

    Attributes:
        edge_type: the edges to hold out. Queries are its sources, candidates its targets; a
            reverse edge type asks the other way round.
        by: `time`: edges at or after a moment leave; the default where edges have times.
            `random`: a share of the pairs; the default elsewhere.
            `leave_one_out`: of every source with two or more pairs the last one by time leaves,
            where a pair's time is its first edge's. The source's own edges from that moment on
            leave too. Not strict in time: later edges of other sources stay.
        test: share of the pairs (`random`) or of the edges (`time`, unless `cutoff` is given).
        valid: share held out for validation, before the test edges in time; for `leave_one_out`
            any share above 0 holds out the last pair but one as well.
        cutoff: the moment the test begins, for `time`; for example "2017-12-03" (UTC).
        seed: of everything drawn. What is drawn depends on ids, never on the order of rows.
        directed: between nodes of one type, ask for edges from src to dst only. Else an edge
            is asked from both its ends.
        new_only: for `time`, ask only for pairs that have no edge before the cutoff.
        max_queries: ask at most so many sources, drawn by the seed; all held-out edges leave
            the training graph all the same.
        leaky_with: other edge types between the same node types, which lose the held-out pairs.
        cut_others: for `time`, cut all other edge types that have times as well.
        cold: `keep` or `drop` held-out pairs with an end that has no training edge of this type.

    Raises:
        ConfigError: a value out of its range, or fields that contradict each other.
    """

    edge_type: EdgeType
    by: By | None = None
    test: float = 0.1
    valid: float = 0.0
    cutoff: Moment | None = None
    seed: int = 0
    directed: bool = False
    new_only: bool = True
    max_queries: int | None = None
    leaky_with: tuple[EdgeType, ...] = ()
    cut_others: bool = True
    cold: Cold = "keep"

    def __post_init__(self) -> None:
        object.__setattr__(self, "edge_type", EdgeType(*self.edge_type))
        object.__setattr__(self, "leaky_with", tuple(EdgeType(*one) for one in self.leaky_with))
        check_choice("by", self.by, (None, "random", "time", "leave_one_out"))
        check_choice("cold", self.cold, ("keep", "drop"))
        check_number("test", self.test, above=0.0, high=0.9)
        check_number("valid", self.valid, low=0.0, high=0.9)
        check_int("seed", self.seed, low=0)
        if self.max_queries is not None:
            check_int("max_queries", self.max_queries, low=1)
        if self.cutoff is not None:
            micros(self.cutoff)
            if self.by not in (None, "time"):
                raise ConfigError("a cutoff needs by='time'", field="cutoff", value=self.by)
        ends = sorted((self.edge_type.src, self.edge_type.dst))
        for other in self.leaky_with:
            if sorted((other.src, other.dst)) != ends or other.stored == self.edge_type.stored:
                raise ConfigError(
                    "a leaky edge type is another one between the same node types",
                    field="leaky_with",
                    value=str(other),
                    hint=f"the split is of {self.edge_type}",
                )

    @property
    def one_type(self) -> bool:
        """Whether both ends are of one node type."""
        return self.edge_type.src == self.edge_type.dst

    def describe(self) -> dict[str, Any]:
        """The fields, JSON-able: enough to split the same graph the same way again."""
        found: dict[str, Any] = {part.name: getattr(self, part.name) for part in fields(self)}
        found["edge_type"] = str(self.edge_type)
        found["leaky_with"] = [str(other) for other in self.leaky_with]
        if isinstance(self.cutoff, date):
            found["cutoff"] = self.cutoff.isoformat()
        return found


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Pairs taken out of training, each once; arrays are read-only and equally long.

    Attributes:
        src: int64 rows of the split edge type's source type.
        dst: int64 rows of its target type.
        time: int64 microseconds UTC of the pair's first edge, or None without times.
    """

    src: IntArray
    dst: IntArray
    time: IntArray | None = None

    def __post_init__(self) -> None:
        for array in (self.src, self.dst, self.time):
            if array is not None:
                array.flags.writeable = False

    def __len__(self) -> int:
        return int(self.src.size)

    def take(self, chosen: BoolArray | IntArray) -> HeldOut:
        """Some of the pairs, by mask or by position."""
        time = None if self.time is None else self.time[chosen]
        return HeldOut(self.src[chosen], self.dst[chosen], time)


@dataclass(frozen=True, eq=False)
class Split:
    """A training graph and what was held out of it; immutable. Made by `split_edges`.

    Attributes:
        rule: how it was made; `rule.by` is the rule that was used.
        train: all nodes, and the edges that training may see.
        test: the pairs to ask for.
        valid: the pairs to tune on, or None.
        removed: every pair that left, those that are not asked for included.
        train_until: microseconds UTC; no edge in `train` is at or after it. None without one.
        graph: fingerprint of the graph that was split.
        counts: what left and what is asked, by name.
        notes: what to know when reading results.
    """

    rule: SplitRule
    train: HeteroGraph
    test: HeldOut
    valid: HeldOut | None
    removed: HeldOut
    train_until: int | None
    graph: str
    counts: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def edge_type(self) -> EdgeType:
        """The edges held out, in the direction they are asked for."""
        return self.rule.edge_type

    @property
    def by(self) -> str:
        """`random`, `time`, `leave_one_out`, or `given`."""
        return self.rule.by or "given"

    @property
    def both_ways(self) -> bool:
        """Whether an edge is asked for from both its ends."""
        return self.rule.one_type and not self.rule.directed

    def train_degrees(self) -> tuple[IntArray, IntArray]:
        """int64 training edges of this type at each source row, and at each target row."""
        return degrees_of_ends(self.train, self.rule)

    def describe(self) -> dict[str, Any]:
        """JSON-able: the rule, the two fingerprints, counts and notes."""
        return {
            "rule": {**self.rule.describe(), "by": self.by},
            "graph": self.graph,
            "train": self.train.fingerprint,
            "train_until": self.train_until,
            "counts": dict(self.counts),
            "notes": list(self.notes),
        }

    def __repr__(self) -> str:
        valid = f", valid {len(self.valid):,}" if self.valid is not None else ""
        return f"Split({self.edge_type}, by={self.by!r}, test {len(self.test):,}{valid})"


def degrees_of_ends(graph: HeteroGraph, rule: SplitRule) -> tuple[IntArray, IntArray]:
    """int64 edges of the rule's type at each source row and at each target row.

    Between nodes of one type that are asked from both ends, both arrays count all edges.
    """
    adjacency = graph[rule.edge_type]
    leaving = adjacency.degrees
    arriving = np.bincount(adjacency.neighbors, minlength=adjacency.num_dst)
    if rule.one_type and not rule.directed:
        both = (leaving + arriving).astype(np.int64)
        return both, both
    return leaving, arriving.astype(np.int64)
