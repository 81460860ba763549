"""Neighbourhoods of seeds: against a search by hand, and what must never be in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from graphemb import EdgeType, HeteroGraph, Policies
from graphemb.errors import ConfigError, GraphError, UnknownName
from graphemb.sampling import Excluded, NeighborSampler, SampledGraph
from graphemb.testing.toys import BUYS, KNOWS, SELLS, communities

Edge = tuple[int, int]
NOTHING = EdgeType("product", "nothing", "user")


def toy() -> HeteroGraph:
    """Parallel edges, self loops, isolated nodes, sinks and an edge type without edges."""
    return HeteroGraph.from_tables(
        {"user": {"id": range(6)}, "product": {"id": range(5)}},
        {
            BUYS: {
                "src": [0, 0, 0, 1, 1, 2, 4, 4, 4],
                "dst": [0, 0, 1, 1, 2, 2, 0, 2, 3],
                "time": [5, 7, 3, 3, 9, 1, 4, 6, 8],
                "weight": [1.0, 2.0, 3.0, 1.0, 1.0, 5.0, 1.0, 1.0, 4.0],
            },
            KNOWS: {"src": [0, 0, 1, 2, 2], "dst": [0, 1, 0, 2, 4], "time": [1, 2, 3, 4, 5]},
            NOTHING: {"src": [], "dst": []},
        },
        policies=Policies(time_unit="us", parallel_edges="keep", self_loops="keep"),
    )


def global_edges(graph: HeteroGraph, found: SampledGraph, kind: EdgeType) -> list[Edge]:
    """(src row, dst row) of the sampled edges, checked against the graph's own edges."""
    local, places = found.edge_index[kind], found.positions[kind]
    src, dst = found.nodes[kind.src][local[0]], found.nodes[kind.dst][local[1]]
    stored = graph[kind.stored]
    ends = (stored.sources()[places], stored.neighbors[places])
    assert (np.stack(ends[::-1] if kind.is_reverse else ends) == [src, dst]).all()
    assert sum(found.num_edges[kind]) == places.size
    return list(zip(src.tolist(), dst.tolist(), strict=True))


def search(
    graph: HeteroGraph, seeds: Mapping[str, Sequence[int]], kinds: Sequence[EdgeType], hops: int
) -> tuple[dict[str, list[set[int]]], dict[EdgeType, list[Edge]]]:
    """All neighbours of all nodes, hop by hop, with sets."""
    found = {name: [set(seeds.get(name, ()))] for name in graph.node_types}
    edges: dict[EdgeType, list[Edge]] = {kind: [] for kind in kinds}
    for _ in range(hops):
        fresh: dict[str, set[int]] = {name: set() for name in graph.node_types}
        for kind in kinds:
            stored = graph[kind.stored]
            pairs = np.stack([stored.sources(), stored.neighbors], axis=1)
            for src, dst in (pairs[:, ::-1] if kind.is_reverse else pairs).tolist():
                if dst in found[kind.dst][-1]:
                    edges[kind].append((src, dst))
                    if not any(src in hop for hop in found[kind.src]):
                        fresh[kind.src].add(src)
        for name, nodes in fresh.items():
            found[name].append(nodes)
    return found, edges


@pytest.mark.parametrize("hops", [1, 2, 3])
@pytest.mark.parametrize(
    "seeds", [{"user": [0]}, {"user": [3, 5]}, {"product": [4, 1], "user": [2, 0]}]
)
def test_with_all_neighbours_it_is_a_breadth_first_search(
    seeds: dict[str, list[int]], hops: int
) -> None:
    graph = toy()
    sampler = NeighborSampler(graph, [-1] * hops)
    assert sampler.edge_types == (
        BUYS,
        BUYS.reverse,
        KNOWS,
        KNOWS.reverse,
        NOTHING,
        NOTHING.reverse,
    )
    found = sampler.sample(seeds)
    nodes, edges = search(graph, seeds, sampler.edge_types, hops)
    for name, rows in found.nodes.items():
        assert rows.size == len(set(rows.tolist()))
        parts = np.split(rows, np.cumsum(found.num_nodes[name])[:-1])
        assert [set(part.tolist()) for part in parts] == nodes[name]
        assert rows[: len(seeds.get(name, []))].tolist() == list(seeds.get(name, []))
    for kind in sampler.edge_types:
        assert sorted(global_edges(graph, found, kind)) == sorted(edges[kind])


