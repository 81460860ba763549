"""Gowalla: places for users, a given split, all places ranked."""

from __future__ import annotations

from functools import cache, partial

import graphemb as ge
from benchmarks.recsys.sets import Measured, Method, RecSet, timed
from graphemb.evaluate.baselines import BaselineName
from graphemb.evaluate.links import Evaluation
from graphemb_loaders import datasets

_EVALUATION = Evaluation(at=(20,), negatives=(), baselines=())


@cache
def split() -> ge.Split:
    """LightGCN's split; neither part of it is used to choose fields."""
    data = datasets.gowalla()
    asked = data.test[datasets.CHECKS_IN]
    return ge.given_split(data.graph, datasets.CHECKS_IN, {"src": asked.src, "dst": asked.dst})


def fitted(trainer: ge.Trainer) -> Measured:
    """A trainer's vectors, judged by dot product."""
    train = split().train
    embeddings, seconds = timed(lambda: trainer.fit(train))
    found = _EVALUATION.run(embeddings, split()).metrics["embeddings"]
    return Measured((found["recall@20"], found["ndcg@20"]), seconds)


def counted(baseline: BaselineName, row: str, seed: int) -> Measured:
    """A baseline of the report."""
    evaluation = Evaluation(at=(20,), negatives=(), baselines=(baseline,), seed=seed)
    found = evaluation.run({}, split()).metrics[row]
    return Measured((found["recall@20"], found["ndcg@20"]))


def _light(epochs: int, regularization: float, seed: int) -> Measured:
    return fitted(
        ge.LightGCN(
            dim=64,
            epochs=epochs,
            kin=10,
            length_power=0.35,
            learning_rate=0.03,
            regularization=regularization,
            seed=seed,
        )
    )


def _als(seed: int) -> Measured:
    return fitted(
        ge.ALS(dim=64, epochs=16, unobserved_weight=0.01, regularization=0.003, seed=seed)
    )


def _svd(seed: int) -> Measured:
    return fitted(ge.SVD(dim=64, seed=seed))


SET = RecSet(
    name="gowalla",
    measures=("R@20", "N@20"),
    about=(
        "29,858 users, 40,981 places, LightGCN's split; all places not visited in training are "
        "ranked; 64 components. Fields were chosen on 10 % of each user's training pairs, drawn "
        "by degree^.1 so that they are as popular as test pairs are. EASE needs a matrix of "
        "6 GiB here, over the 512 MiB that it may have. Seed 2 of LightGCN had the machine's two "
        "cores to itself for most of its 48 s; other work ran beside the other seeds. Resource "
        "allocation, which counts shared places and learns nothing, is as good in R@20 and ahead "
        "in N@20; it has no vectors."
    ),
    must=(0.179, 0.148),
    goal=(0.187, 0.157),
    methods=(
        Method("LightGCN", partial(_light, 12, 6e-6)),
        Method("LightGCN, 20 epochs", partial(_light, 20, 6e-6)),
        Method("ALS", _als),
        Method("SVD", _svd, role="simple"),
        Method(
            "popularity",
            partial(counted, "popularity", "popularity"),
            role="simple",
            seeded=False,
        ),
        Method("ItemKNN", partial(counted, "item_knn", "ItemKNN"), role="simple", seeded=False),
        Method(
            "resource allocation",
            partial(counted, "resource_allocation", "resource allocation"),
            role="simple",
            seeded=False,
        ),
    ),
    published={
        "LightGCN (its paper, about 1,000 epochs on a GPU)": (0.1830, 0.1554),
        "SimpleX": (0.1872, 0.1557),
        "UltraGCN": (0.1862, 0.1580),
        "EASE (BARS)": (0.1765, 0.1467),
        "MF-BPR (BARS)": (0.1627, 0.1378),
    },
)
