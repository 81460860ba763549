"""Walks over graphs: where they start, where they go, when they end; threads do not tell."""

from __future__ import annotations

import hashlib
import itertools
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2

from graphemb.errors import ConfigError, GraphError, UnknownName
from graphemb.graph import HeteroGraph, Policies
from graphemb.testing import BUYS, KNOWS, SELLS, awkward, chain, communities, star
from graphemb.types import EdgeType
from graphemb.walks import Corpus, Walker, WalkSpec, generate_walks

ALPHA = 0.01
TO = EdgeType("node", "to", "node")
LIKES = EdgeType("user", "likes", "product")


def plain(nodes: int, edges: Sequence[tuple[int, int]], **columns: Any) -> HeteroGraph:
    src, dst = np.array(edges).reshape(-1, 2).T
    table = {"src": src, "dst": dst, **columns}
    return HeteroGraph.from_tables({"node": {"id": np.arange(nodes)}}, {TO: table})


def digest(corpus: Corpus) -> str:
    rows = corpus.rows.astype("<i8").tobytes() + corpus.offsets.astype("<i8").tobytes()
    return hashlib.sha256(rows).hexdigest()


def shop() -> HeteroGraph:
    """Weighted edges of three types over users and products whose ids are the same numbers."""
    generator = np.random.default_rng(8)

    def edges(sizes: tuple[int, int], count: int) -> dict[str, npt.NDArray[Any]]:
        cells = generator.choice(sizes[0] * sizes[1], count, replace=False)
        weights = generator.choice([0.5, 1.0, 4.0], count).astype(np.float32)
        return {"src": cells // sizes[1], "dst": cells % sizes[1], "weight": weights}

    return HeteroGraph.from_tables(
        {"user": {"id": np.arange(5)}, "product": {"id": np.arange(4)}},
        {BUYS: edges((5, 4), 11), LIKES: edges((5, 4), 9), KNOWS: edges((5, 5), 9)},
    )


def transitions(corpus: Corpus, order: int) -> dict[tuple[int, ...], npt.NDArray[np.int64]]:
    """How often each row follows the `order` rows before it."""
    size = corpus.space.num_rows
    counts: dict[tuple[int, ...], npt.NDArray[np.int64]] = {}
    for number in range(len(corpus)):
        walk = corpus[number].tolist()
        for place in range(order, len(walk)):
            state = tuple(walk[place - order : place])
            counts.setdefault(state, np.zeros(size, np.int64))[walk[place]] += 1
    return counts


def pooled_pvalue(
    counts: dict[tuple[int, ...], npt.NDArray[np.int64]], chances: dict[tuple[int, ...], Any]
) -> float:
    statistic, freedom = 0.0, 0
    for state, found in counts.items():
        wanted = np.asarray(chances[state], float)
        wanted = wanted / wanted.sum()
        assert found[wanted == 0].sum() == 0, f"a step from {state} where no edge leads"
        expected = wanted[wanted > 0] * found.sum()
        if expected.min() < 5:
            continue
        statistic += float(((found[wanted > 0] - expected) ** 2 / expected).sum())
        freedom += expected.size - 1
    assert freedom > 20
    return float(chi2.sf(statistic, freedom))


def test_walks_of_weighted_typed_edges_follow_the_closed_form() -> None:
    """p, q, edge weights, edge type weights and both directions, all at once."""
    graph, scales = shop(), {BUYS: 2.0, LIKES: 0.5, KNOWS: 1.0}
    p, q = 0.5, 2.0
    matrix = np.zeros((9, 9))
    first = {"user": 0, "product": 5}
    for edge_type, scale in scales.items():
        edges = graph[edge_type].to_scipy().toarray() * scale
        src, dst = first[edge_type.src], first[edge_type.dst]
        matrix[src : src + edges.shape[0], dst : dst + edges.shape[1]] += edges
        if edge_type == KNOWS:
            edges = edges - np.diag(np.diag(edges))
        matrix[dst : dst + edges.shape[1], src : src + edges.shape[0]] += edges.T
    chances = {}
    for before, row in itertools.product(range(9), range(9)):
        factor = np.where(matrix[before] > 0, 1.0, 1 / q)
        factor[before] = 1 / p
        chances[before, row] = matrix[row] * factor
    spec = WalkSpec(walk_length=30, walks_per_node=400, edge_types=scales, p=p, q=q, seed=1)
    corpus = generate_walks(graph, spec)
    assert pooled_pvalue(transitions(corpus, 2), chances) > ALPHA
    first_steps = Corpus(
        np.concatenate([corpus[number][:2] for number in range(len(corpus))]),
        np.arange(0, 2 * len(corpus) + 1, 2),
        corpus.space,
    )
    assert (
        pooled_pvalue(transitions(first_steps, 1), {(row,): matrix[row] for row in range(9)})
        > ALPHA
    )


@pytest.mark.parametrize("directed", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("parallel", [False, True])
@pytest.mark.parametrize(("p", "q"), [(0.2, 2.0), (0.5, 1.0), (0.3, 0.5), (3.0, 2.0)])
def test_node2vec_walks_follow_the_closed_form_on_edges_of_any_kind(
    directed: bool, weighted: bool, parallel: bool, p: float, q: float
) -> None:
    """What a walker knows of the edge by which it came holds after returns and refusals too."""
    generator = np.random.default_rng(3)
    edges = [(u, v) for u, v in itertools.combinations(range(7), 2) if generator.random() < 0.7]
    edges += [(v, u) for u, v in edges[::3]] * (directed or parallel) + edges[::4] * parallel
    src, dst = np.array(edges).T
    weight = generator.choice([0.2, 1.0, 6.0], src.size) if weighted else np.ones(src.size)
    matrix = np.zeros((7, 7))
    np.add.at(matrix, (src, dst), weight)
    matrix += 0 if directed else matrix.T
    graph = plain(7, edges, **({"weight": weight} if weighted else {}))
    spec = WalkSpec(walk_length=30, walks_per_node=400, directed=directed, p=p, q=q, seed=1)
    chances = {}
    for before, row in zip(*np.nonzero(matrix), strict=True):
        factor = np.where(matrix[before] > 0, 1.0, 1 / q)
        factor[before] = 1 / p
        chances[int(before), int(row)] = matrix[row] * factor
    assert pooled_pvalue(transitions(generate_walks(graph, spec), 2), chances) > ALPHA


def test_metapath_walks_follow_their_edge_types_by_weight() -> None:
    graph = shop()
    metapath = (BUYS, LIKES.reverse, KNOWS)
    spec = WalkSpec(walk_length=31, walks_per_node=500, metapath=metapath, seed=2)
    corpus = generate_walks(graph, spec)
    hops = [graph[edge_type].to_scipy().toarray() for edge_type in metapath]
    shapes = [(0, 5), (5, 0), (0, 0)]
    for phase, (hop, (src, dst)) in enumerate(zip(hops, shapes, strict=True)):
        counts: dict[tuple[int, ...], npt.NDArray[np.int64]] = {}
        for number in range(len(corpus)):
            walk = corpus[number].tolist()
            for place in range(phase, len(walk) - 1, 3):
                state = (walk[place] - src,)
                counts.setdefault(state, np.zeros(hop.shape[1], np.int64))
                counts[state][walk[place + 1] - dst] += 1
        statistic, freedom = 0.0, 0
        for (row,), found in counts.items():
            wanted = hop[row] / hop[row].sum()
            assert found[wanted == 0].sum() == 0
            expected = wanted[wanted > 0] * found.sum()
            statistic += float(((found[wanted > 0] - expected) ** 2 / expected).sum())
            freedom += expected.size - 1
        assert freedom > 2
        assert chi2.sf(statistic, freedom) > ALPHA


@pytest.mark.parametrize(
    "spec",
    [
        WalkSpec(walk_length=10, walks_per_node=60, seed=3),
        WalkSpec(walk_length=10, walks_per_node=60, p=0.25, q=4.0, seed=3),
        WalkSpec(walk_length=10, walks_per_node=60, metapath=(BUYS, BUYS.reverse), seed=3),
    ],
)
def test_walks_are_the_same_at_any_number_of_threads_and_in_any_part(spec: WalkSpec) -> None:
    graph = communities()
    walker = Walker.of(graph, spec)
    assert walker.num_sequences > 4096, "more than a block"
    whole = generate_walks(graph, spec, threads=1)
    assert digest(whole) == digest(generate_walks(graph, spec, threads=2))
    assert digest(whole) == digest(generate_walks(graph, spec, threads=5))
    for first, size in [(0, 1), (37, 100), (4090, 20)]:
        tokens, lengths = walker.block(first, size)
        start, end = whole.offsets[first], whole.offsets[first + size]
        assert (tokens == whole.rows[start:end]).all()
        assert (lengths == whole.lengths[first : first + size]).all()


PINNED = [[1, 0, 1, 2, 1, 2], [4, 3, 2, 3, 4, 3], [3, 2, 1, 0, 3, 0]]


def test_walks_are_the_same_on_every_platform() -> None:
    """Pinned: if this fails, every published vector's seed has lost its meaning."""
    graph = plain(6, [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (5, 0), (0, 3)])
    corpus = generate_walks(graph, WalkSpec(walk_length=6, walks_per_node=1, p=0.5, q=2.0, seed=7))
    assert [corpus[number].tolist() for number in range(3)] == PINNED


def test_fault_084_walks_do_not_hang_on_the_process() -> None:
    code = (
        "from graphemb.testing import communities\n"
        "from graphemb.walks import WalkSpec, generate_walks\n"
        "import hashlib\n"
        "spec = WalkSpec(walk_length=8, walks_per_node=2, q=0.5, seed=5)\n"
        "c = generate_walks(communities(), spec)\n"
        "print(hashlib.sha256(c.rows.astype('<i8').tobytes()"
        " + c.offsets.astype('<i8').tobytes()).hexdigest())\n"
    )
    here = digest(
        generate_walks(communities(), WalkSpec(walk_length=8, walks_per_node=2, q=0.5, seed=5))
    )
    run = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONHASHSEED": "4711"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.strip() == here


def test_every_node_with_a_way_out_starts_its_walks_in_shuffled_order() -> None:
    graph = communities()
    corpus = generate_walks(graph, WalkSpec(walk_length=3, walks_per_node=4, seed=1))
    starts = np.array([corpus[number][0] for number in range(len(corpus))])
    assert (np.bincount(starts) == 4).all()
    rounds = starts.reshape(4, -1)
    assert not (np.diff(rounds[0]) == 1).all()
    assert not (rounds[0] == rounds[1]).all()


def test_walk_length_counts_nodes() -> None:
    corpus = generate_walks(communities(), WalkSpec(walk_length=7, walks_per_node=1))
    assert (corpus.lengths == 7).all()
    assert corpus.num_tokens == 7 * len(corpus)


def test_another_seed_makes_other_walks() -> None:
    one, two = (
        generate_walks(communities(), WalkSpec(walk_length=7, walks_per_node=1, seed=seed))
        for seed in (0, 1)
    )
    assert digest(one) != digest(two)


@given(
    edges=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=40),
    directed=st.booleans(),
    p=st.sampled_from([0.2, 1.0, 3.0]),
    q=st.sampled_from([0.2, 1.0, 3.0]),
)
def test_every_step_is_an_edge(
    edges: list[tuple[int, int]], directed: bool, p: float, q: float
) -> None:
    spec = WalkSpec(walk_length=6, walks_per_node=3, directed=directed, p=p, q=q)
    corpus = generate_walks(plain(10, edges), spec, threads=1)
    allowed = set(edges) if directed else set(edges) | {(dst, src) for src, dst in edges}
    sources = {src for src, _ in allowed}
    assert len(corpus) == 3 * len(sources)
    for number in range(len(corpus)):
        walk = corpus[number].tolist()
        assert set(itertools.pairwise(walk)) <= allowed
        assert len(walk) == 6 or walk[-1] not in sources


def test_fault_063_a_directed_walk_ends_at_a_sink_and_does_not_repeat_it() -> None:
    for p, q in [(1.0, 1.0), (0.5, 2.0), (4.0, 0.5)]:
        spec = WalkSpec(walk_length=20, walks_per_node=2, directed=True, p=p, q=q)
        corpus = generate_walks(chain(10), spec)
        assert len(corpus) == 18, "the sink itself starts no walk"
        for number in range(len(corpus)):
            walk = corpus[number].tolist()
            assert walk == list(range(walk[0], 10))


def test_fault_052_isolated_nodes_start_no_walk() -> None:
    corpus = generate_walks(awkward(), WalkSpec(walk_length=5, walks_per_node=1))
    visited = {corpus.space.node(int(row)) for row in corpus.rows}
    assert ("user", 99) not in visited
    assert not any(node_type == "seller" for node_type, _ in visited)


def test_fault_053_a_self_loop_is_a_step_like_any_other() -> None:
    graph = plain(2, [(0, 0), (0, 1)])
    corpus = generate_walks(graph, WalkSpec(walk_length=50, walks_per_node=40, seed=1))
    after_0 = transitions(corpus, 1)[0,]
    share = after_0[0] / after_0.sum()
    assert share == pytest.approx(0.5, abs=0.05)


def test_fault_054_parallel_edges_weigh_as_many_times() -> None:
    edges = [(0, 1), (0, 1), (0, 1), (0, 2)]
    spec = WalkSpec(walk_length=2, walks_per_node=4000, directed=True, seed=1)
    corpus = generate_walks(plain(3, edges), spec)
    assert np.mean(corpus.rows[1::2] == 1) == pytest.approx(0.75, abs=0.02)


def test_fault_055_edges_of_weight_zero_are_never_walked() -> None:
    graph = plain(3, [(0, 1), (0, 2), (1, 2)], weight=[0.0, 1.0, 0.0])
    corpus = generate_walks(graph, WalkSpec(walk_length=5, walks_per_node=5, directed=True))
    assert {tuple(corpus[number].tolist()) for number in range(len(corpus))} == {(0, 2)}


def test_fault_051_a_metapath_through_an_empty_edge_type_names_the_hop() -> None:
    spec = WalkSpec(metapath=(BUYS, SELLS.reverse, SELLS, BUYS.reverse))
    with pytest.raises(GraphError, match="hop 2 of the metapath has no edges") as caught:
        generate_walks(awkward(), spec)
    assert caught.value.source == "product-~sells-seller"


def test_fault_051_walks_over_all_edge_types_pass_an_empty_one_by() -> None:
    assert len(generate_walks(awkward(), WalkSpec(walk_length=3, walks_per_node=1))) > 0


def test_fault_057_a_hub_costs_nothing_squared() -> None:
    leaves = 300_000
    graph = star(leaves)
    spec = WalkSpec(walk_length=4, walks_per_node=1, p=0.5, q=0.5)
    corpus = generate_walks(graph, spec)
    assert len(corpus) == leaves + 1
    assert (corpus.lengths == 4).all()


@pytest.mark.parametrize("p", [1e-9, 1e9])
@pytest.mark.parametrize("q", [1e-9, 1e9])
@pytest.mark.parametrize("directed", [False, True])
def test_steps_end_at_any_p_and_q(p: float, q: float, directed: bool) -> None:
    """A leaf leads back only; a directed cycle never does."""
    spec = WalkSpec(walk_length=6, walks_per_node=2, p=p, q=q, directed=directed)
    assert (generate_walks(star(50), spec).lengths == (2 if directed else 6)).all()
    cycle = plain(5, [(node, (node + 1) % 5) for node in range(5)])
    assert (generate_walks(cycle, spec).lengths == 6).all()


def test_a_metapath_that_does_not_close_is_followed_once() -> None:
    corpus = generate_walks(
        communities(), WalkSpec(walk_length=50, walks_per_node=2, metapath=(SELLS, BUYS.reverse))
    )
    assert corpus.space.node_types == ("user", "product", "seller")
    for number in range(0, len(corpus), 7):
        kinds = [node_type for node_type, _ in corpus.to_ids(number)]
        assert kinds == ["seller", "product", "user"][: len(kinds)]
    assert corpus.lengths.max() == 3


def test_a_metapath_that_closes_goes_round() -> None:
    metapath = (SELLS, BUYS.reverse, BUYS, SELLS.reverse)
    corpus = generate_walks(
        communities(), WalkSpec(walk_length=10, walks_per_node=1, metapath=metapath)
    )
    wanted = ["seller", "product", "user", "product"] * 3
    graph = communities()
    assert corpus.lengths.max() == 10
    for number in range(0, len(corpus), 5):
        walk = corpus.to_ids(number)
        assert [node_type for node_type, _ in walk] == wanted[: len(walk)]
        for (_, one), (_, other), hop in zip(walk, walk[1:], metapath * 3, strict=False):
            assert other in graph.neighbors(hop.src, one, hop)


def test_only_chosen_edge_types_and_directions_are_walked() -> None:
    graph = communities()
    spec = WalkSpec(walk_length=5, walks_per_node=1, edge_types=(SELLS,), directed=True)
    corpus = generate_walks(graph, spec)
    assert (corpus.lengths == 2).all()
    assert {corpus.to_ids(number)[0][0] for number in range(len(corpus))} == {"seller"}
    spec = WalkSpec(walk_length=5, walks_per_node=1, edge_types=(SELLS.reverse,), directed=True)
    corpus = generate_walks(graph, spec)
    assert {corpus.to_ids(number)[0][0] for number in range(len(corpus))} == {"product"}


def test_edge_type_weights_shift_walks() -> None:
    spec = WalkSpec(
        walk_length=10, walks_per_node=5, edge_types={BUYS: 1.0, KNOWS: 1e-6, SELLS: 1e-6}
    )
    corpus = generate_walks(communities(), spec)
    kinds = np.searchsorted(corpus.space.offsets, corpus.rows[:-1], side="right")
    after = np.searchsorted(corpus.space.offsets, corpus.rows[1:], side="right")
    inner = np.ones(corpus.num_tokens - 1, bool)
    inner[corpus.offsets[1:-1] - 1] = False
    assert np.mean((kinds == 1)[inner] & (after == 1)[inner]) < 0.001


def test_fault_041_a_corpus_tells_equal_ids_of_two_node_types_apart() -> None:
    corpus = generate_walks(shop(), WalkSpec(walk_length=4, walks_per_node=1, edge_types=(BUYS,)))
    user, product = corpus.to_ids(0)[:2]
    assert {user[0], product[0]} == {"user", "product"}
    assert corpus.rows.max() >= 5


def test_a_corpus_is_a_value() -> None:
    corpus = generate_walks(chain(4), WalkSpec(walk_length=3, walks_per_node=1))
    assert (corpus[-1] == corpus[len(corpus) - 1]).all()
    with pytest.raises(IndexError):
        corpus[len(corpus)]
    with pytest.raises(ValueError, match="read-only"):
        corpus.rows[0] = 1
    assert repr(corpus) == "Corpus(4 sequences, 12 tokens)"


def test_walks_of_a_memory_mapped_graph_are_the_same(tmp_path: Any) -> None:
    graph, spec = (
        communities(),
        WalkSpec(walk_length=6, walks_per_node=1, metapath=(BUYS, BUYS.reverse)),
    )
    graph.save(tmp_path / "graph")
    loaded = HeteroGraph.load(tmp_path / "graph")
    assert digest(generate_walks(graph, spec)) == digest(generate_walks(loaded, spec))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("walk_length", 0),
        ("walk_length", 1),
        ("walk_length", -3),
        ("walk_length", 2.5),
        ("walks_per_node", 0),
        ("p", 0.0),
        ("p", -1.0),
        ("q", 0.0),
        ("q", float("nan")),
        ("q", float("inf")),
        ("seed", -1),
    ],
)
def test_fault_090_values_out_of_range_are_refused_by_field(field: str, value: Any) -> None:
    fields: dict[str, Any] = {field: value}
    with pytest.raises(ConfigError, match=f"{field} must be") as caught:
        WalkSpec(**fields)
    assert caught.value.field == field


