"""What to do with rows that a graph can read in more than one way: said once, and recorded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from graphemb.checks import check_choice, check_number

UnknownNodes = Literal["error", "drop", "create"]
ParallelEdges = Literal["keep", "sum", "max", "last"]
SelfLoops = Literal["keep", "drop"]
TimeUnit = Literal["s", "ms", "us", "ns"]
FutureTimes = Literal["error", "keep"]


@dataclass(frozen=True, kw_only=True)
class Policies:
    """How rows become edges. The strict choice is the default; what happened is in `graph.notes`.

    Attributes:
        unknown_nodes: an edge whose end is no node: refuse, drop the edge, or create the node
            (its columns null).
        parallel_edges: several edges between the same two nodes: keep them all, one with the
            `sum` of their weights and the newest time, the one of the largest weight (`max`), or
            the `last` (by time where edges have times, else by input order).
        self_loops: keep or drop edges from a node to itself.
        missing_weight: the weight of an edge whose weight is null; None refuses such edges.
        time_unit: unit of integer times; None refuses integer times.
        future_times: refuse times after now, or keep them.

    Weights that are NaN, infinite or negative are always refused; edges of weight zero are
    dropped and counted.

    Raises:
        ConfigError: a value that is not on the list.
    """

    unknown_nodes: UnknownNodes = "error"
    parallel_edges: ParallelEdges = "keep"
    self_loops: SelfLoops = "keep"
    missing_weight: float | None = None
    time_unit: TimeUnit | None = None
    future_times: FutureTimes = "error"

    def __post_init__(self) -> None:
        check_choice("unknown_nodes", self.unknown_nodes, ("error", "drop", "create"))
        check_choice("parallel_edges", self.parallel_edges, ("keep", "sum", "max", "last"))
        check_choice("self_loops", self.self_loops, ("keep", "drop"))
        check_choice("time_unit", self.time_unit, (None, "s", "ms", "us", "ns"))
        check_choice("future_times", self.future_times, ("error", "keep"))
        if self.missing_weight is not None:
            check_number("missing_weight", self.missing_weight, low=0.0)
