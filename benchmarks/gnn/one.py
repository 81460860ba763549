"""One method on one set with one seed, in a process of its own: prints a JSON line.

python -m benchmarks.gnn.one cora GraphSAGE 0
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from benchmarks.gnn import newcomers, sets
from benchmarks.gnn.labels import LABEL_METHODS, figures_of, vectors_of
from benchmarks.gnn.methods import LINK_METHODS, Score
from benchmarks.linkpred import pair_figures
from graphemb.types import EdgeType

MEASURES = ("ROC-AUC", "PR-AUC", "F1")
LINK_SETS: Mapping[str, Callable[[int], sets.Links]] = {
    "cora": sets.cora,
    "gatne_amazon": sets.gatne_amazon,
}
LABEL_SETS: Mapping[str, Callable[[int], sets.Labelled]] = {
    "twitch_de": sets.twitch_de,
    "facebook_pages": sets.facebook_pages,
}


def links(name: str, method: str, seed: int) -> dict[str, Any]:
    """Figures over the pairs of a set, each the mean over its edge types."""
    data = LINK_SETS[name](seed)
    begin = time.perf_counter()
    score = LINK_METHODS[name][method].fit(data, seed)
    seconds = time.perf_counter() - begin
    return {
        "seconds": seconds,
        "test": _mean(data.test, score),
        "valid": _mean(data.valid, score),
        "network": LINK_METHODS[name][method].network,
    }


def _mean(asked: Mapping[EdgeType, sets.Asked], score: Score) -> dict[str, float]:
    found = [pair_figures(score(part.src, part.dst), part.linked) for part in asked.values()]
    return dict(zip(MEASURES, np.mean(found, axis=0).tolist(), strict=True))


def labels(name: str, method: str, seed: int) -> dict[str, Any]:
    """Figures over the nodes of a set that did not train."""
    data = LABEL_SETS[name](seed)
    make, network = LABEL_METHODS[method]
    begin = time.perf_counter()
    vectors = None if make is None else vectors_of(data, make, seed)
    seconds = time.perf_counter() - begin
    test, valid = figures_of(data, vectors, seed)
    return {"seconds": seconds, "test": test, "valid": valid, "network": network}


def later(name: str, method: str, seed: int) -> dict[str, Any]:
    """Figures over nodes that come later; the time is that of two fits."""
    begin = time.perf_counter()
    test = newcomers.figures_of(name, method, seed)
    seconds = time.perf_counter() - begin
    network = newcomers.NEWCOMER_METHODS[method][1]
    return {"seconds": seconds, "test": test, "valid": {}, "network": network}


def main(name: str, method: str, seed: int) -> None:
    """Print what one method reaches."""
    run = links if name in LINK_SETS else labels if name in LABEL_SETS else later
    outcome = run(name, method, seed)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"set": name, "method": method, "seed": seed, "peak_mb": peak, **outcome}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
