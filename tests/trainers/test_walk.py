"""Walk models: what they must find and must not, repeatability, going on, stopping, refusing."""

from __future__ import annotations

import hashlib
import math
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy.stats import chisquare

from graphemb.embeddings import Embeddings
from graphemb.errors import (
    ConfigError,
    DimensionMismatch,
    GraphEmbError,
    GraphError,
    TrainingError,
    UnknownName,
)
from graphemb.graph import HeteroGraph
from graphemb.kernels import alias, rng
from graphemb.testing import BUYS, KNOWS, SELLS, awkward, communities, community_share
from graphemb.trainers.base import EpochEvent
from graphemb.trainers.walk import DeepWalk, Metapath2Vec, Node2Vec, SequenceSkipGram
from graphemb.trainers.walk.noise import count_visits, make_noise
from graphemb.types import EdgeType
from graphemb.walks import Walker, WalkSpec, graph_sequences

TO = EdgeType("node", "to", "node")
SMALL: dict[str, Any] = {"dim": 32, "walk_length": 20, "walks_per_node": 20, "seed": 3}
THERE_AND_BACK = ((BUYS, BUYS.reverse),)
MODELS: dict[str, Callable[..., Any]] = {
    "DeepWalk": lambda **fields: DeepWalk(**(SMALL | fields)),
    "Node2Vec": lambda **fields: Node2Vec(**(SMALL | {"p": 0.5, "q": 2.0} | fields)),
    "Metapath2Vec": lambda **fields: Metapath2Vec(
        metapaths=THERE_AND_BACK, **(SMALL | {"walks_per_node": 40} | fields)
    ),
    "SequenceSkipGram": lambda **fields: SequenceSkipGram(
        along=BUYS, **({"dim": 32, "seed": 3, "epochs": 40} | fields)
    ),
}


def digest(embeddings: Embeddings) -> str:
    matrices = [embeddings[name].matrix.tobytes() for name in sorted(embeddings)]
    return hashlib.sha256(b"".join(matrices)).hexdigest()


def planted(inside: float, seed: int = 0) -> tuple[HeteroGraph, npt.NDArray[np.int64]]:
    """400 nodes of 4 communities, 2,400 edges of which a share stays inside one."""
    generator = np.random.default_rng(seed)
    community = np.arange(400) % 4
    src = generator.integers(0, 400, 2400)
    stays = generator.random(2400) < inside
    dst = np.where(
        stays, generator.integers(0, 100, 2400) * 4 + src % 4, generator.integers(0, 400, 2400)
    )
    table = {"src": src, "dst": dst}
    return HeteroGraph.from_tables({"node": {"id": np.arange(400)}}, {TO: table}), community


def knn_accuracy(embeddings: Embeddings, wanted: npt.NDArray[np.int64], k: int = 10) -> float:
    """How often the majority of the k nearest by cosine is of a node's own community."""
    part = embeddings["node"]
    wanted = wanted[np.array(part.ids.to_list())]
    units = part.matrix / np.linalg.norm(part.matrix, axis=1, keepdims=True)
    scores = units @ units.T
    np.fill_diagonal(scores, -np.inf)
    near = np.argsort(-scores, axis=1)[:, :k]
    votes = np.array([np.bincount(wanted[row], minlength=4).argmax() for row in near])
    return float((votes == wanted).mean())


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("objective", ["skipgram", "cbow"])
def test_planted_communities_are_found(name: str, objective: str) -> None:
    """At least 80 % of the three nearest share a community; by chance a quarter would."""
    graph = communities()
    embeddings = MODELS[name](objective=objective).fit(graph)
    for node_type in set(embeddings) - {"seller"}:
        assert community_share(embeddings, graph, node_type) > 0.8