def test_without_sharing_every_seed_has_its_own_search() -> None:
    graph = communities()
    seeds = {"user": [3, 3, 50], "seller": [2]}
    alone = NeighborSampler(graph, [-1, -1])
    found = NeighborSampler(graph, [-1, -1], disjoint=True).sample(seeds)
    assert found.trees is not None
    assert found.seeds["user"].tolist() == [0, 1, 2]
    for tree, (name, row) in enumerate([*(("user", row) for row in (3, 3, 50)), ("seller", 2)]):
        one = alone.sample({name: [row]})
        for kind in alone.edge_types:
            mine = found.trees[kind.dst][found.edge_index[kind][1]] == tree
            other = found.trees[kind.src][found.edge_index[kind][0]] == tree
            assert (mine == other).all()
            assert sorted(found.positions[kind][mine]) == sorted(one.positions[kind])
        for node_type, rows in one.nodes.items():
            assert sorted(found.nodes[node_type][found.trees[node_type] == tree]) == sorted(rows)


def test_fan_outs_are_per_edge_type_and_hop() -> None:
    graph = communities()
    fanouts = {BUYS.reverse: [4, 0], SELLS: [0, 1], KNOWS: [2, 0]}
    found = NeighborSampler(graph, fanouts).sample({"user": range(20)})
    assert found.num_edges[SELLS][0] == 0
    assert found.num_edges[BUYS.reverse] == [80, 0]
    assert found.num_edges[SELLS][1] == found.num_nodes["product"][1]  # each has one seller
    assert BUYS not in found.edge_index
    into = np.bincount(found.edge_index[KNOWS][1])
    assert into.max() <= 2


def test_the_sample_does_not_hang_on_threads_and_changes_with_the_draw() -> None:
    graph = communities(8)
    sampler = NeighborSampler(graph, [5, 5], weighted=True, seed=3)
    seeds = {"product": np.arange(100)}
    one, four = (sampler.sample(seeds, threads=number, draw=6) for number in (1, 4))
    for kind in sampler.edge_types:
        assert (one.edge_index[kind] == four.edge_index[kind]).all()
        assert (one.positions[kind] == four.positions[kind]).all()
    other = sampler.sample(seeds, draw=7)
    assert not np.array_equal(one.positions[BUYS], other.positions[BUYS])


def test_every_edge_of_a_seed_is_drawn_equally_often() -> None:
    graph = toy()
    sampler = NeighborSampler(graph, {BUYS.reverse: [2]})
    counts = np.zeros(9)
    for draw in range(6000):
        counts[sampler.sample({"user": [4]}, draw=draw).positions[BUYS.reverse]] += 1
    assert counts[:6].sum() == 0
    assert chisquare(counts[6:]).pvalue > 0.001


def test_edges_to_be_predicted_are_never_drawn() -> None:
    """Neither parallel copies, nor the reverse, nor the other way round in one node type."""
    graph = toy()
    exclude = [
        Excluded(BUYS, np.array([0, 4]), np.array([0, 3])),
        Excluded(KNOWS.reverse, np.array([1, 2]), np.array([0, 2])),
    ]
    sampler = NeighborSampler(graph, [-1, -1, -1])
    found = sampler.sample({"user": range(6), "product": range(5)}, exclude=exclude)
    kept = [(0, 1), (1, 1), (1, 2), (2, 2), (4, 0), (4, 2)]
    assert sorted(global_edges(graph, found, BUYS)) == kept
    assert sorted((a, b) for b, a in global_edges(graph, found, BUYS.reverse)) == kept
    assert sorted(global_edges(graph, found, KNOWS)) == [(0, 0), (2, 4)]
    assert sorted(global_edges(graph, found, KNOWS.reverse)) == [(0, 0), (4, 2)]


def test_a_pair_is_kept_out_of_its_own_neighbourhood_only() -> None:
    graph = toy()
    sampler = NeighborSampler(graph, {BUYS.reverse: [-1] * 3, BUYS: [-1] * 3}, disjoint=True)
    pairs = Excluded(BUYS, np.array([0]), np.array([1]), np.array([1]))
    found = sampler.sample({"user": [0, 0], "product": [1]}, exclude=[pairs])
    assert found.trees is not None
    for tree, gone in ((0, False), (1, True), (2, False)):
        for kind in sampler.edge_types:
            mine = found.trees[kind.dst][found.edge_index[kind][1]] == tree
            pair = (0, 1) if kind == BUYS else (1, 0)
            edges = global_edges(graph, found, kind)
            assert (pair in [edges[place] for place in np.flatnonzero(mine)]) != gone


