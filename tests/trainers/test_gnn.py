"""Graph neural networks: they find planted communities, find nothing in noise, embed newcomers."""

from __future__ import annotations

import os
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch

from graphemb.embeddings import Embeddings
from graphemb.errors import ChecksumMismatch, ConfigError, StoreError
from graphemb.evaluate import evaluate_newcomers
from graphemb.files import sha256_file
from graphemb.graph import HeteroGraph
from graphemb.manifest import MANIFEST
from graphemb.metrics import roc_auc
from graphemb.negatives import NegativeSampler
from graphemb.split import hold_out_nodes, split_edges
from graphemb.testing import BUYS, SELLS, TO, communities, community_share
from graphemb.trainers.base import Trainer
from graphemb.trainers.gnn import GAT, GNN, HGT, RGCN, GraphSAGE, PinSage
from graphemb.trainers.gnn.encoder import all_vectors
from graphemb.trainers.gnn.inductive import Encoder
from graphemb.trainers.interaction import TwoTower
from graphemb.types import EdgeType

FAST: dict[str, Any] = {"dim": 16, "epochs": 15, "batch_size": 400, "learning_rate": 0.03}
MODELS: list[GNN] = [
    GraphSAGE(**FAST, valid=0.0),
    GAT(**FAST, valid=0.0),
    RGCN(**FAST, valid=0.0),
    HGT(**FAST, valid=0.0),
    PinSage(**FAST, valid=0.0, num_layers=1),
]
NAMES = [type(model).__name__ for model in MODELS]


def held_out_auc(trainer: Trainer, graph: HeteroGraph, edge_type: EdgeType) -> float:
    """Dot products of held-out edges against uniform negatives."""
    split = split_edges(graph, edge_type, by="random", test=0.2, seed=1)
    vectors = trainer.fit(split.train)
    history = graph[edge_type].to_scipy()
    drawn = NegativeSampler(num=5).sample(split.test.src, split.test.dst, history)
    pairs = [(split.test.src, split.test.dst), (np.repeat(split.test.src, 5), drawn.dst.ravel())]
    scores = []
    for src, dst in pairs:
        ends = [
            matrix_of(vectors, split.train, name)[rows]
            for name, rows in ((edge_type.src, src), (edge_type.dst, dst))
        ]
        scores.append((ends[0] * ends[1]).sum(axis=1))
    return roc_auc(*scores)


def matrix_of(vectors: Embeddings, graph: HeteroGraph, node_type: str) -> np.ndarray[Any, Any]:
    """The vectors in graph order, zeros for who is missing."""
    part = vectors[node_type]
    out = np.zeros((graph.num_nodes(node_type), part.dim), np.float32)
    out[graph.rows(node_type, part.ids)] = part.matrix
    return out


def noise(seed: int = 0) -> HeteroGraph:
    """Everybody buys anything: nothing can be learned."""
    rng = np.random.default_rng(seed)
    pairs = np.unique(rng.integers(0, 100, (1200, 2)), axis=0)
    return HeteroGraph.from_tables(
        {"user": {"id": np.arange(100)}, "product": {"id": np.arange(100)}},
        {BUYS: {"src": pairs[:, 0], "dst": pairs[:, 1]}},
    )


@pytest.mark.parametrize("trainer", MODELS, ids=NAMES)
def test_planted_communities_are_found(trainer: GNN) -> None:
    assert held_out_auc(trainer, communities(), BUYS) > 0.8


@pytest.mark.parametrize("trainer", MODELS, ids=NAMES)
def test_noise_teaches_nothing(trainer: GNN) -> None:
    assert held_out_auc(replace(trainer, epochs=5), noise(), BUYS) == pytest.approx(0.5, abs=0.07)


@pytest.mark.parametrize("trainer", MODELS, ids=NAMES)
def test_layer_by_layer_gives_what_one_pass_gives(trainer: GNN) -> None:
    graph = communities()
    network = replace(trainer, epochs=1).fit_encoder(graph).network
    blocks = all_vectors(network)
    rows = {name: torch.arange(graph.num_nodes(name)) for name in blocks}
    with torch.no_grad():
        naive = network(rows)
    for name, matrix in blocks.items():
        np.testing.assert_allclose(matrix, naive[name].numpy(), atol=2e-5)