def test_what_does_not_go_together_is_refused() -> None:
    with pytest.raises(ConfigError, match="hop 2 starts at"):
        WalkSpec(metapath=(BUYS, SELLS))
    with pytest.raises(ConfigError, match="metapath already says"):
        WalkSpec(metapath=(BUYS, BUYS.reverse), p=0.5)
    with pytest.raises(UnknownName, match="user-buys-product"):
        generate_walks(awkward(), WalkSpec(edge_types=(LIKES,)))
    with pytest.raises(ConfigError, match="edge_types"):
        generate_walks(awkward(), WalkSpec(edge_types={BUYS: -1.0}))


def test_fault_092_four_python_threads_walk_at_once() -> None:
    graph = communities()
    specs = [WalkSpec(walk_length=20, walks_per_node=30, q=q, seed=4) for q in (0.5, 1, 2, 4)]
    alone = [digest(generate_walks(graph, spec, threads=1)) for spec in specs]
    found: dict[int, str] = {}

    def work(number: int) -> None:
        found[number] = digest(generate_walks(graph, specs[number], threads=2))

    workers = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [found[number] for number in range(4)] == alone


def test_a_graph_without_edges_has_no_walks() -> None:
    empty = HeteroGraph.from_tables(
        {"node": {"id": [1, 2]}},
        {TO: {"src": np.zeros(0, np.int64), "dst": np.zeros(0, np.int64)}},
        policies=Policies(),
    )
    assert len(generate_walks(empty, WalkSpec())) == 0
