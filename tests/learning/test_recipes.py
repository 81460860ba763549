"""Every loss, decoder and kind of negatives finds planted communities with the smallest model."""

from __future__ import annotations

from typing import Any

import pytest

from graphemb.embeddings import Embeddings
from graphemb.learning import LinkFields
from graphemb.testing import BUYS, communities, community_share
from graphemb.trainers.base import make_trainer, vectors_of
from graphemb.trainers.gnn import GraphSAGE
from tests.learning.lookup import fit

RECIPES: dict[str, dict[str, Any]] = {
    "bce": {},
    "bpr, degree": {"loss": "bpr", "negative_exponent": 0.75},
    "margin, transe": {"loss": "margin", "decoder": "transe"},
    "softmax in batch": {"loss": "softmax", "negatives": "in_batch"},
    "softmax mixed, twhin": {
        "loss": "softmax",
        "negatives": "mixed",
        "num_negatives": 20,
        "decoder": "twhin",
    },
    "decoupled, shared": {"loss": "decoupled", "negatives": "shared", "num_negatives": 40},
    "distmult, calibrated, clipped": {"decoder": "distmult", "calibrated": True, "clip": 1.0},
    "mlp": {"decoder": "mlp", "epochs": 25},
    "hard by score": {"loss": "bpr", "num_hard": 2},
    "weights as ranks, decay, cosine": {
        "weights": "rank",
        "margin": 0.1,
        "learning_rate": 0.1,
        "weight_decay": 0.1,
        "schedule": "cosine",
    },
}


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_a_recipe_finds_planted_communities(recipe: dict[str, Any]) -> None:
    graph = communities()
    plain: dict[str, Any] = {"dim": 16, "epochs": 25, "batch_size": 128, "learning_rate": 0.05}
    learned = fit(LinkFields(**{**plain, "valid": 0.0, **recipe}), graph=graph)
    parts = [
        vectors_of(name, graph.ids(name), matrix, there)
        for name, (matrix, there) in learned.vectors().items()
    ]
    vectors = Embeddings(parts)
    assert community_share(vectors, graph, "user") > 0.7
    assert community_share(vectors, graph, "product") > 0.7


def test_fields_are_written_in_toml() -> None:
    trainer = make_trainer(
        "GraphSAGE",
        {
            "negative_edges": {"user-buys-product": "user-skips-product"},
            "edge_types": {"user-buys-product": 2.0},
            "message_types": ["seller-sells-product"],
            "inputs": "both",
            "columns": {"product": ["price"]},
            "fanouts": [5, 5],
            "hard_window": [2, 9],
        },
    )
    assert isinstance(trainer, GraphSAGE)
    assert trainer.negative_edges is not None and BUYS in trainer.negative_edges
    assert (trainer.fanouts, trainer.hard_window) == ((5, 5), (2, 9))