@pytest.mark.parametrize("trainer", [MODELS[0], MODELS[3]], ids=["GraphSAGE", "HGT"])
def test_sampling_all_neighbors_gives_what_the_whole_graph_gives(trainer: GNN) -> None:
    """Vectors and, with the same positives left out, losses."""
    graph = communities()
    sampled = replace(trainer, fanouts=(-1,) * trainer.num_layers)
    whole, other = (replace(one, epochs=2, unknown=0.0).fit(graph) for one in (trainer, sampled))
    losses = [one.provenance["training"]["losses"] for one in (whole, other)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    for name, part in whole.items():
        np.testing.assert_allclose(part.matrix, other[name].matrix, atol=1e-3)


def later() -> HeteroGraph:
    """`communities` and newcomers: by known edges, by new edges, alone, and of a new type."""
    rates, time = EdgeType("user", "rates", "product"), pa.array([10**15] * 4, pa.timestamp("us"))
    return communities().extend(
        nodes={
            "user": {"id": ["by_edges", "by_rates", "alone"], "community": [0, 1, 2]},
            "product": {"id": ["by_user"], "community": [0]},
            "coupon": {"id": ["lonely"]},
        },
        edges={
            BUYS: {
                "src": ["by_edges"] * 3 + ["u0"],
                "dst": ["p1", "p2", "p3", "by_user"],
                "weight": np.ones(4, np.float32),
                "time": time,
            },
            rates: {"src": ["by_rates"] * 2, "dst": ["p20", "p21"], "weight": [3.0, 1.0]},
        },
    )


def test_newcomers_get_the_first_rung_that_works_and_old_vectors_stay() -> None:
    encoder = GraphSAGE(**FAST, valid=0.0).fit_encoder(communities())
    graph = later()
    found = encoder.embed(graph)
    for name, old in encoder.vectors.items():
        assert found[name].vectors(old.ids).tobytes() == old.matrix.tobytes()
    assert found.provenance["rungs"] == {
        "user": {"encoder": ["by_edges"], "neighbors": ["by_rates"], "type_mean": ["alone"]},
        "product": {"encoder": ["by_user"]},
    }
    assert found.provenance["graph"] == graph.fingerprint
    assert "coupon" not in found
    products, users = found["product"], found["user"]
    mean = 0.75 * products.vector("p20") + 0.25 * products.vector("p21")
    np.testing.assert_allclose(users.vector("by_rates"), mean, rtol=1e-5)
    old_mean = encoder.vectors["user"].matrix.mean(axis=0)
    np.testing.assert_allclose(users.vector("alone"), old_mean, rtol=1e-4, atol=1e-6)
    scores = products.matrix @ users.vector("by_edges")
    best = [graph.columns("product")["community"][int(row)].as_py() for row in (-scores).argsort()]
    assert best[:10].count(0) >= 8, "a newcomer's nearest are of what they bought"


def test_newcomers_are_found_about_as_well_as_by_fitting_again() -> None:
    """hit@10 of their hidden purchases: at least 90 % of a retrain's."""
    newcomers = hold_out_nodes(communities(mixing=0.0), BUYS, share=0.3, seed=2)
    slow = {**FAST, "epochs": 12, "batch_size": 100, "unknown": 0.3, "learning_rate": 0.03}
    (section,) = evaluate_newcomers(GraphSAGE(**slow, valid=0.0), newcomers).sections
    assert section.facts["queries"] >= 15
    hits = {row.name: row.values["hit@10"].value for row in section.rows}
    assert hits["retrained"] > hits["popularity"] + 0.2, "the retrain is no bar"
    assert section.facts["share_of_retrain"] >= 0.9


def test_columns_alone_place_a_newcomer() -> None:
    graph = communities()
    trainer = GraphSAGE(**FAST, valid=0.0, inputs="both", columns={"seller": ("community",)})
    encoder = trainer.fit_encoder(graph)
    found = encoder.embed(graph.extend(nodes={"seller": {"id": ["s_new"], "community": [3]}}))
    assert found.provenance["rungs"] == {"seller": {"encoder": ["s_new"]}}
    assert len(found["seller"].missing) == 0


def test_an_encoder_is_saved_and_loaded(tmp_path: Path) -> None:
    columns = {"product": ("community",)}
    trainer = RGCN(**{**FAST, "epochs": 2}, inputs="both", columns=columns, edge_types=(BUYS,))
    encoder = trainer.fit_encoder(communities())
    encoder.save(tmp_path / "encoder")
    loaded = Encoder.load(tmp_path / "encoder")
    assert loaded.trainer == trainer
    graph = later()
    before, after = encoder.embed(graph), loaded.embed(graph)
    assert before.provenance == after.provenance
    for name, part in before.items():
        assert part.matrix.tobytes() == after[name].matrix.tobytes()


def test_fault_088_an_encoder_with_a_pickle_in_it_is_refused_unread(tmp_path: Path) -> None:
    GraphSAGE(**{**FAST, "epochs": 1}).fit_encoder(communities()).save(tmp_path / "encoder")
    path = tmp_path / "encoder" / "parameters.safetensors"
    before = sha256_file(path)
    path.write_bytes(pickle.dumps(os.getcwd))
    with pytest.raises(ChecksumMismatch):
        Encoder.load(path.parent)
    manifest = path.with_name(MANIFEST)
    manifest.write_text(manifest.read_text().replace(before, sha256_file(path)))
    with pytest.raises(StoreError, match="not a safetensors file"):
        Encoder.load(path.parent)


def test_types_that_only_carry_messages_are_not_learned_but_embedded() -> None:
    trainer = GraphSAGE(**FAST, valid=0.0, edge_types=(BUYS,), message_types=(SELLS,))
    vectors = trainer.fit(communities())
    assert list(vectors) == ["user", "product", "seller"]
    assert community_share(vectors, communities(), "seller") > 0.5


def test_nodes_of_one_type_whose_edges_stand_both_ways() -> None:
    """The reverse of a positive carries no message either: else noise would look learnable."""
    rng = np.random.default_rng(0)
    pairs = rng.integers(0, 60, (300, 2))
    pairs = np.unique(np.sort(pairs[pairs[:, 0] != pairs[:, 1]], axis=1), axis=0)
    both = np.concatenate([pairs, pairs[:, ::-1]])
    graph = HeteroGraph.from_tables(
        {"node": {"id": np.arange(60)}}, {TO: {"src": both[:, 0], "dst": both[:, 1]}}
    )
    auc = held_out_auc(GraphSAGE(**FAST), graph, TO)
    assert auc == pytest.approx(0.5, abs=0.15)


@pytest.mark.parametrize(
    ("model", "field", "value"),
    [
        (GAT, "heads", 3),
        (HGT, "heads", 0),
        (RGCN, "bases", 0),
        (GraphSAGE, "aggregate", "median"),
        (GraphSAGE, "fanouts", (5,)),
        (GraphSAGE, "num_layers", 0),
        (PinSage, "top", 0),
        (PinSage, "inputs", "names"),
    ],
)
def test_fault_090_fields_out_of_range_are_refused(
    model: type[GNN], field: str, value: Any
) -> None:
    with pytest.raises(ConfigError) as caught:
        model(**{field: value})
    assert caught.value.field == field


@pytest.mark.parametrize("trainer", [GraphSAGE, TwoTower])
def test_columns_that_would_not_be_looked_at_are_refused(trainer: Any) -> None:
    with pytest.raises(ConfigError, match="ids alone") as caught:
        trainer(inputs="ids", columns={"seller": ("community",)})
    assert caught.value.field == "inputs"
    trainer(inputs="both", columns={"seller": ("community",)})
