"""The contract finds what breaks it, and the toy graphs are what they say."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest

from graphemb.embeddings import Embeddings, Vectors
from graphemb.graph import HeteroGraph
from graphemb.ids import Ids
from graphemb.testing import (
    BUYS,
    KNOWS,
    SELLS,
    TO,
    awkward,
    chain,
    check_trainer,
    checkerboard,
    communities,
    community_share,
    edgeless,
    star,
)
from graphemb.trainers.base import OnEpoch
from graphemb.trainers.spectral import SVD, RandomVectors

Spoil = Callable[[Embeddings, HeteroGraph], Embeddings]
CALLS = itertools.count(1)


def each(change: Callable[[Vectors], Vectors]) -> Spoil:
    return lambda good, _: Embeddings([change(part) for part in good.values()], good.provenance)


def with_zeros(part: Vectors) -> Vectors:
    zeros = np.zeros((len(part.missing), part.dim), np.float32)
    ids = Ids.of(part.ids.to_list() + part.missing.to_list())
    return Vectors(part.node_type, ids, np.vstack([part.matrix, zeros]))


def backwards(part: Vectors) -> Vectors:
    return replace(part, ids=part.ids[::-1], matrix=part.matrix[::-1])


def noise(part: Vectors) -> Vectors:
    rng = np.random.default_rng(0)
    return replace(part, matrix=rng.standard_normal(part.matrix.shape))


def with_all_types(good: Embeddings, graph: HeteroGraph) -> Embeddings:
    """The node types that are left out, with all their nodes missing."""
    out = [name for name in graph.node_types if name not in good]
    nothing = np.zeros((0, 16), np.float32)
    more = [Vectors(name, Ids.of([]), nothing, graph.ids(name)) for name in out]
    return Embeddings([*good.values(), *more], good.provenance)


def touch_the_graph(good: Embeddings, graph: HeteroGraph) -> Embeddings:
    neighbors = graph[BUYS].neighbors
    neighbors.flags.writeable = True
    neighbors[:] = neighbors[::-1].copy()
    return good


SPOILT: dict[str, tuple[Spoil, str]] = {
    "nodes forgotten": (each(lambda part: replace(part, missing=Ids.of([]))), "neither embedded"),
    "zeros for the unknown": (each(with_zeros), "a vector of zeros"),
    "another order": (each(backwards), "not in graph order"),
    "never the same": (
        each(lambda part: replace(part, matrix=part.matrix * next(CALLS))),
        "the same seed gave other vectors",
    ),
    "noise": (each(noise), "of neighbours share a community"),
    "types nothing is learned of": (with_all_types, "vectors from user-knows-user are of"),
    "no provenance": (lambda good, _: Embeddings(good.values()), "provenance"),
    "a touched graph": (touch_the_graph, "fit changed the graph"),
}


@dataclass(frozen=True, kw_only=True)
class Spoilt(SVD):
    """A good trainer with one thing spoilt."""

    how: str = ""

    def fit(self, graph: HeteroGraph, *, on_epoch: OnEpoch | None = None) -> Embeddings:
        return SPOILT[self.how][0](super().fit(graph, on_epoch=on_epoch), graph)


@dataclass(frozen=True, kw_only=True)
class Silent(SVD):
    def fit(self, graph: HeteroGraph, *, on_epoch: OnEpoch | None = None) -> Embeddings:
        return super().fit(graph)


@dataclass(frozen=True, kw_only=True)
class Lenient(RandomVectors):
    def __post_init__(self) -> None:
        pass


@dataclass(kw_only=True)
class Thawed:
    dim: int = 8

    def fit(self, graph: HeteroGraph, *, on_epoch: OnEpoch | None = None) -> Embeddings:
        return SVD(dim=self.dim).fit(graph, on_epoch=on_epoch)


@pytest.mark.parametrize("how", SPOILT)
def test_the_contract_finds_what_breaks_it(how: str) -> None:
    with pytest.raises(AssertionError, match=SPOILT[how][1]):
        check_trainer(Spoilt(dim=16, how=how))


def test_the_contract_finds_silence_and_lenience_and_change() -> None:
    with pytest.raises(AssertionError, match="on_epoch was never called"):
        check_trainer(Silent(dim=16))
    with pytest.raises(AssertionError, match="dim=0 was not refused"):
        check_trainer(Lenient(dim=16), learns=False)
    with pytest.raises(AssertionError, match="setting dim was not refused"):
        check_trainer(Thawed())


def test_communities_are_planted() -> None:
    graph = communities(4, mixing=0.0)
    names = {kind: graph.columns(kind)["community"].to_numpy() for kind in graph.node_types}
    for edge_type in (BUYS, SELLS, KNOWS):
        edges = graph[edge_type]
        own = names[edge_type.src][edges.sources()] == names[edge_type.dst][edges.neighbors]
        assert own.all(), edge_type
        assert not (edge_type == KNOWS and (edges.sources() == edges.neighbors).any())
    for edge_type in (BUYS, SELLS, SELLS.reverse, KNOWS):
        assert graph.degrees(edge_type).min() > 0, f"{edge_type}: somebody has no edge"
    assert communities(4).fingerprint == communities(4).fingerprint
    assert communities(4).fingerprint != communities(4, seed=1).fingerprint


def test_communities_mix_as_much_as_asked() -> None:
    graph = communities(4, mixing=0.5)
    users, products = (graph.columns(k)["community"].to_numpy() for k in ("user", "product"))
    own = (users[graph[BUYS].sources()] == products[graph[BUYS].neighbors]).mean()
    assert 0.55 < own < 0.7  # half, and a quarter of the other half by chance


def test_community_share_of_the_answer_is_one_and_of_noise_is_chance() -> None:
    graph = communities(4)
    answer = {
        kind: (graph.ids(kind), np.eye(4)[graph.columns(kind)["community"].to_numpy()])
        for kind in graph.node_types
    }
    assert community_share(Embeddings.from_arrays(answer), graph, "user") == 1.0
    assert community_share(RandomVectors(dim=64).fit(graph), graph, "user") < 0.4


def test_awkward_and_edgeless_hold_what_they_promise() -> None:
    graph = awkward()
    assert graph.num_edges(SELLS) == 0
    assert not graph[BUYS].distinct().all(), "no parallel edges"
    assert (graph[KNOWS].sources() == graph[KNOWS].neighbors).any(), "no self loop"
    assert graph.degrees(BUYS)[-1] == 0 == graph.degrees(KNOWS.reverse)[-1]
    assert set(edgeless().edge_types) == set(graph.edge_types) == set(communities().edge_types)
    assert edgeless().num_edges() == 0


def test_checkerboard_star_and_chain() -> None:
    board = checkerboard(6)
    assert board.neighbors("user", 2, BUYS) == [0, 4]
    assert board.neighbors("user", 3, BUYS) == [1, 5]
    assert star(4).neighbors("node", 0, TO) == [1, 2, 3, 4]
    assert chain(3).degrees(TO).tolist() == [1, 1, 0]


def test_the_checkerboard_has_one_right_answer() -> None:
    """What a user has not bought and should: the product of its own number."""
    board = checkerboard(20)
    emb = SVD(dim=4).fit(board)
    scores = emb["user"].matrix @ emb["product"].matrix.T
    scores[board[BUYS].sources(), board[BUYS].neighbors] = -np.inf
    assert (scores.argmax(axis=1) == np.arange(20)).all()
