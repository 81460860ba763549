"""`NeighborSampler`: neighbourhoods of seed nodes, hop by hop, for mini-batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from graphemb.checks import check_choice, check_int
from graphemb.errors import ConfigError, GraphError
from graphemb.graph import HeteroGraph
from graphemb.kernels import neighbor, rng
from graphemb.kernels.neighbor import Frontier
from graphemb.linalg import over_rows
from graphemb.sampling.batch import Batch
from graphemb.sampling.sampled import Excluded, SampledGraph
from graphemb.sampling.ways import ways_of
from graphemb.types import EdgeType, IntArray, NodeType

Fanouts: TypeAlias = Sequence[int] | Mapping[EdgeType, Sequence[int]]
Rows: TypeAlias = npt.ArrayLike
Temporal: TypeAlias = Literal["uniform", "last"]
_WORTH_THREADS = 1 << 18
"""Draws that take longer than it takes to start threads."""


class NeighborSampler:
    """Samples the neighbourhoods that messages to some seed nodes come from.

    An edge type is written the way its messages go: with `EdgeType("user", "buys", "product")` a
    product gathers from users who bought it, with its `reverse` a user from products. A node
    found at hop h draws neighbours once, at hop h + 1 (as in Hamilton et al. 2017, GraphSAGE).
    The same graph, fields, seeds and `draw` give the same sample at any number of threads. A
    sampler does not change and can be used from several threads at once.

    Attributes:
        graph: where it samples.
        fanouts: per edge type the neighbours of one node at each hop; -1 means all.
        num_hops: the number of hops.
        disjoint: every seed gets a neighbourhood of its own.
    """

    def __init__(
        self,
        graph: HeteroGraph,
        fanouts: Fanouts,
        *,
        weighted: bool = False,
        replace: bool = False,
        disjoint: bool = False,
        temporal: Temporal | None = None,
        seed: int = 0,
    ) -> None:
        """A sampler on one graph.

        Args:
            fanouts: the neighbours of one node at each hop, per edge type, or the same for all
                edge types of the graph in both directions. -1 is all neighbours, 0 none.
            weighted: draw by edge weight where there are weights, else all are alike.
            replace: draw with replacement; a fan-out of -1 still is every neighbour once.
            disjoint: give every seed a neighbourhood of its own, so that nothing is shared.
            temporal: draw only edges before the seed's time, `uniform` among them or the `last`
                ones; implies `disjoint`. Edges without times count as always there.
            seed: of the draws.

        Raises:
            ConfigError: fan-outs that are no integers from -1 on, or of different lengths.
            UnknownName: an edge type that is not in the graph.
        """
        check_int("seed", seed, low=0)
        if temporal is not None:
            check_choice("temporal", temporal, ("uniform", "last"))
        self.graph = graph
        self.fanouts = _checked(graph, fanouts)
        self.num_hops = max((len(hops) for hops in self.fanouts.values()), default=0)
        self.replace = replace
        self.temporal = temporal
        self.disjoint = disjoint or temporal is not None
        self.seed = seed
        self._ways = {
            edge_type: ways_of(graph, edge_type, timed=temporal is not None, weighted=weighted)
            for edge_type in self.fanouts
        }

    @property
    def edge_types(self) -> tuple[EdgeType, ...]:
        """The edge types that are sampled, as messages go."""
        return tuple(self.fanouts)

    def sample(
        self,
        seeds: Mapping[NodeType, Rows],
        *,
        times: Mapping[NodeType, Rows] | None = None,
        exclude: Sequence[Excluded] = (),
        draw: int = 0,
        threads: int | None = None,
    ) -> SampledGraph:
        """The neighbourhoods of some seeds.

        Args:
            seeds: per node type rows; one may come more than once.
            times: per node type int64, microseconds since 1970 UTC, one for each seed; for
                temporal samplers. Only edges strictly before it are drawn.
            exclude: edges not to be drawn, such as those that are to be predicted.
            draw: another number gives another sample of the same seeds.
            threads: at most, where there is much to do; None: one per core.

        Raises:
            UnknownName: no such node type.
            GraphError: a seed that is no row of its node type.
            ConfigError: times where the sampler is not temporal, or none where it is; trees
                where the sampler is not disjoint, or none where it is.
        """
        check_int("draw", draw, low=0)
        self._check(seeds, times, exclude)
        batch = Batch(self.graph, seeds, times, exclude, disjoint=self.disjoint)
        for hop in range(self.num_hops):
            for number, edge_type in enumerate(self.fanouts):
                key = rng.make_key(np.uint64(self.seed), np.uint64(draw))
                key = rng.make_key(np.uint64(key), np.uint64(hop * len(self.fanouts) + number))
                frontier = batch.frontier(edge_type)
                drawn = self._draw(edge_type, hop, frontier, np.uint64(key), threads)
                batch.add(edge_type, frontier, *drawn)
            batch.end_hop()
        return batch.finish(self.edge_types)

    def _draw(
        self,
        edge_type: EdgeType,
        hop: int,
        frontier: Frontier,
        key: np.uint64,
        threads: int | None,
    ) -> tuple[IntArray, IntArray, IntArray, IntArray]:
        """Room, counts, edges and neighbours of one edge type at one hop."""
        ways = self._ways[edge_type]
        fanout = self.fanouts[edge_type][hop]
        room = neighbor.make_room(ways.offsets, frontier.rows, fanout, self.replace)
        edges, neighbors = np.empty((2, int(room[-1])), np.int64)
        counts = np.zeros(frontier.rows.size, np.int64)
        latest = self.temporal == "last" and ways.times.size > 0

        def run(low: int, high: int) -> None:
            neighbor.draw(
                ways,
                frontier,
                fanout,
                self.replace,
                latest,
                key,
                room,
                edges,
                neighbors,
                counts,
                low,
                high,
            )

        if room[-1] < _WORTH_THREADS:
            run(0, frontier.rows.size)
        else:
            over_rows(run, room, threads=threads)
        return room, counts, edges, neighbors

    def _check(
        self,
        seeds: Mapping[NodeType, Rows],
        times: Mapping[NodeType, Rows] | None,
        exclude: Sequence[Excluded],
    ) -> None:
        if (times is None) != (self.temporal is None):
            raise ConfigError(
                "seeds have times exactly where the sampler is temporal",
                field="times",
                value=None if times is None else sorted(times),
                hint="NeighborSampler(..., temporal='uniform') draws by time",
            )
        for node_type, rows in seeds.items():
            given, limit = np.asarray(rows), self.graph.num_nodes(node_type)
            wrong = np.flatnonzero((given < 0) | (given >= limit))
            if wrong.size:
                raise GraphError(
                    f"a row from 0 to {limit - 1} is wanted",
                    source=node_type,
                    row=int(wrong[0]),
                    value=int(given[wrong[0]]),
                )
            if times is not None and np.shape(times.get(node_type, ())) != given.shape:
                raise ConfigError(
                    "one time for each seed is wanted", field="times", value=node_type
                )
        for pairs in exclude:
            if (pairs.trees is None) == self.disjoint:
                raise ConfigError(
                    "excluded pairs name their trees exactly where the sampler is disjoint",
                    field="exclude",
                    value=str(pairs.edge_type),
                )


def _checked(graph: HeteroGraph, fanouts: Fanouts) -> dict[EdgeType, tuple[int, ...]]:
    """Fan-outs of every edge type, all for the same number of hops."""
    if not isinstance(fanouts, Mapping):
        kinds = [kind for stored in graph.edge_types for kind in (stored, stored.reverse)]
        fanouts = dict.fromkeys(kinds, fanouts)
    made = {EdgeType(*edge_type): tuple(hops) for edge_type, hops in fanouts.items()}
    for edge_type, hops in made.items():
        for number in hops:
            check_int("fanouts", number, low=neighbor.ALL)
        if len(hops) != len(next(iter(made.values()))):
            raise ConfigError(
                "every edge type needs a fan-out for each hop; 0 draws none",
                field="fanouts",
                source=edge_type,
                value=hops,
            )
    return made
