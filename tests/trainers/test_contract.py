"""One contract over every registered trainer; who registers one must add it here."""

from __future__ import annotations

from typing import Any

import pytest

from graphemb.errors import UnknownName
from graphemb.testing import check_trainer
from graphemb.trainers.base import make_trainer, trainers

WALKS = {"dim": 16, "epochs": 5, "walks_per_node": 10, "walk_length": 20, "seed": 3}
BOUGHT = ["user-buys-product", "product-~buys-user"]
LAYERS = {
    "dim": 16,
    "epochs": 12,
    "batch_size": 256,
    "num_layers": 1,
    "learning_rate": 0.05,
    "valid": 0.0,
}
LINKS = {"dim": 4, "epochs": 30, "batch_size": 128, "learning_rate": 0.05, "valid": 0.0, "l2": 0.01}
CASES: dict[str, dict[str, Any]] = {
    "ALS": {"dim": 8, "regularization": 0.05},
    "AttributeTower": {
        "dim": 16,
        "epochs": 30,
        "along": "user-buys-product",
        "items": {"product-~sells-seller": 1.0},
        "own_weight": 1.0,
    },
    "BPR": LINKS,
    "DeepWalk": WALKS,
    "FastRP": {"dim": 16},
    "GAT": LAYERS,
    "GraphSAGE": LAYERS,
    "HGT": LAYERS,
    "LightGCN": {"dim": 8, "epochs": 10},
    "Metapath2Vec": {**WALKS, "metapaths": [BOUGHT]},
    "NeuralCF": {**LINKS, "model": "gmf"},
    "Node2Vec": {**WALKS, "p": 0.5, "q": 2.0},
    "NodeVectors": {"dim": 16, "method": "ProNE"},
    "PinSage": LAYERS,
    "ProNE": {"dim": 16},
    "RGCN": LAYERS,
    "RandomVectors": {"dim": 16},
    "SVD": {"dim": 16},
    "SequenceSkipGram": {"dim": 16, "epochs": 20, "along": "user-buys-product"},
    "TwoTower": {**LINKS, "inputs": "ids"},
    "TripleInteraction": {
        "dim": 16,
        "epochs": 60,
        "weight_decay": 1.0,
        "along": "user-buys-product",
        "then": "product-~sells-seller",
    },
}
"""The fields as a TOML table has them."""
LEARNS_NOTHING = {"RandomVectors"}


def test_every_registered_trainer_is_here() -> None:
    assert sorted(trainers()) == sorted(CASES)


@pytest.mark.parametrize("name", CASES)
def test_a_trainer_keeps_the_contract(name: str) -> None:
    check_trainer(make_trainer(name, CASES[name]), learns=name not in LEARNS_NOTHING)


@pytest.mark.parametrize("name", CASES)
def test_fault_106_a_mistyped_field_is_refused_by_name(name: str) -> None:
    with pytest.raises(UnknownName, match="'dim'"):
        make_trainer(name, {**CASES[name], "dimm": 16})