@given(
    times=st.lists(st.integers(0, 10), min_size=1, max_size=6),
    fanout=st.integers(-1, 3),
    temporal=st.sampled_from(["uniform", "last"]),
    weighted=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_fault_081_nothing_at_or_after_the_seeds_time(
    times: list[int], fanout: int, temporal: str, weighted: bool
) -> None:
    graph = toy()
    sampler = NeighborSampler(
        graph,
        [fanout, fanout],
        temporal=temporal,  # type: ignore[arg-type]
        weighted=weighted,
    )
    rows = [row % 6 for row in times]
    found = sampler.sample({"user": rows}, times={"user": times})
    assert found.trees is not None
    for kind in sampler.edge_types:
        stored = graph[kind.stored]
        if stored.times is None:
            continue
        cut = np.array(times)[found.trees[kind.dst][found.edge_index[kind][1]]]
        assert (stored.times[found.positions[kind]] < cut).all()
        for place in range(found.num_nodes[kind.dst][0]):  # the seeds have all they may have
            tree = found.trees[kind.dst][place]
            row = found.nodes[kind.dst][place]
            ends = stored.sources() if kind.is_reverse else stored.neighbors
            earlier = np.sort(stored.times[(ends == row) & (stored.times < times[tree])])
            got = found.edge_index[kind][1] == place
            assert got.sum() == (earlier.size if fanout < 0 else min(fanout, earlier.size))
            if temporal == "last" and fanout >= 0:
                mine = np.sort(stored.times[found.positions[kind][got]])
                assert (mine == earlier[earlier.size - mine.size :]).all()


def test_fault_051_052_063_empty_edge_types_isolated_nodes_and_sinks() -> None:
    graph = toy()
    for fanout in (-1, 2):
        for replace in (False, True):
            sampler = NeighborSampler(graph, [fanout] * 2, replace=replace, weighted=True)
            found = sampler.sample({"user": [5], "product": [4]})
            assert found.nodes["user"].tolist() == [5]
            assert found.nodes["product"].tolist() == [4]
            assert all(not index.size for index in found.edge_index.values())
    nobody = NeighborSampler(graph, [2]).sample({"user": []})
    assert all(not rows.size for rows in nobody.nodes.values())


def test_fault_092_from_four_python_threads_at_once() -> None:
    graph = communities(8)
    sampler = NeighborSampler(graph, [4, 4], weighted=True, temporal="uniform")
    seeds, times = {"user": np.arange(160)}, {"user": np.full(160, 2**62)}

    def positions(draw: int) -> list[list[int]]:
        found = sampler.sample(seeds, times=times, draw=draw, threads=2)
        return [found.positions[kind].tolist() for kind in sampler.edge_types]

    alone = [positions(draw) for draw in range(12)]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(positions, range(12))) == alone


def test_fault_058_rows_and_fields_that_cannot_be_are_refused() -> None:
    graph = toy()
    sampler = NeighborSampler(graph, [2])
    for row in (-1, 6):
        with pytest.raises(GraphError, match=f"row from 0 to 5.*found {row}"):
            sampler.sample({"user": [0, row]})
    with pytest.raises(UnknownName, match="did you mean 'user'"):
        sampler.sample({"users": [0]})
    with pytest.raises(ConfigError, match="fanouts must be an integer of at least -1"):
        NeighborSampler(graph, [-2])
    with pytest.raises(ConfigError, match="each hop"):
        NeighborSampler(graph, {BUYS: [1, 2], KNOWS: [1]})
    with pytest.raises(UnknownName, match="edge type"):
        NeighborSampler(graph, {SELLS: [1]})
    with pytest.raises(ConfigError, match="temporal"):
        sampler.sample({"user": [0]}, times={"user": [5]})
    timed = NeighborSampler(graph, [2], temporal="last")
    with pytest.raises(ConfigError, match="one time for each seed"):
        timed.sample({"user": [0, 1]}, times={"user": [5]})
    with pytest.raises(ConfigError, match="temporal"):
        timed.sample({"user": [0]})
    pairs = Excluded(BUYS, np.array([0]), np.array([0]))
    with pytest.raises(ConfigError, match="trees"):
        timed.sample({"user": [0]}, times={"user": [5]}, exclude=[pairs])
