"""BPR, two towers and neural collaborative filtering on graphs whose answer is known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from graphemb.embeddings import Embeddings
from graphemb.errors import ChecksumMismatch, ConfigError, DimensionMismatch
from graphemb.evaluate import evaluate_links
from graphemb.graph import HeteroGraph
from graphemb.split import split_edges
from graphemb.testing import BUYS, KNOWS, SELLS, communities
from graphemb.trainers.interaction import ALS, BPR, NeuralCF, NeuralScorer, TwoTower
from graphemb.trainers.interaction.networks import NeuralDecoder

COMMON = {"epochs": 20, "batch_size": 128, "learning_rate": 0.05, "edge_types": (BUYS,), "seed": 1}
COMMON |= {"valid": 0.0}
MODELS = {
    "BPR": BPR(dim=8, **COMMON),
    "TwoTower": TwoTower(dim=8, inputs="ids", **COMMON),
    "deep TwoTower": TwoTower(dim=8, inputs="ids", hidden=(16, 8), skip=True, **COMMON),
    "Hadamard": TwoTower(
        dim=8, inputs="ids", decoder="distmult", calibrated=True, loss="bce", **COMMON
    ),
    "GMF": NeuralCF(dim=8, model="gmf", **COMMON),
    "MLP": NeuralCF(dim=8, model="mlp", hidden=(16, 8), **COMMON),
    "NeuMF": NeuralCF(dim=16, model="neumf", hidden=(16, 8), **COMMON),
}


def own_community(graph: HeteroGraph, scores: np.ndarray) -> float:
    """The share of users' three best products, bought or not, that are of their community."""
    users = graph.columns("user")["community"].to_numpy()
    products = graph.columns("product")["community"].to_numpy()
    return float((products[np.argsort(-scores, axis=1)[:, :3]] == users[:, None]).mean())


def scores_of(model: object, graph: HeteroGraph) -> np.ndarray:
    if isinstance(model, NeuralCF):
        scorer = model.fit_scorer(graph)
        fitted = scorer.embeddings
        return scorer.table(fitted["user"].matrix, fitted["product"].matrix)
    fitted = model.fit(graph)
    return fitted["user"].matrix @ fitted["product"].matrix.T


@pytest.mark.parametrize("name", MODELS)
def test_planted_communities_are_found(name: str) -> None:
    graph = communities()
    assert own_community(graph, scores_of(MODELS[name], graph)) > 0.85


@pytest.mark.parametrize("name", ["BPR", "TwoTower", "NeuMF"])
def test_nothing_is_found_in_a_random_graph(name: str) -> None:
    graph = communities(mixing=1.0)
    assert own_community(graph, scores_of(MODELS[name], graph)) < 0.4


def taste(seed: int = 0) -> HeteroGraph:
    """Users of three tastes buy products of that taste; the last of each have no edge."""
    rng = np.random.default_rng(seed)
    user, product = np.arange(60) % 3, np.arange(45) % 3
    pairs = (user[:54, None] == product[None, :39]) & (rng.random((54, 39)) < 0.5)
    src, dst = np.nonzero(pairs)
    return HeteroGraph.from_tables(
        {
            "user": {"id": np.arange(60), "taste": pa.array(user).cast(pa.string())},
            "product": {"id": np.arange(45), "taste": pa.array(product).cast(pa.string())},
        },
        {BUYS: {"src": src, "dst": dst}},
    )


@pytest.mark.parametrize("inputs", ["features", "both"])
def test_a_tower_of_columns_knows_nodes_without_edges(inputs: str) -> None:
    graph = taste()
    fields = {**COMMON, "epochs": 15}
    fitted = TwoTower(dim=8, inputs=inputs, **fields).fit(graph)  # type: ignore[arg-type]
    assert not len(fitted["user"].missing) and not len(fitted["product"].missing)
    scores = fitted["user"].matrix[54:] @ fitted["product"].matrix[39:].T
    same = (np.arange(54, 60) % 3)[:, None] == (np.arange(39, 45) % 3)[None]
    assert scores[same].min() > scores[~same].max()


def test_without_columns_nodes_without_edges_are_missing() -> None:
    fitted = TwoTower(dim=8, inputs="ids", **{**COMMON, "epochs": 1}).fit(taste())
    assert fitted["user"].missing.to_list() == list(range(54, 60))


def test_normalised_towers_have_length_one() -> None:
    fitted = replace(MODELS["TwoTower"], normalize=True, temperature=0.2, epochs=2).fit(
        communities()
    )
    for part in fitted.values():
        assert_allclose(np.linalg.norm(part.matrix, axis=1), 1.0, rtol=1e-5)


@pytest.mark.parametrize("model", ["gmf", "mlp", "neumf"])
def test_scores_in_numpy_are_those_of_torch(model: str, tmp_path: Path) -> None:
    trainer = NeuralCF(dim=6, model=model, hidden=(7, 5), **{**COMMON, "epochs": 2})  # type: ignore[arg-type]
    scorer = trainer.fit_scorer(communities())
    users, products = (scorer.embeddings[name].matrix for name in ("user", "product"))
    decoder = NeuralDecoder((BUYS,), trainer)
    weights = {}
    for name, value in scorer.parameters.items():
        number = int(name.rpartition("_")[2]) if "_" in name else -1
        known = {"product": "product", "bias": "bias", "last": "final.weight"}
        kind = "weight" if name.startswith("hidden") else "bias"
        key = known[name] if number < 0 else f"hidden.{number}.{kind}"
        weights[key] = torch.tensor(value)[None] if name == "last" else torch.tensor(value)
    decoder.load_state_dict(weights)
    with torch.no_grad():
        table = decoder.table(BUYS, torch.tensor(users), torch.tensor(products)).numpy()
    assert_allclose(scorer.table(users, products), table, atol=1e-5)
    assert_allclose(scorer.pairs(users[:60], products), np.diag(table[:60]), atol=1e-5)
    scorer.save(tmp_path / "scorer")
    again = NeuralScorer.load(tmp_path / "scorer")
    assert_array_equal(again.table(users, products), scorer.table(users, products))


