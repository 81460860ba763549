"""ensmallen (Rust): walks, and the skip-gram behind embiggen's DeepWalkSkipGramEnsmallen.

It reads text alone, so its runs begin from a text file that is written for it beforehand. Its
caches that spend memory for speed are on; hubs' neighbours are subsampled as by its default.
"""

# mypy: disable-error-code="import-untyped,import-not-found,attr-defined,no-any-return"
from __future__ import annotations

from typing import Any

import numpy as np
from ensmallen import Graph, models
from measure import Meter, main


def _load(meter: Meter) -> Any:
    graph = Graph.from_csv(
        edge_path=str(meter.folder / "edges.txt"),
        edge_list_separator=" ",
        edge_list_header=False,
        sources_column_number=0,
        destinations_column_number=1,
        edge_list_numeric_node_ids=True,
        edge_list_may_contain_duplicates=False,
        directed=False,
        verbose=False,
    )
    graph.enable(vector_sources=True)
    return graph


def _loading(meter: Meter) -> None:
    meter.timed(lambda: _load(meter), meter.plan["num_edges"])


def _deepwalk(meter: Meter) -> None:
    graph, plan = _load(meter), meter.plan
    meter.warm(lambda: graph.random_walks(walk_length=10, quantity=100))
    walks = meter.timed(
        lambda: graph.complete_walks(walk_length=plan["walk_length"], iterations=plan["rounds"])
    )
    meter.counted(walks.size)


def _node2vec(meter: Meter) -> None:
    """From a fifth of the nodes, once: the rate is what counts. Its weights are 1/p and 1/q."""
    graph, plan = _load(meter), meter.plan
    leaning = {"return_weight": 2.0, "explore_weight": 0.5}
    meter.warm(lambda: graph.random_walks(walk_length=10, quantity=100, **leaning))
    walks = meter.timed(
        lambda: graph.random_walks(
            walk_length=plan["walk_length"], quantity=plan["num_nodes"] // 5, **leaning
        )
    )
    meter.counted(walks.size)


def _fit(meter: Meter, graph: Any, radius: int, length: int, rate: float) -> Any:
    model = models.SkipGram(
        embedding_size=meter.plan["dim"],
        epochs=1,
        number_of_negative_samples=meter.plan["negatives"],
        walk_length=length,
        iterations=1,
        window_size=radius,
        learning_rate=rate,
        verbose=False,
    )
    return model.fit_transform(graph)[0]


def _rate(radius: int) -> Any:
    def task(meter: Meter) -> None:
        graph, plan = _load(meter), meter.plan
        length, rate = plan["short_walk_length"], plan["learning_rate"]
        meter.timed(lambda: _fit(meter, graph, radius, length, rate))
        meter.counted(length * graph.get_number_of_nodes())

    return task


def _whole(rate: float) -> Any:
    def task(meter: Meter) -> None:
        plan = meter.plan

        def run() -> None:
            graph = _load(meter)
            vectors = _fit(meter, graph, plan["radius"], plan["walk_length"], rate)
            out = np.zeros((plan["num_nodes"], plan["dim"]), np.float32)
            out[np.array(graph.get_node_names(), np.int64)] = vectors
            np.save(meter.out, out)

        meter.timed(run)

    return task


if __name__ == "__main__":
    main(
        {
            "load": _loading,
            "walks.deepwalk": _deepwalk,
            "walks.node2vec": _node2vec,
            "skipgram.r10": _rate(10),
            "skipgram.r5": _rate(5),
            "whole:rate .05": _whole(0.05),
            "whole:rate .01, its default": _whole(0.01),
        }
    )
