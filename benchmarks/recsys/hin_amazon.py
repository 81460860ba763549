"""Amazon reviews with brands, categories and views of items: each user's last item among all."""

from __future__ import annotations

from functools import cache, partial
from pathlib import Path

import pyarrow as pa

import graphemb as ge
from benchmarks.recsys.sets import Measured, Method, RecSet, timed
from graphemb.evaluate.baselines import BaselineName
from graphemb.evaluate.links import Evaluation
from graphemb.types import EdgeType
from graphemb_loaders.datasets import data_folder

RATES = EdgeType("user", "rates", "item")
ATTRIBUTES = {
    EdgeType("item", "of", "brand"): "item_brand.dat",
    EdgeType("item", "in", "category"): "item_category.dat",
    EdgeType("item", "has", "view"): "item_view.dat",
}
_SIMPLE: dict[str, BaselineName] = {
    "popularity": "popularity",
    "ItemKNN": "item_knn",
    "EASE": "ease",
}


@cache
def graph() -> ge.HeteroGraph:
    """Users, items, brands, categories, views; ratings with their time, the stars left out."""
    folder = data_folder("hin_amazon")
    ratings = _columns(folder / "user_item.dat", "\t")
    pairs = {kind: _columns(folder / name, ",") for kind, name in ATTRIBUTES.items()}
    items = {item for columns in [ratings[1:], *pairs.values()] for item in columns[0]}
    nodes = {"user": {"id": sorted(set(ratings[0]))}, "item": {"id": sorted(items)}}
    nodes |= {kind.dst: {"id": sorted(set(columns[1]))} for kind, columns in pairs.items()}
    times = pa.array([int(second) for second in ratings[3]], pa.timestamp("s"))
    edges: dict[EdgeType, dict[str, object]] = {
        RATES: {"src": ratings[0], "dst": ratings[1], "time": times}
    }
    edges |= {kind: {"src": columns[0], "dst": columns[1]} for kind, columns in pairs.items()}
    return ge.HeteroGraph.from_tables(nodes, edges)


def _columns(path: Path, delimiter: str) -> list[list[str]]:
    lines = path.read_text(encoding="utf-8").splitlines()
    rows = [line.split(delimiter) for line in lines if line]
    return [list(column) for column in zip(*rows, strict=True)]


@cache
def split() -> ge.Split:
    """Everybody's last item held out."""
    return ge.split_edges(graph(), RATES, by="leave_one_out")


def fitted(trainer: ge.Trainer) -> Measured:
    """A trainer's vectors, judged by dot product."""
    embeddings, seconds = timed(lambda: trainer.fit(split().train))
    found = Evaluation(at=(10,), negatives=(), baselines=()).run(embeddings, split()).metrics
    return Measured((found["embeddings"]["hit@10"], found["embeddings"]["ndcg@10"]), seconds)


def counted(baseline: BaselineName, row: str, seed: int) -> Measured:
    """A baseline of the report."""
    evaluation = Evaluation(at=(10,), negatives=(), baselines=(baseline,), seed=seed)
    found = evaluation.run({}, split()).metrics[row]
    return Measured((found["hit@10"], found["ndcg@10"]))


def _tower(seed: int) -> Measured:
    return fitted(
        ge.AttributeTower(
            along=RATES,
            items={"item-of-brand": 0.3, "item-in-category": 0.3, "item-has-view": 0.3},
            own_weight=1.0,
            dim=64,
            epochs=1,
            batch_size=512,
            history_decay=0.9,
            seed=seed,
        )
    )


def _als(seed: int) -> Measured:
    return fitted(ge.ALS(dim=64, edge_types=(RATES,), seed=seed))


SET = RecSet(
    name="hin_amazon",
    measures=("HR@10", "NDCG@10"),
    about=(
        "6,170 users, 2,753 items; each user's last item among all, rated ones left out. Fields "
        "were chosen on everybody's last item but one."
    ),
    must=(0.0712,),
    goal=(0.0926,),
    methods=(
        Method("AttributeTower", _tower),
        Method("ALS", _als),
        *(
            Method(row, partial(counted, baseline, row), role="simple", seeded=False)
            for row, baseline in _SIMPLE.items()
        ),
    ),
)
