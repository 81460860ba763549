"""DyHATR's sample of Taobao: which items a user turns to on the next day, among given pairs.

Hardly anybody comes back to an item: what a user's next item is like shows in the category and the
price of those before. So the graph has a node for every category, for every step of price (half a
unit of log price), and for every category at a step of price.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import cache, partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

import graphemb as ge
from benchmarks.recsys.sets import Measured, Method, RecSet, timed
from graphemb.metrics import roc_auc
from graphemb.types import EdgeType
from graphemb_loaders.datasets import data_folder

TURNS_TO = EdgeType("user", "turns_to", "item")
_LAST_DAY = date(2019, 6, 19)
_HALF_LIFE = 2.0  # days
Scores = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Data:
    """The files, as they are.

    Attributes:
        events: user, item and day.
        items: category and log price.
        pairs: user, item and whether it came, by part: `train` (for a regression) and `test`.
    """

    events: list[tuple[str, str, date]]
    items: dict[str, tuple[str, float]]
    pairs: dict[str, list[tuple[str, str, bool]]]


@cache
def data() -> Data:
    """Ten days of clicks, carts and purchases, and the pairs of the eleventh."""
    folder = data_folder("dyhatr_ecomm")
    events = [
        (user, item, date(int(day[:4]), int(day[4:6]), int(day[6:])))
        for user, item, _, day in _rows(folder / "ecomm_edge_train.txt")
    ]
    items = {
        item: (category, float(np.log1p(float(price))))
        for item, _, category, _, price in _rows(folder / "ecomm_item_feature.txt")
    }
    pairs: dict[str, list[tuple[str, str, bool]]] = {"0": [], "1": [], "2": []}
    for user, item, came, part in _rows(folder / "ecomm_edge_val_lr_train_test.txt"):
        pairs[part].append((user, item, came == "1"))
    return Data(events, items, {"train": pairs["1"], "test": pairs["2"]})


def _rows(path: Path) -> list[list[str]]:
    return [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()]


@cache
def graph() -> ge.HeteroGraph:
    """Users, items, categories, prices, and categories at a price."""
    found = data()
    names = sorted(found.items)
    attributes = {
        EdgeType("item", "in", "category"): [found.items[item][0] for item in names],
        EdgeType("item", "costs", "price"): [f"{found.items[item][1] / 0.5:.0f}" for item in names],
        EdgeType("item", "stands_at", "level"): [
            f"{found.items[item][0]}:{found.items[item][1] / 0.7:.0f}" for item in names
        ],
    }
    asked = {user for part in found.pairs.values() for user, _, _ in part}
    nodes = {"user": {"id": sorted({user for user, _, _ in found.events} | asked)}}
    nodes |= {"item": {"id": names}}
    nodes |= {kind.dst: {"id": sorted(set(ids))} for kind, ids in attributes.items()}
    users, items, days = zip(*found.events, strict=True)
    edges: dict[EdgeType, dict[str, object]] = {
        TURNS_TO: {"src": list(users), "dst": list(items), "time": pa.array(days)}
    }
    edges |= {kind: {"src": names, "dst": ids} for kind, ids in attributes.items()}
    return ge.HeteroGraph.from_tables(nodes, edges)


def tower(seed: int) -> ge.AttributeTower:
    """What is fitted; chosen on the pairs for the regression."""
    return ge.AttributeTower(
        along=TURNS_TO,
        items={"item-in-category": 1.0, "item-costs-price": 0.3, "item-stands_at-level": 0.5},
        dim=64,
        epochs=2,
        batch_size=512,
        history_decay=0.97,
        history=200,
        num_negatives=2_000,
        seed=seed,
    )


def products(embeddings: ge.Embeddings, part: str) -> Scores:
    """The dot product of each pair; 0 where one of the two is unknown."""
    users, items = embeddings["user"], embeddings["item"]
    pairs = data().pairs[part]
    u = users.ids.find([user for user, _, _ in pairs])
    i = items.ids.find([item for _, item, _ in pairs])
    scores = np.einsum("ij,ij->i", users.matrix[u], items.matrix[i], dtype=np.float64)
    return np.where((u >= 0) & (i >= 0), scores, 0.0)


@cache
def counts(part: str) -> Scores:
    """float64 [pairs, 7]: what can be counted of user and item before.

    Log counts of the pair, of user x category, the same fading by half in two days, the
    category's share of all that the user did, the user's events, the gap to the mean log price of
    what the user turned to in the category, and whether there was any.
    """
    found = data()
    pair, own = Counter[tuple[str, str]](), Counter[str]()
    fading, recent = defaultdict[tuple[str, str], float](float), defaultdict[str, float](float)
    prices = defaultdict[tuple[str, str], list[float]](list)
    for user, item, day in found.events:
        kind, price = found.items[item]
        weight = 2 ** (-(_LAST_DAY - day).days / _HALF_LIFE)
        pair[user, item] += 1
        own[user] += 1
        fading[user, kind] += weight
        recent[user] += weight
        prices[user, kind].append(price)
    rows = []
    for user, item, _ in found.pairs[part]:
        kind, price = found.items[item]
        before = prices.get((user, kind), [])
        gap = abs(price - float(np.mean(before))) if before else 0.0
        now = fading.get((user, kind), 0.0)
        share = 100 * now / max(recent.get(user, 0.0), 1e-9)
        told = [pair[user, item], len(before), now, share, own[user]]
        rows.append([*np.log1p(told), gap, float(bool(before))])
    return np.array(rows)


def regression(features: Callable[[str], Scores]) -> Measured:
    """AUROC of a logistic regression that learned on the pairs given for it."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=1_000))
    model.fit(features("train"), _came("train"))
    return auroc(model.predict_proba(features("test"))[:, 1])


def _came(part: str) -> npt.NDArray[np.bool_]:
    return np.array([came for _, _, came in data().pairs[part]])


def auroc(scores: Scores) -> Measured:
    """Of the test pairs."""
    came = _came("test")
    return Measured((roc_auc(scores[came], scores[~came]),))


def alone(seed: int) -> Measured:
    """The product of the tower's vectors."""
    embeddings, seconds = timed(lambda: tower(seed).fit(graph()))
    return Measured(auroc(products(embeddings, "test")).figures, seconds)


def with_counts(seed: int) -> Measured:
    """A regression on that product, its square and cube, and the counts."""
    embeddings, seconds = timed(lambda: tower(seed).fit(graph()))

    def features(part: str) -> Scores:
        score = products(embeddings, part)
        return np.column_stack([counts(part), score, score**2, score**3])

    return Measured(regression(features).figures, seconds)


def counted(seed: int, *, only_category: bool) -> Measured:
    """Without vectors: one count, or a regression on all of them."""
    del seed
    return auroc(counts("test")[:, 1]) if only_category else regression(counts)


SET = RecSet(
    name="dyhatr_ecomm",
    measures=("AUROC",),
    about=(
        "1,500 users, 36,224 items, ten days; 2,334 pairs of the next day and as many that did "
        "not come. As DyHATR does, 1,502 pairs of the same day, half of them negatives, teach a "
        "logistic regression; fields were chosen on these too, by cross-validation. Half of the "
        "items asked for were never seen."
    ),
    must=(0.74,),
    goal=(0.80,),
    methods=(
        Method("AttributeTower and counts, regression", with_counts),
        Method("AttributeTower, dot product", alone),
        Method(
            "counts, regression", partial(counted, only_category=False), role="simple", seeded=False
        ),
        Method(
            "count of user x category",
            partial(counted, only_category=True),
            role="simple",
            seeded=False,
        ),
    ),
)
