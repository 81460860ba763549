"""Complete Journey: which products does a household buy for the first time after week 48?

The graph, the division and its floor are those of `benchmarks/specs/complete_journey.toml`.
"""

from __future__ import annotations

from functools import cache, partial
from pathlib import Path

import graphemb as ge
from benchmarks.recsys.sets import Measured, Method, RecSet, timed
from graphemb.derive.run import run
from graphemb.evaluate.baselines import BaselineName
from graphemb.evaluate.links import Evaluation
from graphemb.pipeline import RunConfig
from graphemb.split import split_by
from graphemb.types import EdgeType

BUYS = EdgeType("household", "buys", "product")
_SPEC = Path(__file__).parents[1] / "specs" / "complete_journey.toml"
_SIMPLE: dict[str, BaselineName] = {
    "popularity": "popularity",
    "ItemKNN": "item_knn",
}


@cache
def split() -> ge.Split:
    """The run file's: all after week 48 held out, households and products known before."""
    config = RunConfig.read(_SPEC)
    assert config.split is not None
    return split_by(config.split, config.load())


def judged(embeddings: ge.Embeddings, seconds: float) -> Measured:
    """R@20 and N@20 by dot product."""
    found = Evaluation(at=(20,), negatives=(), baselines=()).run(embeddings, split()).metrics
    return Measured((found["embeddings"]["recall@20"], found["embeddings"]["ndcg@20"]), seconds)


def fitted(trainer: ge.Trainer) -> Measured:
    """A trainer's vectors."""
    return judged(*timed(lambda: trainer.fit(split().train)))


def counted(baseline: BaselineName, row: str, seed: int) -> Measured:
    """A baseline of the report."""
    evaluation = Evaluation(at=(20,), negatives=(), baselines=(baseline,), seed=seed)
    found = evaluation.run({}, split()).metrics[row]
    return Measured((found["recall@20"], found["ndcg@20"]))


def derived(seed: int) -> Measured:
    """The run file as it stands: an SVD of several edge types, households from their products."""
    config = RunConfig.read(_SPEC, seed=seed)
    (trainer,) = config.fit.values()

    def made() -> ge.Embeddings:
        found = trainer.fit(split().train)
        for derivation in config.derive:
            found = found.merge(run(derivation, found, split().train))
        return found

    return judged(*timed(made))


def _tower(seed: int) -> Measured:
    return fitted(
        ge.AttributeTower(
            along=BUYS,
            items={"product-in-category": 1.0, "product-in-department": 0.3},
            own_weight=0.5,
            popularity=1.0,
            temperature=0.5,
            dim=64,
            epochs=1,
            batch_size=1_024,
            history=30,
            history_decay=1.0,
            num_negatives=1_000,
            seed=seed,
        )
    )


def _als(seed: int) -> Measured:
    return fitted(ge.ALS(dim=64, regularization=0.03, edge_types=(BUYS,), seed=seed))


SET = RecSet(
    name="complete_journey",
    measures=("R@20", "N@20"),
    about=(
        "2,377 households, 20,902 products; pairs first bought after week 48, of households and "
        "products known before, among all products not bought before. Fields were chosen on "
        "weeks 45 to 48."
    ),
    must=(0.0560,),
    goal=(0.0839,),
    methods=(
        Method("AttributeTower with popularity", _tower),
        Method("SVD of four edge types, households derived", derived),
        Method("ALS", _als),
        *(
            Method(row, partial(counted, baseline, row), role="simple", seeded=False)
            for row, baseline in _SIMPLE.items()
        ),
    ),
)