@pytest.mark.parametrize("model", [DeepWalk(**SMALL), Node2Vec(**SMALL, p=0.5, q=2.0)])
def test_what_is_not_there_is_not_found(model: DeepWalk | Node2Vec) -> None:
    """kNN accuracy over 4 communities: above .9 where 80 % of edges stay inside, .25 at random."""
    graph, wanted = planted(0.8)
    assert knn_accuracy(model.fit(graph), wanted) > 0.9
    graph, wanted = planted(0.0)
    assert knn_accuracy(model.fit(graph), wanted) < 0.35


def test_metapath2vec_finds_who_publishes_where() -> None:
    """Authors A, B, C write papers in venues X, Y, Z, one each; author-paper-venue-paper-author."""
    writes = EdgeType("author", "writes", "paper")
    appears = EdgeType("paper", "appears_in", "venue")
    papers = np.arange(90)
    graph = HeteroGraph.from_tables(
        {
            "author": {"id": [f"{field}{number}" for field in "ABC" for number in range(10)]},
            "paper": {"id": papers},
            "venue": {"id": ["X", "Y", "Z"]},
        },
        {
            writes: {
                "src": [f"{'ABC'[paper // 30]}{paper % 10}" for paper in papers],
                "dst": papers,
            },
            appears: {"src": papers, "dst": ["XYZ"[paper // 30] for paper in papers]},
        },
    )
    path = (writes, appears, appears.reverse, writes.reverse)
    model = Metapath2Vec(metapaths=(path,), dim=16, walk_length=21, walks_per_node=60, seed=1)
    embeddings = model.fit(graph)
    authors = embeddings["author"].matrix
    venues = embeddings["venue"].matrix
    units = authors / np.linalg.norm(authors, axis=1, keepdims=True)
    nearest = (units @ (venues / np.linalg.norm(venues, axis=1, keepdims=True)).T).argmax(axis=1)
    assert nearest.tolist() == [0] * 10 + [1] * 10 + [2] * 10
    scores = units @ units.T
    np.fill_diagonal(scores, -np.inf)
    near = np.argsort(-scores, axis=1)[:, :9]
    assert np.mean(near // 10 == np.arange(30)[:, None] // 10) > 0.9, "by chance: .31"


def test_several_metapaths_take_turns() -> None:
    path = (SELLS, SELLS.reverse)
    model = Metapath2Vec(metapaths=(*THERE_AND_BACK, path), **SMALL)
    graph = communities()
    embeddings = model.fit(graph)
    assert set(embeddings) == {"user", "product", "seller"}
    users, sellers = 80, 20
    tokens = embeddings.provenance["training"]["tokens"]
    assert tokens == SMALL["walks_per_node"] * SMALL["walk_length"] * (users + sellers)
    assert community_share(embeddings, graph, "user") > 0.8


@pytest.mark.parametrize("name", MODELS)
def test_fault_084_deterministic_vectors_are_bit_equal(name: str) -> None:
    """Whatever the threads asked for; and with one thread without asking."""
    graph = communities()
    first = digest(MODELS[name](deterministic=True).fit(graph))
    assert first == digest(MODELS[name](deterministic=True, threads=4).fit(graph))
    assert first == digest(MODELS[name](threads=1).fit(graph))
    assert first != digest(MODELS[name](deterministic=True, seed=4).fit(graph))


def test_fault_084_vectors_do_not_hang_on_the_process() -> None:
    code = (
        "import hashlib\n"
        "from graphemb.testing import communities\n"
        "from graphemb.trainers.walk import Node2Vec\n"
        "e = Node2Vec(dim=20, walk_length=10, walks_per_node=3, p=.5, deterministic=True)"
        ".fit(communities())\n"
        "m = b''.join(e[n].matrix.tobytes() for n in sorted(e))\n"
        "print(hashlib.sha256(m).hexdigest())\n"
    )
    model = Node2Vec(dim=20, walk_length=10, walks_per_node=3, p=0.5, deterministic=True)
    here = digest(model.fit(communities()))
    run = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONHASHSEED": "99"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.strip() == here


@pytest.mark.parametrize("loss", ["negative", "hierarchical"])
def test_fault_085_threads_without_locks_find_as_much(loss: Any) -> None:
    """Over 5 seeds the mean kNN accuracy of two threads is within .03 of one thread's."""
    graph, wanted = planted(0.7)
    shares = []
    for threads in (1, 2):
        models = [
            DeepWalk(**(SMALL | {"seed": seed}), loss=loss, threads=threads) for seed in range(5)
        ]
        shares.append(np.mean([knn_accuracy(model.fit(graph), wanted) for model in models]))
    assert shares[0] > 0.9
    assert abs(shares[0] - shares[1]) < 0.03


def test_hierarchical_softmax_finds_and_repeats_what_negative_sampling_finds() -> None:
    graph = communities()
    model = DeepWalk(**SMALL, loss="hierarchical", deterministic=True)
    found = model.fit(graph)
    assert all(community_share(found, graph, name) > 0.8 for name in found)
    assert digest(found) == digest(model.fit(graph))
    losses = found.provenance["training"]["losses"]
    assert 0 < losses[0] < math.log2(160) * math.log(2), "no better than knowing nothing"
    with pytest.raises(ConfigError, match="CBOW"):
        DeepWalk(loss="hierarchical", objective="cbow")


def test_fault_078_hierarchical_softmax_that_diverges_is_stopped() -> None:
    with pytest.raises(TrainingError) as caught:
        DeepWalk(**SMALL, loss="hierarchical", learning_rate=50.0, epochs=5).fit(communities())
    assert caught.value.field == "learning_rate"


@pytest.mark.parametrize("dim", [1, 15, 16, 17, 100])
def test_any_dimension(dim: int) -> None:
    part = DeepWalk(**(SMALL | {"dim": dim})).fit(communities())["user"]
    assert part.matrix.shape == (80, dim)
    assert part.matrix.flags.c_contiguous
    assert part.matrix.any(axis=0).all(), "a component that is never used"


def test_more_epochs_learn_more_and_are_told_of() -> None:
    events: list[EpochEvent] = []
    model = DeepWalk(**(SMALL | {"walks_per_node": 5}), epochs=4)
    embeddings = model.fit(communities(), on_epoch=events.append)
    assert [event.epoch for event in events if event.epoch == int(event.epoch)] == [1, 2, 3, 4]
    assert all(event.epochs == 4 for event in events)
    assert all(event.tokens_per_second and event.tokens_per_second > 0 for event in events)
    losses = embeddings.provenance["training"]["losses"]
    assert losses == [event.loss for event in events if event.epoch == int(event.epoch)]
    assert losses[0] < 6 * math.log(2), "worse than knowing nothing"
    assert losses[-1] < losses[0]
    assert embeddings.provenance["training"]["tokens"] == 4 * 5 * 160 * 20


def test_an_epoch_is_a_round_of_new_walks() -> None:
    """Two epochs of two walks a node are the four walks a node of one epoch."""
    graph = communities()
    two = DeepWalk(**(SMALL | {"walks_per_node": 2}), epochs=2, deterministic=True)
    four = DeepWalk(**(SMALL | {"walks_per_node": 4}), deterministic=True)
    assert digest(two.fit(graph)) == digest(four.fit(graph))


def test_init_goes_on_from_older_vectors() -> None:
    graph = communities()
    model = DeepWalk(**SMALL, epochs=3, deterministic=True)
    old = model.fit(graph)
    little = DeepWalk(**(SMALL | {"walks_per_node": 1}), learning_rate=0.01, deterministic=True)
    new, scratch = little.fit(graph, init=old), little.fit(graph)
    assert community_share(new, graph, "user") > 0.9
    assert community_share(scratch, graph, "user") < 0.7
    for node_type in old:
        one, other = old[node_type].matrix, new[node_type].matrix
        assert not np.array_equal(one, other)
        cosine = (one * other).sum(1) / np.linalg.norm(one, axis=1) / np.linalg.norm(other, axis=1)
        assert cosine.min() > 0.9, "the old vectors were left behind"
    assert "init" not in new.provenance["fit"]


def test_init_takes_new_nodes_in_and_keeps_who_is_not_visited() -> None:
    graph = communities()
    old = DeepWalk(**SMALL, epochs=2).fit(graph)
    grown = graph.extend(
        {"user": {"id": ["new", "lone"], "community": [0, 0]}},
        {
            BUYS: {
                "src": ["new"] * 6,
                "dst": [f"p{number}" for number in range(6)],
                "weight": [1.0] * 6,
                "time": [np.datetime64("2020-01-01", "us")] * 6,
            }
        },
    )
    no_knows = DeepWalk(**SMALL, edge_types=(BUYS,))
    new = no_knows.fit(grown, init=old)
    near = {str(name) for name, _ in new["user"].most_similar("new", k=5)}
    assert near <= {f"u{number}" for number in range(20)}
    assert new["user"].missing.to_list() == ["lone"]
    cut = grown.with_edges(BUYS, np.asarray(grown[BUYS].sources() != 7))
    kept = no_knows.fit(cut, init=old)
    assert np.array_equal(kept["user"].vector("u7"), old["user"].vector("u7"))


def test_init_that_cannot_be_is_refused() -> None:
    graph = communities()
    with pytest.raises(DimensionMismatch, match="dimension 32 wanted"):
        DeepWalk(**SMALL).fit(graph, init=DeepWalk(**(SMALL | {"dim": 8})).fit(graph))
    other = Embeddings.from_arrays({"city": (["x"], np.ones((1, 32), np.float32))})
    with pytest.raises(ConfigError, match="none of these nodes"):
        DeepWalk(**SMALL).fit(graph, init=other)


@pytest.mark.parametrize("exponent", [0.75, 0.0, -0.5, 1.0])
def test_negatives_are_drawn_by_visits_to_a_power(exponent: float) -> None:
    graph = communities()
    walker = Walker.of(graph, WalkSpec(walk_length=20, walks_per_node=5, seed=2))
    noise = make_noise(DeepWalk(**SMALL, negative_exponent=exponent), walker)
    visits = count_visits(walker, threads=2)
    tokens, _ = walker.block(0, walker.round_size)
    assert (visits == np.bincount(tokens, minlength=160)).all()
    key = np.uint64(rng.make_key(0, 5))
    drawn = [alias.pick(noise.table, 0, 160, np.uint64(rng.draw(key, n))) for n in range(60_000)]
    chances = visits.astype(float) ** exponent
    expected = chances / chances.sum() * len(drawn)
    assert chisquare(np.bincount(drawn, minlength=160), expected).pvalue > 0.01


def test_visits_of_an_undirected_graph_are_by_degree() -> None:
    graph = communities()
    walker = Walker.of(graph, WalkSpec(walk_length=100, walks_per_node=1))
    degrees = graph.homogeneous()
    weights = (
        np.add.reduceat(degrees.weights, degrees.offsets[:-1])
        if (degrees.weights is not None)
        else degrees.degrees
    )
    assert np.corrcoef(count_visits(walker, threads=1), weights)[0, 1] > 0.95


def test_negatives_by_type_are_of_the_centers_type() -> None:
    graph = communities()
    walker = Walker.of(graph, WalkSpec(walk_length=20))
    noise = make_noise(DeepWalk(**SMALL, negatives_by_type=True), walker)
    assert noise.segments.tolist() == [0, 80, 140, 160]
    key = np.uint64(rng.make_key(0, 1))
    for start, end in [(0, 80), (80, 140), (140, 160)]:
        bits = [np.uint64(rng.draw(key, n)) for n in range(2000)]
        drawn = {start + alias.pick(noise.table, start, end - start, one) for one in bits}
        assert drawn <= set(range(start, end)) and len(drawn) > 10


def test_fault_080_nodes_that_are_never_trained_are_counted() -> None:
    embeddings = DeepWalk(**SMALL).fit(awkward())
    missing = {name: len(part.missing) for name, part in embeddings.items()}
    assert embeddings.provenance["training"]["missing"] == missing
    assert missing["seller"] == 2
    assert embeddings["user"].missing.to_list() == [99]


def test_node_types_of_other_edge_types_are_left_out() -> None:
    embeddings = DeepWalk(**SMALL, edge_types={KNOWS: 1.0}).fit(communities())
    assert set(embeddings) == {"user"}


@pytest.mark.parametrize("by_type", [False, True])
def test_fault_083_types_of_one_node_end(by_type: bool) -> None:
    """The only negative of a type is the center itself."""
    graph = HeteroGraph.from_tables(
        {"user": {"id": ["u"]}, "product": {"id": ["p"]}}, {BUYS: {"src": ["u"], "dst": ["p"]}}
    )
    embeddings = DeepWalk(**SMALL, negatives_by_type=by_type).fit(graph)
    assert np.isfinite(embeddings["user"].matrix).all()
    assert len(embeddings["product"]) == 1


def test_a_node_whose_only_neighbour_is_itself_learns() -> None:
    graph = HeteroGraph.from_tables({"node": {"id": [1, 2]}}, {TO: {"src": [1], "dst": [1]}})
    embeddings = DeepWalk(**SMALL).fit(graph)
    assert embeddings["node"].ids.to_list() == [1]


def test_fault_077_training_that_diverges_stops_and_names_the_rate() -> None:
    for rate in (1e3, 1e30):
        model = DeepWalk(**SMALL, learning_rate=rate, epochs=3)
        with pytest.raises(TrainingError) as caught:
            model.fit(communities())
        assert caught.value.code == "diverged"
        assert caught.value.field == "learning_rate"
        assert "puts" in caught.value.message


def test_fault_092_four_python_threads_train_at_once() -> None:
    graph = communities()
    names = list(MODELS)
    alone = [digest(MODELS[name](deterministic=True).fit(graph)) for name in names]
    found: dict[str, str] = {}

    def work(name: str) -> None:
        found[name] = digest(MODELS[name](deterministic=True).fit(graph))

    workers = [threading.Thread(target=work, args=(name,)) for name in names]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [found[name] for name in names] == alone


def test_an_error_in_on_epoch_stops_the_threads() -> None:
    class Enough(Exception):
        pass

    def stop(event: EpochEvent) -> None:
        raise Enough

    before = threading.active_count()
    with pytest.raises(Enough):
        DeepWalk(**SMALL, epochs=10_000).fit(communities(), on_epoch=stop)
    assert threading.active_count() == before


def test_ctrl_c_stops_the_threads() -> None:
    """The work would take hours; the test's own time limit says whether it stopped."""
    before = threading.active_count()
    timer = threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        DeepWalk(**(SMALL | {"walks_per_node": 1_000_000})).fit(communities())
    timer.join()
    assert threading.active_count() == before


REFUSED = [
    ("dim", 0),
    ("dim", -5),
    ("dim", 2.0),
    ("walk_length", 0),
    ("walks_per_node", 0),
    ("context_size", 0),
    ("num_negatives", 0),
    ("negative_exponent", float("nan")),
    ("epochs", 0),
    ("learning_rate", 0.0),
    ("learning_rate", float("inf")),
    ("min_learning_rate", -0.1),
    ("min_learning_rate", 1.0),
    ("objective", "glove"),
    ("threads", 0),
    ("seed", -1),
    ("deterministic", "yes"),
]


@pytest.mark.parametrize(("field", "value"), REFUSED)
def test_fault_090_values_out_of_range_are_refused_by_field(field: str, value: Any) -> None:
    for name in ("DeepWalk", "Node2Vec", "Metapath2Vec"):
        with pytest.raises(ConfigError, match=field) as caught:
            MODELS[name](**{field: value})
        assert caught.value.field == field


@pytest.mark.parametrize(("field", "value"), [("p", 0.0), ("q", -1.0), ("p", float("nan"))])
def test_fault_090_p_and_q_are_above_zero(field: str, value: float) -> None:
    with pytest.raises(ConfigError, match=f"{field} must be a finite number at least 1e-09"):
        MODELS["Node2Vec"](**{field: value})


def test_metapaths_that_cannot_be_are_refused() -> None:
    with pytest.raises(ConfigError, match="hop 2 starts at"):
        Metapath2Vec(metapaths=((BUYS, SELLS),))
    with pytest.raises(ConfigError, match="at least one metapath"):
        Metapath2Vec(metapaths=())
    with pytest.raises(GraphError, match="hop 1 of the metapath has no edges"):
        Metapath2Vec(metapaths=((SELLS, SELLS.reverse),)).fit(awkward())
    eats = EdgeType("user", "eats", "product")
    with pytest.raises(UnknownName, match="user-buys-product"):
        Metapath2Vec(metapaths=((eats, eats.reverse),)).fit(awkward())


def sessions(times: list[int]) -> HeteroGraph:
    products = [f"p{number}" for number in (3, 1, 2, 5, 4)]
    table = {"src": ["u"] * 5, "dst": products, "time": np.array(times, "datetime64[s]")}
    return HeteroGraph.from_tables(
        {"user": {"id": ["u"]}, "product": {"id": [f"p{number}" for number in range(7)]}},
        {BUYS: table},
    )


def test_sequences_are_in_order_of_time() -> None:
    graph = sessions([30, 10, 20, 5000, 4000])
    corpus = graph_sequences(graph, BUYS)
    assert [[node[1] for node in corpus.to_ids(0)]] == [["p1", "p2", "p3", "p4", "p5"]]
    corpus = graph_sequences(graph, BUYS, session_gap=600)
    found = [[node[1] for node in corpus.to_ids(number)] for number in range(len(corpus))]
    assert found == [["p1", "p2", "p3"], ["p4"], ["p5"]]
    embeddings = SequenceSkipGram(along=BUYS, session_gap=600, dim=8).fit(graph)
    assert embeddings["product"].ids.to_list() == ["p1", "p2", "p3"]
    assert embeddings["product"].missing.to_list() == ["p0", "p4", "p5", "p6"]


def test_given_sequences_bring_together_what_stands_together() -> None:
    generator = np.random.default_rng(0)
    plays = [
        [f"{genre}{number}" for number in generator.permutation(12)]
        for genre in ("rock", "jazz") * 60
    ]
    model = SequenceSkipGram(dim=16, epochs=5, context_size=3, seed=1)
    embeddings = model.fit_sequences(plays, node_type="song")
    for song in ("rock3", "jazz7"):
        near = [str(name) for name, _ in embeddings["song"].most_similar(song, k=11)]
        assert all(name.startswith(song[:4]) for name in near)
    assert embeddings["song"].ids[0] == plays[0][0]
    assert embeddings.provenance["fit"]["trainer"] == "SequenceSkipGram"


def test_sequences_of_nothing_but_single_items_leave_all_missing() -> None:
    embeddings = SequenceSkipGram(dim=8).fit_sequences([["a"], ["b"], []])
    assert len(embeddings["item"]) == 0
    assert embeddings["item"].missing.to_list() == ["a", "b"]


def test_sequences_that_cannot_be_are_refused() -> None:
    with pytest.raises(ConfigError, match="no edge type says what the sequences are"):
        SequenceSkipGram().fit(awkward())
    with pytest.raises(GraphError, match="these edges have none"):
        SequenceSkipGram(along=KNOWS).fit(communities())
    with pytest.raises(UnknownName):
        SequenceSkipGram(along=TO).fit(awkward())
    with pytest.raises(ConfigError, match="session_gap"):
        SequenceSkipGram(along=BUYS, session_gap=0.0)
    with pytest.raises(GraphEmbError):
        SequenceSkipGram().fit_sequences([["a", 1]])  # type: ignore[list-item]