def test_the_network_is_the_papers() -> None:
    """h . [p * q ; phi_2(phi_1([p', q']))] of He et al. 2017, written out."""
    rng = np.random.default_rng(0)
    draw = lambda *shape: rng.standard_normal(shape).astype(np.float32)  # noqa: E731
    own = {"product": draw(3), "bias": draw(1), "hidden_0": draw(5, 4), "bias_0": draw(5)}
    own |= {"hidden_1": draw(2, 5), "bias_1": draw(2), "last": draw(2)}
    fitted = replace(MODELS["NeuMF"], epochs=1, dim=4, hidden=(2,)).fit(communities())
    users, products = draw(4, 5), draw(6, 5)
    found = NeuralScorer(fitted, own).table(users, products)
    for row, column in np.ndindex(found.shape):
        u, v = users[row], products[column]
        x = np.concatenate([u[3:], v[3:]])
        for number in (0, 1):
            x = np.maximum(own[f"hidden_{number}"] @ x + own[f"bias_{number}"], 0)
        wanted = own["product"] @ (u[:3] * v[:3]) + own["last"] @ x + own["bias"][0]
        assert found[row, column] == pytest.approx(wanted, abs=1e-4)


def test_fault_010_a_damaged_scorer_is_refused(tmp_path: Path) -> None:
    scorer = replace(MODELS["NeuMF"], epochs=1).fit_scorer(communities())
    scorer.save(tmp_path / "scorer")
    path = tmp_path / "scorer" / "arrays.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(ChecksumMismatch):
        NeuralScorer.load(tmp_path / "scorer")


def test_links_are_evaluated_by_the_network() -> None:
    split = split_edges(communities(), BUYS, by="random", test=0.2, seed=0)
    scorer = MODELS["MLP"].fit_scorer(split.train)
    report = evaluate_links(
        {"network": scorer, "product": scorer.embeddings},
        split,
        at=(10,),
        baselines=("popularity",),
    )
    found = {name: values["recall@10"] for name, values in report.metrics.items()}
    assert found["network"] > max(2 * found["popularity"], 1.5 * found["product"])


def test_a_gmf_is_its_dot_product() -> None:
    split = split_edges(communities(), BUYS, by="random", test=0.2, seed=0)
    scorer = MODELS["GMF"].fit_scorer(split.train)
    report = evaluate_links(
        {"network": scorer, "product": scorer.embeddings}, split, at=(10,), baselines=()
    )
    assert report.metrics["network"] == pytest.approx(report.metrics["product"])


@pytest.mark.parametrize("model", ["gmf", "neumf"])
def test_the_product_begins_with_older_vectors(model: str) -> None:
    graph = communities()
    dim = 8 if model == "gmf" else 16
    trainer = replace(MODELS["GMF"], model=model, dim=dim, epochs=1, learning_rate=1e-9)
    older = ALS(dim=8, edge_types=(BUYS,)).fit(graph)
    fitted = trainer.fit(graph, init=older)
    for name in ("user", "product"):
        assert list(fitted[name].ids) == list(older[name].ids)
        assert_allclose(fitted[name].matrix[:, :8], older[name].matrix, atol=1e-6)
    with pytest.raises(DimensionMismatch):
        trainer.fit(graph, init=ALS(dim=4, edge_types=(BUYS,)).fit(graph))
    with pytest.raises(ConfigError, match="no product"):
        replace(trainer, model="mlp").fit(graph, init=older)
    stranger = ALS(dim=8).fit(graph.select([SELLS]))
    with pytest.raises(ConfigError, match="none of these nodes"):
        trainer.fit(graph, init=Embeddings([stranger["seller"]], {}))


@pytest.mark.parametrize(
    ("trainer", "fields", "named"),
    [
        (BPR(), {"decoder": "transe"}, "decoder"),
        (TwoTower(), {"hidden": (0,)}, "hidden"),
        (TwoTower(), {"inputs": "names"}, "inputs"),
        (NeuralCF(model="mlp"), {"hidden": ()}, "hidden"),
        (NeuralCF(model="neumf"), {"dim": 7}, "dim"),
        (NeuralCF(), {"model": "ncf"}, "model"),
    ],
)
def test_fault_090_fields_out_of_range_are_refused(
    trainer: object, fields: dict, named: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        replace(trainer, **fields)  # type: ignore[type-var]
    assert str(caught.value.field).startswith(named)


def test_hadamard_weights_need_one_edge_type() -> None:
    for edge_types in ((BUYS, SELLS), (KNOWS,)):
        with pytest.raises(ConfigError, match="one edge type"):
            replace(MODELS["Hadamard"], edge_types=edge_types).fit(communities())
